"""The Chromium of this machine, driven by Playwright, and pages that are watched.

Without either of them what stands here is skipped, and says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Request

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on the path")
    with (
        api.sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=found) as chromium,
    ):
        yield chromium


@pytest.fixture
def heard() -> list[str]:
    """What a page has said on the console, or asked, or wanted from elsewhere."""
    return []


@pytest.fixture
def page(browser: Browser, heard: list[str]) -> Iterator[Page]:
    """Of a narrow window; fails where anything was heard of it, as when a text has run."""

    def dismissed(dialog: Dialog) -> None:
        heard.append(dialog.message)
        dialog.dismiss()

    def asked(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "http://127.0.0.1:")):
            heard.append(request.url)

    with browser.new_context(viewport={"width": 400, "height": 800}) as context:
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", dismissed)
        page.on("request", asked)
        yield page
    assert heard == []

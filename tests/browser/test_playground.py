"""The playground as people meet it: typed into, looked at, and read aloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING

import pytest
from pages import HOSTILE, in_all_windows, visible
from small import make_nlp
from spacy.language import Language
from spacy.tokens import Doc

import seqpipe
from seqpipe.explain.playground import Playground

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAUSED, GOES_ON = Event(), Event()


@Language.component("pauses")
def pauses(doc: Doc) -> Doc:
    """Where the text ends in a colon, until it is told to go on."""
    if doc.text.endswith(":"):
        PAUSED.set()
        assert GOES_ON.wait(20)
    return doc


@pytest.fixture(scope="module")
def play() -> Iterator[Playground]:
    nlp = make_nlp(steps=5)
    nlp.add_pipe("pauses", first=True)
    with seqpipe.serve(nlp, port=0, block=False) as playground:
        yield playground


def typed(page: Page, text: str) -> None:
    page.get_by_label("Your text").press_sequentially(text)


def seen(page: Page) -> None:
    """Waits until there is something to see."""
    page.get_by_role("heading", name=re.compile(r"sentiment: (posi|nega)tive: \d")).wait_for()


def test_what_is_typed_is_seen_and_read_aloud(page: Page, play: Playground) -> None:
    page.goto(play.url)
    typed(page, "good\nfilm")
    seen(page)
    aloud = page.locator("body").aria_snapshot()
    for told in (
        'textbox "Your text"',
        'status: "sentiment: ',
        'region "sentiment: ',
        'table "What decided most, in log-odds"',
        'rowheader "good"',
        'rowheader "film"',
    ):
        assert told in aloud
    assert page.evaluate("document.activeElement.id") == "text"


def test_a_script_that_is_typed_does_not_run(page: Page, play: Playground) -> None:
    page.goto(play.url)
    page.get_by_label("Your text").fill(f"film {HOSTILE}")
    seen(page)
    assert visible(page.locator("#seen .text")) == f"film {HOSTILE}"
    assert page.locator("#seen script, #seen img").count() == 0


def test_an_answer_that_comes_too_late_is_dropped(page: Page, play: Playground) -> None:
    page.goto(play.url)
    PAUSED.clear()
    GOES_ON.clear()
    typed(page, "good:")
    assert PAUSED.wait(20)
    typed(page, " dull")
    GOES_ON.set()
    page.get_by_role("rowheader", name="dull").wait_for()
    page.get_by_label("Your text").fill("")
    page.locator("#seen section").wait_for(state="detached")
    assert page.locator("#state").text_content() == ""


def test_who_is_gone_is_told_of(page: Page, heard: list[str]) -> None:
    with seqpipe.serve(make_nlp(), port=0, block=False) as play:
        page.goto(play.url)
    typed(page, "good")
    page.get_by_role("status").filter(has_text="Nobody answers").wait_for()
    assert "ERR_CONNECTION_REFUSED" in heard.pop()


def test_it_fits_and_can_be_read(page: Page, play: Playground) -> None:
    page.goto(play.url)
    page.get_by_label("Your text").fill(f"good {'long' * 40} film")
    seen(page)
    assert in_all_windows(page, page.locator("body"))

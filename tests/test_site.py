"""The documentation as a site: nobody has to build it to see that a page or a name is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import srsly

import seqpipe
from seqpipe.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def pages(nav: Any) -> Iterator[str]:
    """What a part of the navigation leads to."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages(part)


def test_every_page_is_found() -> None:
    found = sorted(pages(srsly.read_yaml(ROOT / "mkdocs.yml")["nav"]))
    assert found == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_every_command_has_a_page() -> None:
    assert {path.stem for path in (DOCS / "commands").glob("*.md")} == set(COMMANDS)


def test_every_public_name_is_told() -> None:
    told = (DOCS / "api.md").read_text(encoding="utf-8")
    assert [name for name in seqpipe.__all__ if f"seqpipe.{name}" not in told] == []


@pytest.mark.parametrize(("here", "there"), [("README.md", "README.zh.md")])
def test_both_languages_lead_to_each_other(here: str, there: str) -> None:
    for one, other in ((here, there), (there, here)):
        assert f"]({other})" in (ROOT / one).read_text(encoding="utf-8")

"""A report as one page: its sections in their order, and no more than a mail can carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from spacy.training import Example

from seqpipe.explain import html
from seqpipe.explain.report import curves, parts
from seqpipe.explain.report.kept import Room

LARGEST = 2_000_000  # bytes

Sections = Callable[[Room], Iterator[str]]


class Findings(Protocol):
    """What is learned of a pipeline by looking at what it made of many docs."""

    def add(self, example: Example) -> None: ...
    def sections(self, room: Room) -> Iterator[str]: ...


def report(title: str, sections: Sections, *, lang: str = "und") -> str:
    """A page of what there is room for: where it is too much, with fewer and shorter texts."""
    room = Room()
    while True:
        found = _page(title, [*sections(room)], cut=room != Room(), lang=lang)
        if len(found.encode(errors="replace")) <= LARGEST or room == room.halved():
            return found
        room = room.halved()


def _page(title: str, sections: Sequence[str], *, cut: bool, lang: str) -> str:
    style = f"<style>{(curves.CSS + parts.CSS).strip()}</style>"
    told = [parts.paragraph("Some lists and texts are cut, so that the page stays small.")] * cut
    return html.page([style, *told, *sections], title=title, lang=lang)

"""What is seen of a doc, whatever the style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc

from seqpipe.errors import NotExplained
from seqpipe.explain.explanation import explanation_of
from seqpipe.explain.html import section, table
from seqpipe.explain.stages import LABEL

RANKED = 10  # rows of a table
LOUD = 0.25  # of the strongest word: from here on a word is underlined, and its number read aloud
_HEADING = 80  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is seen of a doc; all but `told` and `body` is plain text."""

    heading: str
    told: str
    body: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]  # what counts most first
    more: str = ""  # what stands behind the table

    def section(self) -> str:
        """As a part of a page."""
        ranking = table(self.caption, self.head, self.rows) if self.rows else ""
        return section(self.heading, self.told, [self.body, ranking, self.more])


def found_in(doc: Doc, style: str, kind: str) -> dict[str, Any]:
    """The explanation of that kind that the doc holds."""
    found = explanation_of(doc)
    if found is None or found.get("kind", LABEL) != kind:
        asked = "" if found is None and kind == LABEL else f", kind={kind!r}"
        raise NotExplained(style, f"call seqpipe.explained(nlp, doc{asked}) first")
    return found


def shortened(text: str) -> str:
    """As much as a heading has room for."""
    return text if len(text) <= _HEADING else f"{text[: _HEADING - 1]}…"


def spans_of(words: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Where they stand."""
    return [(word["start"], word["end"]) for word in words]


def pictured(text: str) -> str:
    """With white space that is to be seen; of nothing, that a text ends there."""
    if not text:
        return "(the end)"
    return text.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")

"""Texts that a generator foretells: those that cost it most, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.explain.explanation import extension_of
from seqpipe.explain.html import marked, running, section
from seqpipe.explain.report.kept import Lengths, Room, Worst, held
from seqpipe.explain.report.parts import card, cards

_SHORTEST = 20  # characters: where there is next to nothing to go by, all is dear
_STRANGE = 10.0  # bits: tokens that cost more are marked, the deeper the more
_STRANGEST = 20.0

Mark = tuple[int, int, float]  # where a token begins and ends, and its bits


@dataclass(frozen=True, slots=True)
class Cost:
    text: str
    each: float  # bits per character
    marks: tuple[Mark, ...]

    def card(self, room: Room) -> str:
        text = room.cut(self.text)
        whole = len(text) if text == self.text else len(text) - 1
        marks = [mark for mark in self.marks if mark[1] <= whole]
        shown = [
            marked(
                text[begin:end],
                depth=bits / _STRANGEST,
                kind="look",
                title=f"{bits:.1f} bits",
                aloud=f"{bits:.0f} bits" if bits >= _STRANGEST else "",
            )
            for begin, end, bits in marks
        ]
        inner = running(text, [(begin, end) for begin, end, _ in marks], shown)
        return card(f"{self.each:.2f} bits per character", [f"<div>{inner}</div>"])


class CostFindings:
    """Of docs that hold what they cost under these names."""

    def __init__(self, *, bits_per_char: str, surprisal: str) -> None:
        self._bits_per_char = bits_per_char
        self._surprisal = surprisal
        self._worst: Worst[Cost] = Worst()
        self._lengths = Lengths()

    def add(self, example: Example) -> None:
        doc = example.predicted
        each = extension_of(doc, self._bits_per_char)
        if each is None:
            return
        self._lengths.add(len(doc.text), each)
        if len(doc.text) >= _SHORTEST:
            self._worst.add(each, Cost(held(doc.text), each, self._marks(doc)))

    def _marks(self, doc: Doc) -> tuple[Mark, ...]:
        if not self._surprisal:
            return ()
        found = []
        for token in doc:
            end = token.idx + len(token)
            if end > len(held(doc.text)):
                break
            bits = extension_of(doc, self._surprisal, token.idx)
            if bits is not None and bits >= _STRANGE and not token.is_space:
                found.append((token.idx, end, float(bits)))
        return tuple(found)

    def sections(self, room: Room) -> Iterator[str]:
        yield from self._lengths.sections("Cost by length", "bits per character")
        items = [one.card(room) for one in [*self._worst][: room.rows]]
        if not items:
            return
        told = (
            f"{len(items):,} of {self._worst.count:,} texts of {_SHORTEST} characters or more, the "
            f"dearest first. Words of {_STRANGE:.0f} bits or more have a ground, the deeper the "
            "less they were expected."
        )
        yield section("Dearest texts", told, [cards(items)])

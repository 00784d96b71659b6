"""Translations: those furthest from what they should be, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spacy.training import Example

from seqpipe.explain.html import section, shown
from seqpipe.explain.report.kept import Lengths, Room, Worst, held
from seqpipe.explain.report.parts import card, cards, side
from seqpipe.train.scores import sentence_chrf


@dataclass(frozen=True, slots=True)
class Translated:
    source: str
    said: str
    truth: str
    chrf: float

    def card(self, room: Room) -> str:
        texts = {"source": self.source, "translation": self.said, "should be": self.truth}
        sides = [side(name, shown(room.cut(text))) for name, text in texts.items()]
        return card(f"chrF {self.chrf:.2f}", sides)


class TranslationFindings:
    """Of docs whose reference has a translation in an extension of that name."""

    def __init__(self, extension: str) -> None:
        self._extension = extension
        self._worst: Worst[Translated] = Worst()
        self._lengths = Lengths()
        self._total = 0.0

    def add(self, example: Example) -> None:
        truth = example.reference._.get(self._extension)
        said = example.predicted._.get(self._extension)
        if not isinstance(truth, str) or not isinstance(said, str):
            return
        chrf, source = sentence_chrf(said, truth), example.reference.text
        self._worst.add(1 - chrf, Translated(held(source), held(said), held(truth), chrf))
        self._lengths.add(len(source), 1 - chrf)
        self._total += chrf

    def sections(self, room: Room) -> Iterator[str]:
        if not self._worst.count:
            return
        yield from self._lengths.sections("Lack of chrF by length", "1 less chrF")
        items = [one.card(room) for one in [*self._worst][: room.rows]]
        told = (
            f"{len(items):,} of {self._worst.count:,} texts, those with the lowest chrF first; the "
            f"mean of all is {self._total / self._worst.count:.3f}."
        )
        yield section("Worst translations", told, [cards(items)])

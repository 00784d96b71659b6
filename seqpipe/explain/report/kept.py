"""What is kept of a walk over many docs: the worst few, and errors by length. Memory stays small,
however many there are."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from seqpipe.explain.html import section
from seqpipe.explain.report.curves import Curve, Panel, figure

T = TypeVar("T")

MOST = 100  # rows of what is worst
_BINS = 10  # of lengths, with as many docs in each
_HELD = 1000  # characters of a text: no page shows more


def held(text: str) -> str:
    """As much of a text as may be shown."""
    return text[:_HELD]


@dataclass(frozen=True, slots=True)
class Room:
    """How much of everything a page takes."""

    rows: int = MOST  # of what is worst
    examples: int = 5  # behind each cell of a matrix
    cells: int = 100  # of a matrix, with examples
    letters: int = 300  # of a text
    moments: int = 10  # of a run, at which samples are shown

    def halved(self) -> Room:
        """Less of all that is texts."""
        return Room(
            rows=max(self.rows // 2, 1),
            examples=max(self.examples // 2, 1),
            cells=max(self.cells // 2, 1),
            letters=max(self.letters * 2 // 3, 40),
            moments=max(self.moments * 2 // 3, 2),
        )

    def cut(self, text: str) -> str:
        return text if len(text) <= self.letters else f"{text[: self.letters - 1]}…"


class Worst(Generic[T]):
    """The things that were worst, of equally bad ones the first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._heap: list[tuple[float, int, T]] = []  # the least bad one in front
        self.count = 0  # of all that were ever added

    def add(self, badness: float, thing: T) -> None:
        self.count += 1
        entry = (badness, -self.count, thing)  # no two have the same number
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def __iter__(self) -> Iterator[T]:
        """The worst one first."""
        return (thing for _, _, thing in sorted(self._heap, reverse=True))

    def __len__(self) -> int:
        return len(self._heap)


class Lengths:
    """Errors of docs by their length in characters."""

    def __init__(self) -> None:
        self._lengths, self._errors = array("q"), array("d")

    def add(self, length: int, error: float) -> None:
        self._lengths.append(length)
        self._errors.append(error)

    def points(self) -> list[tuple[float, float, int]]:
        """Mean length, mean error and number of docs, in parts of about as many docs each; docs of
        one length stay together."""
        if not len(self._lengths):
            return []
        order = np.argsort(np.asarray(self._lengths), kind="stable")
        lengths, errors = np.asarray(self._lengths)[order], np.asarray(self._errors)[order]
        places = np.arange(1, _BINS) * len(lengths) // _BINS
        cuts = np.unique(np.searchsorted(lengths, lengths[places], side="left"))
        found = []
        for some in np.split(np.arange(len(lengths)), cuts):
            if len(some):
                found.append((float(lengths[some].mean()), float(errors[some].mean()), len(some)))
        return found

    def sections(self, title: str, name: str) -> Iterator[str]:
        """None where all docs are alike in length."""
        points = self.points()
        if len(points) < 2:
            return
        errors = [(length, error) for length, error, _ in points]
        counts = ", ".join(f"{count:,}" for _, _, count in points)
        below = "characters of a text, on average"
        panel = Panel(title, below, [Curve(name, errors)], linear=True, holds=[0.0])
        told = f"Whether long texts are harder. Texts behind each point: {counts}."
        yield section("Length and error", told, [figure(panel)])

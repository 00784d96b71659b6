"""In which order a training walks through its rows: buckets of like length, or running text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.text.batches import shuffled
from seqpipe.text.oversampling import Oversampling
from seqpipe.text.rows import Rows

# In a doc's user data, where its text goes on in the next doc.
CONTINUES = "seqpipe_continues"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is learned side by side, before the weights move or gradients gather on."""

    at: NDArray[np.int64]  # (B,) rows, or places in running text
    lengths: NDArray[np.int64]  # (B,), or of each side (B, K)
    follows: bool = False  # whether each goes on where that of the part before has ended

    def __len__(self) -> int:
        return len(self.at)


Taught = tuple[list[NDArray[Any]], list[NDArray[Any]]]


class Parts(Protocol):
    """Parts in their order; how many there are need not be known before the last is asked for."""

    def __getitem__(self, places: slice, /) -> Sequence[Part]: ...


class Way(Protocol):
    """What a training goes along."""

    def parts(self, epoch: int) -> Parts:
        """Of one epoch, the same whenever it is asked for."""

    def take(self, part: Part) -> Taught:
        """The rows of a part, and what is to be said of each, in the epoch asked for last."""


class Course(Way, Protocol):
    """One of which all is there before it begins."""

    def parts(self, epoch: int) -> Sequence[Part]:
        """Of one epoch, the same whenever it is asked for."""


class Buckets:
    """Whole rows, those of like length together; each once, or as often as `drawn` says. Lengths
    are those of the rows (N,), or of each of their sides (N, K)."""

    def __init__(
        self,
        rows: Rows,
        answers: Rows,
        lengths: NDArray[np.int64],
        *,
        side_by_side: int,
        budget: int,
        seed: int,
        drawn: Oversampling | None = None,
    ) -> None:
        self._rows, self._answers, self._lengths, self._drawn = rows, answers, lengths, drawn
        self._how: Any = {"rows": side_by_side, "budget": budget, "seed": seed}

    def parts(self, epoch: int) -> Sequence[Part]:
        at = self._drawn.rows(epoch) if self._drawn else np.arange(len(self._lengths))
        every = (at[places] for places in shuffled(self._lengths[at], epoch=epoch, **self._how))
        return [Part(rows, self._lengths[rows]) for rows in every]

    def take(self, part: Part) -> Taught:
        places = part.at.tolist()
        return [self._rows[i] for i in places], [self._answers[i] for i in places]


class Running:
    """Text that runs on, read in several places side by side, a window at a time.

    Rows up to one that ends in `end` are a document. Each epoch has its own order of documents, and
    its own place to begin at; the last runs on into the first, and what is read in one place goes
    on to where the next place began.
    """

    def __init__(self, rows: Rows, *, end: int, side_by_side: int, window: int, seed: int) -> None:
        for name, value in (("rows", side_by_side), ("window", window)):
            if value < 1:
                raise SettingError(name, value, "a whole number from 1 on")
        self._ids = rows.ids
        last = rows.offsets[1:][rows.lengths > 0] - 1
        ends = last[np.asarray(rows.ids[last]) == end] + 1
        self._bounds = np.unique([0, *ends, len(rows.ids)]).astype(np.int64)  # of documents
        # a place for which less than a window is left would hardly remember anything
        self._places = max(1, min(side_by_side, len(rows.ids) // window))
        self._window = window
        self._seed = seed
        self._starts = self._firsts = self._bounds[:-1]

    def parts(self, epoch: int) -> Sequence[Part]:
        total = len(self._ids)
        chance = np.random.default_rng((self._seed, epoch))
        order = chance.permutation(len(self._bounds) - 1)
        sizes = np.diff(self._bounds)[order]
        self._starts = self._bounds[:-1][order]  # where each document stands
        self._firsts = np.cumsum(sizes) - sizes  # and where it is read
        each = total // self._places
        begin = int(chance.integers(total)) if total else 0
        places = (begin + each * np.arange(self._places)) % max(total, 1)
        return _Windows(places, total=total, each=each, window=self._window)

    def take(self, part: Part) -> Taught:
        """What is to be said of a stretch of text is the stretch itself."""
        there = part.at[:, None] + np.arange(part.lengths[0])
        there %= len(self._ids)
        document = np.searchsorted(self._firsts, there, side="right") - 1
        found = self._ids[self._starts[document] + there - self._firsts[document]]
        return list(found), list(found)


class _Windows(Sequence[Part]):
    """The parts of an epoch of running text, made when they are asked for: a text of any length has
    a list of them for nothing."""

    def __init__(self, places: NDArray[np.int64], *, total: int, each: int, window: int) -> None:
        self._places, self._total, self._each, self._window = places, total, each, window

    def __len__(self) -> int:
        return -(-self._each // self._window)

    @overload
    def __getitem__(self, index: int) -> Part: ...
    @overload
    def __getitem__(self, index: slice) -> list[Part]: ...
    def __getitem__(self, index: int | slice) -> Part | list[Part]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        t = range(len(self))[index] * self._window
        lengths = np.full(len(self._places), min(self._window, self._each - t))
        return Part((self._places + t) % self._total, lengths, t > 0)

"""Which of many rows are most like another one: those that share what few of them have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqpipe.text.codec import UNK, Ids
from seqpipe.text.rows import Rows

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Likeness:
    """An index of rows by their pieces and by each two that stand side by side.

    Two rows are as alike as Dice's coefficient of what they hold has it, where what few rows hold
    counts for more: 1 for the same, 0 where nothing is shared. What is unknown is like nothing.
    """

    def __init__(self, rows: Rows) -> None:
        found = [_held(row) for row in rows]
        homes = np.repeat(np.arange(len(found)), [len(some) for some in found])
        every = np.concatenate([np.zeros(0, np.int64), *found])
        self._known, which = np.unique(every, return_inverse=True)
        counts = np.bincount(which, minlength=len(self._known))
        self._ends = np.concatenate([[0], np.cumsum(counts)])
        self._homes = homes[np.argsort(which, kind="stable")]  # those of each thing side by side
        self._worth = np.log1p(len(found) / np.maximum(counts, 1))
        strange = np.array([_strange(row) for row in rows], np.float64)
        told = np.bincount(homes, weights=self._worth[which], minlength=len(found))
        self._whole = told + strange * np.log1p(len(found))

    def nearest(self, row: Ids, count: int) -> tuple[Ints, Floats]:
        """The places of at most so many that share anything, the most alike first, of equals the
        first; and how alike each is."""
        held = _held(row)
        at = np.searchsorted(self._known, held).clip(max=max(len(self._known) - 1, 0))
        at = at[self._known[at] == held] if len(self._known) else at[:0]
        worth = self._worth[at]
        # what no row has counts as much as what one has
        alone = len(held) - len(at) + _strange(row)
        whole = worth.sum() + alone * np.log1p(len(self._whole))
        homes = [self._homes[self._ends[i] : self._ends[i + 1]] for i in at]
        sharing = np.concatenate([np.zeros(0, np.int64), *homes])
        each = np.repeat(worth, [len(some) for some in homes])
        shared = np.bincount(sharing, weights=each, minlength=len(self._whole))
        alike = 2 * shared / (self._whole + whole)
        best = _best(alike, min(count, len(alike)))
        best = best[alike[best] > 0]
        return best, alike[best]


def _best(alike: Floats, count: int) -> Ints:
    """The places of so many, the highest first, of equals the first."""
    edge = np.partition(alike, len(alike) - count)[len(alike) - count] if count else np.inf
    some = np.flatnonzero(alike >= edge)
    return some[np.argsort(-alike[some], kind="stable")][:count]


def _held(row: Ids) -> Ints:
    """The pieces of a row and the pairs of neighbours, its two ends among them, as numbers, each
    once."""
    wide = np.concatenate([[-1], row.astype(np.int64), [-1]]) + 1
    known = wide != UNK + 1
    beside = ((wide[:-1] << 32) + wide[1:] + (1 << 31))[known[:-1] & known[1:]]
    return np.unique(np.concatenate([wide[1:-1][known[1:-1]], beside]))


def _strange(row: Ids) -> int:
    """How many of its pieces are unknown."""
    return int((row == UNK).sum())

"""Which rows look at which sources, when there may be several of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Seats:
    """Rows stand side by side in a grid (N, K) of sources and places beside each."""

    homes: Ints  # (R,) the source of each row
    slots: Ints  # (R,) its place among the rows of that source
    sources: int
    widest: int  # rows of one source

    @classmethod
    def one_each(cls, rows: int) -> Seats:
        return cls(np.arange(rows), np.zeros(rows, np.int64), rows, 1)

    def pick(self, rows: Ints, *, spare: float) -> tuple[Seats, Ints | None]:
        """The seats of some rows, in any order and as often as they are named; and the sources
        that are left, where no more than such a share of them is still looked at."""
        homes = self.homes[rows]
        left, again = np.unique(homes, return_inverse=True)
        order = np.argsort(again, kind="stable")
        ordered = again[order]
        slots = np.empty_like(order)
        slots[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        widest = int(slots.max(initial=0)) + 1
        if len(left) > spare * self.sources:
            return Seats(homes, slots, self.sources, widest), None
        return Seats(again, slots, len(left), widest), left

    @property
    def grid(self) -> Ints:
        """Which row stands where (N * K,); where none does, any, as nobody reads what it gets."""
        grid = np.zeros(self.sources * self.widest, np.int64)
        grid[self.homes * self.widest + self.slots] = np.arange(len(self.homes))
        return grid

"""The next token by chance, each row by a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.search import arrays
from seqpipe.search.arrays import Floats, Held, Ints
from seqpipe.search.logits import Transform
from seqpipe.search.state import Found, Net, S
from seqpipe.search.stops import Limits
from seqpipe.search.walk import collect, walk


class Draw:
    """A choice by chance: what a row draws at a step hangs on its seed and that step alone."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = _mixed(np.array([seed % (1 << 64) for seed in seeds], np.uint64))
        self._drawn = np.zeros((0, len(seeds)))
        self._first = 0
        self._numbers: list[float] = []

    def __call__(self, scores: Held, places: Ints, step: int) -> Ints:
        return arrays.of(scores).drawn(scores, self._at(step)[places])

    def number(self, step: int) -> float:
        """What the only row draws at a step."""
        if not self._first <= step < self._first + len(self._numbers):
            self._at(step)
            self._numbers = self._drawn[:, 0].tolist()
        return self._numbers[step - self._first]

    def _at(self, step: int) -> Floats:
        """What all rows (N,) draw at a step; of several steps at once, as that costs no more."""
        if not self._first <= step < self._first + len(self._drawn):
            steps = [(step + i + 1) * _STEP % (1 << 64) for i in range(_AT_ONCE)]
            self._first = step
            self._drawn = _chance(self._seeds + np.array(steps, np.uint64)[:, None])
        row: Floats = self._drawn[step - self._first]
        return row


_AT_ONCE = 64

# The golden ratio, and the factors of SplitMix64 (Steele et al. 2014).
_STEP = 0x9E3779B97F4A7C15
_FACTORS = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))

Bits = NDArray[np.uint64]


def _chance(counters: Bits) -> Floats:
    """Numbers in [0, 1), float64, the same on every machine."""
    # 48 bits are fine enough, and so far below one that no product rounds up to the whole mass
    return _shifted(_mixed(counters), 16).astype(np.float64) * 2.0**-48


def _mixed(bits: Bits) -> Bits:
    for places, factor in _FACTORS:
        bits = (bits ^ _shifted(bits, places)) * factor
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Bits, places: int) -> Bits:
    """To the right."""
    return bits >> np.uint64(places)


def sample(
    net: Net[S],
    state: S,
    *,
    rows: int,
    seeds: Sequence[int],
    begin: int | Ints,
    end: int,
    limits: Limits,
    transforms: Sequence[Transform] = (),
    prefix: Sequence[Sequence[int]] | None = None,
) -> list[Found]:
    """One continuation a row, the same for the same seed whatever else is in the batch."""
    if len(seeds) != rows:
        raise SettingError("seeds", f"{len(seeds)} seeds", f"one for each of {rows} rows")
    steps = walk(
        net,
        state,
        Draw(seeds),
        rows=rows,
        begin=begin,
        end=end,
        limits=limits,
        transforms=transforms,
        prefix=prefix,
    )
    return collect(steps, rows=rows, end=end)

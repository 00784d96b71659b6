"""The next token by chance, each row by a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.search.logits import Transform
from seqpipe.search.state import Found, Net, S
from seqpipe.search.stops import Limits
from seqpipe.search.walk import collect, walk


class Draw:
    """A choice by chance: what a row draws at a step hangs on its seed and that step alone."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = _mixed(torch.tensor([_signed(seed) for seed in seeds], dtype=torch.long))
        self._drawn = torch.zeros(0, len(seeds))
        self._first = 0
        self._numbers: list[float] = []

    def __call__(self, scores: Tensor, places: Tensor, step: int) -> Tensor:
        drawn = self._at(step, places.device).index_select(0, places)[:, None]
        mass = scores.softmax(dim=1).cumsum(dim=1, dtype=torch.float64)  # (R, V)
        # the first that reaches beyond, which no column without mass does
        return torch.searchsorted(mass, drawn * mass[:, -1:], right=True)[:, 0]

    def number(self, step: int) -> float:
        """What the only row draws at a step."""
        if not self._first <= step < self._first + len(self._numbers):
            self._at(step, torch.device("cpu"))
            self._numbers = self._drawn[:, 0].tolist()
        return self._numbers[step - self._first]

    def _at(self, step: int, device: torch.device) -> Tensor:
        """What all rows (N,) draw at a step; of several steps at once, as that costs no more."""
        if not self._first <= step < self._first + len(self._drawn):
            steps = [_signed((step + i + 1) * _STEP) for i in range(_AT_ONCE)]
            self._first = step
            self._drawn = _chance(self._seeds + torch.tensor(steps)[:, None]).to(device)
        return self._drawn[step - self._first]


_AT_ONCE = 64


def _signed(number: int) -> int:
    """The same 64 bits as torch counts them."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


# The golden ratio, and the factors of SplitMix64 (Steele et al. 2014).
_STEP = 0x9E3779B97F4A7C15
_FACTORS = ((30, _signed(0xBF58476D1CE4E5B9)), (27, _signed(0x94D049BB133111EB)))


def _chance(counters: Tensor) -> Tensor:
    """Numbers in [0, 1), float64, the same on every machine."""
    # 48 bits are fine enough, and so far below one that no product rounds up to the whole mass
    return _shifted(_mixed(counters), 16).double() * 2.0**-48


def _mixed(bits: Tensor) -> Tensor:
    for places, factor in _FACTORS:
        bits = (bits ^ _shifted(bits, places)) * factor
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, places: int) -> Tensor:
    """To the right, zeros coming in from the left."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def sample(
    net: Net[S],
    state: S,
    *,
    rows: int,
    seeds: Sequence[int],
    begin: int | Tensor,
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

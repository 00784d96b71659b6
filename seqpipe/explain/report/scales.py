"""Where a number lies on an axis, and which numbers stand beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_MOST_DECADES = 12  # what is smaller than the largest by more lies on the lower edge
_TICKS = 5  # at most so many steps between them
_LEAST = 1e-300  # nothing smaller can be told apart by its logarithm


class Scale(Protocol):
    """A number's share of the way from the lower edge to the upper one."""

    def share(self, value: float) -> float: ...
    def ticks(self) -> list[tuple[float, str]]:
        """Values, and how they are written, from the lower one to the upper one."""


@dataclass(frozen=True, slots=True)
class Powers:
    """From one power of ten to another."""

    low: int
    high: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Powers:
        logs = [math.log10(value) for value in values]
        high = math.floor(max(logs)) + 1
        return cls(max(math.floor(min(logs)), high - _MOST_DECADES), high)

    def share(self, value: float) -> float:
        return max((math.log10(value) - self.low) / (self.high - self.low), 0.0)

    def ticks(self) -> list[tuple[float, str]]:
        return [(10.0**power, f"1e{power}") for power in range(self.low, self.high + 1)]


@dataclass(frozen=True, slots=True)
class Steps:
    """From a round number to another, in steps of a round number."""

    low: float
    high: float
    step: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Steps:
        least, most = min(values), max(values)
        if most - least < _LEAST:
            around = abs(least) if abs(least) > _LEAST else 1.0
            least, most = least - 0.1 * around, most + 0.1 * around
        step = _round_step((most - least) / _TICKS)
        return cls(math.floor(least / step) * step, math.ceil(most / step) * step, step)

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        count = round((self.high - self.low) / self.step)
        # of three times a tenth only the three counts
        values = [round(self.low / self.step + at) * self.step for at in range(count + 1)]
        return [(value, f"{value:.6g}") for value in values]


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is no smaller."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(one * power for one in (1, 2, 2.5, 5, 10) if one * power >= least * (1 - 1e-9))

"""An integral along a straight path, with as many points as it takes to be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# Of places (N,) between 0 and 1: the value of a function there (N,), and what each of its S parts
# adds to the slope (N, S).
Along = Callable[[Numbers], tuple[Numbers, Numbers]]

_FIRST = 8  # stretches of even length to begin with
_LEAST = 1e-6  # nats: a sum that is off by less is right, however small the whole
_SINGLY = 10  # times as much may the stretches miss, some too much and some too little


@dataclass(frozen=True, slots=True, eq=False)
class Integral:
    """What each part adds to the difference between both ends of a path."""

    shares: Numbers  # (S,)
    begin: float  # the value where the path begins
    end: float
    points: int  # looked at
    tipped: float  # how much of it was shared out, where gradients do not add up to it

    @property
    def gap(self) -> float:
        """By how much the shares miss the difference."""
        return abs(float(self.shares.sum()) - (self.end - self.begin))


def integrate(along: Along, *, within: float = 0.01, most: int = 128) -> Integral:
    """By trapezoids, finer where they are wrong.

    How wrong a trapezoid is needs no guess: its parts should add up to the difference of the value
    between its ends. Those that miss it by most are cut until the whole misses no more than
    that share of itself, or `most` points were looked at. What is missed then lies where a long
    text tips a recurrent net over from one state to another, all but at a point: there gradients
    are large and say little, and looking closer makes it worse. It is shared out among the parts by
    the size of what they add to that stretch.
    """
    at = np.linspace(0.0, 1.0, _FIRST + 1)
    values, slopes = along(at)
    while True:
        parts = (slopes[1:] + slopes[:-1]) / 2 * np.diff(at)[:, None]  # (N - 1, S)
        misses = parts.sum(axis=1) - np.diff(values)
        allowed = max(within * abs(float(values[-1] - values[0])), _LEAST)
        ends = float(values[0]), float(values[-1])
        if abs(misses.sum()) <= allowed and np.abs(misses).sum() <= _SINGLY * allowed:
            return Integral(parts.sum(axis=0), *ends, points=len(at), tipped=0.0)
        if len(at) >= most:
            shares = _shared_out(parts, misses).sum(axis=0)
            return Integral(shares, *ends, points=len(at), tipped=float(np.abs(misses).sum()))
        between = _between(at, np.abs(misses), allowed)
        more, steeper = along(between)
        order = np.argsort(np.concatenate([at, between]))
        at = np.concatenate([at, between])[order]
        values = np.concatenate([values, more])[order]
        slopes = np.concatenate([slopes, steeper])[order]


def _shared_out(parts: Numbers, misses: Numbers) -> Numbers:
    """Parts (N, S) without what each stretch misses (N,)."""
    sizes = np.abs(parts)
    whole = np.maximum(sizes.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    found: Numbers = parts - misses[:, None] * (sizes / whole)
    return found


def _between(at: Numbers, misses: Numbers, allowed: float) -> Numbers:
    """Points that quarter the stretches without which the rest would miss half of what is allowed;
    in the state of a recurrent net a small step may tip something over, and that has to be found.
    """
    worst = np.argsort(-misses, kind="stable")
    left = misses.sum() - np.cumsum(misses[worst])  # when the worst few are right
    chosen = worst[: int(np.argmax(left <= allowed / 2)) + 1]
    quarters = np.arange(1, 4) / 4
    found: Numbers = (at[chosen, None] + quarters * np.diff(at)[chosen, None]).ravel()
    return found

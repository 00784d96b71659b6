"""Integrals along a path: what the parts add up to, and where points are put."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.explain.path import Along, Numbers, integrate

Numeric = Callable[[Numbers], Numbers]

WEIGHTS = st.lists(st.floats(-3, 3), min_size=1, max_size=6)


def along(weights: list[float], shape: Numeric, slope: Numeric) -> tuple[Along, list[int]]:
    """A function of the weighted sum of inputs that grow evenly, and how many points are asked."""
    asked: list[int] = []
    parts = np.array(weights)

    def of(at: Numbers) -> tuple[Numbers, Numbers]:
        asked.append(len(at))
        inner = at * parts.sum()
        return shape(inner), slope(inner)[:, None] * parts

    return of, asked


@given(WEIGHTS)
def test_shares_add_up_to_the_difference(weights: list[float]) -> None:
    of, asked = along(weights, np.sin, np.cos)
    found = integrate(of)
    assert found.gap <= max(0.01 * abs(found.end - found.begin), 1e-6)
    assert found.end - found.begin == pytest.approx(np.sin(sum(weights)))
    assert found.points == sum(asked)


@given(WEIGHTS)
def test_of_what_is_straight_the_shares_are_the_parts(weights: list[float]) -> None:
    of, asked = along(weights, np.positive, np.ones_like)
    assert integrate(of).shares == pytest.approx(weights)
    assert asked == [9]


def test_points_are_put_where_it_is_steep() -> None:
    seen: list[float] = []

    def of(at: Numbers) -> tuple[Numbers, Numbers]:
        seen.extend(at.tolist())
        high = np.tanh(400 * (at - 0.7))
        return high, (400 * (1 - high**2))[:, None]

    found = integrate(of)
    assert found.gap <= 0.02 and found.shares == pytest.approx([2.0], rel=0.01)
    assert len(seen) < 100 and np.median(seen) == pytest.approx(0.7, abs=0.05)


def test_it_ends_where_nothing_adds_up() -> None:
    found = integrate(lambda at: (np.round(at), np.zeros((len(at), 2))), most=50)
    assert found.gap == found.tipped == 1.0 and 50 <= found.points < 100


def test_what_tips_over_is_shared_by_what_the_parts_add_there() -> None:
    def of(at: Numbers) -> tuple[Numbers, Numbers]:
        return at + (at > 0.3), np.tile([1.5, -0.5], (len(at), 1))

    found = integrate(of, most=50)
    assert (found.begin, found.end) == (0, 2) and found.gap == pytest.approx(0)
    assert found.tipped == pytest.approx(1)
    assert found.shares == pytest.approx([1.5 + 0.75, -0.5 + 0.25])

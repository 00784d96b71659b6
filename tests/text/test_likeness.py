"""The rows most like another one, against a count by hand."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.text.codec import UNK
from seqpipe.text.likeness import Likeness
from seqpipe.text.rows import Rows

ROW = st.lists(st.integers(2, 8), max_size=5)


def index(rows: list[list[int]]) -> Likeness:
    return Likeness(Rows.of([np.array(row, np.int32) for row in rows]))


def nearest(rows: list[list[int]], row: list[int], count: int) -> list[tuple[int, float]]:
    places, alike = index(rows).nearest(np.array(row, np.int32), count)
    return list(zip(places.tolist(), alike.tolist(), strict=True))


def held(row: list[int]) -> set[tuple[int, ...]]:
    """Pieces, and neighbours with -1 for the ends."""
    wide = [-1, *row, -1]
    return {(piece,) for piece in row} | set(pairwise(wide))


def by_hand(rows: list[list[int]], row: list[int]) -> list[float]:
    counts = Counter(thing for other in rows for thing in held(other))

    def worth(things: set[tuple[int, ...]]) -> float:
        return sum(math.log1p(len(rows) / max(counts[thing], 1)) for thing in things)

    own = held(row)
    return [2 * worth(own & held(other)) / (worth(own) + worth(held(other))) for other in rows]


@given(st.lists(ROW, min_size=1, max_size=8), ROW, st.integers(1, 9))
def test_it_is_dices_coefficient_of_what_rows_hold(
    rows: list[list[int]], row: list[int], count: int
) -> None:
    right = by_hand(rows, row)
    found = nearest(rows, row, count)
    assert [alike for _, alike in found] == pytest.approx(
        sorted((x for x in right if x > 1e-12), reverse=True)[:count]
    )
    assert all(alike == pytest.approx(right[place]) for place, alike in found)


@given(st.lists(ROW, min_size=1, max_size=8), st.data())
def test_a_row_is_most_like_itself(rows: list[list[int]], data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(rows))
    ((place, alike),) = nearest(rows, row, 1)
    assert place == rows.index(row) and alike == pytest.approx(1)


def test_what_few_rows_hold_tells_more() -> None:

    places = [place for place, _ in nearest([[4, 2], [4, 2], [4, 2], [5, 3]], [2, 3], 4)]
    assert places[0] == 3  # its 3 stands nowhere else


def test_what_is_unknown_is_like_nothing() -> None:
    ((place, alike),) = nearest([[4, UNK], [UNK, UNK]], [4, UNK], 3)
    assert place == 0 and alike < 0.9  # two unknowns need not be the same
    assert nearest([[UNK]], [UNK], 1) == []


def test_where_nothing_is_shared_there_is_nothing() -> None:
    assert nearest([[4, 2], [3]], [], 2) == []
    assert nearest([], [4], 3) == []
    assert [place for place, _ in nearest([[5, 2], [3, 4]], [9, 4], 2)] == [1]

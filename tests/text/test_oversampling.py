"""How often rows of each kind come in an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.text.course import Buckets
from seqpipe.text.oversampling import Oversampling
from seqpipe.text.rows import Rows

KINDS = np.repeat([0, 1, 2], [60, 30, 10])


@pytest.mark.parametrize(
    ("share", "expected"),
    # a share of 0.5 wants 0.467, 0.317 and 0.217 of all, and 60 rows are to be the 0.467
    [(0.0, [60, 30, 10]), (0.5, [60, 41, 28]), (1.0, [60, 60, 60])],
)
def test_frequencies_go_so_far_to_equal_ones(share: float, expected: list[int]) -> None:
    rows = Oversampling(KINDS, share=share, seed=0).rows(0)
    assert np.bincount(KINDS[rows]).tolist() == expected


@given(
    kinds=st.lists(st.integers(0, 4), max_size=50),
    share=st.floats(0, 1),
    epoch=st.integers(0, 3),
)
def test_every_row_comes_as_often_as_its_like(kinds: list[int], share: float, epoch: int) -> None:
    known = np.array(kinds, np.int64)
    sampling = Oversampling(known, share=share, seed=3)
    times = np.bincount(sampling.rows(epoch), minlength=len(kinds))
    assert times.tolist() == np.bincount(sampling.rows(epoch), minlength=len(kinds)).tolist()
    for kind in set(kinds):
        here = times[known == kind]
        assert here.min() >= 1 and here.max() - here.min() <= 1


def test_epochs_and_seeds_draw_others() -> None:
    first, second = (Oversampling(KINDS, share=0.5, seed=n) for n in (0, 1))
    drawn = {tuple(one.tolist()) for one in (first.rows(0), first.rows(1), second.rows(0))}
    assert len(drawn) == 3


def test_a_course_goes_through_the_rows_drawn() -> None:
    rows = Rows.of([np.arange(n % 7 + 1, dtype=np.int32) for n in range(len(KINDS))])
    drawn = Oversampling(KINDS, share=1.0, seed=0)
    course = Buckets(rows, rows, rows.lengths, side_by_side=8, budget=64, seed=0, drawn=drawn)
    parts = course.parts(2)
    every = np.concatenate([part.at for part in parts])
    assert sorted(every.tolist()) == drawn.rows(2).tolist()
    assert all((part.lengths == rows.lengths[part.at]).all() for part in parts)

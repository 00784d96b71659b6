from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.text.batches import collate, plan, restore, shuffled
from seqpipe.text.rows import Rows

lengths_of = st.lists(st.integers(0, 50), max_size=60).map(lambda n: np.array(n, np.int64))
budgets = st.integers(1, 120)
limits = st.integers(1, 20)
Parts = list[NDArray[np.int64]]


def check(parts: Parts, lengths: NDArray[np.int64], budget: int, rows: int) -> None:
    given_rows = sorted(row for part in parts for row in part.tolist())
    assert given_rows == list(range(len(lengths)))
    for part in parts:
        assert 1 <= len(part) <= rows
        assert len(part) == 1 or len(part) * lengths[part].max() <= budget


@given(lengths=lengths_of, budget=budgets, rows=limits)
def test_a_plan_covers_each_row_once_by_length(
    lengths: NDArray[np.int64], budget: int, rows: int
) -> None:
    parts = plan(lengths, budget=budget, rows=rows)
    check(parts, lengths, budget, rows)
    in_order = [n for part in parts for n in lengths[part].tolist()]
    assert in_order == sorted(in_order)


@given(lengths=lengths_of, budget=budgets, rows=limits, seed=st.integers(0, 9))
def test_shuffled_covers_each_row_once(
    lengths: NDArray[np.int64], budget: int, rows: int, seed: int
) -> None:
    check(shuffled(lengths, budget=budget, rows=rows, seed=seed, epoch=3), lengths, budget, rows)


@pytest.mark.parametrize("rows", [4, 10**12])
def test_batches_are_as_full_as_allowed(rows: int) -> None:
    parts = plan(np.full(100, 10), budget=85, rows=rows)
    assert {len(part) for part in parts[:-1]} == {min(8, rows)}


def test_a_row_beyond_the_budget_goes_alone() -> None:
    assert [part.tolist() for part in plan(np.array([99, 2, 99, 3]), budget=9, rows=9)] == [
        [1, 3],
        [0],
        [2],
    ]


def epoch_of(seed: int, epoch: int) -> list[list[int]]:
    lengths = np.random.default_rng(0).integers(0, 40, 500)
    parts = shuffled(lengths, budget=200, rows=16, seed=seed, epoch=epoch)
    return [part.tolist() for part in parts]


def test_shuffled_depends_on_seed_and_epoch_alone() -> None:
    state = np.random.get_state(legacy=False)["state"]["key"]
    assert epoch_of(1, 2) == epoch_of(1, 2)
    assert epoch_of(1, 2) != epoch_of(1, 3)
    assert epoch_of(1, 2) != epoch_of(2, 2)
    assert epoch_of(1, 2) != epoch_of(2, 1)
    assert np.array_equal(state, np.random.get_state(legacy=False)["state"]["key"])


def test_neighbours_change_from_epoch_to_epoch() -> None:
    first, second = ({frozenset(part) for part in epoch_of(0, epoch)} for epoch in (0, 1))
    assert len(first & second) < len(first) // 4


def test_shuffled_rows_are_of_near_equal_length_in_random_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 5000)
    parts = shuffled(lengths, budget=2000, rows=32, seed=0, epoch=0)
    cells = sum(len(part) * lengths[part].max() for part in parts)
    assert cells < 1.1 * lengths.sum()
    longest = [int(lengths[part].max()) for part in parts]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.3


@given(lengths=lengths_of, budget=budgets, rows=limits)
def test_shuffled_covers_each_row_of_two_sides_once(
    lengths: NDArray[np.int64], budget: int, rows: int
) -> None:
    sides = np.stack([lengths, lengths[::-1]], axis=1)
    parts = shuffled(sides, budget=budget, rows=rows, seed=0, epoch=3)
    check(parts, sides.sum(axis=1), budget, rows)
    one = shuffled(lengths[:, None], budget=budget, rows=rows, seed=0, epoch=3)
    same = shuffled(lengths, budget=budget, rows=rows, seed=0, epoch=3)
    assert [part.tolist() for part in one] == [part.tolist() for part in same]


def test_shuffled_rows_are_of_near_equal_length_on_both_sides() -> None:
    chance = np.random.default_rng(0)
    written = chance.integers(5, 40, 20_000)
    read = np.maximum(1, written + chance.normal(0, 3, len(written)).astype(np.int64))
    sides = np.stack([written, read], axis=1)
    neighbours = []
    for epoch in (0, 1):
        parts = shuffled(sides, budget=10**6, rows=48, seed=0, epoch=epoch)
        cells = sum(len(part) * sides[part].max(axis=0) for part in parts)
        assert (cells < [1.05, 1.12] * sides.sum(axis=0)).all()
        neighbours.append({frozenset(part.tolist()) for part in parts})
    assert len(neighbours[0] & neighbours[1]) < len(neighbours[0]) // 20


@pytest.mark.parametrize("limits", [{"budget": 0, "rows": 1}, {"budget": 1, "rows": 0}])
def test_limits_below_one_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="= 0 is not allowed"):
        plan(np.array([1]), **limits)


def test_collate_pads_with_zeros(tmp_path: Path) -> None:
    encoded = [np.array(row, np.int32) for row in ([5, 6, 7], [], [8], [9, 9])]
    expected = [[8, 0, 0], [0, 0, 0], [5, 6, 7]]
    for source in (encoded, Rows.of(encoded), Rows.write(tmp_path, encoded)):
        batch = collate(source, np.array([2, 1, 0]))
        assert batch.ids.tolist() == expected
        assert batch.ids.dtype == batch.lengths.dtype == np.int64
        assert batch.lengths.tolist() == [1, 0, 3]
        assert batch.rows.tolist() == [2, 1, 0]


@pytest.mark.parametrize("count", [0, 2])
def test_collated_empty_rows_have_a_column(count: int) -> None:
    batch = collate([np.empty(0, np.int32)] * 2, np.arange(count))
    assert batch.ids.shape == (count, 1) and not batch.ids.any()


@given(lengths=lengths_of, budget=budgets, rows=limits)
def test_restore_puts_results_back(lengths: NDArray[np.int64], budget: int, rows: int) -> None:
    parts = plan(lengths, budget=budget, rows=rows)
    results = ((part, [f"row {row}" for row in part]) for part in parts)
    assert restore(results, len(lengths)) == [f"row {i}" for i in range(len(lengths))]


def test_restore_notices_results_that_are_lost() -> None:
    with pytest.raises(ValueError, match="shorter"):
        restore([(np.array([0, 1]), ["only one"])], 2)
    with pytest.raises(KeyError):
        restore([(np.array([0]), ["only one"])], 2)

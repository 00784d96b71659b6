"""The best columns of a row, of equals the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from writers import held

from seqpipe.search import arrays


def top(scores: torch.Tensor, most: int) -> tuple[Any, Any]:
    where = held(scores)
    return arrays.of(where).top(where, most)


@given(
    rows=st.lists(st.lists(st.integers(-2, 2), min_size=7, max_size=7), min_size=1, max_size=4),
    most=st.integers(1, 9),
)
def test_of_equals_the_first(rows: list[list[int]], most: int) -> None:
    values, columns = top(torch.tensor(rows, dtype=torch.float32), most)
    for row, found, places in zip(rows, values.tolist(), columns.tolist(), strict=True):
        best = sorted(range(7), key=lambda column: (-row[column], column))[:most]
        assert places == best and found == [row[column] for column in best]


def test_many_columns_of_few_values() -> None:
    scores = torch.randint(0, 50, (20, 3000)).float()
    expected = torch.sort(scores, dim=1, descending=True, stable=True)
    for most in (5, 12):
        values, columns = top(scores, most)
        assert np.array_equal(values, expected.values[:, :most])
        assert np.array_equal(columns, expected.indices[:, :most])


def test_what_is_closed_comes_last() -> None:
    scores = torch.tensor([[-torch.inf, 1.0, -torch.inf, 2.0, -torch.inf]])
    values, columns = top(scores, 4)
    assert values[0, :2].tolist() == [2.0, 1.0] and columns[0, :2].tolist() == [3, 1]
    assert np.isinf(values[0, 2:]).all()

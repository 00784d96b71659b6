"""The best columns of a row, of equals the first."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.search.top import top


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
    values, columns = top(scores, 5)
    expected = torch.sort(scores, dim=1, descending=True, stable=True)
    assert torch.equal(values, expected.values[:, :5])
    assert torch.equal(columns, expected.indices[:, :5])


def test_what_is_closed_comes_last() -> None:
    scores = torch.tensor([[-torch.inf, 1.0, -torch.inf, 2.0, -torch.inf]])
    values, columns = top(scores, 4)
    assert values[0, :2].tolist() == [2.0, 1.0] and columns[0, :2].tolist() == [3, 1]
    assert values[0, 2:].isinf().all()

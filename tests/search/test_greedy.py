"""Greedy search: what it writes by a table, that batches do not matter, that rows leave."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from writers import BEGIN, END, Table, forced_score, make_writer, no_lines

from seqpipe.errors import SettingError
from seqpipe.nets.cells import Cell
from seqpipe.search.greedy import greedy
from seqpipe.search.stops import Limits, stop_after

every_cell = pytest.mark.parametrize("cell", get_args(Cell))
A, B = 4, 5


def says(line: tuple[int, ...]) -> list[float]:
    """A and then B, and then the end."""
    if not line:
        return [0, 0, 0, 0.25, 0.5, 0.25]
    return [0, 0, 0, 0.2, 0.2, 0.6] if line == (A,) else [0, 0, 0, 0.8, 0.1, 0.1]


def test_the_best_at_every_step_and_its_score() -> None:
    (found,) = greedy(Table(says), no_lines(), rows=1, begin=BEGIN, end=END, limits=Limits(9))
    assert found.tokens == [A, B] and found.ended and found.attention is None
    assert found.score == pytest.approx(torch.tensor([0.5, 0.6, 0.8]).log().sum().item())


def test_of_equals_the_lowest_piece_is_taken() -> None:
    table = Table(lambda line: [0, 0, 0, 0.2, 0.4, 0.4])
    (found,) = greedy(table, no_lines(), rows=1, begin=BEGIN, end=END, limits=Limits(3))
    assert found.tokens == [A, A, A] and not found.ended


def test_a_limit_a_row() -> None:
    table = Table(lambda line: [0, 0, 0, 0.2, 0.6, 0.2])
    limits = Limits(np.array([3, 1, 2]))
    found = greedy(table, no_lines(3), rows=3, begin=BEGIN, end=END, limits=limits)
    assert [len(row.tokens) for row in found] == [3, 1, 2]
    assert table.asked == [3, 2, 1]


def test_the_end_is_closed_until_there_is_enough() -> None:
    limits = Limits(9, least=4)
    (found,) = greedy(Table(says), no_lines(), rows=1, begin=BEGIN, end=END, limits=limits)
    assert found.tokens == [A, B, A, A] and found.ended
    assert found.score == pytest.approx(torch.tensor([0.5, 0.6, 0.1, 0.1, 0.8]).log().sum().item())


def test_a_prefix_is_kept_and_counts() -> None:
    prefix = [[B, B], [], [A]]
    found = greedy(
        Table(says), no_lines(3), rows=3, begin=BEGIN, end=END, limits=Limits(9), prefix=prefix
    )
    assert [row.tokens for row in found] == [[B, B], [A, B], [A, B]]
    assert found[0].score == pytest.approx(torch.tensor([0.25, 0.1, 0.8]).log().sum().item())


def test_a_stop_cuts_a_row_but_not_in_its_prefix() -> None:
    table = Table(lambda line: [0, 0, 0, 0.1, 0.8, 0.1] if len(line) % 2 else [0, 0, 0, 0, 0, 1.0])
    limits = Limits(9, stop=stop_after([[A, B], [B, B]]))
    found = greedy(
        table, no_lines(2), rows=2, begin=BEGIN, end=END, limits=limits, prefix=[[], [B, A, B]]
    )
    assert [row.tokens for row in found] == [[B, A, B], [B, A, B, A, B]]
    assert not found[0].ended


def test_a_beginning_of_its_own_for_each_row() -> None:
    net = make_writer()
    begin = np.array([4, 5, 6])
    together = greedy(net, net.begin([3] * 3), rows=3, begin=begin, end=END, limits=Limits(5))
    for row, token in enumerate([4, 5, 6]):
        state = net.begin([3] * 3).pick(np.array([row]))
        (alone,) = greedy(net, state, rows=1, begin=token, end=END, limits=Limits(5))
        assert alone.tokens == together[row].tokens


def test_no_rows_at_all() -> None:
    net = make_writer()
    assert greedy(net, net.begin([]), rows=0, begin=BEGIN, end=END, limits=Limits(5)) == []


@every_cell
def test_a_batch_equals_its_rows_one_by_one(cell: Cell) -> None:
    net = make_writer(cell)
    whole = net.begin([5, 1, 3, 7, 2, 4])
    together = greedy(net, whole, rows=6, begin=BEGIN, end=END, limits=Limits(12))
    assert len({len(found.tokens) for found in together}) > 1
    for row, found in enumerate(together):
        state = whole.pick(np.array([row]))
        (alone,) = greedy(net, state, rows=1, begin=BEGIN, end=END, limits=Limits(12))
        assert (alone.tokens, alone.ended) == (found.tokens, found.ended)
        assert alone.score == pytest.approx(found.score, abs=1e-5)
        assert alone.attention is not None and found.attention is not None
        own = alone.attention.shape[1]
        assert found.attention[:, :own] == pytest.approx(alone.attention, abs=1e-5)
        assert not found.attention[:, own:].any()


@every_cell
@pytest.mark.parametrize("pieces", [None, [1, 3, 4, 6, 7, 9]])
def test_the_score_is_what_the_net_gives_when_led_along(cell: Cell, pieces: list[int]) -> None:
    net = make_writer(cell)
    whole = net.begin([5, 1, 3, 7], pieces=pieces)
    for row, found in enumerate(
        greedy(net, whole, rows=4, begin=BEGIN, end=END, limits=Limits(12))
    ):
        assert set(found.tokens) <= set(pieces or range(12))
        state = whole.pick(np.array([row]))
        assert found.score == pytest.approx(forced_score(net, state, found), abs=1e-4)


@pytest.mark.parametrize(
    ("pieces", "prefix", "says"),
    [
        ([1, 4, 5], None, "The setting end = [3] is not allowed"),
        ([1, 3, 4], [[4, 5]], "The setting prefix = [5] is not allowed"),
        (None, [[4], [4]], "The setting prefix = '2 rows' is not allowed"),
    ],
)
def test_what_cannot_be_said_cannot_be_asked_for(
    pieces: list[int] | None, prefix: list[list[int]] | None, says: str
) -> None:
    net = make_writer()
    state = net.begin([3], pieces=pieces)
    with pytest.raises(SettingError) as caught:
        greedy(net, state, rows=1, begin=BEGIN, end=END, limits=Limits(3), prefix=prefix)
    assert str(caught.value).startswith(says)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(SettingError, match="most = 0"):
        Limits(np.array([2, 0]))

"""Sampling: chances as the net has them, and results that hang on their seed alone."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from writers import BEGIN, END, Table, forced_score, held, make_writer, no_lines

from seqpipe.errors import SettingError
from seqpipe.nets.cells import Cell
from seqpipe.search.logits import Forbidden, NoRepeat, Temperature, TopK, TopP, Typical
from seqpipe.search.sampling import Draw, sample
from seqpipe.search.stops import Limits
from seqpipe.search.walk import walk

A, B = 4, 5
cells = st.sampled_from(get_args(Cell))
seeds = st.integers(-(2**63), 2**64 - 1)


def run(net: Any, state: Any, seeds: list[int], **asked: Any) -> Any:
    asked = {"limits": Limits(9), **asked}
    return sample(net, state, rows=len(seeds), seeds=seeds, begin=BEGIN, end=END, **asked)


def test_tokens_come_as_often_as_they_should() -> None:
    rows = 4000
    chances = torch.tensor([[0.0, 0.1, 0.0, 0.5, 0.15, 0.25]]).log().expand(rows, -1)
    draw = Draw(range(rows))
    for step in (0, 1, 50):
        drawn = draw(held(chances), np.arange(rows), step)
        shares = np.bincount(drawn, minlength=6) / rows
        assert shares == pytest.approx(chances[0].exp().tolist(), abs=0.03)


def test_steps_and_neighbouring_seeds_have_nothing_to_do_with_each_other() -> None:
    chances = held(torch.zeros(2000, 2))
    draw = Draw(range(2000))
    drawn = np.stack([draw(chances, np.arange(2000), step) for step in range(4)])
    together = np.concatenate([drawn, np.roll(drawn, 1, axis=1)])
    pairs = np.corrcoef(together) - np.eye(8)
    assert np.abs(pairs).max() < 0.1


@settings(max_examples=40)
@given(cell=cells, rows=st.lists(seeds, min_size=2, max_size=5))
def test_a_seed_gives_the_same_in_any_batch(cell: Cell, rows: list[int]) -> None:
    net = make_writer(cell)
    lengths = [3 + i for i in range(len(rows))]
    whole, transforms = net.begin(lengths), [Temperature(1.5), TopP(0.9), NoRepeat(3)]
    together = run(net, whole, rows, transforms=transforms)
    for row, found in enumerate(together):
        state = whole.pick(np.array([row]))
        (alone,) = run(net, state, [rows[row]], transforms=transforms)
        assert (alone.tokens, alone.ended) == (found.tokens, found.ended)
        assert alone.score == pytest.approx(found.score, abs=1e-5)
        assert found.score == pytest.approx(forced_score(net, state, found), abs=1e-4)


def test_other_seeds_give_other_results() -> None:
    net = make_writer()
    state = net.begin([4]).pick(np.zeros(20, np.int64))
    found = run(net, state, list(range(20)), transforms=[Temperature(2.0)])
    assert len({tuple(one.tokens) for one in found}) > 10


@given(cell=cells, seed=seeds, k=st.integers(1, 3), least=st.integers(0, 5))
def test_transforms_and_limits_hold(cell: Cell, seed: int, k: int, least: int) -> None:
    net = make_writer(cell)
    transforms = [Forbidden([[4], [5, 6]]), TopK(k), Typical(0.9)]
    (found,) = run(net, net.begin([4]), [seed], transforms=transforms, limits=Limits(6, least))
    assert least <= len(found.tokens) <= 6
    assert 4 not in found.tokens and (5, 6) not in zip(found.tokens, found.tokens[1:], strict=False)


def test_the_best_alone_is_greedy() -> None:
    net = make_writer()
    one, other = run(net, net.begin([4, 4]), [1, 2], transforms=[TopK(1)])
    assert one.tokens == other.tokens or one.score != other.score


def test_what_has_no_chance_is_never_drawn() -> None:
    table = Table(lambda line: [0, 0, 0, 0.0, 1.0, 0.0])
    found = run(table, no_lines(50), list(range(50)), limits=Limits(3))
    assert all(one.tokens == [A, A, A] for one in found)


def test_where_nothing_else_is_left_to_say_a_row_ends() -> None:
    table = Table(lambda line: [0, 0, 0, 0.2, 0.5, 0.3])
    found = run(table, no_lines(5), [*range(5)], transforms=[NoRepeat(1), Forbidden([[END]])])
    assert all(sorted(one.tokens) == [A, B] and one.ended for one in found)


def test_a_seed_for_each_row() -> None:
    with pytest.raises(SettingError, match="seeds = '1 seeds'"):
        sample(
            Table(lambda line: [1.0]),
            no_lines(2),
            rows=2,
            seeds=[1],
            begin=0,
            end=0,
            limits=Limits(2),
        )


def test_tokens_come_as_they_are_written() -> None:
    net = make_writer()
    settings: Any = {"rows": 1, "begin": BEGIN, "end": END, "limits": Limits(9)}
    table = Table(lambda line: [0, 0, 0, 0.1, 0.5, 0.4])
    steps = walk(table, no_lines(), Draw([3]), **settings)
    next(steps)
    assert table.asked == [1] and not torch.is_inference_mode_enabled()
    written = [
        token for step in walk(net, net.begin([4]), Draw([3]), **settings) for token in step.tokens
    ]
    (found,) = run(net, net.begin([4]), [3])
    assert [int(token) for token in written if token != END] == found.tokens

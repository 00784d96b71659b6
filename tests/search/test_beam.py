"""Beam search against greedy and exhaustive search, and what it says of its results."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from writers import (
    BEGIN,
    END,
    Carried,
    Table,
    Writer,
    forced_score,
    make_writer,
    no_lines,
)

from seqpipe.errors import SettingError
from seqpipe.nets.cells import Cell
from seqpipe.search.arrays import array
from seqpipe.search.beam import beam
from seqpipe.search.greedy import greedy
from seqpipe.search.logits import Forbidden, NoRepeat, RepetitionPenalty, Transform
from seqpipe.search.state import Found
from seqpipe.search.stops import Limits, stop_after

every_cell = pytest.mark.parametrize("cell", get_args(Cell))
A, B = 4, 5
cells = st.sampled_from(get_args(Cell))
seeds = st.integers(0, 9999)


def says(line: tuple[int, ...]) -> list[float]:
    """What begins with B is better in the end, though A looks better at first."""
    after: dict[tuple[int, ...], list[float]] = {
        (): [0.1, 0.5, 0.4],
        (A,): [0.4, 0.3, 0.3],
        (B,): [0.9, 0.1, 0.0],
    }
    return [0, 0, 0, *after.get(line, [0.5, 0.3, 0.2])]


def run(net: Any, state: Any, rows: int = 1, **asked: Any) -> list[list[Found]]:
    asked = {"limits": Limits(9), "beam": 3, **asked}
    return beam(net, state, rows=rows, begin=BEGIN, end=END, **asked)


def tokens_of(found: Sequence[Found]) -> list[list[int]]:
    return [one.tokens for one in found]


def test_the_best_is_found_behind_a_worse_beginning() -> None:
    (found,) = run(Table(says), no_lines(), nbest=3)
    assert tokens_of(found) == [[B], [A], []]
    expected = [0.4 * 0.9, 0.5 * 0.4, 0.1]
    assert [math.exp(one.score) for one in found] == pytest.approx(expected)
    assert all(one.ended and one.rank == pytest.approx(one.score) for one in found)


def test_length_penalty() -> None:
    (found,) = run(Table(says), no_lines(), nbest=3, length_penalty=1.0)
    for one in found:
        assert one.rank == pytest.approx(one.score / ((5 + len(one.tokens) + 1) / 6))


def test_a_row_that_cannot_be_beaten_leaves() -> None:
    # The first row ends with 0.9 at once; what it did not say can never come near.
    def one_of_two(line: tuple[int, ...]) -> list[float]:
        return [0, 0, 0, 0.9, 0.06, 0.04] if len(line) == 0 else [0, 0, 0, 0.1, 0.5, 0.4]

    table = Table(one_of_two)
    (found,) = run(table, no_lines(), beam=2)
    assert found[0].tokens == [] and table.asked == [1]


def test_what_lies_too_far_below_is_given_up() -> None:
    table = Table(says)
    run(table, no_lines(), margin=0.0)
    assert max(table.asked) == 1
    (best,) = run(Table(says), no_lines(), margin=1.0)
    assert best[0].tokens == [B]


def test_cut_by_a_limit() -> None:
    table = Table(lambda line: [0, 0, 0, 0.0, 0.6, 0.4])
    (found,) = run(table, no_lines(), nbest=2, limits=Limits(2))
    assert tokens_of(found) == [[A, A], [A, B]]
    assert not any(one.ended for one in found)


def test_cut_by_a_stop() -> None:
    table = Table(lambda line: [0, 0, 0, 0.0, 0.6, 0.4])
    (found,) = run(table, no_lines(), limits=Limits(4, stop=stop_after([[B, A]])), beam=8, nbest=2)
    assert tokens_of(found) == [[B, A], [A, B, A]]


@pytest.mark.parametrize("width", [1, 4])
def test_where_nothing_else_is_left_to_say_a_row_ends(width: int) -> None:
    table = Table(lambda line: [0, 0, 0, 0.2, 0.5, 0.3])
    transforms = [NoRepeat(1), Forbidden([[END]])]
    (found,) = run(table, no_lines(), transforms=transforms, beam=width)
    assert found[0].tokens == [A, B] and found[0].ended
    assert math.exp(found[0].score) == pytest.approx(0.5 * 0.3 * 0.2)


@pytest.mark.parametrize("nbest", [0, 4])
def test_no_more_results_than_hypotheses(nbest: int) -> None:
    with pytest.raises(SettingError, match=f"nbest = {nbest}"):
        run(Table(says), no_lines(), nbest=nbest)


@pytest.mark.parametrize("penalty", ["length_penalty", "coverage_penalty"])
def test_penalties_are_not_negative(penalty: str) -> None:
    asked: Any = {penalty: -1.0}
    with pytest.raises(SettingError, match=penalty):
        run(Table(says), no_lines(), **asked)


def test_coverage_needs_attention() -> None:
    with pytest.raises(SettingError, match="coverage_penalty"):
        run(Table(says), no_lines(), coverage_penalty=0.5)


def test_no_rows_at_all() -> None:
    assert run(Table(says), no_lines(0), rows=0) == []


TRANSFORMS: list[list[Transform]] = [[], [NoRepeat(2)], [RepetitionPenalty(1.3), Forbidden([[7]])]]


@given(
    cell=cells,
    seed=seeds,
    penalty=st.sampled_from([0.0, 0.6, 1.0]),
    transforms=st.sampled_from(TRANSFORMS),
    short=st.booleans(),
    least=st.integers(0, 3),
)
def test_a_beam_of_one_is_greedy(
    cell: Cell, seed: int, penalty: float, transforms: list[Transform], short: bool, least: int
) -> None:
    net = make_writer(cell, seed=seed)
    state = net.begin([5, 1, 3], seed=seed, pieces=[1, 3, 4, 6, 7, 9] if short else None)
    shared: Any = {"limits": Limits(8, least), "transforms": transforms, "prefix": [[], [4], []]}
    one = greedy(net, state, rows=3, begin=BEGIN, end=END, **shared)
    other = run(net, state, rows=3, beam=1, length_penalty=penalty, **shared)
    for found, (same,) in zip(one, other, strict=True):
        assert (found.tokens, found.score, found.ended) == (same.tokens, same.score, same.ended)
        assert found.attention is not None and same.attention is not None
        assert np.array_equal(found.attention, same.attention)


@torch.inference_mode()
def every_line(net: Writer, state: Carried, most: int) -> list[tuple[list[int], float, Tensor]]:
    """All that a row could write, with the score and with all attention, that of the end too."""
    lines: list[list[int]] = [[]]
    scores, covered = torch.zeros(1), torch.zeros(1, state.memory.shape[1])
    tokens, found = np.array([BEGIN]), []
    others = [piece for piece in range(net.output.out_features) if piece != END]
    for _ in range(most):
        step = net.step(tokens, state)
        assert step.attention is not None
        given, covered = torch.as_tensor(step.scores), covered + torch.as_tensor(step.attention)
        ends = (scores + given[:, END]).tolist()
        found += list(zip(lines, ends, covered, strict=True))
        lines = [[*line, piece] for line in lines for piece in others]
        rows = torch.arange(len(scores)).repeat_interleave(len(others))
        scores, covered = (scores[:, None] + given[:, others]).flatten(), covered[rows]
        tokens, state = np.array([line[-1] for line in lines]), step.state.pick(rows.numpy())
    return [*found, *zip(lines, scores.tolist(), covered, strict=True)]


@torch.inference_mode()
def looked_at(net: Writer, state: Carried, tokens: Sequence[int]) -> np.ndarray[Any, Any]:
    """The attention of a row when the net is led along these tokens, and to the end."""
    lines = []
    for token in [BEGIN, *tokens]:
        step = net.step(np.array([token]), state)
        assert step.attention is not None
        lines.append(array(step.attention)[0])
        state = step.state
    return np.stack(lines)


@given(
    cell=cells, seed=seeds, length=st.sampled_from([0.0, 1.0]), coverage=st.sampled_from([0.0, 0.4])
)
def test_a_beam_of_everything_is_exhaustive_search(
    cell: Cell, seed: int, length: float, coverage: float
) -> None:
    net = make_writer(cell, pieces=5, seed=seed)
    state = net.begin([4], seed=seed)
    ranked = []
    for tokens, score, looked in every_line(net, state, 3):
        covering = coverage * float(looked.clamp(max=1).log().sum())
        said = min(len(tokens) + 1, 3)
        ranked.append((score / ((5 + said) / 6) ** length + covering, tokens))
    ranked.sort(key=lambda one: -one[0])
    (found,) = run(
        net,
        state,
        beam=5**3,
        nbest=4,
        limits=Limits(3),
        length_penalty=length,
        coverage_penalty=coverage,
    )
    assert tokens_of(found) == [tokens for _, tokens in ranked[:4]]
    assert [one.rank for one in found] == pytest.approx([r for r, _ in ranked[:4]], abs=1e-4)


@settings(max_examples=40)
@given(cell=cells, seed=seeds, width=st.integers(2, 6), transforms=st.sampled_from(TRANSFORMS))
def test_score_and_attention_are_what_the_net_gives_when_led_along(
    cell: Cell, seed: int, width: int, transforms: list[Transform]
) -> None:
    net = make_writer(cell, seed=seed)
    whole = net.begin([5, 2, 3], seed=seed)
    results = run(net, whole, rows=3, beam=width, nbest=2, transforms=transforms)
    for row, found in enumerate(results):
        state = whole.pick(np.array([row]))
        for one in found:
            assert one.score == pytest.approx(forced_score(net, state, one), abs=1e-4)
            looked = looked_at(net, state, one.tokens)[: len(one.tokens)]
            assert one.attention is not None
            assert one.attention[:, : looked.shape[1]] == pytest.approx(looked, abs=1e-5)
            assert not one.attention[:, looked.shape[1] :].any()


@settings(max_examples=40)
@given(
    cell=cells,
    seed=seeds,
    width=st.integers(1, 5),
    length=st.sampled_from([0.0, 1.0]),
    coverage=st.sampled_from([0.0, 0.4]),
    transforms=st.sampled_from(TRANSFORMS),
    required=st.booleans(),
)
def test_a_batch_equals_its_rows_one_by_one(
    cell: Cell,
    seed: int,
    width: int,
    length: float,
    coverage: float,
    transforms: list[Transform],
    required: bool,
) -> None:
    net = make_writer(cell, seed=seed)
    whole = net.begin([5, 1, 3, 7], seed=seed)
    most, prefix = np.array([8, 4, 6, 9]), [[], [6], [], [8, 4]]
    words = [[[6, 5]], [], [[8], [9]], [[10]]] if required else [[]] * 4
    shared: Any = {
        "beam": width,
        "nbest": min(width, 2),
        "length_penalty": length,
        "coverage_penalty": coverage,
        "transforms": transforms,
    }
    together = run(net, whole, rows=4, limits=Limits(most), prefix=prefix, required=words, **shared)
    for row, found in enumerate(together):
        alone = run(
            net,
            whole.pick(np.array([row])),
            limits=Limits(most[row : row + 1]),
            prefix=[prefix[row]],
            required=[words[row]],
            **shared,
        )[0]
        assert tokens_of(found) == tokens_of(alone)
        assert [one.score for one in found] == pytest.approx([one.score for one in alone])
        assert [one.rank for one in found] == pytest.approx([one.rank for one in alone])


@given(cell=cells, seed=seeds, width=st.integers(1, 4), n=st.integers(1, 3))
def test_blocked_and_forbidden_never_come(cell: Cell, seed: int, width: int, n: int) -> None:
    net = make_writer(cell, seed=seed, pieces=8)
    transforms = [NoRepeat(n), Forbidden([[4], [5, 6]])]
    results = run(net, net.begin([4, 2], seed=seed), 2, transforms=transforms, beam=width)
    for one in itertools.chain.from_iterable(results):
        runs = [tuple(one.tokens[i : i + n]) for i in range(len(one.tokens) - n + 1)]
        assert len(set(runs)) == len(runs)
        assert 4 not in one.tokens and (5, 6) not in itertools.pairwise(one.tokens)


@given(
    cell=cells, seed=seeds, width=st.integers(1, 4), least=st.integers(0, 4), more=st.integers(1, 4)
)
def test_lengths_hold(cell: Cell, seed: int, width: int, least: int, more: int) -> None:
    net = make_writer(cell, seed=seed)
    limits = Limits(least + more, least)
    for found in run(net, net.begin([4, 2], seed=seed), 2, limits=limits, beam=width):
        assert all(least <= len(one.tokens) <= least + more for one in found)
        assert all(one.ended or len(one.tokens) == least + more for one in found)


@given(cell=cells, seed=seeds)
def test_results_are_different_and_in_order(cell: Cell, seed: int) -> None:
    net = make_writer(cell, seed=seed)
    state = net.begin([4, 2], seed=seed)
    for found in run(net, state, 2, beam=5, nbest=5, length_penalty=0.8):
        assert len({tuple(one.tokens) for one in found}) == len(found)
        assert [one.rank for one in found] == sorted((one.rank for one in found), reverse=True)


def present(word: Sequence[int], tokens: Sequence[int]) -> bool:
    return any(list(word) == list(tokens[i : i + len(word)]) for i in range(len(tokens)))


@given(
    cell=cells,
    seed=seeds,
    width=st.integers(1, 6),
    words=st.lists(
        st.lists(st.sampled_from([4, 5, 6, 7]), min_size=1, max_size=3), min_size=1, max_size=3
    ),
    spare=st.integers(0, 4),
)
def test_required_words_are_always_there(
    cell: Cell, seed: int, width: int, words: list[list[int]], spare: int
) -> None:
    net = make_writer(cell, seed=seed)
    limits = Limits(sum(map(len, words)) + spare)
    state = net.begin([4, 2], seed=seed)
    found, other = run(net, state, 2, beam=width, limits=limits, required=[words, []])
    assert all(present(word, found[0].tokens) for word in words)
    assert other


def test_required_words_cost_no_more_than_they_must() -> None:
    # A B is said anyway, at a chance of 0.3 * 0.5; a beam that writes them at once has 0.2 * 0.1.
    def say(line: tuple[int, ...]) -> list[float]:
        after: dict[tuple[int, ...], list[float]] = {
            (): [0.1, 0.2, 0.1, 0.6],
            (6,): [0.3, 0.3, 0.3, 0.1],
            (6, A): [0.2, 0.2, 0.5, 0.1],
            (A,): [0.3, 0.3, 0.1, 0.3],
        }
        return [0, 0, 0, *after.get(line, [0.9, 0.04, 0.03, 0.03])]

    (found,) = run(Table(say), no_lines(), beam=4, required=[[[A, B]]])
    assert found[0].tokens == [6, A, B]


def test_required_words_beside_others_that_begin_alike() -> None:
    chance = random.Random(0)
    table = Table(lambda line: [0, 0, 0, 0.7, *[0.1 + 0.01 * chance.random()] * 3])
    words = [[A, B], [A], [A, 6], []]
    (found,) = run(table, no_lines(), beam=5, required=[words])
    assert all(present(word, found[0].tokens) for word in words if word)


def test_required_words_that_do_not_fit_are_met_as_far_as_they_go() -> None:
    table = Table(lambda line: [0, 0, 0, 0.7, 0.1, 0.1, 0.1])
    (found,) = run(table, no_lines(), beam=3, required=[[[A], [B], [6]]], limits=Limits(2))
    assert len({*found[0].tokens}) == 2


@pytest.mark.parametrize(
    ("required", "says"),
    [([[[A]], [[B]]], "required = '2 rows'"), ([[[A, 9]]], r"required = \[9\]")],
)
def test_required_words_that_make_no_sense(required: Any, says: str) -> None:
    net = make_writer()
    with pytest.raises(SettingError, match=says):
        run(net, net.begin([3], pieces=[3, 4, 5]), required=required)


@given(cell=cells, seed=seeds, width=st.integers(1, 4))
def test_a_shortlist_is_all_that_is_written(cell: Cell, seed: int, width: int) -> None:
    net = make_writer(cell, seed=seed)
    whole, pieces = net.begin([4, 2], seed=seed, pieces=[3, 5, 6, 9]), {5, 6, 9}
    words, prefix = [[[6, 9]], [[5]]], [[5], []]
    results = run(net, whole, 2, beam=width, required=words, prefix=prefix)
    for row, (one, *_) in enumerate(results):
        assert set(one.tokens) <= pieces and one.tokens[: len(prefix[row])] == prefix[row]
        assert all(present(word, one.tokens) for word in words[row])
        state = whole.pick(np.array([row]))
        assert one.score == pytest.approx(forced_score(net, state, one), abs=1e-4)

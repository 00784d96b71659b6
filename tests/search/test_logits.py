"""Each transform on chances worked out by hand, with all columns and with a shortlist."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from writers import held

from seqpipe.errors import SettingError
from seqpipe.search.arrays import Ints
from seqpipe.search.logits import (
    AtLeast,
    Forbidden,
    NoRepeat,
    RepetitionPenalty,
    Temperature,
    TopK,
    TopP,
    Transform,
    Typical,
)
from seqpipe.search.state import Columns

NONE = np.zeros((1, 0), np.int64)
CHANCES = [0.15, 0.4, 0.05, 0.3, 0.1]


def bent_by(
    transform: Transform, scores: Tensor, so_far: Ints = NONE, pieces: Ints | None = None
) -> Tensor:
    return torch.as_tensor(transform(held(scores), so_far, Columns(pieces)))


def left(transform: Transform, chances: Sequence[float], so_far: Ints = NONE) -> list[int]:
    """The columns that stay open, their scores as they were."""
    scores = torch.tensor([chances]).log()
    given = scores.clone()
    bent = bent_by(transform, scores, so_far)
    assert torch.equal(scores, given)
    stay = bent[0].isfinite()
    assert torch.equal(bent[0, stay], scores[0, stay])
    return stay.nonzero().squeeze(1).tolist()


def test_temperature() -> None:
    bent = bent_by(Temperature(0.5), torch.tensor([CHANCES]).log(), NONE).softmax(dim=1)
    squares = torch.tensor([CHANCES]) ** 2
    assert torch.allclose(bent, squares / squares.sum())


@pytest.mark.parametrize(
    ("k", "columns"), [(1, [1]), (2, [1, 3]), (4, [0, 1, 3, 4]), (9, range(5))]
)
def test_top_k(k: int, columns: Sequence[int]) -> None:
    assert left(TopK(k), CHANCES) == list(columns)


@pytest.mark.parametrize(
    ("p", "columns"),
    [(0.1, [1]), (0.4, [1]), (0.45, [1, 3]), (0.69, [1, 3]), (0.8, [0, 1, 3]), (1.0, range(5))],
)
def test_top_p_takes_the_one_that_completes_the_mass(p: float, columns: Sequence[int]) -> None:
    assert left(TopP(p), CHANCES) == list(columns)


def test_top_p_counts_what_others_left() -> None:
    scores = torch.tensor([CHANCES]).log()
    scores[0, 1] = -torch.inf  # 0.3 and 0.15 are three quarters of the rest
    kept = bent_by(TopP(0.75 - 1e-3), scores, NONE)
    assert kept[0].isfinite().nonzero().squeeze(1).tolist() == [0, 3]


@pytest.mark.parametrize("p", [0.3, 0.9, 0.999])
def test_top_p_of_many_columns(p: float) -> None:
    scores = (torch.randn(3, 3000) * torch.tensor([[8.0], [3.0], [0.1]])).log_softmax(dim=1)
    kept = bent_by(TopP(p), scores, NONE)
    for row, bent in zip(scores.exp(), kept, strict=True):
        held = row[bent.isfinite()]
        assert p <= held.sum() + 1e-4 and held.sum() - held.min() < p + 1e-4
        assert bent.isfinite().all() or held.min() >= row[~bent.isfinite()].max()


@pytest.mark.parametrize(
    ("chances", "mass", "columns"),
    [
        # A quarter tells 1.39 and an eighth 2.08, where 1.56 is to be expected.
        ([0.25, 0.125, 0.25, 0.125, 0.25], 0.7, [0, 2, 4]),
        # 0.34 tells 1.08, 0.1 tells 2.30 and 0.02 tells 3.91, where 2.14 is to be expected: the
        # best is not among the most typical.
        ([0.34, *[0.1] * 5, *[0.02] * 8], 0.45, [1, 2, 3, 4, 5]),
    ],
)
def test_typical_takes_what_tells_as_much_as_expected(
    chances: list[float], mass: float, columns: list[int]
) -> None:
    assert left(Typical(mass), chances) == columns


def test_typical_is_not_lost_on_what_is_closed() -> None:
    scores = torch.tensor([[0.0, 0.5, 0.5]]).log()
    bent = bent_by(Typical(0.4), scores, NONE)
    assert bent[0].isfinite().tolist() == [False, True, True]


def test_what_was_written_costs_more() -> None:
    scores = torch.tensor([CHANCES, CHANCES]).log()
    so_far = np.array([[1, 1, 4], [0, 2, 2]])
    bent = bent_by(RepetitionPenalty(2.0), scores, so_far)
    factors = torch.tensor([[1, 2, 1, 1, 2], [2, 1, 2, 1, 1]])
    assert torch.allclose(bent, scores * factors)


@pytest.mark.parametrize(
    ("n", "columns"), [(1, [0, 3]), (2, [0, 3]), (3, [0, 2, 3]), (4, [0, 1, 2, 3, 4])]
)
def test_no_run_twice(n: int, columns: list[int]) -> None:
    # After 1 came 4, 1 and 2; after 2 1 came 4 and 1; after 1 2 1 nothing yet.
    so_far = np.array([[2, 1, 4, 2, 1, 1, 2, 1]])
    assert left(NoRepeat(n), CHANCES, so_far) == columns


def test_too_short_for_a_run() -> None:
    assert left(NoRepeat(3), CHANCES, np.array([[1, 1]])) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("so_far", "columns"),
    [
        ([], [0, 1, 2, 4]),
        ([1], [0, 1, 4]),
        ([2, 1], [0, 1, 4]),
        ([0, 1], [0, 1, 4]),
        ([1, 0], [0, 1, 2, 4]),
        ([0, 1, 0], [0, 1, 2]),
    ],
)
def test_forbidden_words_are_never_completed(so_far: list[int], columns: list[int]) -> None:
    forbidden = Forbidden([[3], [1, 2], [0, 1, 0, 4]])
    written = np.array([so_far], np.int64)
    assert left(forbidden, CHANCES, written) == columns


def test_nothing_forbidden() -> None:
    assert left(Forbidden([]), CHANCES, np.array([[1, 2]])) == [0, 1, 2, 3, 4]


def test_no_end_before_there_is_enough() -> None:
    assert left(AtLeast(2, end=3), CHANCES, np.array([[1]])) == [0, 1, 2, 4]
    assert left(AtLeast(2, end=3), CHANCES, np.array([[1, 1]])) == [0, 1, 2, 3, 4]


PIECES = [2, 3, 5, 8]


@given(
    transform=st.sampled_from(
        [RepetitionPenalty(1.5), NoRepeat(1), NoRepeat(2), Forbidden([[2], [4], [5, 8]]), TopK(2)]
    ),
    so_far=st.lists(st.lists(st.sampled_from([*PIECES, 4, 9]), min_size=4, max_size=4), min_size=1),
    seed=st.integers(0, 99),
)
def test_a_shortlist_is_some_of_the_columns(
    transform: Transform, so_far: list[list[int]], seed: int
) -> None:
    """As if all others were closed already; what has no column may well have been forced."""
    torch.manual_seed(seed)
    scores = torch.randn(len(so_far), 4).log_softmax(dim=1)
    every = torch.full((len(so_far), 10), -torch.inf)
    every[:, PIECES] = scores
    written = np.array(so_far)
    short = bent_by(transform, scores, written, np.array(PIECES))
    assert torch.equal(short, bent_by(transform, every, written)[:, PIECES])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Temperature(0.0), "temperature = 0.0"),
        (lambda: TopK(0), "top_k = 0"),
        (lambda: TopP(0.0), "top_p = 0.0"),
        (lambda: TopP(1.1), "top_p = 1.1"),
        (lambda: Typical(-1.0), "typical = -1.0"),
        (lambda: RepetitionPenalty(0.0), "repetition_penalty = 0.0"),
        (lambda: NoRepeat(0), "no_repeat = 0"),
        (lambda: Forbidden([[1], []]), "forbidden = "),
    ],
)
def test_settings_that_make_no_sense(make: type[Transform], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        make()

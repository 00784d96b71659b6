"""What is said of sureness, and what mends it: by hand, and against a search that knows nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.train.calibration import (
    COOLEST,
    HOTTEST,
    best_threshold,
    fit_temperature,
    reliability,
    softmax,
)

ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30)


def error(confidences: Sequence[float], right: Sequence[bool], bins: int) -> float:
    return reliability(np.array(confidences), np.array(right, dtype=bool), bins).ece


def test_a_diagram_by_hand() -> None:
    # two bins: 0.3 and 0.4, right once of two; 0.9 and 1.0, right both times
    found = reliability(np.array([0.3, 0.9, 0.4, 1.0]), np.array([True, True, False, True]), 2)
    assert found.edges == [0, 0.5, 1] and found.count == [2, 2]
    assert found.mean_confidence == pytest.approx([0.35, 0.95])
    assert found.accuracy == [0.5, 1]
    assert found.ece == pytest.approx(abs(0.7 - 1) / 4 + abs(1.9 - 2) / 4)


def test_an_empty_bin_has_no_means_and_a_diagram_is_json() -> None:
    found = reliability(np.array([0.9]), np.array([True]), 2)
    assert found.mean_confidence[0] is None and found.accuracy[0] is None
    assert json.loads(json.dumps(found.plain()))["count"] == [0, 1]


def test_errors_of_one_bin_cancel_and_of_two_do_not() -> None:
    assert error([0.6, 0.9], [True, False], 1) == pytest.approx(0.25)
    assert error([0.6, 0.9], [True, False], 4) == pytest.approx((0.4 + 0.9) / 2)


def test_nothing_is_no_error() -> None:
    assert error([], [], 10) == 0


def test_always_sure_and_right_is_perfect_and_sure_and_wrong_the_worst() -> None:
    assert error([1.0] * 5, [True] * 5, 10) == 0
    assert error([1.0] * 5, [False] * 5, 10) == 1


@given(ANSWERS, st.integers(1, 20))
def test_it_is_a_share(answers: list[tuple[float, bool]], bins: int) -> None:
    found = reliability(np.array([c for c, _ in answers]), np.array([r for _, r in answers]), bins)
    assert -1e-6 <= found.ece <= 1 + 1e-6
    assert sum(found.count) == len(answers) and len(found.edges) == bins + 1


def loss(logits: np.ndarray, gold: np.ndarray, temperature: float) -> float:
    scores = logits / temperature
    said = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    wanted = (gold * len(gold) + 1) / (len(gold) + gold.shape[1])
    return -float((wanted * said).sum())


@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(2, 4), st.floats(0.1, 8))
def test_no_other_temperature_has_a_lower_loss(
    seed: int, rows: int, classes: int, size: float
) -> None:
    chance = np.random.default_rng(seed)
    logits = size * chance.normal(size=(rows, classes))
    gold = np.eye(classes)[chance.integers(classes, size=rows)]
    fitted = fit_temperature(logits, gold)
    least = min(loss(logits, gold, t) for t in np.geomspace(COOLEST, HOTTEST, 60))
    assert loss(logits, gold, fitted) <= least + 1e-9 * abs(least)


def test_who_is_too_sure_is_cooled_by_as_much() -> None:
    chance = np.random.default_rng(0)
    true = chance.normal(size=(20_000, 3))
    drawn = (softmax(true).cumsum(axis=1) > chance.random((20_000, 1))).argmax(axis=1)
    gold = np.eye(3)[drawn]
    assert fit_temperature(2.5 * true, gold) == pytest.approx(2.5, rel=0.05)
    assert fit_temperature(0.4 * true, gold) == pytest.approx(0.4, rel=0.05)
    right, before = true.argmax(axis=1) == drawn, softmax(2.5 * true).max(axis=1)
    after = softmax(2.5 * true / fit_temperature(2.5 * true, gold)).max(axis=1)
    assert reliability(after, right).ece < 0.02 < 0.1 < reliability(before, right).ece


def test_a_few_right_answers_are_no_certainty() -> None:
    logits, gold = np.tile([0.0, 3.0], (8, 1)), np.tile([0.0, 1.0], (8, 1))
    sure = softmax(logits / fit_temperature(logits, gold))[0, 1]
    assert sure == pytest.approx((8 + 1) / (8 + 2))


def test_nothing_to_fit_to_leaves_a_temperature_of_one() -> None:
    assert fit_temperature(np.zeros((0, 2)), np.zeros((0, 2))) == 1
    assert fit_temperature(np.ones((4, 2)), np.eye(2)[[0, 1, 0, 1]]) == 1


def f_of(said: np.ndarray, gold: np.ndarray, threshold: float) -> float:
    yes = said >= threshold
    return 2 * float((yes & gold).sum()) / float(yes.sum() + gold.sum())


@given(ANSWERS.filter(lambda answers: any(gold for _, gold in answers)))
def test_no_other_threshold_has_a_better_f(answers: list[tuple[float, bool]]) -> None:
    said, gold = np.array([p for p, _ in answers]), np.array([y for _, y in answers])
    found = best_threshold(said, gold, usual=0.5)
    assert f_of(said, gold, found) == max(f_of(said, gold, t) for t in [0.5, *said])


@pytest.mark.parametrize(
    ("said", "gold", "wanted"),
    [
        ([0.1, 0.2, 0.4], [0, 1, 1], 0.15),  # in the middle between the two that it tells apart
        ([0.1, 0.9], [0, 1], 0.5),  # the usual, where it does as well
        ([0.1, 0.9], [0, 0], 0.5),  # nobody knows
        ([0.2, 0.4, 0.6, 0.8], [1, 0, 0, 1], 0.7),  # F is 2/3 at 0.1 and at 0.7: the nearer one
        ([0.3], [1], 0.15),
        ([], [], 0.5),
    ],
)
def test_thresholds_by_hand(said: list[float], gold: list[int], wanted: float) -> None:
    assert best_threshold(np.array(said), np.array(gold), usual=0.5) == pytest.approx(wanted)

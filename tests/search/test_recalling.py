"""A net beside what it remembers: sums, expected numbers, and rows that are picked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from writers import held

from seqpipe.search import arrays
from seqpipe.search.arrays import Floats, Ints
from seqpipe.search.recalling import Recalling, RecallingState, Remembered, Trust, mixed
from seqpipe.search.state import Step

TRUST = Trust(weight=1.0, reach=0.5, likeness=2.0, most=0.8)


@dataclass(frozen=True)
class Plain:
    """Vectors as they are."""

    trust: Trust = TRUST

    def within(self, vectors: Floats) -> Any:
        return vectors


@dataclass(frozen=True)
class State:
    vectors: Floats  # (R, D)
    pieces: Ints | None = None

    def pick(self, rows: Ints) -> State:
        return State(self.vectors[rows], self.pieces)


class Net:
    """Says the same of every row, and keeps the vectors that it is given."""

    def __init__(self, chances: list[float]) -> None:
        self._scores = torch.tensor(chances).log()

    def step(self, tokens: Ints, state: State) -> Step[State]:
        return Step(held(self._scores.expand(len(tokens), -1).clone()), state)


def remembered(*sources: list[tuple[list[float], int]], alike: float = 1.0) -> Remembered:
    widest = max(map(len, sources))
    keys = np.zeros((len(sources), widest, 2), np.float32)
    pieces = np.full((len(sources), widest), -1)
    for i, some in enumerate(sources):
        for j, (key, piece) in enumerate(some):
            keys[i, j], pieces[i, j] = key, piece
    return Remembered(keys, pieces, np.full(pieces.shape, alike, np.float32))


def chances(
    vectors: list[list[float]],
    beside: Remembered,
    *,
    pieces: list[int] | None = None,
    picked: list[int] | None = None,
    own: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4),
) -> Floats:
    """What is said of rows that ask with these vectors (R, V)."""
    inner = State(np.array(vectors, np.float32), None if pieces is None else np.array(pieces))
    state = RecallingState.of(inner, beside)
    if picked is not None:
        state = state.pick(np.array(picked))
    net: Any = Recalling(Net(list(own)), Plain())
    step = net.step(np.zeros(len(state.seats.homes), np.int64), state)
    return np.exp(arrays.array(step.scores))


def test_by_hand() -> None:
    beside = remembered([([0.0, 0.0], 2), ([1.0, 0.0], 1), ([0.0, 1.0], 2)], alike=0.5)
    near, far = math.exp(1.0) / 4, math.exp(1.0 - 1 / 0.5) / 4
    share = 0.8 / (1 + near + 2 * far)
    rest = 1 - share * (near + 2 * far)
    right = [0.1 * rest, 0.2 * rest + share * far, 0.3 * rest + share * (near + far), 0.4 * rest]
    np.testing.assert_allclose(chances([[0.0, 0.0]], beside)[0], right, rtol=1e-5)


def test_the_same_source_has_a_share_of_its_own() -> None:
    beside = remembered([([0.0, 0.0], 2)])
    share = TRUST.same / (1 + math.exp(-1.0))
    found = chances([[0.0, 0.0]], beside)
    assert found[0, 2] == pytest.approx(0.3 * (1 - share) + share, rel=1e-5)


def test_what_is_less_alike_counts_for_less() -> None:
    near = math.exp(1.0) * 0.5**2
    share = 0.8 / (1 + near) * near
    found = chances([[0.0, 0.0]], remembered([([0.0, 0.0], 2)], alike=0.5))
    assert found[0, 2] == pytest.approx(0.3 * (1 - share) + share, rel=1e-5)


def test_what_lies_far_off_changes_nothing() -> None:
    found = chances([[9.0, 9.0]], remembered([([0.0, 0.0], 2)]))
    np.testing.assert_allclose(found[0], [0.1, 0.2, 0.3, 0.4], rtol=1e-5)


def test_nothing_is_remembered_beside_a_source() -> None:
    beside = remembered([([0.0, 0.0], 2)], [])
    found = chances([[0.0, 0.0], [0.0, 0.0]], beside)
    assert found[0, 2] > 0.6 and found[1] == pytest.approx([0.1, 0.2, 0.3, 0.4], rel=1e-5)


def test_a_shortlist_without_a_piece_that_is_remembered() -> None:
    beside = remembered([([0.0, 0.0], 9), ([0.0, 0.0], 4)])
    found = chances([[0.0, 0.0]], beside, pieces=[1, 4, 6], own=(0.2, 0.3, 0.5))
    assert found.sum() == pytest.approx(1, rel=1e-5) and found[0].argmax() == 1


def test_rows_of_a_beam_ask_for_their_own_source() -> None:
    beside = remembered([([0.0, 0.0], 0)], [([0.0, 0.0], 1)], [([0.0, 0.0], 2)])
    vectors = [[0.0, 0.0]] * 3
    for picked in ([0, 1, 1, 2, 2, 2], [2, 0, 2], [1, 1]):
        found = chances(vectors, beside, picked=picked)
        assert found.argmax(axis=1).tolist() == picked


@given(st.data())
def test_it_is_a_share_of_one_whatever_lies_near(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    chance = np.random.default_rng(data.draw(st.integers(0, 99)))
    scores = chance.normal(size=(rows, 7))
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    places = np.stack([chance.permutation(7)[:columns] for _ in range(rows)])
    near = chance.exponential(size=places.shape) * chance.integers(0, 2, places.shape) * 10
    most = data.draw(st.floats(0.01, 0.99))
    given_ = held(torch.from_numpy(scores).float())
    found = np.exp(arrays.array(mixed(given_, places, near, most=most)))
    assert found.sum(axis=1) == pytest.approx(np.ones(rows), rel=1e-4)
    gained = (near / (1 + near.sum(axis=1, keepdims=True))) * most
    own = np.exp(np.take_along_axis(scores, places, axis=1))
    rest = 1 - gained.sum(axis=1, keepdims=True)
    assert np.take_along_axis(found, places, axis=1) == pytest.approx(
        own * rest + gained, rel=1e-3, abs=1e-7
    )

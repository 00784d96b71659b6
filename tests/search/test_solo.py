"""One row by itself is written as `walk` writes it in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writers import make_writer

from seqpipe.search.arrays import array
from seqpipe.search.greedy import greedy
from seqpipe.search.logits import (
    NoRepeat,
    RepetitionPenalty,
    Temperature,
    TopK,
    TopP,
    Transform,
    Typical,
)
from seqpipe.search.sampling import sample
from seqpipe.search.solo import Scores, solo
from seqpipe.search.stops import Limits, stop_after

BEGIN, END = 2, 3


class Stepping:
    """A net of torch as `solo` wants to see it."""

    def __init__(self, seed: int) -> None:
        self.net = make_writer("lstm", pieces=12, seed=seed)
        self.state: Any = self.net.begin([3])

    def __call__(self, token: int) -> Scores:
        step = self.net.step(np.array([token]), self.state)
        self.state = step.state
        scores: Scores = array(step.scores)[0].copy()
        return scores


def both(
    net_seed: int, seed: int | None, transforms: Sequence[Transform], limits: Limits
) -> tuple[list[int], list[int]]:
    alone = list(
        solo(
            Stepping(net_seed),
            begin=BEGIN,
            end=END,
            limits=limits,
            transforms=transforms,
            seed=seed,
        )
    )
    net = make_writer("lstm", pieces=12, seed=net_seed)
    shared: Any = {"rows": 1, "begin": BEGIN, "end": END, "limits": limits}
    shared["transforms"] = transforms
    if seed is None:
        (found,) = greedy(net, net.begin([3]), **shared)
    else:
        (found,) = sample(net, net.begin([3]), seeds=[seed], **shared)
    return alone, found.tokens


WAYS: list[list[Transform]] = [
    [],
    [Temperature(0.7)],
    [Temperature(2.0), Temperature(0.6)],
    [TopK(3)],
    [Temperature(0.8), TopP(0.7)],
    [Typical(0.6)],
    [NoRepeat(1)],
    [RepetitionPenalty(1.5), Temperature(1.3)],
]


@pytest.mark.parametrize("transforms", WAYS, ids=str)
@given(net_seed=st.integers(0, 20), seed=st.none() | st.integers(-(2**40), 2**40))
@settings(max_examples=15, deadline=None)
def test_as_a_walk_does(transforms: list[Transform], net_seed: int, seed: int | None) -> None:
    alone, walked = both(net_seed, seed, transforms, Limits(30))
    assert alone == walked


@given(seed=st.integers(0, 100), least=st.integers(0, 6), most=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_limits(seed: int, least: int, most: int) -> None:
    alone, walked = both(seed, seed, [Temperature(1.5)], Limits(most, min(least, most)))
    assert alone == walked
    assert min(least, most) <= len(alone) <= most


@pytest.mark.parametrize("seed", range(8))
def test_a_stop_ends_it(seed: int) -> None:
    free, _ = both(seed, seed, [Temperature(1.5)], Limits(12, 12))
    stop = stop_after([free[2:4]])
    alone, walked = both(seed, seed, [Temperature(1.5)], Limits(12, 12, stop))
    assert alone == walked == free[: len(alone)]
    assert alone[-2:] == free[2:4]


def test_more_draws_than_are_made_at_once() -> None:
    uniform = np.zeros(50, np.float32)
    limits = Limits(200)
    written = list(solo(lambda _: uniform, begin=2, end=49, limits=limits, seed=1))
    again = list(solo(lambda _: uniform, begin=2, end=49, limits=limits, seed=1))
    other = list(solo(lambda _: uniform, begin=2, end=49, limits=limits, seed=2))
    assert written == again != other
    assert len(set(written)) > 20

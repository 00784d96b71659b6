"""One row on the CPU, token by token: what `walk` does for many, without the price of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from seqpipe.search import on_numpy
from seqpipe.search.logits import Bend, Temperature, Transform
from seqpipe.search.sampling import Draw
from seqpipe.search.state import Columns
from seqpipe.search.stops import Limits

Scores = NDArray[np.float32]


def solo(
    step: Callable[[int], Scores],
    *,
    begin: int,
    end: int,
    limits: Limits,
    transforms: Sequence[Transform] = (),
    seed: int | None = None,
) -> Iterator[int]:
    """The tokens behind `begin`, as `walk` would write them with the same seed, or each the best
    where there is none; `step` gives the scores (V,) of what follows a token."""
    choose = _best if seed is None else _Drawn(seed)
    bend = _bending(transforms, least=limits.least, end=end)
    most = int(limits.longest(np.zeros(1, np.int64)))
    written: list[int] = []
    token = begin
    for at in count():
        token = choose(bend(step(token), written), at)
        if token == end:
            return
        yield token
        written.append(token)
        stop = limits.stop
        if len(written) >= most or (stop and stop.reached(written[-stop.reach :])):
            return


def _best(scores: Scores, at: int) -> int:
    return int(scores.argmax())


class _Drawn:
    """The same draws as `Draw` has for this seed."""

    def __init__(self, seed: int) -> None:
        self._draw = Draw([seed])

    def __call__(self, scores: Scores, at: int) -> int:
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        mass = chances.cumsum(dtype=np.float64)
        return int(mass.searchsorted(self._draw.number(at) * mass[-1], side="right"))


def _bending(
    transforms: Sequence[Transform], *, least: int, end: int
) -> Callable[[Scores, list[int]], Scores]:
    """What transforms make of scores; for heat alone numpy is enough."""
    if not least and all(isinstance(one, Temperature) for one in transforms):
        heat = float(
            np.prod([one.temperature for one in transforms if isinstance(one, Temperature)])
        )
        return lambda scores, written: scores / heat if transforms else scores
    bend = Bend(transforms, Columns(None), least=least, end=end)

    def bent(scores: Scores, written: list[int]) -> Scores:
        so_far = np.array([written if bend.looks_back else []], np.int64)
        found: Scores = bend(on_numpy.log_softmax(scores[None]), so_far)[0]
        return found

    return bent

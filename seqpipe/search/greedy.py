"""The best token at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqpipe.search import arrays
from seqpipe.search.arrays import Held, Ints
from seqpipe.search.logits import Transform
from seqpipe.search.state import Found, Net, Run, Runner, S, found_of
from seqpipe.search.stops import Limits
from seqpipe.search.walk import collect, walk


def choose_best(scores: Held, places: Ints, step: int) -> Ints:
    return arrays.of(scores).best(scores)


def greedy(
    net: Net[S],
    state: S,
    *,
    rows: int,
    begin: int | Ints,
    end: int,
    limits: Limits,
    transforms: Sequence[Transform] = (),
    prefix: Sequence[Sequence[int]] | None = None,
) -> list[Found]:
    """One continuation a row, in the order of the rows."""
    plain = not transforms and not prefix and not limits.least and limits.stop is None
    if rows == 1 and plain and isinstance(net, Runner) and isinstance(begin, int):
        most = int(np.max(limits.longest(np.zeros(1, np.int64))))
        return found_alone(net.best(begin, state, end=end, most=most), end)
    steps = walk(
        net,
        state,
        choose_best,
        rows=rows,
        begin=begin,
        end=end,
        limits=limits,
        transforms=transforms,
        prefix=prefix,
    )
    return collect(steps, rows=rows, end=end)


def found_alone(run: Run, end: int) -> list[Found]:
    """What one row wrote by itself."""
    each = run.scores.astype(np.float64)
    return found_of(
        run.tokens[None],
        end,
        each=each[None],
        scores=each.sum(keepdims=True),
        ended=run.tokens[-1:] == end,
        attention=None if run.attention is None else run.attention[None],
    )

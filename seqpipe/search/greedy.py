"""The best token at every step."""

from __future__ import annotations

from collections.abc import Sequence

from seqpipe.search import arrays
from seqpipe.search.arrays import Held, Ints
from seqpipe.search.logits import Transform
from seqpipe.search.state import Found, Net, S
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

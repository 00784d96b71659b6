"""`seqpipe.nets.embedding` as a part of a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count, takewhile

import numpy as np
from numpy.typing import NDArray

from seqpipe.onnx.graph import Graph, Weights

_SPREAD = 2654435761  # as in torch: see seqpipe.nets.embedding


def tables_of(
    weights: Weights, kinds: Sequence[int] = (), prefix: str = "embedding."
) -> list[NDArray[np.float32]]:
    """What is looked up; a vector is the sum of one row of each."""
    single = weights[f"{prefix}single.weight"]
    if len(kinds):
        single = single + weights[f"{prefix}kind.weight"][np.asarray(kinds)]
    marks = (f"{prefix}mark.{i}.weight" for i in count())
    names = [f"{prefix}pair.weight", *takewhile(weights.__contains__, marks)]
    return [single, *(weights[name] for name in names if name in weights)]


def draw_places(
    graph: Graph,
    ids: str,
    *,
    pieces: int,
    pairs: int,
    joined: Sequence[bool],
    hashed: int,
    marks: Sequence[int],
) -> list[str]:
    """Where in each table a row of it stands, all of the shape of `ids` (B, S)."""
    each = math.prod(marks)
    own = graph.op("Div", ids, graph.integer(each)) if each > 1 else ids
    found = [own]
    if pairs:
        found.append(_pairs(graph, own, buckets=pairs - 1, joined=joined, by=hashed or pieces))
    rest = graph.op("Mod", ids, graph.integer(each)) if each > 1 else ids
    for i in range(len(marks)):
        after = graph.integer(math.prod(marks[i + 1 :]))
        found.append(graph.op("Div", rest, after))
        rest = graph.op("Mod", rest, after)
    return found


def _pairs(graph: Graph, pieces: str, *, buckets: int, joined: Sequence[bool], by: int) -> str:
    """The bucket of each piece with the one before it, 0 where one of them does not join."""
    before = graph.op("Pad", pieces, graph.integers(0, 1, 0, -1))  # a column of 0 before them
    joins = graph.weight(np.asarray(joined, dtype=np.bool_))
    both = graph.op("And", *(graph.op("Gather", joins, some) for some in (pieces, before)))
    as_one = graph.op("Add", graph.op("Mul", before, graph.integer(by)), pieces)
    spread = graph.op("Mul", as_one, graph.integer(_SPREAD))
    # shifted by 16 bits, towards less also where the product ran over
    low = graph.op("Mod", spread, graph.integer(1 << 16))
    high = graph.op("Div", graph.op("Sub", spread, low), graph.integer(1 << 16))
    bucket = graph.op("Add", graph.op("Mod", high, graph.integer(buckets)), graph.integer(1))
    return graph.op("Where", both, bucket, graph.integer(0))

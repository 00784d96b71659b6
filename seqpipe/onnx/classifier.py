"""The graph of `seqpipe.nets.classifier`, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import GraphsLacking
from seqpipe.held import Drawing
from seqpipe.onnx.embedding import draw_places, tables_of
from seqpipe.onnx.encoder import Encoded, LookedUp, Rows, draw_encoder, draw_mean, draw_rows
from seqpipe.onnx.graph import Graph, Weights
from seqpipe.onnx.sessions import Session

_LOWEST = -1e30

Array = NDArray[np.float32]


def draw(
    weights: Weights,
    *,
    cell: str,
    layers: int,
    bidirectional: bool,
    pooling: Sequence[str],
    joined: Sequence[bool],
    hashed: int,
    **_: Any,
) -> dict[str, bytes]:
    """From ids (B, S) and lengths (B,) to scores (B, C) before softmax or sigmoid."""
    graph = Graph("classifier")
    ids = graph.input("ids", "int64", ["rows", "steps"])
    lengths = graph.input("lengths", "int64", ["rows"])
    tables = tables_of(weights)
    rows = draw_rows(graph, ids, lengths)
    pairs = len(weights.get("embedding.pair.weight", ()))
    places = draw_places(
        graph, ids, pieces=len(tables[0]), pairs=pairs, joined=joined, hashed=hashed, marks=()
    )
    encoded = draw_encoder(
        graph,
        LookedUp(graph, places, tables),
        rows,
        weights,
        cell=cell,
        layers=layers,
        bidirectional=bidirectional,
        highest="max" in pooling,
    )
    pools = []
    for i, name in enumerate(pooling):
        if name not in _POOLS:
            raise GraphsLacking(f"the pool {name!r}")
        pools.append(_POOLS[name](graph, encoded, rows, weights, f"pools.{i}."))
    pooled = pools[0] if len(pools) == 1 else graph.op("Concat", *pools, axis=1)
    scores = graph.op(
        "Gemm",
        pooled,
        graph.weight(weights["output.weight"], "output.weight"),
        graph.weight(weights["output.bias"], "output.bias"),
        transB=1,
    )
    graph.output(scores, "float32", ["rows", len(weights["output.bias"])], name="scores")
    return {"classifier": graph.model()}


def _attention(graph: Graph, read: Encoded, rows: Rows, weights: Weights, prefix: str) -> str:
    key = graph.weight(weights[f"{prefix}key.weight"].T, f"{prefix}key")
    bias = graph.weight(weights[f"{prefix}key.bias"], f"{prefix}bias")
    query = graph.weight(weights[f"{prefix}query.weight"].T, f"{prefix}query")
    width = weights[f"{prefix}key.weight"].shape[1]
    flat = graph.op("Reshape", read.states, graph.integers(-1, width))  # (B * S, H)
    keys = graph.op("Tanh", graph.op("Gemm", flat, key, bias))
    scores = graph.op("Reshape", graph.op("MatMul", keys, query), graph.op("Shape", rows.mask))
    scores = graph.op("Where", rows.mask, scores, graph.number(_LOWEST))
    return draw_mean(graph, read.states, rows, graph.op("Softmax", scores, axis=1))


def _max(graph: Graph, read: Encoded, rows: Rows, weights: Weights, prefix: str) -> str:
    highest = read.highest
    if not highest:
        gaps = graph.op("Where", rows.mask, graph.number(0.0), graph.number(_LOWEST))
        open_ = graph.op("Add", read.states, graph.op("Unsqueeze", gaps, graph.integers(2)))
        highest = graph.op("ReduceMax", open_, axes=[1], keepdims=0)
    return _of_some(graph, highest, rows)


def _mean(graph: Graph, read: Encoded, rows: Rows, weights: Weights, prefix: str) -> str:
    count = graph.cast(graph.op("Max", rows.lengths, graph.integer(1)), "float32")
    share = graph.op("Unsqueeze", graph.op("Reciprocal", count), graph.integers(1))
    return draw_mean(graph, read.states, rows, share)


def _last(graph: Graph, read: Encoded, rows: Rows, weights: Weights, prefix: str) -> str:
    """Where each way ends: the last state onward, the first one of the way back."""
    place = graph.op("Sub", graph.op("Max", rows.lengths, graph.integer(1)), graph.integer(1))
    at = graph.op("Unsqueeze", place, graph.integers(1))  # (B, 1)
    ending = graph.op("GatherND", read.states, at, batch_dims=1)  # (B, H)
    if "encoder.backward_.0.weight_ih_l0" not in weights:
        return _of_some(graph, ending, rows)
    first = graph.op("Gather", read.states, graph.integer(0), axis=1)
    onward, _ = graph.ops("Split", ending, outputs=2, axis=1)
    _, back = graph.ops("Split", first, outputs=2, axis=1)
    return _of_some(graph, graph.op("Concat", onward, back, axis=1), rows)


def _of_some(graph: Graph, pooled: str, rows: Rows) -> str:
    """Zero for a row of nothing."""
    some = graph.op("Greater", rows.lengths, graph.integer(0))
    where = graph.op("Unsqueeze", some, graph.integers(1))
    return graph.op("Where", where, pooled, graph.number(0.0))


_POOLS: dict[str, Callable[[Graph, Encoded, Rows, Weights, str], str]] = {
    "attention": _attention,
    "last": _last,
    "max": _max,
    "mean": _mean,
}


class Classifier:
    """Asks the graph as a stage asks the net."""

    def __init__(self, sessions: Mapping[str, Session], *, multi_label: bool, **_: Any) -> None:
        self._session = sessions["classifier"]
        self.multi_label = multi_label

    def scores(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> Array:
        """Before softmax or sigmoid: (B, C)."""
        scores: Array = self._session.run({"ids": ids, "lengths": lengths}, "scores")[0]
        return scores

    def predict(
        self,
        ids: NDArray[np.int64],
        lengths: NDArray[np.int64],
        temperature: Sequence[float] | float = 1.0,
    ) -> Array:
        """Probabilities (B, C)."""
        return self.normalized(self.scores(ids, lengths), temperature)

    def normalized(self, scores: Array, temperature: Sequence[float] | float = 1.0) -> Array:
        """Probabilities of scores (B, C), the less sure the higher the temperature."""
        cooled: NDArray[Any] = scores / np.asarray(temperature, np.float32)
        if self.multi_label:
            each: NDArray[Any] = np.tanh(cooled / 2) / 2 + np.float32(0.5)  # the logistic function
            return each
        raised: NDArray[Any] = np.exp(cooled - cooled.max(axis=-1, keepdims=True))
        shares: NDArray[Any] = raised / raised.sum(axis=-1, keepdims=True)
        return shares


CLASSIFIER = Drawing(draw, Classifier)

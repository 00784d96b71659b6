"""The graph of `seqpipe.nets.tagger`, and what asks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.held import Drawing
from seqpipe.onnx.embedding import draw_places, tables_of
from seqpipe.onnx.encoder import Given, Inputs, LookedUp, Rows, by_time, draw_encoder, draw_rows
from seqpipe.onnx.graph import Graph, Weights
from seqpipe.onnx.sessions import Session

_CLASSES, _PROBABILITIES = "classes", "probabilities"


def draw(
    weights: Weights,
    *,
    cell: str,
    layers: int,
    bidirectional: bool,
    conv: int,
    kinds: Sequence[int],
    joined: Sequence[bool],
    hashed: int,
    marks: Sequence[int],
    **_: Any,
) -> dict[str, bytes]:
    """From ids (B, S) and lengths (B,) to the best class of each step and the probabilities."""
    graph = Graph("tagger")
    ids = graph.input("ids", "int64", ["rows", "steps"])
    lengths = graph.input("lengths", "int64", ["rows"])
    tables = tables_of(weights, kinds)
    rows = draw_rows(graph, ids, lengths)
    places = draw_places(
        graph,
        ids,
        pieces=len(tables[0]),
        pairs=len(weights.get("embedding.pair.weight", ())),
        joined=joined,
        hashed=hashed,
        marks=marks,
    )
    read: Inputs = LookedUp(graph, places, tables)
    if conv:
        read = Given(graph, _convolved(graph, read.vectors(), rows, weights, conv))
    encoded = draw_encoder(
        graph, read, rows, weights, cell=cell, layers=layers, bidirectional=bidirectional
    )
    output = graph.weight(weights["output.weight"].T, "output.weight")
    bias = graph.weight(weights["output.bias"], "output.bias")
    scores = graph.op("Add", graph.op("MatMul", encoded.states, output), bias)  # (B, S, C)
    best = graph.op("ArgMax", scores, axis=2, keepdims=0)
    graph.output(best, "int64", ["rows", "steps"], name=_CLASSES)
    shares = graph.op("Softmax", scores, axis=2)
    shape: list[int | str | None] = ["rows", "steps", len(weights["output.bias"])]
    graph.output(shares, "float32", shape, name=_PROBABILITIES)
    return {"tagger": graph.model()}


def _convolved(graph: Graph, x: str, rows: Rows, weights: Weights, reach: int) -> str:
    """What each piece is among its neighbours, added to what it is: (S, B, D)."""
    mask = graph.op("Unsqueeze", by_time(graph, rows.mask), graph.integers(2))
    within = graph.op("Mul", x, graph.cast(mask, "float32"))
    around = graph.op(
        "Conv",
        graph.op("Transpose", within, perm=[1, 2, 0]),  # (B, D, S)
        graph.weight(weights["conv.filter.weight"], "conv.weight"),
        graph.weight(weights["conv.filter.bias"], "conv.bias"),
        pads=[reach, reach],
    )
    back = graph.op("Transpose", graph.op("Relu", around), perm=[2, 0, 1])
    return graph.op("Add", within, back)


class Tagger:
    """Asks the graph as a stage asks the net."""

    def __init__(self, sessions: Mapping[str, Session], **_: Any) -> None:
        self._session = sessions["tagger"]

    def predict(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """The best class of each step: (B, S)."""
        best: NDArray[np.int64] = self._session.run({"ids": ids, "lengths": lengths}, _CLASSES)[0]
        return best

    def probabilities(
        self, ids: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Of each class at each step: (B, S, C)."""
        given = {"ids": ids, "lengths": lengths}
        shares: NDArray[np.float32] = self._session.run(given, _PROBABILITIES)[0]
        return shares


TAGGER = Drawing(draw, Tagger)

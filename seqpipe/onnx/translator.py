"""The graphs of `seqpipe.nets.translator`, and what writes by them.

There is one that reads a batch and one that writes: a step of the decoder, where what stands
between two steps comes and goes as arrays, or, for a row by itself, all steps up to its end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import MemoryUnfit
from seqpipe.held import Drawing
from seqpipe.onnx.decoder import Decoder, draw_steps
from seqpipe.onnx.encoder import LookedUp, draw_encoder, draw_rows
from seqpipe.onnx.graph import Graph, Weights
from seqpipe.onnx.sessions import Session
from seqpipe.onnx.stepping import GATES, Array, scaled
from seqpipe.search.seats import Ints, Seats
from seqpipe.search.state import Run, Step

_SPARE = 0.75  # share of the sources still looked at, below which the others are let go
_CLOSED = -1e30
_YES = np.array(True)


def draw(
    weights: Weights,
    *,
    cell: str,
    layers: int,
    bidirectional: bool,
    decoder_width: int,
    decoder_layers: int,
    attention: str,
    feeding: bool,
    **_: Any,
) -> dict[str, bytes]:
    encoder = {"cell": cell, "layers": layers, "bidirectional": bidirectional}
    decoder = Decoder(weights, cell, decoder_width, decoder_layers, attention, feeding)
    return {"reader": _draw_reader(weights, decoder, encoder), "step": draw_steps(decoder)}


def _draw_reader(weights: Weights, decoder: Decoder, encoder: Mapping[str, Any]) -> bytes:
    """From ids (B, S) and lengths (B,) to what a decoder looks at and begins with."""
    graph = Graph("reader")
    ids = graph.input("ids", "int64", ["rows", "steps"])
    lengths = graph.input("lengths", "int64", ["rows"])
    rows = draw_rows(graph, ids, lengths)
    table = scaled(weights.get("source.weight", weights["target.weight"]))
    states = draw_encoder(graph, LookedUp(graph, [ids], [table]), rows, weights, **encoder).states
    keys = _keys(graph, decoder, states)
    graph.output(keys, "float32", ["rows", None, None, None], name="keys")
    values = np.concatenate(decoder.readers(), axis=1)  # (M, C)
    read = graph.op("MatMul", states, graph.weight(values, "decoder.readers"))
    graph.output(read, "float32", ["rows", "steps", values.shape[1]], name="values")
    mask = graph.op("Unsqueeze", rows.mask, graph.integers(1))
    gaps = graph.op("Where", mask, graph.number(0.0), graph.number(_CLOSED))
    graph.output(gaps, "float32", ["rows", 1, "steps"], name="gaps")
    count = graph.cast(graph.op("Max", lengths, graph.integer(1)), "float32")
    total = graph.op("ReduceSum", states, graph.integers(1), keepdims=0)
    mean = graph.op("Div", total, graph.op("Unsqueeze", count, graph.integers(1)))
    start = graph.weight(weights["decoder.start.weight"].T, "decoder.start.weight")
    bias = graph.weight(weights["decoder.start.bias"], "decoder.start.bias")
    starts = graph.op("Tanh", graph.op("Add", graph.op("MatMul", mean, start), bias))
    each = graph.ops("Split", starts, outputs=decoder.layers, axis=1)
    for i, own in enumerate(each):
        graph.output(own, "float32", ["rows", decoder.width], name=f"hidden.{i}")
    return graph.model()


def _keys(graph: Graph, decoder: Decoder, states: str) -> str:
    """(B, 1, S, A) of the additive kind, (B, A, S) of those that multiply."""
    name = "decoder.attention.key."
    if decoder.attention == "additive":
        product = graph.op(
            "MatMul", states, graph.weight(decoder.weights[f"{name}weight"].T, f"{name}weight")
        )
        keys = graph.op("Add", product, graph.weight(decoder.weights[f"{name}bias"]))
        return graph.op("Unsqueeze", keys, graph.integers(1))
    if decoder.attention == "general":
        key = graph.weight(decoder.weights[f"{name}weight"].T, f"{name}weight")
        keys = graph.op("MatMul", states, key)
    else:
        keys = graph.op("Mul", states, graph.number(1 / math.sqrt(decoder.width)))
    return graph.op("Transpose", keys, perm=[0, 2, 1])


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """The sources that rows look at."""

    keys: Array
    values: Array
    gaps: Array  # (N, 1, S), zero where there is something
    seats: Seats
    given: Mapping[str, NDArray[Any]]  # to a step

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Which rows (R,) have nothing to look at: of no place there softmax makes equal shares."""
        nothing: NDArray[np.bool_] = (self.gaps != 0).all(axis=(1, 2))
        return nothing[self.seats.homes]

    @classmethod
    def of(cls, keys: Array, values: Array, gaps: Array, seats: Seats) -> Looked:
        grid = seats.grid.reshape(seats.sources, seats.widest)
        given: dict[str, NDArray[Any]] = {"keys": keys, "values": values, "gaps": gaps}
        # what asks by adding needs an axis for the places that it is added to
        given["grid"] = grid[:, :, None] if keys.ndim == 4 else grid
        given["seats"] = np.stack([seats.homes, seats.slots], axis=1)
        return cls(keys, values, gaps, seats, given)

    def pick(self, rows: Ints) -> Looked:
        seats, left = self.seats.pick(rows, spare=_SPARE)
        if left is None:
            return Looked.of(self.keys, self.values, self.gaps, seats)
        gaps = self.gaps[left]
        longest = int((gaps == 0).sum(axis=2).max(initial=0))
        keys = self.keys[left]
        keys = keys[:, :, :longest]
        return Looked.of(keys, self.values[left, :longest], gaps[:, :, :longest], seats)


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """What goes from step to step."""

    looked: Looked
    states: Mapping[str, Array]  # by the names of inputs, (R, ...) each
    pieces: Ints | None  # (V',) those that the columns of the scores stand for; None: all
    # the weight (V', D) and the bias (V',) of these, they themselves, and that there are such
    output: Mapping[str, NDArray[Any]]
    told_from: Array | None = None  # (R, D) by which the scores of the step before were told

    @property
    def vectors(self) -> Array:
        if self.told_from is None:
            raise MemoryUnfit("its graphs are of an earlier version: export it anew")
        return self.told_from

    def pick(self, rows: Ints) -> Writing:
        """Some rows, in any order, as often as they are named."""
        states = {name: state[rows] for name, state in self.states.items()}
        return Writing(self.looked.pick(rows), states, self.pieces, self.output)


class Translator:
    """Asks the graphs as a stage asks the net, and a search."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        cell: str,
        decoder_width: int,
        decoder_layers: int,
        feeding: bool,
        **_: Any,
    ) -> None:
        self._reader, self._step = sessions["reader"], sessions["step"]
        self._output: tuple[Array, Array] | None = None  # (V, D) and (V,)
        self._width = decoder_width
        self._hidden = [f"hidden.{i}" for i in range(decoder_layers)]
        self._cells = [f"cell.{i}" for i in range(decoder_layers if cell == "lstm" else 0)]
        self._fed = ["fed"] if feeding else []
        self._carried = [*self._hidden, *self._cells, *self._fed]
        self._after = [f"{name}.after" for name in self._carried]
        self._gates = GATES[cell] * decoder_width

    @cached_property
    def _vectors(self) -> list[str]:
        """What a memory is asked by; a graph of an earlier version has no such output."""
        return ["vectors"] if self._step.gives("vectors") else []

    def begin(self, ids: Ints, lengths: Ints, shortlist: Ints | None = None) -> Writing:
        """What writing begins with; `shortlist` (V',), ascending, are the only pieces to be
        written."""
        names = ["keys", "values", "gaps", *self._hidden]
        keys, values, gaps, *hidden = self._reader.run({"ids": ids, "lengths": lengths}, *names)
        looked = Looked.of(keys, values, gaps, Seats.one_each(len(ids)))
        states = dict(zip(self._hidden, hidden, strict=True))
        states |= {name: np.zeros((len(ids), self._width), np.float32) for name in self._cells}
        states |= {name: np.zeros((len(ids), self._gates), np.float32) for name in self._fed}
        if shortlist is None:
            return Writing(looked, states, None, {})
        if self._output is None:
            given = {"tokens": np.zeros(len(ids), np.int64), **looked.given, **states}
            weight, bias = self._step.run(given, "output", "output.bias")
            self._output = weight, bias
        weight, bias = self._output
        some: dict[str, NDArray[Any]] = {"some": weight[shortlist], "some.bias": bias[shortlist]}
        some |= {"some.pieces": shortlist, "listed": _YES}
        return Writing(looked, states, shortlist, some)

    def step(self, tokens: Ints, writing: Writing) -> Step[Writing]:
        """What follows these pieces (R,)."""
        given = {"tokens": tokens, **writing.looked.given, **writing.states, **writing.output}
        names = ["scores", "attention", *self._after, *self._vectors]
        scores, attention, *after = self._step.run(given, *names)
        vectors = after.pop() if self._vectors else None
        states = dict(zip(self._carried, after, strict=True))
        attention[writing.looked.empty] = 0.0
        going = Writing(writing.looked, states, writing.pieces, writing.output, vectors)
        return Step(scores, going, attention)

    def best(self, token: int, writing: Writing, *, end: int, most: int) -> Run:
        """What one row writes behind this piece, the best at every step."""
        looked = writing.looked
        given = {"tokens": np.array([token]), **writing.states, **writing.output}
        given |= {"keys": looked.keys, "values": looked.values, "gaps": looked.gaps}
        given |= {"alone": _YES, "end": np.array(end), "most": np.array(most)}
        tokens, scores, attention = self._step.run(given, "written", "scores", "attention")
        if looked.empty[0]:
            attention[:] = 0.0
        return Run(tokens, scores[:, 0], attention)


TRANSLATOR = Drawing(draw, Translator)

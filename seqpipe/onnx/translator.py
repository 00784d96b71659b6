"""The graphs of `seqpipe.nets.translator`, and what writes by them.

There is one that reads a batch and one for a step of the decoder; what stands between two steps
comes and goes as arrays. As in `seqpipe.nets.stepper`, whatever hangs on a piece or on a place of
the source alone is computed once and then looked up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.held import Drawing
from seqpipe.onnx.encoder import LookedUp, draw_encoder, draw_rows
from seqpipe.onnx.graph import Graph, Weights
from seqpipe.onnx.seats import Ints, Seats
from seqpipe.onnx.sessions import Session
from seqpipe.onnx.stepping import GATES, Array, Layer, draw_after, draw_lookup, draw_states, scaled
from seqpipe.search.state import Step

_SPARE = 0.75  # share of the sources still looked at, below which the others are let go
_CLOSED = -1e30


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
    decoder = _Decoder(weights, cell, decoder_width, decoder_layers, attention, feeding)
    return {
        "reader": _draw_reader(weights, decoder, encoder),
        "step": _draw_step(weights, decoder),
    }


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Of which parts it is made."""

    weights: Weights
    cell: str
    width: int
    layers: int
    attention: str
    feeding: bool

    @property
    def inputs(self) -> int:
        return int(self.weights["target.weight"].shape[1])

    def lower(self, graph: Graph, i: int) -> Layer:
        return Layer(graph, self.cell, self.weights, f"decoder.layers.{i}.")

    def readers(self) -> list[Array]:
        """All that reads a context, (M, C) each: the readout, the second layer, and the lowest
        where contexts are fed back."""
        found = [self.weights["decoder.readout.weight"].T[self.width : -self.inputs]]
        empty = Graph("")
        if self.layers > 1:
            found.append(self.lower(empty, 1).given[self.width :])
        if self.feeding:
            found.append(self.lower(empty, 0).given[self.inputs :])
        return found


def _draw_reader(weights: Weights, decoder: _Decoder, encoder: Mapping[str, Any]) -> bytes:
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


def _keys(graph: Graph, decoder: _Decoder, states: str) -> str:
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


def _draw_step(weights: Weights, decoder: _Decoder) -> bytes:
    """From pieces (R,) and what is carried to the log-probabilities of all pieces (R, V), or of
    those whose weights are given, the attention (R, S), and what is carried on."""
    graph = Graph("step")
    tokens = graph.input("tokens", "int64", ["rows"])
    before = draw_states(graph, decoder.cell, decoder.layers, decoder.width)
    target = weights["target.weight"]
    size, inputs = target.shape
    tied = graph.weight(target, "target")
    table = graph.op("Mul", tied, graph.number(math.sqrt(inputs)))
    lowest = decoder.lower(graph, 0)
    gates = draw_lookup(graph, table, size, lowest, tokens, slice(0, inputs))
    if decoder.feeding:
        fed = graph.input("fed", "float32", ["rows", len(lowest.bias)])
        gates = graph.op("Add", gates, fed)
    after = [lowest.step(gates, before[0])]
    weighed, read = _look(graph, decoder, after[0].hidden)
    graph.output(weighed, "float32", ["rows", "steps"], name="attention")
    shares = [reader.shape[1] for reader in decoder.readers()]
    if len(shares) > 1:
        context, *seen = graph.ops(
            "Split", read, graph.integers(*shares), outputs=len(shares), axis=1
        )
    else:
        context, seen = read, []
    for i in range(1, decoder.layers):
        layer = decoder.lower(graph, i)
        given = layer.gates(after[-1].hidden, rows=slice(0, decoder.width))
        given = graph.op("Add", given, graph.weight(layer.bias))
        given = graph.op("Add", given, seen[0]) if i == 1 else given
        after.append(layer.step(given, before[i]))
    own, _, last = np.split(
        weights["decoder.readout.weight"].T, [decoder.width, -inputs]
    )  # (H, D), (M, D), (D, D)
    bias = graph.weight(weights["decoder.readout.bias"])
    written = graph.op("Add", graph.op("MatMul", table, graph.weight(last, "readout.last")), bias)
    vectors = graph.op("MatMul", after[-1].hidden, graph.weight(own, "readout.own"))
    vectors = graph.op(
        "Add", graph.op("Add", vectors, context), graph.op("Gather", written, tokens)
    )
    _tell(graph, weights, tied, graph.op("Tanh", vectors))
    draw_after(graph, after, decoder.width)
    if decoder.feeding:
        graph.output(seen[-1], "float32", ["rows", len(lowest.bias)], name="fed.after")
    return graph.model()


def _look(graph: Graph, decoder: _Decoder, hidden: str) -> tuple[str, str]:
    """The attention of each row (R, S), and what it reads there (R, C)."""
    keys = graph.input("keys", "float32", None)  # of one rank or another
    values = graph.input("values", "float32", ["sources", "steps", None])
    gaps = graph.input("gaps", "float32", ["sources", 1, "steps"])
    grid = graph.input("grid", "int64", None)
    seats = graph.input("seats", "int64", ["rows", 2])
    scores = _scores(graph, decoder, graph.op("Gather", hidden, grid), keys)
    shares = graph.op("Softmax", graph.op("Add", scores, gaps), axis=2)
    read = graph.op("MatMul", shares, values)
    return graph.op("GatherND", shares, seats), graph.op("GatherND", read, seats)


def _scores(graph: Graph, decoder: _Decoder, asked: str, keys: str) -> str:
    """(N, K, S), from what asks (N, K, H), or (N, K, 1, H) of the additive kind."""
    if decoder.attention != "additive":
        return graph.op("MatMul", asked, keys)
    name = "decoder.attention."
    query = graph.weight(decoder.weights[f"{name}asked.weight"].T, f"{name}asked")
    weight = graph.weight(decoder.weights[f"{name}weight.weight"][0], f"{name}weight")  # (A,)
    both = graph.op("Add", graph.op("MatMul", asked, query), keys)  # (N, K, S, A)
    return graph.op("MatMul", graph.op("Tanh", both), weight)


def _tell(graph: Graph, weights: Weights, tied: str, vectors: str) -> None:
    """Twice: nothing is computed of what is not asked for."""
    own = weights.get("output.weight")
    every = tied if own is None else graph.weight(own, "output.weight")
    graph.output(every, "float32", [None, None], name="output")
    bias = graph.weight(weights["bias"], "bias")
    graph.output(bias, "float32", [None], name="output.bias")
    scores = graph.op("MatMul", vectors, graph.op("Transpose", every, perm=[1, 0]))
    told = graph.op("LogSoftmax", graph.op("Add", scores, bias), axis=1)
    graph.output(told, "float32", ["rows", None], name="scores")
    width = weights["target.weight"].shape[1]
    some = graph.input("some", "float32", ["pieces", width])
    some_bias = graph.input("some.bias", "float32", ["pieces"])
    scores = graph.op("Gemm", vectors, some, some_bias, transB=1)
    graph.output(
        graph.op("LogSoftmax", scores, axis=1), "float32", ["rows", None], name="some.scores"
    )


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
    output: Mapping[str, Array]  # the weight (V', D) and the bias (V',) of these

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
        embedding: int,
        feeding: bool,
        **_: Any,
    ) -> None:
        # given where there is no shortlist, and not looked at
        self._none = {"some": np.zeros((1, embedding), np.float32), "some.bias": np.zeros(1, "f")}
        self._reader, self._step = sessions["reader"], sessions["step"]
        self._output: tuple[Array, Array] | None = None  # (V, D) and (V,)
        self._width = decoder_width
        self._hidden = [f"hidden.{i}" for i in range(decoder_layers)]
        self._cells = [f"cell.{i}" for i in range(decoder_layers if cell == "lstm" else 0)]
        self._fed = ["fed"] if feeding else []
        self._carried = [*self._hidden, *self._cells, *self._fed]
        self._after = [f"{name}.after" for name in self._carried]
        self._gates = GATES[cell] * decoder_width

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
        if self._output is None:  # what is not asked for is given, and not looked at
            given = {"tokens": np.zeros(len(ids), np.int64), **looked.given, **states, **self._none}
            weight, bias = self._step.run(given, "output", "output.bias")
            self._output = weight, bias
        weight, bias = self._output
        some = {"some": weight[shortlist], "some.bias": bias[shortlist]}
        return Writing(looked, states, shortlist, some)

    def step(self, tokens: Ints, writing: Writing) -> Step[Writing]:
        """What follows these pieces (R,)."""
        given = {"tokens": tokens, **writing.looked.given, **writing.states}
        given |= writing.output or self._none
        name = "some.scores" if writing.output else "scores"
        scores, attention, *after = self._step.run(given, name, "attention", *self._after)
        states = dict(zip(self._carried, after, strict=True))
        attention[writing.looked.empty] = 0.0
        going = Writing(writing.looked, states, writing.pieces, writing.output)
        return Step(scores, going, attention)


TRANSLATOR = Drawing(draw, Translator)

"""The graphs of `seqpipe.nets.translator`, and what writes by them.

There is one that reads a batch, one for a step of the decoder, and one that tells pieces from what
the step gives; what stands between two steps comes and goes as arrays. As in
`seqpipe.nets.stepper`, whatever hangs on a piece or on a place of the source alone is computed once
and then looked up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.held import Drawing
from seqpipe.onnx.encoder import LookedUp, draw_encoder, draw_rows
from seqpipe.onnx.graph import Graph, Weights
from seqpipe.onnx.seats import Ints, Seats
from seqpipe.onnx.sessions import Session
from seqpipe.onnx.stepping import GATES, Array, Layer, draw_after, draw_lookup, draw_states
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
        "tell": _draw_tell(weights),
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
    def vectors(self) -> Array:
        """Of the pieces that are written: (V, D)."""
        return _scaled(self.weights["target.weight"])

    @property
    def inputs(self) -> int:
        return self.weights["target.weight"].shape[1]

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


def _scaled(table: Array) -> Array:
    return (table * np.float32(math.sqrt(table.shape[1]))).astype(np.float32)


def _draw_reader(weights: Weights, decoder: _Decoder, encoder: Mapping[str, Any]) -> bytes:
    """From ids (B, S) and lengths (B,) to what a decoder looks at and begins with."""
    graph = Graph("reader")
    batch = graph.input("ids", "int64", ["rows", "steps"])
    lengths = graph.input("lengths", "int64", ["rows"])
    ids = graph.op("Transpose", batch, perm=[1, 0])  # (S, B)
    rows = draw_rows(graph, ids, lengths)
    table = _scaled(weights.get("source.weight", weights["target.weight"]))
    looked_up = LookedUp(graph, [ids], [table], rows)
    by_time = draw_encoder(graph, looked_up, rows, weights, **encoder)
    states = graph.op("Transpose", by_time, perm=[1, 0, 2])  # (B, S, M)
    keys = _keys(graph, decoder, states)
    graph.output("keys", keys, "float32", ["rows", None, None])
    values = np.concatenate(decoder.readers(), axis=1)  # (M, C)
    read = graph.op("MatMul", states, graph.weight(values, "decoder.readers"))
    graph.output("values", read, "float32", ["rows", "steps", values.shape[1]])
    mask = graph.cast(graph.op("Transpose", rows.mask, perm=[1, 0]), "float32")
    graph.output("mask", mask, "float32", ["rows", "steps"])
    count = graph.cast(graph.op("Max", lengths, graph.int(1)), "float32")
    total = graph.op("ReduceSum", states, graph.ints(1), keepdims=0)
    mean = graph.op("Div", total, graph.op("Unsqueeze", count, graph.ints(1)))
    start = graph.weight(weights["decoder.start.weight"].T, "decoder.start.weight")
    bias = graph.weight(weights["decoder.start.bias"], "decoder.start.bias")
    starts = graph.op("Tanh", graph.op("Add", graph.op("MatMul", mean, start), bias))
    each = graph.ops("Split", starts, outputs=decoder.layers, axis=1)
    for i, own in enumerate(each):
        graph.output(f"hidden.{i}", own, "float32", ["rows", decoder.width])
    return graph.model()


def _keys(graph: Graph, decoder: _Decoder, states: str) -> str:
    """(B, S, A) of the additive kind, (B, A, S) of those that multiply."""
    name = "decoder.attention.key."
    if decoder.attention == "additive":
        product = graph.op(
            "MatMul", states, graph.weight(decoder.weights[f"{name}weight"].T, f"{name}weight")
        )
        return graph.op("Add", product, graph.weight(decoder.weights[f"{name}bias"]))
    if decoder.attention == "general":
        key = graph.weight(decoder.weights[f"{name}weight"].T, f"{name}weight")
        keys = graph.op("MatMul", states, key)
    else:
        keys = graph.op("Mul", states, graph.float(1 / math.sqrt(decoder.width)))
    return graph.op("Transpose", keys, perm=[0, 2, 1])


def _draw_step(weights: Weights, decoder: _Decoder) -> bytes:
    """From pieces (R,) and what is carried to vectors (R, D), the attention (R, S), and what is
    carried on."""
    graph = Graph("step")
    tokens = graph.input("tokens", "int64", ["rows"])
    before = draw_states(graph, decoder.cell, decoder.layers, decoder.width)
    table = graph.weight(decoder.vectors, "target")
    lowest = decoder.lower(graph, 0)
    size, inputs = decoder.vectors.shape
    gates = draw_lookup(graph, table, size, lowest, tokens, slice(0, inputs))
    if decoder.feeding:
        fed = graph.input("fed", "float32", ["rows", len(lowest.bias)])
        gates = graph.op("Add", gates, fed)
    after = [lowest.step(gates, before[0])]
    weighed, read = _look(graph, decoder, after[0].hidden)
    graph.output("attention", weighed, "float32", ["rows", "steps"])
    shares = [reader.shape[1] for reader in decoder.readers()]
    if len(shares) > 1:
        context, *seen = graph.ops("Split", read, graph.ints(*shares), outputs=len(shares), axis=1)
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
    graph.output("vectors", graph.op("Tanh", vectors), "float32", ["rows", inputs])
    draw_after(graph, after, decoder.width)
    if decoder.feeding:
        graph.output("fed.after", seen[-1], "float32", ["rows", len(lowest.bias)])
    return graph.model()


def _look(graph: Graph, decoder: _Decoder, hidden: str) -> tuple[str, str]:
    """The attention of each row (R, S), and what it reads there (R, C)."""
    keys = graph.input("keys", "float32", ["sources", None, None])
    values = graph.input("values", "float32", ["sources", "steps", None])
    mask = graph.input("mask", "float32", ["sources", "steps"])
    grid = graph.input("grid", "int64", ["sources", "widest"])
    places = graph.input("places", "int64", ["rows"])
    asked = graph.op("Gather", hidden, grid)  # (N, K, H)
    scores = _scores(graph, decoder, asked, keys)
    open_ = graph.op("Unsqueeze", mask, graph.ints(1))  # (N, 1, S)
    gaps = graph.op("Mul", graph.op("Sub", open_, graph.float(1.0)), graph.float(-_CLOSED))
    shares = graph.op("Softmax", graph.op("Add", scores, gaps), axis=2)
    shares = graph.op("Mul", shares, open_)  # of a row of nothing all are equal, and none
    found = []
    for grown in (shares, graph.op("MatMul", shares, values)):
        width = graph.op("Slice", graph.op("Shape", grown), graph.ints(2), graph.ints(3))
        flat = graph.op("Concat", graph.ints(-1), width, axis=0)
        found.append(graph.op("Gather", graph.op("Reshape", grown, flat), places))
    return found[0], found[1]


def _scores(graph: Graph, decoder: _Decoder, asked: str, keys: str) -> str:
    """(N, K, S)"""
    if decoder.attention != "additive":
        return graph.op("MatMul", asked, keys)
    name = "decoder.attention."
    query = graph.weight(decoder.weights[f"{name}asked.weight"].T, f"{name}asked")
    weight = graph.weight(decoder.weights[f"{name}weight.weight"].T, f"{name}weight")
    own = graph.op("Unsqueeze", graph.op("MatMul", asked, query), graph.ints(2))  # (N, K, 1, A)
    both = graph.op("Add", own, graph.op("Unsqueeze", keys, graph.ints(1)))  # (N, K, S, A)
    return graph.op("Squeeze", graph.op("MatMul", graph.op("Tanh", both), weight), graph.ints(3))


def _draw_tell(weights: Weights) -> bytes:
    """From vectors (R, D) to the log-probabilities of all pieces (R, V), or of some that were
    taken out before."""
    graph = Graph("tell")
    output = weights.get("output.weight", weights["target.weight"]).T  # (D, V)
    width = len(output)
    vectors = graph.optional("vectors", np.zeros((1, width), np.float32), ["rows", width])
    pieces = graph.optional("pieces", np.zeros(1, np.int64), ["pieces"])
    some = graph.optional("weight", np.zeros((width, 1), np.float32), [width, "pieces"])
    some_bias = graph.optional("bias", np.zeros(1, np.float32), ["pieces"])
    every, bias = graph.weight(output, "output"), graph.weight(weights["bias"], "output.bias")
    for name, factor, added in (("scores", every, bias), ("some.scores", some, some_bias)):
        scores = graph.op("Add", graph.op("MatMul", vectors, factor), added)
        told = graph.op("LogSoftmax", scores, axis=1)
        graph.output(name, told, "float32", ["rows", None])
    taken = graph.op("Gather", every, pieces, axis=1)
    graph.output("some.weight", taken, "float32", [width, "pieces"])
    graph.output("some.bias", graph.op("Gather", bias, pieces), "float32", ["pieces"])
    return graph.model()


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """The sources that rows look at."""

    keys: Array
    values: Array
    mask: Array  # (N, S), 1 where there is something
    seats: Seats
    attention: str  # its kind

    def pick(self, rows: Ints) -> Looked:
        seats, left = self.seats.pick(rows, spare=_SPARE)
        if left is None:
            return replace(self, seats=seats)
        mask = self.mask[left]
        longest = int(mask.sum(axis=1).max(initial=0))
        keys = self.keys[left]
        keys = keys[:, :longest] if self.attention == "additive" else keys[:, :, :longest]
        values = self.values[left, :longest]
        return Looked(keys, values, mask[:, :longest], seats, self.attention)

    def inputs(self) -> dict[str, NDArray[Any]]:
        seats = self.seats
        grid = seats.grid.reshape(seats.sources, seats.widest)
        given = {"keys": self.keys, "values": self.values, "mask": self.mask}
        return {**given, "grid": grid, "places": seats.places}


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """What goes from step to step."""

    looked: Looked
    states: Mapping[str, Array]  # by the names of inputs, (R, ...) each
    pieces: Ints | None  # (V',) those that the columns of the scores stand for; None: all
    output: Mapping[str, Array]  # the weight (D, V') and the bias (V',) of these

    def pick(self, rows: Ints) -> Writing:
        """Some rows, in any order, as often as they are named."""
        states = {name: state[rows] for name, state in self.states.items()}
        return replace(self, looked=self.looked.pick(rows), states=states)


class Translator:
    """Asks the graphs as a stage asks the net, and a search."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        cell: str,
        decoder_width: int,
        decoder_layers: int,
        attention: str,
        feeding: bool,
        **_: Any,
    ) -> None:
        self._reader, self._step, self._tell = (sessions[n] for n in ("reader", "step", "tell"))
        self._width = decoder_width
        self._attention = attention
        self._hidden = [f"hidden.{i}" for i in range(decoder_layers)]
        self._cells = [f"cell.{i}" for i in range(decoder_layers if cell == "lstm" else 0)]
        self._fed = ["fed"] if feeding else []
        self._carried = [*self._hidden, *self._cells, *self._fed]
        self._after = [f"{name}.after" for name in self._carried]
        self._gates = GATES[cell] * decoder_width

    def begin(self, ids: Ints, lengths: Ints, shortlist: Ints | None = None) -> Writing:
        """What writing begins with; `shortlist` (V',), ascending, are the only pieces to be
        written."""
        names = ["keys", "values", "mask", *self._hidden]
        keys, values, mask, *hidden = self._reader.run({"ids": ids, "lengths": lengths}, *names)
        looked = Looked(keys, values, mask, Seats.one_each(len(ids)), self._attention)
        states = dict(zip(self._hidden, hidden, strict=True))
        states |= {name: np.zeros((len(ids), self._width), np.float32) for name in self._cells}
        states |= {name: np.zeros((len(ids), self._gates), np.float32) for name in self._fed}
        if shortlist is None:
            return Writing(looked, states, None, {})
        weight, bias = self._tell.run({"pieces": shortlist}, "some.weight", "some.bias")
        return Writing(looked, states, shortlist, {"weight": weight, "bias": bias})

    def step(self, tokens: Ints, writing: Writing) -> Step[Writing]:
        """What follows these pieces (R,)."""
        given = {"tokens": tokens, **writing.looked.inputs(), **writing.states}
        vectors, attention, *after = self._step.run(given, "vectors", "attention", *self._after)
        name = "some.scores" if writing.output else "scores"
        (scores,) = self._tell.run({"vectors": vectors, **writing.output}, name)
        states = dict(zip(self._carried, after, strict=True))
        return Step(scores, replace(writing, states=states), attention)


TRANSLATOR = Drawing(draw, Translator)

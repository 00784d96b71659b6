"""The graph of `seqpipe.nets.decoder`: one step for many rows, and all steps of one row.

As in `seqpipe.nets.stepper`, whatever hangs on a piece or on a place of the source alone is
computed once and then looked up. A row by itself is written in a loop within the graph, for what is
done between two of its steps would cost as much as a third of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqpipe.onnx.graph import Graph, Weights
from seqpipe.onnx.stepping import Array, Layer, Lookup, State, draw_states

# From the state (R, H) that asks to the attention (R, S), and what is read there (R, C).
Look = Callable[[Graph, str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Decoder:
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

    def layer(self, graph: Graph, i: int) -> Layer:
        return Layer(graph, self.cell, self.weights, f"decoder.layers.{i}.")

    def readers(self) -> list[Array]:
        """All that reads a context, (M, C) each: the readout, the second layer, and the lowest
        where contexts are fed back."""
        found = [self.weights["decoder.readout.weight"].T[self.width : -self.inputs]]
        empty = Graph("")
        if self.layers > 1:
            found.append(self.layer(empty, 1).given[self.width :])
        if self.feeding:
            found.append(self.layer(empty, 0).given[self.inputs :])
        return found


@dataclass(frozen=True, slots=True)
class _Stepped:
    """What a step makes."""

    vectors: str  # (R, D) of what comes next
    attention: str  # (R, S)
    after: list[State]
    fed: str  # (R, G) what the context adds to the lowest gates, or ""


class _Steps:
    """What all steps of a graph look up and multiply by."""

    def __init__(self, graph: Graph, decoder: Decoder) -> None:
        weights, target = decoder.weights, decoder.weights["target.weight"]
        size, inputs = target.shape
        tied = graph.weight(target, "target")
        table = graph.op("Mul", tied, graph.number(math.sqrt(inputs)))
        self.decoder = decoder
        self.lookup = Lookup(decoder.layer(graph, 0), table, size, rows=slice(0, inputs))
        readout = weights["decoder.readout.weight"].T
        self.own, last = readout[: decoder.width], readout[-inputs:]  # (H, D), (D, D)
        bias = graph.weight(weights["decoder.readout.bias"])
        last_one = graph.op("MatMul", table, graph.weight(last, "readout.last"))
        self.written = graph.op("Add", last_one, bias)  # (V, D)
        own = weights.get("output.weight")
        self.output = tied if own is None else graph.weight(own, "output.weight")  # (V, D)
        self.bias = graph.weight(weights["bias"], "bias")  # (V,)
        self.turned = graph.op("Transpose", self.output, perm=[1, 0])

    def step(
        self, graph: Graph, tokens: str, before: list[State], fed: str, look: Look
    ) -> _Stepped:
        """From pieces (R,)."""
        decoder = self.decoder
        lowest = decoder.layer(graph, 0)
        gates = self.lookup.gates(lowest, tokens)
        gates = graph.op("Add", gates, fed) if fed else gates
        after = [lowest.step(gates, before[0])]
        attention, read = look(graph, after[0].hidden)
        shares = [reader.shape[1] for reader in decoder.readers()]
        if len(shares) > 1:
            sizes = graph.integers(*shares)
            context, *seen = graph.ops("Split", read, sizes, outputs=len(shares), axis=1)
        else:
            context, seen = read, []
        for i in range(1, decoder.layers):
            layer = decoder.layer(graph, i)
            given = layer.gates(after[-1].hidden, rows=slice(0, decoder.width))
            given = graph.op("Add", given, layer.own_bias())
            given = graph.op("Add", given, seen[0]) if i == 1 else given
            after.append(layer.step(given, before[i]))
        vectors = graph.op("MatMul", after[-1].hidden, graph.weight(self.own, "readout.own"))
        told = graph.op("Add", context, graph.op("Gather", self.written, tokens))
        vectors = graph.op("Tanh", graph.op("Add", vectors, told))
        return _Stepped(vectors, attention, after, seen[-1] if decoder.feeding else "")

    def tell(self, graph: Graph, vectors: str) -> str:
        """The log-probabilities (R, V) of all pieces, or of those whose weights are given."""
        every, some = (Graph(f"{graph.name}.{name}", within=graph) for name in ("every", "some"))
        product = every.op("MatMul", vectors, self.turned)
        scores = every.op("Add", product, self.bias), some.op("Gemm", vectors, *_SOME, transB=1)
        for branch, given in zip((every, some), scores, strict=True):
            branch.output(branch.op("LogSoftmax", given, axis=1), "float32", None)
        return graph.op("If", _LISTED, then_branch=some.body(), else_branch=every.body())


# What need not be given: the weight, the bias and the numbers of the pieces that may be written,
# and that there are such; that one row is to be written to its end, what that is, and how far.
_SOME = ("some", "some.bias")
_PIECES, _LISTED, _ALONE, _END, _MOST = "some.pieces", "listed", "alone", "end", "most"


def draw_steps(decoder: Decoder) -> bytes:
    """From pieces (R,) and what is carried to the log-probabilities of all pieces (R, V), or of
    those whose weights are given, the attention (R, S), and what is carried on; or, `alone`, from
    one piece to all that follows (T,), their log-probabilities (T, 1) and the attention (T, S)."""
    graph = Graph("step")
    steps = _Steps(graph, decoder)
    tokens = graph.input("tokens", "int64", ["rows"])
    before = draw_states(graph, decoder.cell, decoder.layers, decoder.width)
    width = len(decoder.layer(graph, 0).bias)
    fed = [graph.input("fed", "float32", ["rows", width])] if decoder.feeding else []
    _draw_given(graph, decoder)
    branches = [Graph(name, within=graph) for name in ("run", "each")]
    _draw_run(branches[0], steps, [tokens, *_flat(before), *fed])
    _draw_each(branches[1], steps, tokens, before, fed)
    carried = [f"{name}.after" for name in [*_flat(before), *fed]]
    names = ["written", "scores", "attention", *carried, "vectors"]
    bodies = [branch.body() for branch in branches]
    found = graph.ops(
        "If", _ALONE, outputs=len(names), then_branch=bodies[0], else_branch=bodies[1]
    )
    for made, name in zip(found, names, strict=True):
        integer = name == "written"
        graph.output(made, "int64" if integer else "float32", None, name=name)
    graph.output(steps.output, "float32", [None, None], name="output")
    graph.output(steps.bias, "float32", [None], name="output.bias")
    return graph.model()


def _draw_given(graph: Graph, decoder: Decoder) -> None:
    graph.input("keys", "float32", None)  # of one rank or another
    graph.input("values", "float32", ["sources", "steps", None])
    graph.input("gaps", "float32", ["sources", 1, "steps"])
    seat = np.zeros((1, 2), np.int64)
    graph.input("grid", "int64", None, default=seat)
    graph.input("seats", "int64", ["rows", 2], default=seat)
    nothing = np.zeros((1, decoder.inputs), np.float32)
    graph.input(_SOME[0], "float32", ["pieces", decoder.inputs], default=nothing)
    graph.input(_SOME[1], "float32", ["pieces"], default=nothing[0, :1])
    every = np.arange(len(decoder.weights["target.weight"]))
    graph.input(_PIECES, "int64", ["pieces"], default=every)
    for name in (_LISTED, _ALONE):
        graph.input(name, "bool", [], default=np.array(False))
    for name in (_END, _MOST):
        graph.input(name, "int64", [], default=np.array(0))


def _flat(states: list[State]) -> list[str]:
    return [name for state in states for name in (state.hidden, state.cell) if name]


def _draw_each(
    graph: Graph, steps: _Steps, tokens: str, before: list[State], fed: list[str]
) -> None:
    """One step of all rows."""
    one = steps.step(graph, tokens, before, "".join(fed), _seated(steps.decoder))
    graph.output(tokens, "int64", None, name="each.tokens")
    graph.output(steps.tell(graph, one.vectors), "float32", None)
    for made in (one.attention, *_flat(one.after), *([one.fed] if fed else []), one.vectors):
        graph.output(made, "float32", None)


def _draw_run(graph: Graph, steps: _Steps, first: list[str]) -> None:
    """All steps of one row, each with the best piece."""
    body = _draw_best(graph, steps)
    found = graph.ops("Loop", _MOST, "", *first, outputs=len(first) + 3, body=body)
    between = graph.integers(1)
    _, *carried = found[: len(first)]
    written, scores, attention = found[-3:]
    graph.output(graph.op("Squeeze", written, between), "int64", None)
    graph.output(scores, "float32", None)
    for made in (graph.op("Squeeze", attention, between), *carried):
        graph.output(made, "float32", None)
    graph.output(graph.op("Identity", scores), "float32", None)  # nobody asks for its vectors


def _draw_best(within: Graph, steps: _Steps) -> object:
    """One of them."""
    decoder = steps.decoder
    graph = Graph("best", within=within)
    graph.input("best.number", "int64", [])
    graph.input("best.on", "bool", [])
    tokens = graph.input("best.token", "int64", [1])
    before = draw_states(graph, decoder.cell, decoder.layers, decoder.width, within="best.")
    width = len(decoder.layer(graph, 0).bias)
    fed = graph.input("best.fed", "float32", [1, width]) if decoder.feeding else ""
    one = steps.step(graph, tokens, before, fed, _alone(decoder))
    told = steps.tell(graph, one.vectors)
    best = graph.op("ArgMax", told, axis=1, keepdims=1)  # (1, 1)
    score = graph.op("GatherElements", told, best, axis=1)
    between = graph.integers(1)
    column = graph.op("Squeeze", best, between)
    token = graph.op("Gather", _PIECES, column)
    on = graph.op("Squeeze", graph.op("Not", graph.op("Equal", token, _END)))
    graph.output(on, "bool", [])
    graph.output(token, "int64", [1])
    for made in (*_flat(one.after), *([one.fed] if fed else [])):
        graph.output(made, "float32", None)
    graph.output(token, "int64", [1], name="best.written")
    graph.output(graph.op("Squeeze", score, between), "float32", [1])
    graph.output(one.attention, "float32", [1, None])
    return graph.body()


def _seated(decoder: Decoder) -> Look:
    """Several rows may look at one source: see `Seats`."""

    def look(graph: Graph, hidden: str) -> tuple[str, str]:
        shares = _shares(graph, decoder, graph.op("Gather", hidden, "grid"))
        read = graph.op("MatMul", shares, "values")
        return graph.op("GatherND", shares, "seats"), graph.op("GatherND", read, "seats")

    return look


def _alone(decoder: Decoder) -> Look:
    """Each row looks at its own source."""

    def look(graph: Graph, hidden: str) -> tuple[str, str]:
        axes = (1, 2) if decoder.attention == "additive" else (1,)
        shares = _shares(graph, decoder, graph.op("Unsqueeze", hidden, graph.integers(*axes)))
        read = graph.op("MatMul", shares, "values")
        between = graph.integers(1)
        return graph.op("Squeeze", shares, between), graph.op("Squeeze", read, between)

    return look


def _shares(graph: Graph, decoder: Decoder, asked: str) -> str:
    """(N, K, S), from what asks (N, K, H), or (N, K, 1, H) of the additive kind."""
    if decoder.attention != "additive":
        scores = graph.op("MatMul", asked, "keys")
    else:
        name = "decoder.attention."
        query = graph.weight(decoder.weights[f"{name}asked.weight"].T, f"{name}asked")
        weight = graph.weight(decoder.weights[f"{name}weight.weight"][0], f"{name}weight")  # (A,)
        both = graph.op("Add", graph.op("MatMul", asked, query), "keys")  # (N, K, S, A)
        scores = graph.op("MatMul", graph.op("Tanh", both), weight)
    return graph.op("Softmax", graph.op("Add", scores, "gaps"), axis=2)

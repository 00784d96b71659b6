"""One step of a recurrent layer as a part of a graph, for nets that write piece by piece."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqpipe.onnx.graph import Graph, Weights

Array = NDArray[np.float32]

# Numbers in a table that is made when a graph is opened, 64 MB: with more it multiplies each step.
LARGEST = 1 << 24

# An LSTM's gates, those that go through the logistic function side by side: torch has them as
# input, forget, cell, output.
_ORDER = {"lstm": (0, 1, 3, 2)}


@dataclass(frozen=True, slots=True)
class State:
    """Of a layer: (R, H)."""

    hidden: str
    cell: str  # an LSTM's; of other layers "", as they have none


class Layer:
    """The weights of one layer of a cell, for one step after the other."""

    def __init__(self, graph: Graph, cell: str, weights: Weights, prefix: str) -> None:
        self.graph = graph
        self.cell = cell
        self._prefix = prefix
        self.given = _ordered(weights[f"{prefix}weight_ih_l0"], cell).T  # (D, G)
        self.bias = _ordered(weights[f"{prefix}bias_ih_l0"], cell)  # (G,), of the given half
        self.width = len(self.bias) // GATES[cell]
        self._carried_bias = np.zeros(0, np.float32)
        if cell == "mingru":
            return
        self._recurrent = _ordered(weights[f"{prefix}weight_hh_l0"], cell).T  # (H, G)
        carried = _ordered(weights[f"{prefix}bias_hh_l0"], cell)
        if cell == "gru":  # what its reset gate takes back holds the bias of the carried half
            self._carried_bias = carried
        else:
            self.bias = self.bias + carried

    def gates(self, below: str, *, rows: slice = slice(None)) -> str:
        """What the inputs make of the gates, by some rows of the weights, without the bias."""
        return self._product(self.given[rows], "given", below)

    def _product(self, weight: Array, name: str, x: str) -> str:
        return self.graph.op("MatMul", x, self.graph.weight(weight, f"{self._prefix}{name}"))

    def step(self, gates: str, before: State) -> State:
        """From the given half of the gates (R, G), bias included."""
        return _STEPS[self.cell](self, self.graph, gates, before)

    def carried(self, before: State) -> str:
        return self._product(self._recurrent, "carried", before.hidden)

    def own_bias(self) -> str:
        return self.graph.weight(self.bias, f"{self._prefix}bias")

    def carried_bias(self) -> str:
        return self.graph.weight(self._carried_bias, f"{self._prefix}carried.bias")


def _rnn(layer: Layer, graph: Graph, gates: str, before: State) -> State:
    return State(graph.op("Tanh", graph.op("Add", gates, layer.carried(before))), "")


def _lstm(layer: Layer, graph: Graph, gates: str, before: State) -> State:
    whole = graph.op("Add", gates, layer.carried(before))
    size = layer.width
    opened, new = graph.ops("Split", whole, graph.integers(3 * size, size), outputs=2, axis=1)
    enter, keep, leave = graph.ops("Split", graph.op("Sigmoid", opened), outputs=3, axis=1)
    entered = graph.op("Mul", enter, graph.op("Tanh", new))
    cell = graph.op("Add", graph.op("Mul", keep, before.cell), entered)
    return State(graph.op("Mul", leave, graph.op("Tanh", cell)), cell)


def _gru(layer: Layer, graph: Graph, gates: str, before: State) -> State:
    size = layer.width
    carried = graph.op("Add", layer.carried(before), layer.carried_bias())
    sizes = graph.integers(2 * size, size)
    opening, new = graph.ops("Split", gates, sizes, outputs=2, axis=1)
    opened, inner = graph.ops("Split", carried, sizes, outputs=2, axis=1)
    both = graph.op("Sigmoid", graph.op("Add", opening, opened))
    reset, keep = graph.ops("Split", both, outputs=2, axis=1)
    value = graph.op("Tanh", graph.op("Add", new, graph.op("Mul", reset, inner)))
    kept = graph.op("Mul", keep, graph.op("Sub", before.hidden, value))
    return State(graph.op("Add", value, kept), "")


def _mingru(layer: Layer, graph: Graph, gates: str, before: State) -> State:
    opening, new = graph.ops("Split", gates, outputs=2, axis=1)
    change = graph.op("Mul", graph.op("Sigmoid", opening), graph.op("Sub", new, before.hidden))
    return State(graph.op("Add", before.hidden, change), "")


GATES = {"rnn": 1, "lstm": 4, "gru": 3, "mingru": 2}
_STEPS: dict[str, Callable[[Layer, Graph, str, State], State]] = {
    "rnn": _rnn,
    "lstm": _lstm,
    "gru": _gru,
    "mingru": _mingru,
}


def _ordered(weight: Array, cell: str) -> Array:
    if cell not in _ORDER:
        return weight
    gates = np.split(weight, GATES[cell])
    return np.concatenate([gates[i] for i in _ORDER[cell]])


class Lookup:
    """The gates of the lowest layer for pieces, bias included: looked up where the table of all of
    them is not too large."""

    def __init__(self, layer: Layer, table: str, size: int, *, rows: slice = slice(None)) -> None:
        """A layer of the root, whose weights have these rows for the table (V, D)."""
        self._table, self._rows = table, rows
        self._whole = ""
        if size * len(layer.bias) <= LARGEST:
            gates = layer.gates(table, rows=rows)
            self._whole = layer.graph.op("Add", gates, layer.own_bias())

    def gates(self, layer: Layer, tokens: str) -> str:
        """(R, G), in the graph of this layer."""
        if self._whole:
            return layer.graph.op("Gather", self._whole, tokens)
        found = layer.graph.op("Gather", self._table, tokens)
        return layer.graph.op("Add", layer.gates(found, rows=self._rows), layer.own_bias())


def scaled(table: Array) -> Array:
    """Vectors of pieces as cells read them: see `seqpipe.nets.embedding.Pieces`."""
    return (table * np.float32(math.sqrt(table.shape[1]))).astype(np.float32)


def draw_states(
    graph: Graph, cell: str, layers: int, width: int, *, within: str = ""
) -> list[State]:
    """Those that come in, named as they go out again; a graph `within` another one has names of
    its own."""

    def given(name: str) -> str:
        return graph.input(f"{within}{name}", "float32", ["rows", width])

    return [
        State(given(f"hidden.{i}"), given(f"cell.{i}") if cell == "lstm" else "")
        for i in range(layers)
    ]


def draw_after(graph: Graph, states: Sequence[State], width: int, *, within: str = "") -> None:
    for i, state in enumerate(states):
        graph.output(state.hidden, "float32", ["rows", width], name=f"{within}hidden.{i}.after")
        if state.cell:
            graph.output(state.cell, "float32", ["rows", width], name=f"{within}cell.{i}.after")

"""`seqpipe.nets.encoder` as a part of a graph.

Everything is laid out by time first, (S, B, ...), as ONNX has its recurrent operators. They know
how long each row is; a minGRU is a loop of three elementwise operators instead, and leaves its
state at zero where a row has ended because of the gates that it finds there: one that lets all in,
and nothing to be let in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import GraphsLacking
from seqpipe.onnx.graph import Graph, Weights

_OPEN = 1e4  # a gate before its logistic function, which is then one

# torch's order of the gates, and where ONNX wants each of them.
_OPERATORS = {"rnn": ("RNN", [0]), "lstm": ("LSTM", [0, 3, 1, 2]), "gru": ("GRU", [1, 0, 2])}
_WAYS = ("onward", "backward_")

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Which steps of a batch there are."""

    lengths: str  # (B,) int64
    mask: str  # (S, B) bool


def draw_rows(graph: Graph, ids: str, lengths: str) -> Rows:
    """Of ids (S, B)."""
    steps = graph.op("Squeeze", graph.op("Slice", graph.op("Shape", ids), *_first(graph)))
    at = graph.op("Range", graph.integer(0), steps, graph.integer(1))
    mask = graph.op("Less", graph.op("Unsqueeze", at, graph.integers(1)), lengths)
    return Rows(lengths, mask)


def _first(graph: Graph) -> tuple[str, str]:
    return graph.integers(0), graph.integers(1)


class Given:
    """Inputs of the lowest layer that are computed: (S, B, D)."""

    def __init__(self, graph: Graph, x: str, rows: Rows) -> None:
        self._graph, self._x, self._rows = graph, x, rows

    def vectors(self) -> str:
        return self._x

    def gate(self, weight: Array, bias: Array, *, beyond: float, name: str) -> str:
        """The inputs times a weight (H, D), with its bias; where a row has ended, `beyond`."""
        graph = self._graph
        product = graph.op("MatMul", self._x, graph.weight(weight.T, name))
        gate = graph.op("Add", product, graph.weight(bias, f"{name}.bias"))
        mask = graph.op("Unsqueeze", self._rows.mask, graph.integers(2))
        return graph.op("Where", mask, gate, graph.number(beyond))


class LookedUp:
    """Inputs that are the sum of one row of each of some tables.

    A table times the weights is a table too: there is no product left to be computed for each step,
    and a row of its own stands for what is beyond the end of another.
    """

    def __init__(
        self, graph: Graph, places: Sequence[str], tables: Sequence[Array], rows: Rows
    ) -> None:
        self._graph, self._rows = graph, rows
        self._tables = [graph.weight(table, f"embedding.{i}") for i, table in enumerate(tables)]
        self._places = [
            graph.op("Where", rows.mask, place, graph.integer(len(table)))
            for place, table in zip(places, tables, strict=True)
        ]
        self._plain = list(places)

    def vectors(self) -> str:
        return self._sum(self._tables, self._plain)

    def gate(self, weight: Array, bias: Array, *, beyond: float, name: str) -> str:
        graph, factor = self._graph, self._graph.weight(weight.T, name)
        folded = [graph.op("MatMul", table, factor) for table in self._tables]
        folded[0] = graph.op("Add", folded[0], graph.weight(bias, f"{name}.bias"))
        ends = [beyond, *[0.0] * (len(folded) - 1)]
        full = [
            graph.op("Concat", rows, graph.weight(np.full((1, len(bias)), end, np.float32)), axis=0)
            for rows, end in zip(folded, ends, strict=True)
        ]
        return self._sum(full, self._places)

    def _sum(self, tables: Sequence[str], places: Sequence[str]) -> str:
        graph = self._graph
        found = [graph.op("Gather", *one) for one in zip(tables, places, strict=True)]
        total = found[0]
        for more in found[1:]:
            total = graph.op("Add", total, more)
        return total


def draw_encoder(
    graph: Graph,
    inputs: Given | LookedUp,
    rows: Rows,
    weights: Weights,
    *,
    cell: str,
    layers: int,
    bidirectional: bool,
    prefix: str = "encoder.",
) -> str:
    """The states (S, B, H) of all layers one upon the other, zero beyond each row's length."""
    ways = _WAYS if bidirectional else _WAYS[:1]
    states = ""
    for layer in range(layers):
        names = [f"{prefix}{way}.{layer}." for way in ways]
        own = [{n: weights.get(f"{name}{n}") for n in _NAMES} for name in names]
        below = Given(graph, states, rows) if layer else inputs
        if cell == "mingru":
            states = _mingru(graph, below, own, names)
        elif cell in _OPERATORS:
            states = _operator(graph, below, rows, own, names, cell)
        else:
            raise GraphsLacking(f"the cell {cell!r}")
    return states


_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def _operator(
    graph: Graph,
    below: Given | LookedUp,
    rows: Rows,
    ways: Sequence[dict[str, Array | None]],
    names: Sequence[str],
    cell: str,
) -> str:
    """All steps in one operator of ONNX."""
    kind, order = _OPERATORS[cell]
    turned = [{n: _ordered(w, order) for n, w in way.items() if w is not None} for way in ways]
    given, recurrent = (np.stack([way[n] for way in turned]) for n in _NAMES[:2])
    bias = np.stack([np.concatenate([way[n] for n in _NAMES[2:]]) for way in turned])
    # in front of an empty row stands one step, which the mask takes away again
    lengths = graph.cast(graph.op("Max", rows.lengths, graph.integer(1)), "int32")
    hidden = recurrent.shape[-1]
    how = {"linear_before_reset": 1} if cell == "gru" else {}
    activations = {"activations": ["Tanh"] * len(ways)} if cell == "rnn" else {}
    found = graph.op(
        kind,
        below.vectors(),
        graph.weight(given, f"{names[0]}weight_ih"),
        graph.weight(recurrent, f"{names[0]}weight_hh"),
        graph.weight(bias, f"{names[0]}bias"),
        lengths,
        hidden_size=hidden,
        direction="bidirectional" if len(ways) == 2 else "forward",
        **how,
        **activations,
    )  # (S, W, B, H)
    beside = graph.op("Transpose", found, perm=[0, 2, 1, 3])
    states = graph.op("Reshape", beside, graph.integers(0, 0, len(ways) * hidden))
    mask = graph.cast(graph.op("Unsqueeze", rows.mask, graph.integers(2)), "float32")
    return graph.op("Mul", states, mask)


def _ordered(weight: Array, order: Sequence[int]) -> Array:
    """The gates as ONNX has them."""
    gates = np.split(weight, len(order))
    return np.concatenate([gates[i] for i in order])


def _mingru(
    graph: Graph,
    below: Given | LookedUp,
    ways: Sequence[dict[str, Array | None]],
    names: Sequence[str],
) -> str:
    """A loop over all steps, both ways at once (Feng et al. 2024)."""
    given = []
    for way, name in zip(ways, names, strict=True):
        weight, bias = way["weight_ih_l0"], way["bias_ih_l0"]
        assert weight is not None and bias is not None
        (opening, new), (one, other) = np.split(weight, 2), np.split(bias, 2)
        gate = below.gate(opening, one, beyond=_OPEN, name=f"{name}opening")
        given.append(graph.op("Sigmoid", gate))
        given.append(below.gate(new, other, beyond=0.0, name=f"{name}new"))
    width = len(one)
    like = graph.op("Gather", given[0], graph.integer(0))  # (B, H) of the first step
    nothing = graph.op("Mul", like, graph.number(0.0))
    backwards = [way for way in range(len(ways)) for _ in range(2)]
    found = graph.ops(
        "Scan",
        *[nothing] * len(ways),
        *given,
        outputs=2 * len(ways),
        body=_steps(len(ways), width),
        num_scan_inputs=len(given),
        scan_input_directions=backwards,
        scan_output_directions=list(range(len(ways))),
    )[len(ways) :]
    return found[0] if len(found) == 1 else graph.op("Concat", *found, axis=2)


def _steps(ways: int, width: int) -> object:
    """h = h + z (c - h) of each way."""
    graph = Graph("step")
    shape = [None, width]
    before = [graph.input(f"before{way}", "float32", shape) for way in range(ways)]
    given = [graph.input(f"given{i}", "float32", shape) for i in range(2 * ways)]
    after = []
    for way, state in enumerate(before):
        opened, new = given[2 * way : 2 * way + 2]
        change = graph.op("Mul", opened, graph.op("Sub", new, state))
        after.append(graph.op("Add", state, change))
    for state in after:
        graph.output(state, "float32", shape)
    for way, state in enumerate(after):
        graph.output(state, "float32", shape, name=f"state{way}")
    return graph.body()

"""`seqpipe.nets.encoder` as a part of a graph.

Everything is laid out by time first, (S, B, ...), as ONNX has its recurrent operators. They know
how long each row is; a minGRU is a loop of two elementwise operators instead, and its state is
zero where a row has ended, since nothing is kept there and nothing added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import GraphsLacking
from seqpipe.onnx.graph import Graph, Weights

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


class Inputs(Protocol):
    """What the lowest layer reads."""

    def vectors(self) -> str:
        """(S, B, D)."""

    def steps(self, parts: Sequence[Array], names: Sequence[str]) -> list[str]:
        """Of a minGRU what each step keeps of the state and what it adds, both (S, B, H) and zero
        where a row has ended; `parts` are two weights (H, D), each with its bias behind it."""


class Given:
    """Inputs that are computed: (S, B, D)."""

    def __init__(self, graph: Graph, x: str, rows: Rows) -> None:
        self._graph, self._x, self._rows = graph, x, rows

    def vectors(self) -> str:
        return self._x

    def steps(self, parts: Sequence[Array], names: Sequence[str]) -> list[str]:
        graph = self._graph
        gates = []
        for (weight, bias), name in zip(_pairs(parts), names, strict=True):
            product = graph.op("MatMul", self._x, graph.weight(weight.T, name))
            gates.append(graph.op("Add", product, graph.weight(bias, f"{name}.bias")))
        return _ended(graph, self._rows, _split(graph, *gates))


class LookedUp:
    """Inputs that are the sum of one row of each of some tables.

    A table times the weights is a table too, and where there is but one, so is all that a step
    makes of its gates: nothing is left to be computed for each step, and a row of zeros stands for
    what is beyond the end of another.
    """

    def __init__(
        self, graph: Graph, places: Sequence[str], tables: Sequence[Array], rows: Rows
    ) -> None:
        self._graph, self._rows = graph, rows
        self._tables = [graph.weight(table, f"embedding.{i}") for i, table in enumerate(tables)]
        self._places = list(places)
        self._end = len(tables[0])

    def vectors(self) -> str:
        return self._sum(self._tables)

    def steps(self, parts: Sequence[Array], names: Sequence[str]) -> list[str]:
        graph = self._graph
        gates = [
            self._folded(weight, bias, name)
            for (weight, bias), name in zip(_pairs(parts), names, strict=True)
        ]
        if len(self._tables) > 1:
            return _ended(graph, self._rows, _split(graph, *map(self._sum, gates)))
        place = graph.op("Where", self._rows.mask, self._places[0], graph.integer(self._end))
        nothing = graph.weight(np.zeros((1, len(parts[1])), np.float32))
        made = _split(graph, *(tables[0] for tables in gates))
        full = [graph.op("Concat", table, nothing, axis=0) for table in made]
        return [graph.op("Gather", table, place) for table in full]

    def _folded(self, weight: Array, bias: Array, name: str) -> list[str]:
        factor = self._graph.weight(weight.T, name)
        tables = [self._graph.op("MatMul", table, factor) for table in self._tables]
        tables[0] = self._graph.op("Add", tables[0], self._graph.weight(bias, f"{name}.bias"))
        return tables

    def _sum(self, tables: Sequence[str]) -> str:
        graph = self._graph
        rows = [graph.op("Gather", *one) for one in zip(tables, self._places, strict=True)]
        total = rows[0]
        for more in rows[1:]:
            total = graph.op("Add", total, more)
        return total


def _pairs(parts: Sequence[Array]) -> list[tuple[Array, Array]]:
    return [(parts[0], parts[1]), (parts[2], parts[3])]


def _split(graph: Graph, opening: str, new: str) -> list[str]:
    """What is kept of a state and what is added to it, from both gates."""
    opened = graph.op("Sigmoid", opening)
    return [graph.op("Sub", graph.number(1.0), opened), graph.op("Mul", opened, new)]


def _ended(graph: Graph, rows: Rows, made: Sequence[str]) -> list[str]:
    mask = graph.op("Unsqueeze", rows.mask, graph.integers(2))
    return [graph.op("Where", mask, some, graph.number(0.0)) for some in made]


def draw_encoder(
    graph: Graph,
    inputs: Inputs,
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
        own = [
            {n: weights[f"{name}{n}"] for n in _NAMES if f"{name}{n}" in weights} for name in names
        ]
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
    below: Inputs,
    rows: Rows,
    ways: Sequence[dict[str, Array]],
    names: Sequence[str],
    cell: str,
) -> str:
    """All steps in one operator of ONNX."""
    kind, order = _OPERATORS[cell]
    turned = [{n: _ordered(w, order) for n, w in way.items()} for way in ways]
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
    below: Inputs,
    ways: Sequence[dict[str, Array]],
    names: Sequence[str],
) -> str:
    """A loop over all steps, both ways at once (Feng et al. 2024)."""
    given, width = [], 0
    for way, name in zip(ways, names, strict=True):
        (opening, new), (one, other) = (np.split(way[n], 2) for n in ("weight_ih_l0", "bias_ih_l0"))
        width = len(one)
        given += below.steps([opening, one, new, other], [f"{name}opening", f"{name}new"])
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
    """Of each way h = keep h + added."""
    graph = Graph("step")
    shape = [None, width]
    before = [graph.input(f"before{way}", "float32", shape) for way in range(ways)]
    given = [graph.input(f"given{i}", "float32", shape) for i in range(2 * ways)]
    after = []
    for way, state in enumerate(before):
        keep, added = given[2 * way : 2 * way + 2]
        after.append(graph.op("Add", graph.op("Mul", keep, state), added))
    for state in after:
        graph.output(state, "float32", shape)
    for way, state in enumerate(after):
        graph.output(state, "float32", shape, name=f"state{way}")
    return graph.body()

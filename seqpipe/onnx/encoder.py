"""`seqpipe.nets.encoder` as a part of a graph.

Within it all is laid out by time first, (S, B, ...), as ONNX has its recurrent operators. They know
how long each row is; a minGRU is a loop of two elementwise operators instead. There both ways stand
side by side as rows of one batch, (S, W * B, ...), the second back to front, and where nothing is
read nothing is kept: a way that has not begun enters its first step with nothing.
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
_LOWEST = -1e30

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Which steps of a batch there are."""

    lengths: str  # (B,) int64
    count: str  # of rows
    steps: str  # of the longest
    step: str  # (S,) each by its number
    mask: str  # (B, S) bool


def draw_rows(graph: Graph, ids: str, lengths: str) -> Rows:
    """Of ids (B, S)."""
    shape = graph.op("Shape", ids)
    count, steps = (graph.op("Gather", shape, graph.integer(i)) for i in range(2))
    step = graph.op("Range", graph.integer(0), steps, graph.integer(1))
    mask = graph.op("Less", step, graph.op("Unsqueeze", lengths, graph.integers(1)))
    return Rows(lengths, count, steps, step, mask)


def draw_mean(graph: Graph, states: str, rows: Rows, shares: str) -> str:
    """Of states (B, S, H) by shares (B, S), or (B, 1): (B, H)."""
    within = graph.op("Where", rows.mask, shares, graph.number(0.0))
    one = graph.op("MatMul", graph.op("Unsqueeze", within, graph.integers(1)), states)
    return graph.op("Squeeze", one, graph.integers(1))


def by_time(graph: Graph, x: str) -> str:
    """(B, S) to (S, B)."""
    return graph.op("Transpose", x, perm=[1, 0])


def following(graph: Graph, x: str) -> str:
    """What the step behind each has of (S, ...); whatever, for the last."""
    one, end = graph.integers(1), graph.integers(1 << 60)
    first = graph.op("Slice", x, graph.integers(0), one, graph.integers(0))
    return graph.op("Concat", graph.op("Slice", x, one, end, graph.integers(0)), first, axis=0)


class Ways:
    """One way or both, side by side."""

    def __init__(self, graph: Graph, rows: Rows, count: int) -> None:
        self._graph, self._rows, self.count = graph, rows, count
        mask = by_time(graph, rows.mask)
        self.live = self.beside([mask] * count)  # (S, W * B)
        # a way back enters the end of a row from where nothing was read
        before = graph.op("Sub", rows.lengths, graph.integer(1))
        inner = graph.op("Less", rows.step, graph.op("Unsqueeze", before, graph.integers(1)))
        self.left = following(graph, self.beside([mask, by_time(graph, inner)][:count]))

    def beside(self, ways: Sequence[str]) -> str:
        """From (S, B, ...) of each way."""
        if len(ways) == 1:
            return ways[0]
        graph = self._graph
        last, before = graph.integers(-1), graph.integers(-(1 << 60))
        turned = graph.op("Slice", ways[1], last, before, graph.integers(0), last)
        return graph.op("Concat", ways[0], turned, axis=1)

    def nothing(self, width: int, value: float) -> str:
        """(W * B, H)"""
        graph = self._graph
        rows = graph.op("Mul", self._rows.count, graph.integers(self.count))
        shape = graph.op("Concat", rows, graph.integers(width), axis=0)
        return graph.op("Expand", graph.number(value), shape)

    def together(self, states: str, width: int, *, by_row: bool) -> str:
        """From (S, W * B, H) to (S, B, W * H), or (B, S, W * H)."""
        graph = self._graph
        if self.count == 1:
            return graph.op("Transpose", states, perm=[1, 0, 2]) if by_row else states
        flat = graph.op("Reshape", states, graph.integers(-1, width))
        places = self._places()
        places = places if by_row else graph.op("Transpose", places, perm=[1, 0, 2])
        found = graph.op("Gather", flat, places)
        return graph.op("Reshape", found, graph.integers(0, 0, 2 * width))

    def _places(self) -> str:
        """Where in (S * 2 * B,) both states of a step are: (B, S, 2)."""
        graph, rows = self._graph, self._rows
        zero, one = graph.integer(0), graph.integer(1)
        row = graph.op("Unsqueeze", graph.op("Range", zero, rows.count, one), graph.integers(1))
        wide = graph.op("Mul", rows.count, graph.integer(2))
        back = graph.op("Sub", graph.op("Sub", rows.steps, one), rows.step)
        onward = graph.op("Add", graph.op("Mul", rows.step, wide), row)
        other = graph.op("Add", graph.op("Mul", back, wide), graph.op("Add", row, rows.count))
        both = [graph.op("Unsqueeze", way, graph.integers(2)) for way in (onward, other)]
        return graph.op("Concat", *both, axis=2)


@dataclass(frozen=True, slots=True)
class Gates:
    """Of one way of a minGRU: two weights (H, D) and their biases (H,)."""

    opening: Array
    opening_bias: Array
    new: Array
    new_bias: Array
    name: str

    def parts(self) -> list[tuple[Array, Array, str]]:
        return [
            (self.opening, self.opening_bias, f"{self.name}opening"),
            (self.new, self.new_bias, f"{self.name}new"),
        ]


class Inputs(Protocol):
    """What the lowest layer reads."""

    def vectors(self) -> str:
        """(S, B, D)."""

    def steps(self, gates: Sequence[Gates], ways: Ways, *, floor: bool) -> list[str]:
        """Of a minGRU what is kept of the state that each step leaves, and what the step adds to
        the one before, both (S, W * B, H). Where a row has ended nothing is kept, and added is
        nothing, or, for the `floor`, what no state is below."""


class Given:
    """Inputs that are computed: (S, B, D)."""

    def __init__(self, graph: Graph, x: str) -> None:
        self._graph, self._x = graph, x

    def vectors(self) -> str:
        return self._x

    def steps(self, gates: Sequence[Gates], ways: Ways, *, floor: bool) -> list[str]:
        graph = self._graph
        both = [[self._product(*part) for part in way.parts()] for way in gates]
        return _ended(graph, ways, [ways.beside(each) for each in zip(*both, strict=True)], floor)

    def _product(self, weight: Array, bias: Array, name: str) -> str:
        graph = self._graph
        product = graph.op("MatMul", self._x, graph.weight(weight.T, name))
        return graph.op("Add", product, graph.weight(bias, f"{name}.bias"))


class LookedUp:
    """Inputs that are the sum of one row of each of some tables.

    A table times the weights is a table too, and where there is but one, so is all that a step
    makes of its gates: nothing is left to be computed for each step, and a row more stands for
    what is beyond the end of another.
    """

    def __init__(self, graph: Graph, places: Sequence[str], tables: Sequence[Array]) -> None:
        """Places (B, S)."""
        self._graph = graph
        self._tables = [graph.weight(table, f"embedding.{i}") for i, table in enumerate(tables)]
        self._places = [by_time(graph, place) for place in places]
        self._sizes = [len(table) for table in tables]

    def vectors(self) -> str:
        return self._sum(self._tables, self._places)

    def steps(self, gates: Sequence[Gates], ways: Ways, *, floor: bool) -> list[str]:
        graph = self._graph
        # of both ways one above the other
        both = [self._stacked([way.parts()[i] for way in gates]) for i in range(2)]
        places = [
            ways.beside([place, graph.op("Add", place, graph.integer(size))][: ways.count])
            for place, size in zip(self._places, self._sizes, strict=True)
        ]
        if len(places) > 1:
            return _ended(graph, ways, [self._sum(one, places) for one in both], floor)
        (opening,), (new,) = both
        keep, added = _split(graph, opening, new)
        nothing = graph.weight(np.zeros((1, len(gates[0].new)), np.float32), "nothing")
        end = graph.integer(ways.count * self._sizes[0])
        return [
            graph.op("Gather", graph.op("Concat", *rows, axis=0), graph.op("Where", *live, end))
            for rows, live in (
                ((keep, nothing), (ways.left, following(graph, places[0]))),
                ((added, _floor(graph, new) if floor else nothing), (ways.live, places[0])),
            )
        ]

    def _stacked(self, parts: Sequence[tuple[Array, Array, str]]) -> list[str]:
        """What the weights of each way make of each table: (W * V, H)."""
        graph = self._graph
        found = []
        for i, table in enumerate(self._tables):
            made = []
            for weight, bias, name in parts:
                product = graph.op("MatMul", table, graph.weight(weight.T, name))
                own = graph.weight(bias, f"{name}.bias")
                made.append(product if i else graph.op("Add", product, own))
            found.append(graph.op("Concat", *made, axis=0) if len(made) > 1 else made[0])
        return found

    def _sum(self, tables: Sequence[str], places: Sequence[str]) -> str:
        graph = self._graph
        rows = [graph.op("Gather", *one) for one in zip(tables, places, strict=True)]
        total = rows[0]
        for more in rows[1:]:
            total = graph.op("Add", total, more)
        return total


def _split(graph: Graph, opening: str, new: str) -> list[str]:
    """What is kept of a state and what is added to it, from both gates."""
    opened = graph.op("Sigmoid", opening)
    return [graph.op("Sub", graph.number(1.0), opened), graph.op("Mul", opened, new)]


def _ended(graph: Graph, ways: Ways, gates: Sequence[str], floor: bool) -> list[str]:
    """From both gates of each step (S, W * B, H)."""
    opening, new = gates
    keep, added = _split(graph, opening, new)
    beyond = _floor(graph, graph.op("ReduceMin", new, axes=[0], keepdims=0)) if floor else ""
    return [
        graph.op("Where", graph.op("Unsqueeze", where, graph.integers(2)), some, none)
        for where, some, none in (
            (ways.left, following(graph, keep), graph.number(0.0)),
            (ways.live, added, beyond or graph.number(0.0)),
        )
    ]


def _floor(graph: Graph, new: str) -> str:
    """A state is between zero and what was new, so that the least of it (1, H) is below all."""
    return graph.op("Min", graph.op("ReduceMin", new, axes=[0], keepdims=1), graph.number(0.0))


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder makes of rows."""

    states: str  # (B, S, H)
    highest: str  # (B, H) of each unit, if it was asked for and cost little, or else ""


def draw_encoder(
    graph: Graph,
    inputs: Inputs,
    rows: Rows,
    weights: Weights,
    *,
    cell: str,
    layers: int,
    bidirectional: bool,
    highest: bool = False,
) -> Encoded:
    """All layers one upon the other; states are zero beyond each row's length, and with `highest`
    not above any within it."""
    ways = _WAYS if bidirectional else _WAYS[:1]
    found, below = Encoded("", ""), inputs
    for layer in range(layers):
        top = layer == layers - 1
        names = [f"encoder.{way}.{layer}." for way in ways]
        own = [
            {n: weights[f"{name}{n}"] for n in _NAMES if f"{name}{n}" in weights} for name in names
        ]
        if cell == "mingru":
            found = _mingru(graph, below, rows, own, names, top=top, highest=highest and top)
        elif cell in _OPERATORS:
            found = Encoded(_operator(graph, below, rows, own, names, cell, top=top), "")
        else:
            raise GraphsLacking(f"the cell {cell!r}")
        below = Given(graph, found.states)
    return found


_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def _operator(
    graph: Graph,
    below: Inputs,
    rows: Rows,
    ways: Sequence[dict[str, Array]],
    names: Sequence[str],
    cell: str,
    *,
    top: bool,
) -> str:
    """All steps in one operator of ONNX: (S, B, H), or (B, S, H) of the top."""
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
    beside = graph.op("Transpose", found, perm=[2, 0, 1, 3] if top else [0, 2, 1, 3])
    states = graph.op("Reshape", beside, graph.integers(0, 0, len(ways) * hidden))
    mask = rows.mask if top else by_time(graph, rows.mask)
    mask = graph.cast(graph.op("Unsqueeze", mask, graph.integers(2)), "float32")
    return graph.op("Mul", states, mask)


def _ordered(weight: Array, order: Sequence[int]) -> Array:
    """The gates as ONNX has them."""
    gates = np.split(weight, len(order))
    return np.concatenate([gates[i] for i in order])


def _mingru(
    graph: Graph,
    below: Inputs,
    rows: Rows,
    weights: Sequence[dict[str, Array]],
    names: Sequence[str],
    *,
    top: bool,
    highest: bool,
) -> Encoded:
    """A loop over all steps, both ways at once (Feng et al. 2024)."""
    gates = []
    for way, name in zip(weights, names, strict=True):
        (opening, new), (one, other) = (np.split(way[n], 2) for n in ("weight_ih_l0", "bias_ih_l0"))
        gates.append(Gates(opening, one, new, other, name))
    width = len(gates[0].new)
    ways = Ways(graph, rows, len(gates))
    before = [ways.nothing(width, value) for value in (0.0, _LOWEST)[: 1 + highest]]
    *after, states = graph.ops(
        "Scan",
        *before,
        *below.steps(gates, ways, floor=highest),
        outputs=len(before) + 1,
        body=_steps(graph, width, highest=highest),
        num_scan_inputs=2,
    )
    together = ways.together(states, width, by_row=top)
    if not highest:
        return Encoded(together, "")
    each = graph.ops("Split", after[1], outputs=len(gates), axis=0)
    return Encoded(together, graph.op("Concat", *each, axis=1) if len(each) > 1 else each[0])


def _steps(graph: Graph, width: int, *, highest: bool) -> object:
    """h = kept + added, what is kept of it, and the highest so far. That the state itself is no
    more than put out saves a copy of it at each step."""
    body = Graph("each", within=graph)
    shape = [None, width]
    kept, high, keep, added = (
        body.input(f"each.{name}", "float32", shape) if name != "highest" or highest else ""
        for name in ("kept", "highest", "keep", "added")
    )
    state = body.op("Add", kept, added)
    body.output(body.op("Mul", keep, state), "float32", shape)
    if highest:
        body.output(body.op("Max", high, state), "float32", shape)
    body.output(state, "float32", shape)
    return body.body()

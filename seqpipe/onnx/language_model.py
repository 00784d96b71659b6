"""The graphs of `seqpipe.nets.language_model`, and what measures texts and goes on with them.

There is one for a step, one that reads windows of texts with the states that were carried on, and
one that tells what pieces cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import CheckpointError
from seqpipe.held import Drawing
from seqpipe.onnx.graph import Graph, Weights
from seqpipe.onnx.sessions import Session
from seqpipe.onnx.stepping import (
    Array,
    Layer,
    Lookup,
    State,
    draw_after,
    draw_states,
    scaled,
)
from seqpipe.search.state import Step
from seqpipe.text.units import BOS, EOS, PAD, UNK

Ints = NDArray[np.int64]

_UNWRITTEN = [PAD, UNK, BOS]
_SCORES = 1 << 18  # that stand in memory at a time


def draw(weights: Weights, *, cell: str, width: int, layers: int, **_: Any) -> dict[str, bytes]:
    """From pieces and states to what follows, for one step and for windows."""
    return {
        "step": _draw_step(weights, cell, layers, width),
        "window": _draw_window(weights, cell, layers, width),
        "tell": _draw_tell(weights, width),
    }


def _output(weights: Weights) -> tuple[Array, Array]:
    """By which a state tells pieces (H, V), and the bias (V,)."""
    weight = weights.get("output.weight", weights["pieces.weight"])
    bias = weights["bias"]
    if "top.weight" in weights:
        weight, bias = weight @ weights["top.weight"], bias + weight @ weights["top.bias"]
    return np.ascontiguousarray(weight.T), bias


def _draw_step(weights: Weights, cell: str, layers: int, width: int) -> bytes:
    """From one piece a text (R,) to the log-probabilities (R, V) of what may be written next."""
    graph = Graph("step")
    tokens = graph.input("tokens", "int64", ["rows"])
    before = draw_states(graph, cell, layers, width)
    after = _through(graph, weights, _lookup(graph, weights, cell), cell, tokens, before)
    weight, bias = _output(weights)
    bias = bias.copy()
    bias[_UNWRITTEN] = -np.inf
    told = graph.op("MatMul", after[-1].hidden, graph.weight(weight, "output"))
    told = graph.op("LogSoftmax", graph.op("Add", told, graph.weight(bias, "bias")), axis=1)
    graph.output(told, "float32", ["rows", len(bias)], name="scores")
    draw_after(graph, after, width)
    return graph.model()


def _lookup(graph: Graph, weights: Weights, cell: str) -> Lookup:
    table = scaled(weights["pieces.weight"])
    lowest = Layer(graph, cell, weights, "layers.0.")
    return Lookup(lowest, graph.weight(table, "pieces"), len(table))


def _through(
    graph: Graph, weights: Weights, lookup: Lookup, cell: str, tokens: str, before: Sequence[State]
) -> list[State]:
    """One step of all layers."""
    after: list[State] = []
    for i, state in enumerate(before):
        layer = Layer(graph, cell, weights, f"layers.{i}.")
        if i:
            gates = graph.op("Add", layer.gates(after[-1].hidden), layer.own_bias())
        else:
            gates = lookup.gates(layer, tokens)
        after.append(layer.step(gates, state))
    return after


def _draw_window(weights: Weights, cell: str, layers: int, width: int) -> bytes:
    """From the pieces read (S, R), whether each is one (S, R), and states, to the states of the
    top (S, R, H), and those that are carried on: where a text has ended, as they were."""
    graph = Graph("window")
    read = graph.input("read", "int64", ["steps", "rows"])
    live = graph.input("live", "bool", ["steps", "rows"])
    before = draw_states(graph, cell, layers, width)
    carried = [name for state in before for name in (state.hidden, state.cell) if name]
    found = graph.ops(
        "Scan",
        *carried,
        read,
        live,
        outputs=len(carried) + 1,
        body=_one_step(graph, weights, cell, layers, width),
        num_scan_inputs=2,
    )
    for name, after in zip(carried, found, strict=False):
        graph.output(after, "float32", ["rows", width], name=f"{name}.after")
    graph.output(found[-1], "float32", ["steps", "rows", width], name="tops")
    return graph.model()


def _one_step(root: Graph, weights: Weights, cell: str, layers: int, width: int) -> object:
    lookup = _lookup(root, weights, cell)
    graph = Graph("one", within=root)
    before = draw_states(graph, cell, layers, width, within="one.")
    tokens = graph.input("token", "int64", ["rows"])
    goes = graph.op("Unsqueeze", graph.input("goes", "bool", ["rows"]), graph.integers(1))

    def kept(after: str, before: str) -> str:
        return graph.op("Where", goes, after, before) if before else ""

    after = [
        State(kept(now.hidden, then.hidden), kept(now.cell, then.cell))
        for now, then in zip(
            _through(graph, weights, lookup, cell, tokens, before), before, strict=True
        )
    ]
    draw_after(graph, after, width, within="one.")
    graph.output(after[-1].hidden, "float32", ["rows", width], name="top")
    return graph.body()


def _draw_tell(weights: Weights, width: int) -> bytes:
    """From states (N, H) to the nats that pieces (N,) cost."""
    graph = Graph("tell")
    tops = graph.input("tops", "float32", ["places", width])
    pieces = graph.input("pieces", "int64", ["places"])
    weight, bias = _output(weights)
    scores = graph.op("MatMul", tops, graph.weight(weight, "output"))
    scores = graph.op("Add", scores, graph.weight(bias, "bias"))
    told = graph.op("LogSoftmax", scores, axis=1)
    at = graph.op("GatherElements", told, graph.op("Unsqueeze", pieces, graph.integers(1)), axis=1)
    nats = graph.op("Neg", graph.op("Squeeze", at, graph.integers(1)))
    graph.output(nats, "float32", ["places"], name="nats")
    return graph.model()


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """What is known of texts that go on: see `seqpipe.nets.carry`."""

    last: Ints  # (R,) the piece read last, which the layers have not seen yet
    states: Mapping[str, Array]  # by the names of inputs, (R, H) each

    @property
    def pieces(self) -> None:
        """All pieces can be written."""
        return None

    @property
    def vectors(self) -> Array:
        """(R, H) that what follows is told from, once `last` was read."""
        hidden = [state for name, state in self.states.items() if name.startswith("hidden")]
        return hidden[-1]

    def pick(self, rows: Ints) -> Carry:
        """Some texts, in any order, as often as they are named."""
        return Carry(self.last[rows], {name: state[rows] for name, state in self.states.items()})

    def tensors(self) -> dict[str, NDArray[Any]]:
        """To be kept in a file; the inverse is `like`."""
        return {"last": self.last, **self.states}

    def like(self, tensors: Mapping[str, Any]) -> Carry:
        """Of the same model."""
        if set(tensors) != {"last", *self.states}:
            raise CheckpointError("the state of a text", f"it holds {sorted(tensors)}")
        return Carry(tensors["last"], {name: tensors[name] for name in self.states})


class LanguageModel:
    """Asks the graphs as a stage asks the net, and a search."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        cell: str,
        width: int,
        layers: int,
        pieces: int,
        **_: Any,
    ) -> None:
        self._size = pieces
        self._step, self._window, self._tell = (sessions[n] for n in ("step", "window", "tell"))
        self._width = width
        sorts = ("hidden", "cell") if cell == "lstm" else ("hidden",)
        self._names = [f"{sort}.{i}" for i in range(layers) for sort in sorts]
        self._after = [f"{name}.after" for name in self._names]

    def begin(self, rows: int = 1) -> Carry:
        """So many texts of which nothing is read: they begin as one that follows another."""
        nothing = {n: np.zeros((rows, self._width), np.float32) for n in self._names}
        return Carry(np.full(rows, EOS, np.int64), nothing)

    def teller(self) -> LanguageModel:
        return self

    def step(self, tokens: Ints, carry: Carry) -> Step[Carry]:
        """What follows these pieces (R,)."""
        given: dict[str, NDArray[Any]] = {"tokens": tokens, **carry.states}
        scores, *after = self._step.run(given, "scores", *self._after)
        return Step(scores, Carry(tokens, dict(zip(self._names, after, strict=True))))

    def alone(self, carry: Carry) -> Callable[[int], Array]:
        """One step of a text by itself after the other."""
        names = ["scores", *self._after]
        given: dict[str, NDArray[Any]] = {"tokens": carry.last.copy(), **carry.states}

        def step(token: int) -> Array:
            given["tokens"][0] = token
            scores, *after = self._step.run(given, *names)
            given.update(zip(self._names, after, strict=True))
            row: Array = scores[0]
            return row

        return step

    def measure(self, ids: Ints, lengths: Ints, carry: Carry) -> tuple[Array, Carry]:
        """The nats that each piece of rows (B, S) costs (B, S), zero beyond a row, and what is
        carried on."""
        nats, _, after = self.told(ids, lengths, carry)
        return nats, after

    def told(
        self, ids: Ints, lengths: Ints, carry: Carry
    ) -> tuple[Array, Callable[[], Array], Carry]:
        """The same, and in the middle what gives the states that they were told from (B, S, H)."""
        rows, steps = ids.shape
        nats = np.zeros((rows, steps), np.float32)
        if not rows or not steps:
            return nats, lambda: np.zeros((rows, steps, self._width), np.float32), carry
        live = np.arange(steps) < lengths[:, None]  # (B, S)
        read = np.concatenate([carry.last[:, None], ids[:, :-1]], axis=1)
        given = {"read": np.ascontiguousarray(read.T), "live": np.ascontiguousarray(live.T)}
        tops, *after = self._window.run({**given, **carry.states}, "tops", *self._after)
        nats[live] = self._told(tops.transpose(1, 0, 2)[live], ids[live])
        end = np.take_along_axis(ids, (lengths - 1).clip(min=0)[:, None], axis=1)[:, 0]
        last = np.where(lengths > 0, end, carry.last)
        going = Carry(last, dict(zip(self._names, after, strict=True)))
        return nats, lambda: tops.transpose(1, 0, 2), going

    def _told(self, tops: Array, pieces: Ints) -> Array:
        """Some at a time, so that not all scores stand in memory."""
        many = max(1, _SCORES // self._size)
        found = [np.zeros(0, np.float32)]
        for at in range(0, len(tops), many):
            some = slice(at, at + many)
            found += self._tell.run({"tops": tops[some], "pieces": pieces[some]}, "nats")
        return np.concatenate(found)


LANGUAGE_MODEL = Drawing(draw, LanguageModel)

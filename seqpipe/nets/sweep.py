"""An encoder over many rows at once, where no gradient is asked for.

Rows lie longest first, so that a row that has ended leaves the batch by making it shorter, and
both directions share one product a step. The first layer's inputs are looked up: a table of
embeddings times the input weights is a table too. And tanh x is written as 2 s(2x) - 1 with the
logistic function s, which is three times as fast on a CPU; the twos are folded into the weights,
and states are kept at half their value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.cells import Recurrent
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder

FEWEST_ROWS = 24  # below it torch's own kernel is faster than a loop in Python

_LARGEST = 1 << 24  # numbers in all tables, 64 MB: what looking up may cost in memory


class Sweep:
    """The states of an encoder over the sum of one row of each table; holds for the weights that
    it was made from."""

    def __init__(self, encoder: Encoder, tables: Sequence[Tensor]) -> None:
        ways = [encoder.onward, encoder.backward_] if encoder.bidirectional else [encoder.onward]
        with torch.no_grad():
            self._layers = [
                _Layer(encoder.cell, [cast(Recurrent, way[i]) for way in ways])
                for i in range(len(encoder.onward))
            ]
            gates = [self._layers[0].gates(table.expand(len(ways), -1, -1)) for table in tables]
            gates[0] += self._layers[0].bias
        self._ways = len(ways)
        self._sizes = [len(table) for table in tables]
        self._tables = [gate.flatten(0, 1) for gate in gates]  # (W * V, G) each

    def __call__(
        self, places: Sequence[Tensor], lengths: Tensor, *, output: nn.Linear | None = None
    ) -> Tensor:
        """From places (B, S) in each table to states (B, S, H), zero beyond each row's length; or,
        more cheaply than from those, to what `output` makes of them."""
        packing = _Packing(lengths, places[0].shape[1], self._ways)
        return self._run(self._looked_up(places, packing), packing, output)

    def over(self, x: Tensor, lengths: Tensor, *, output: nn.Linear | None = None) -> Tensor:
        """The same from inputs (B, S, D) that no table holds."""
        packing = _Packing(lengths, x.shape[1], self._ways)
        return self._run(self._layers[0].gates_of(x, packing), packing, output)

    def _run(self, gates: Iterable[Tensor], packing: _Packing, output: nn.Linear | None) -> Tensor:
        packed = self._layers[0].run(gates, packing)  # (N + 1, H)
        for layer in self._layers[1:]:
            packed = layer.run(layer.gates_of(packing.padded(packed), packing), packing)
        if output is None:
            return packing.padded(packed)
        classes = output.out_features
        split = output.weight.view(classes, self._ways, -1).transpose(0, 1).flatten(0, 1)
        shares = F.linear(packed, split).unflatten(1, (self._ways, classes))  # (N + 1, W, C)
        own = shares[torch.arange(len(shares), device=shares.device), packing.way_of_rows()]
        each: Tensor = packing.padded(own).view(*packing.shape, self._ways, classes)
        return each.sum(dim=2) + output.bias

    def _looked_up(self, places: Sequence[Tensor], packing: _Packing) -> Iterable[Tensor]:
        """The gates of each step: (W, n, G)."""
        where = [
            packing.parts(place.flatten()[packing.cells] + packing.way * size)
            for place, size in zip(places, self._sizes, strict=True)
        ]
        for step in zip(*where, strict=True):
            gates = self._tables[0].index_select(0, step[0])
            for table, place in zip(self._tables[1:], step[1:], strict=True):
                gates += table.index_select(0, place)
            yield gates.unflatten(0, (self._ways, -1))


class Sweeps:
    """The sweep of an encoder over an embedding, made anew when a weight has changed."""

    def __init__(self) -> None:
        self._made_of: list[tuple[int, int]] = []
        self._sweep: Sweep | None = None

    def suits(self, encoder: Encoder, embedding: Embedding, *, rows: int) -> bool:
        """Whether it may be used for so many rows, and is likely to be the faster way."""
        gates = sum(weight.shape[0] for weight in encoder.input_weights())
        return (
            rows >= FEWEST_ROWS
            and not torch.is_grad_enabled()
            and not embedding.single.weight.is_cuda
            and gates * embedding.rows <= _LARGEST
        )

    def of(self, encoder: Encoder, embedding: Embedding) -> Sweep:
        weights = (*embedding.parameters(), *encoder.parameters())
        made_of = [(w.data_ptr(), w._version) for w in weights]
        if self._sweep is None or made_of != self._made_of:
            self._sweep, self._made_of = Sweep(encoder, embedding.tables()), made_of
        return self._sweep


class _Packing:
    """Cells of padded rows in the order in which they are run: by step, way, and row, the longest
    row first. The second way begins at the end of each row."""

    def __init__(self, lengths: Tensor, steps: int, ways: int) -> None:
        longest, rows = lengths.sort(descending=True, stable=True)  # (B,)
        step = torch.arange(steps, device=lengths.device)[:, None]  # (S, 1)
        live = (step < longest)[:, None].expand(-1, ways, -1)  # (S, W, B)
        first = rows * steps
        both = torch.stack([first + step, first + longest - 1 - step][:ways], dim=1)
        self.shape = (len(lengths), steps)
        self.rows = live[:, 0].sum(dim=1).tolist()  # how many still go on at each step
        self.cells = both[live]  # (N,): where in the padded rows, counted row by row
        self.way = torch.arange(ways, device=lengths.device)[:, None].expand_as(live)[live]
        self.ways = ways

    def way_of_rows(self) -> Tensor:
        """The way of each packed row, and any for the row of zeros behind them: (N + 1,)."""
        return torch.cat([self.way, self.way.new_zeros(1)])

    def parts(self, packed: Tensor) -> Sequence[Tensor]:
        """What belongs to each step that any row has."""
        sizes = [self.ways * rows for rows in self.rows if rows]
        return cast(Sequence[Tensor], packed.split(sizes))

    def padded(self, packed: Tensor) -> Tensor:
        """From states (N + 1, H), of which the last is zero, to (B, S, W * H)."""
        count = len(self.cells)
        back = self.cells.new_full((self.shape[0] * self.shape[1] * self.ways,), count)
        back[self.cells * self.ways + self.way] = torch.arange(count, device=back.device)
        return packed.index_select(0, back).view(*self.shape, -1)


class _Layer:
    """One layer, one or two ways side by side, with its weights folded for the step of its cell."""

    def __init__(self, cell: str, modules: Sequence[Recurrent]) -> None:
        self.step = _STEPS[cell]
        self.ways = len(modules)
        self.width = modules[0].hidden_size
        weights = [dict(module.named_parameters()) for module in modules]
        scale = _scale(modules[0]).to(weights[0]["bias_ih_l0"])  # (G,)
        self.inputs = torch.stack([w["weight_ih_l0"].t() * scale for w in weights])  # (W, D, G)
        # twice, as the states are halves
        self.recurrent = torch.stack([w["weight_hh_l0"].t() * scale * 2 for w in weights])
        given = torch.stack([w["bias_ih_l0"] * scale for w in weights])[:, None]  # (W, 1, G)
        carried = torch.stack([w["bias_hh_l0"] * scale for w in weights])[:, None]
        # what a GRU's reset gate takes back holds the bias of the carried half
        self.inner = carried if cell == "gru" else torch.zeros_like(carried)
        self.bias = given if cell == "gru" else given + carried

    def gates(self, x: Tensor) -> Tensor:
        """The given half of the gates, without its bias: (W, N, D) to (W, N, G)."""
        return torch.bmm(x, self.inputs)

    def gates_of(self, x: Tensor, packing: _Packing) -> Iterable[Tensor]:
        """The gates of each step (W, n, G) over padded inputs (B, S, D)."""
        # a column of ones: adding the bias by itself would be a pass over all gates more
        ones = F.pad(x.flatten(0, 1), (0, 1), value=1.0)  # (B * S, D + 1)
        inputs = torch.cat([self.inputs, self.bias], dim=1)  # (W, D + 1, G)
        for part in packing.parts(ones.index_select(0, packing.cells)):
            yield torch.bmm(part.unflatten(0, (self.ways, -1)), inputs)

    def run(self, gates: Iterable[Tensor], packing: _Packing) -> Tensor:
        """All steps, each of which brings its gates (W, n, G); states come back as (N + 1, H)."""
        halves = self.recurrent.new_empty(len(packing.cells) + 1, self.width)
        halves[-1] = 0.0
        state, memory = halves.new_zeros(2, self.ways, packing.shape[0], self.width)
        for given, out in zip(gates, packing.parts(halves[:-1]), strict=True):
            rows = given.shape[1]
            after = out.view(self.ways, rows, self.width)
            self.step(self, given, state[:, :rows], memory[:, :rows], after)
            state = after
        return halves.mul_(2)


def _step_rnn(layer: _Layer, gates: Tensor, state: Tensor, memory: Tensor, out: Tensor) -> None:
    torch.sigmoid(gates.baddbmm_(state, layer.recurrent), out=out).sub_(0.5)


def _step_lstm(layer: _Layer, gates: Tensor, state: Tensor, memory: Tensor, out: Tensor) -> None:
    """`memory` holds twice the cell."""
    gates.baddbmm_(state, layer.recurrent).sigmoid_()
    enter, keep, new, leave = gates.split(layer.width, dim=-1)
    memory.mul_(keep).addcmul_(enter, new.sub_(0.5), value=4)
    torch.mul(torch.sigmoid(memory).sub_(0.5), leave, out=out)


def _step_gru(layer: _Layer, gates: Tensor, state: Tensor, memory: Tensor, out: Tensor) -> None:
    carried = torch.baddbmm(layer.inner, state, layer.recurrent)  # (W, B, 3 H)
    reset, keep = (
        (gates[..., : -layer.width] + carried[..., : -layer.width]).sigmoid_().chunk(2, dim=-1)
    )
    new = gates[..., -layer.width :].addcmul_(reset, carried[..., -layer.width :])
    torch.lerp(new.sigmoid_().sub_(0.5), state, keep, out=out)


_STEPS: dict[str, Callable[[_Layer, Tensor, Tensor, Tensor, Tensor], None]] = {
    "rnn": _step_rnn,
    "lstm": _step_lstm,
    "gru": _step_gru,
}


def _scale(module: Recurrent) -> Tensor:
    """2 where a gate goes through tanh, 1 where it goes through the logistic function."""
    width = module.hidden_size
    tanh = {nn.RNN: [2], nn.LSTM: [1, 1, 2, 1], nn.GRU: [1, 1, 2]}[type(module)]
    return torch.tensor(tanh, dtype=torch.float32).repeat_interleave(width)

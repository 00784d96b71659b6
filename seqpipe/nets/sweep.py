"""An encoder over many rows at once, where no gradient is asked for.

Rows lie longest first, so that a row that has ended leaves the batch by making it shorter, and
both directions share one product a step. The first layer's inputs are looked up: a table of
embeddings times the input weights is a table too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import Protocol, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.cells import Recurrent
from seqpipe.nets.encoder import Encoder, length_mask
from seqpipe.nets.folded import Derived, Folded

Gates: TypeAlias = Sequence[Tensor]  # of one step (W, n, G), apart as `Folded` has them

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
        self._tables = [  # of each part of the gates (W * V, G) for each table
            [part.flatten(0, 1).contiguous() for part in parts]
            for parts in zip(*map(self._layers[0].apart, gates), strict=True)
        ]

    def __call__(
        self, places: Sequence[Tensor], lengths: Tensor, *, output: nn.Linear | None = None
    ) -> Tensor:
        """From places (B, S) in each table to states (B, S, H), zero beyond each row's length; or,
        more cheaply than from those, to what `output` makes of them."""
        packing = _Packing(lengths, places[0].shape[1], self._ways)
        return self._run(self._looked_up(places, packing), packing, output)

    def over(self, x: Tensor, lengths: Tensor, *, output: nn.Linear | None = None) -> Tensor:
        """The same from inputs that no table holds, and a one behind each (B, S, D + 1)."""
        packing = _Packing(lengths, x.shape[1], self._ways)
        return self._run(self._layers[0].gates_of(x, packing), packing, output)

    def _run(self, gates: Iterable[Gates], packing: _Packing, output: nn.Linear | None) -> Tensor:
        for layer, above in pairwise(self._layers):
            x = packing.padded(layer.run(gates, packing)).mul_(2)
            gates = above.gates_of(F.pad(x, (0, 1), value=1.0), packing)
        if output is None:
            return packing.padded(self._layers[-1].run(gates, packing)).mul_(2)
        # what the output makes of each way's state is all that is kept of it
        classes = output.out_features
        split = output.weight.view(classes, self._ways, -1).permute(1, 2, 0) * 2  # (W, H, C)
        shares = split.new_zeros(len(packing.cells) + 1, classes)
        parts = packing.parts(shares[:-1])
        for half, part in zip(self._layers[-1].halves(gates, packing), parts, strict=True):
            torch.bmm(half, split, out=part.view(self._ways, -1, classes))
        scores = output.bias.expand(len(packing.places[0]), -1)
        for places in packing.places:
            scores = scores + shares.index_select(0, places)
        return scores.view(*packing.shape, classes)

    def _looked_up(self, places: Sequence[Tensor], packing: _Packing) -> Iterator[Gates]:
        """The gates of each step."""
        where = [
            packing.parts(place.flatten()[packing.cells] + packing.ways_of_cells() * size)
            for place, size in zip(places, self._sizes, strict=True)
        ]
        for step in zip(*where, strict=True):
            yield [
                self._found(tables, step).unflatten(0, (self._ways, -1)) for tables in self._tables
            ]

    def _found(self, tables: Sequence[Tensor], places: Sequence[Tensor]) -> Tensor:
        gates = tables[0].index_select(0, places[0])
        for table, place in zip(tables[1:], places[1:], strict=True):
            gates += table.index_select(0, place)
        return gates


class LookedUp(Protocol):
    """Vectors that are the sum of one row of each of its tables."""

    @property
    def rows(self) -> int:
        """Of all tables together."""

    def tables(self) -> list[Tensor]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


class Sweeps:
    """The sweep of an encoder over an embedding, made anew when a weight has changed."""

    def __init__(self) -> None:
        self._derived: Derived[Sweep] = Derived()

    def suits(self, encoder: Encoder, embedding: LookedUp, *, rows: int) -> bool:
        """Whether it may be used for so many rows, and is likely to be the faster way."""
        gates = sum(weight.shape[0] for weight in encoder.input_weights())
        return (
            rows >= FEWEST_ROWS
            and not torch.is_grad_enabled()
            and not next(embedding.parameters()).is_cuda
            and gates * embedding.rows <= _LARGEST
        )

    def of(self, encoder: Encoder, embedding: LookedUp) -> Sweep:
        weights = (*embedding.parameters(), *encoder.parameters())
        return self._derived.of(weights, lambda: Sweep(encoder, embedding.tables()))


class _Packing:
    """Cells of padded rows in the order in which they are run: by step, way, and row, the longest
    row first. The second way begins at the end of each row."""

    def __init__(self, lengths: Tensor, steps: int, ways: int) -> None:
        longest, rows = lengths.sort(descending=True, stable=True)  # (B,)
        step = torch.arange(steps, device=lengths.device)[:, None]  # (S, 1)
        live = step < longest  # (S, B)
        counts = live.sum(dim=1)
        first = rows * steps
        both = torch.stack([first + step, first + longest - 1 - step][:ways], dim=1)
        self.shape = (len(lengths), steps)
        self.ways = ways
        self.rows: list[int] = counts.tolist()  # how many still go on at each step
        self._live = live[:, None].expand(-1, ways, -1).flatten().nonzero().squeeze(1)  # (N,)
        self.cells = both.flatten().index_select(0, self._live)  # (N,): counted row by row
        self.places = self._places(lengths, rows, counts)

    def _places(self, lengths: Tensor, rows: Tensor, counts: Tensor) -> list[Tensor]:
        """For each way, where among what is packed each padded cell lies (B * S,), which is behind
        all of it for those beyond the end of a row."""
        size, steps = self.shape
        rank = torch.empty_like(rows)
        rank[rows] = torch.arange(size, device=rows.device)
        before = (counts.cumsum(0) - counts) * self.ways
        step = torch.arange(steps, device=rows.device).expand(size, -1)  # (B, S)
        live = length_mask(lengths, steps)
        places = []
        for way in range(self.ways):
            at = step if way == 0 else (lengths[:, None] - 1 - step).clamp_(min=0)
            place = (before + way * counts)[at] + rank[:, None]
            places.append(place.masked_fill(~live, len(self.cells)).flatten())
        return places

    def ways_of_cells(self) -> Tensor:
        """(N,)"""
        return self._live // self.shape[0] % self.ways

    def parts(self, packed: Tensor) -> Sequence[Tensor]:
        """What belongs to each step that any row has."""
        sizes = [self.ways * rows for rows in self.rows if rows]
        return cast(Sequence[Tensor], packed.split(sizes))

    def padded(self, packed: Tensor) -> Tensor:
        """From states (N + 1, H), of which the last is zero, to (B, S, W * H)."""
        back = torch.stack(self.places, dim=1).flatten()
        return packed.index_select(0, back).view(*self.shape, -1)


class _Layer(Folded):
    """All steps of it over packed rows."""

    def gates_of(self, x: Tensor, packing: _Packing) -> Iterator[Gates]:
        """The gates of each step over padded inputs and a one behind each (B, S, D + 1): adding the
        bias by itself would be a pass over all gates more."""
        flat = x.flatten(0, 1)
        inputs = self.apart(torch.cat([self.inputs, self.bias], dim=1))  # (W, D + 1, G)
        inputs = [part.contiguous() for part in inputs]
        for cells in packing.parts(packing.cells):
            read = flat.index_select(0, cells).view(self.ways, -1, flat.shape[1])
            yield [torch.bmm(read, part) for part in inputs]

    def run(self, gates: Iterable[Gates], packing: _Packing) -> Tensor:
        """Half of the state of each step that brings its gates, and zeros behind them:
        (N + 1, H)."""
        packed = self.recurrent.new_empty(len(packing.cells) + 1, self.width)
        packed[-1] = 0.0
        for _ in self.halves(gates, packing, packing.parts(packed[:-1])):
            pass
        return packed

    def halves(
        self, gates: Iterable[Gates], packing: _Packing, kept: Iterable[Tensor] = ()
    ) -> Iterator[Tensor]:
        """The same step by step (W, n, H), in what is to keep it if there is any."""
        state, memory = self.recurrent.new_zeros(2, self.ways, packing.shape[0], self.width)
        for given, out in zip_longest(gates, kept):
            rows = given[0].shape[1]
            out = state.new_empty(self.ways * rows, self.width) if out is None else out
            after = out.view(self.ways, rows, self.width)
            self.step(given, state[:, :rows], memory[:, :rows], after)
            state = after
            yield state

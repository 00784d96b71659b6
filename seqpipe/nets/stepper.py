"""A decoder that writes, one piece a row at a time, without gradients.

All that can be done before the first step is: the vectors of pieces times the weights that read
them are tables, and so are the places of a source times the weights that read its contexts. What
was read is held once a source, however many hypotheses look at it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from seqpipe.nets.cells import Recurrent
from seqpipe.nets.decoder import Decoder, Memory
from seqpipe.nets.folded import Folded

_SPARE = 0.75  # share of the sources still looked at, below which the others are let go


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """What is looked at, and by which rows."""

    keys: Tensor  # (N, S, A)
    values: Tensor  # (N, S, C) what each place adds to all that reads a context
    mask: Tensor  # (N, S)
    homes: Tensor  # (R,) the source of each row
    slots: Tensor  # (R,) its place among the rows of that source
    widest: int  # rows of one source

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, mask: Tensor) -> Sources:
        """A row each."""
        homes = torch.arange(len(mask), device=mask.device)
        return cls(keys, values, mask, homes, torch.zeros_like(homes), 1)

    def pick(self, rows: Tensor) -> Sources:
        """The sources of some rows, of which there may be several of one."""
        homes = self.homes.index_select(0, rows)
        left, again = homes.unique(return_inverse=True)
        ordered, order = again.sort(stable=True)
        rank = torch.arange(len(rows), device=rows.device)
        slots = torch.empty_like(rank)
        slots[order] = rank - torch.searchsorted(ordered, ordered)
        widest = int(slots.max()) + 1 if len(rows) else 1
        if len(left) > _SPARE * len(self.mask):
            return replace(self, homes=homes, slots=slots, widest=widest)
        mask = self.mask.index_select(0, left)
        longest = int(mask.sum(dim=1).max()) if len(left) else 0
        return Sources(
            self.keys[:, :longest].index_select(0, left),
            self.values[:, :longest].index_select(0, left),
            mask[:, :longest],
            again,
            slots,
            widest,
        )

    def beside(self, x: Tensor) -> Tensor:
        """What rows (R, D) have, those of one source side by side: (N, K, D)."""
        count = len(self.mask)
        if len(x) == count and self.widest == 1:
            return x.index_select(0, self.homes.argsort())[:, None]
        grid = x.new_zeros(count * self.widest, x.shape[1])
        return grid.index_copy_(0, self._places, x).view(count, self.widest, -1)

    def apart(self, x: Tensor) -> Tensor:
        """The inverse: (N, K, D) to (R, D)."""
        return x.flatten(0, 1).index_select(0, self._places)

    @property
    def _places(self) -> Tensor:
        return self.homes * self.widest + self.slots


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What a decoder keeps of each row between two steps."""

    sources: Sources
    halves: Tensor  # (L, R, H): half of each state, as `Folded` wants it
    cells: Tensor  # (L, R, H)
    fed: Tensor  # (R, G) what the last context adds to the lowest gates, or nothing

    def pick(self, rows: Tensor) -> Carried:
        """Some rows, in any order, as often as they are named."""
        return Carried(
            self.sources.pick(rows),
            self.halves.index_select(1, rows),
            self.cells.index_select(1, rows),
            self.fed.index_select(0, rows),
        )


class Stepper:
    """A decoder with its weights folded; holds for those it was made from."""

    def __init__(self, decoder: Decoder, vectors: Tensor) -> None:
        """`vectors` (V, D) are those of the pieces."""
        self.decoder = decoder
        with torch.no_grad():
            self._layers = [
                Folded(decoder.cell, [cast(Recurrent, layer)]) for layer in decoder.layers
            ]
            width, inputs = decoder.width, decoder.inputs
            lowest, *above = self._layers
            own, context, last = decoder.readout.weight.t().split(
                [width, decoder.attention.memory, inputs]
            )
            self._gates = vectors @ lowest.inputs[0, :inputs] + lowest.bias[0]  # (V, G)
            self._last = vectors @ last + decoder.readout.bias  # (V, D)
            self._own = own.contiguous()  # (H, D)
            self._below = [layer.inputs[0, :width].contiguous() for layer in above]  # (H, G)
            # all that reads a context, side by side
            second = [above[0].inputs[0, width:]] if above else []
            fed = [lowest.inputs[0, inputs:]] if decoder.feeding else []
            readers = [context, *second, *fed]
            self._readers = torch.cat(readers, dim=1)  # (M, C)
            self._shares = [reader.shape[1] for reader in readers]

    def begin(self, memory: Memory) -> Carried:
        halves = self.decoder.starts(memory) / 2
        values = memory.states @ self._readers
        fed = self._shares[-1] if self.decoder.feeding else 0
        return Carried(
            Sources.of(memory.keys, values, memory.mask),
            halves,
            torch.zeros_like(halves),
            values.new_zeros(len(values), fed),
        )

    def step(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Tensor, Carried]:
        """One piece a row (R,) to (R, D), the attention (R, S) and what is carried on."""
        sources = carried.sources
        halves, cells = torch.empty_like(carried.halves), carried.cells.clone()
        gates = self._gates.index_select(0, tokens)  # (R, G)
        if self.decoder.feeding:
            gates += carried.fed
        lowest = self._layers[0]
        lowest.step(lowest.apart(gates[None]), carried.halves[:1], cells[:1], halves[:1])
        h = halves[0] * 2  # (R, H)
        grid = self.decoder.attention.weights(sources.beside(h), sources.keys, sources.mask)
        outputs, *seen = sources.apart(torch.bmm(grid, sources.values)).split(self._shares, dim=1)
        for i, (layer, below) in enumerate(zip(self._layers[1:], self._below, strict=True), 1):
            given = seen[0] + layer.bias[0] if i == 1 else layer.bias[0].expand(len(h), -1)
            at = slice(i, i + 1)
            gates = torch.addmm(given, h, below)
            layer.step(layer.apart(gates[None]), carried.halves[at], cells[at], halves[at])
            h = halves[i] * 2
        outputs = (outputs + self._last.index_select(0, tokens)).addmm_(h, self._own).tanh_()
        fed = seen[-1] if self.decoder.feeding else carried.fed
        return outputs, sources.apart(grid), Carried(sources, halves, cells, fed)

"""A recurrent encoder over padded rows of unequal length.

A padded call of a bidirectional torch module starts its backward half in the padding, and a packed
call is slow on a CPU. Two one-way passes over the padded batch, the backward one over rows that
were turned round, are right and fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqpipe.nets.cells import Cell, MinGRU, Recurrent, State, make_cell, run_cell, thinned
from seqpipe.nets.dropout import Locked
from seqpipe.nets.recompute import Recomputing, in_stretches
from seqpipe.nets.unrolled import by_hand, run_rows, run_ways

KEPT = 1 << 24  # numbers that the outputs of one long row may be: 64 MB


def length_mask(lengths: Tensor, steps: int) -> Tensor:
    """True where a row still goes on."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]  # (B, S)


class _Turn(torch.autograd.Function):
    """A permutation of rows that is its own inverse, so its gradient is the same permutation;
    autograd's own answer for indexing is a slow, unordered scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return grads[0].index_select(0, index), None


def turned(x: Tensor, lengths: Tensor) -> Tensor:
    """Each row back to front within its own length; padding stays where it is."""
    rows, steps, width = x.shape
    place = torch.arange(steps, device=x.device).expand(rows, steps)
    mirror = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)  # (B, S)
    flat = (mirror + torch.arange(rows, device=x.device)[:, None] * steps).reshape(-1)
    result = cast(Tensor, _Turn.apply(x.reshape(rows * steps, width), flat))  # type: ignore[no-untyped-call]
    return result.view(rows, steps, width)


class Encoder(Recomputing):
    """Stacked recurrent layers, one or two ways, for rows of any length down to zero."""

    def __init__(
        self,
        *,
        cell: Cell,
        inputs: int,
        width: int,
        layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        ways = 2 if bidirectional else 1
        sizes = [inputs] + [width * ways] * (layers - 1)
        self.cell = cell
        self.inputs = inputs
        self.outputs = width * ways
        self.bidirectional = bidirectional
        make = partial(make_cell, cell, width=width, weight_dropout=weight_dropout)
        self.onward = nn.ModuleList(make(inputs=d) for d in sizes)
        self.backward_ = nn.ModuleList(make(inputs=d) for d in sizes if bidirectional)
        self.dropout = Locked(dropout)
        self.weight_dropout = weight_dropout

    def input_weights(self) -> list[Tensor]:
        """What the lowest layer multiplies its inputs by, (G, D) for each way."""
        return [m.weight_ih_l0 for m in (self.onward[0], *self.backward_[:1])]

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """From (B, S, D) to (B, S, H), zero beyond each row's length."""
        mask = length_mask(lengths, x.shape[1])[:, :, None]  # (B, S, 1)
        if x.shape[0] == 0 or x.shape[1] == 0:
            return x.new_zeros(x.shape[0], x.shape[1], self.outputs)
        for layer in range(len(self.onward)):
            below = self.dropout(x) if layer else x
            x = self._layer(layer, below, lengths) * mask
        return x

    def _layer(self, layer: int, x: Tensor, lengths: Tensor) -> Tensor:
        if not self.bidirectional:
            return self._run(self.onward[layer], x, lengths)
        ways = [self.onward[layer], self.backward_[layer]]
        rows = [x, turned(x, lengths)]
        if all(by_hand(cast(Recurrent, way), x) for way in ways):
            onward, back = self._side_by_side(ways, rows)
        else:
            onward, back = (self._run(*one, lengths) for one in zip(ways, rows, strict=True))
        return torch.cat([onward, turned(back, lengths)], dim=-1)

    def _side_by_side(self, ways: Sequence[nn.Module], rows: Sequence[Tensor]) -> Tensor:
        """Each way through its rows: (W, B, S, H)."""
        modules = [cast(Recurrent, way) for way in ways]
        weights = [thinned(module, self.weight_dropout) for module in modules]

        def run(some: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            return run_ways(modules, some, state, weights)

        x = torch.stack([*rows])
        first = x.new_zeros(*x.shape[:2], modules[0].hidden_size)
        return in_stretches(run, x, first, steps=self.recompute, dim=2)[0]

    def _run(self, module: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
        """One way through one layer; what stands beyond a row's length is left undefined."""
        recurrent = cast(Recurrent, module)
        weights = thinned(recurrent, self.weight_dropout)
        if isinstance(recurrent, MinGRU) or not x.is_cuda or 0 < self.recompute < x.shape[1]:

            def run(some: Tensor, state: State | None) -> tuple[Tensor, State]:
                return run_rows(recurrent, some, state, weights)

            return in_stretches(run, x, None, steps=self.recompute, dim=1)[0]
        packed = pack_padded_sequence(  # as cuDNN wants them
            x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        found = run_cell(recurrent, packed, weights=weights)[0]
        return pad_packed_sequence(found, batch_first=True, total_length=x.shape[1])[0]

    def chunks(
        self, embed: Callable[[int, int], Tensor], length: int, *, chunk: int, kept: int = KEPT
    ) -> Iterator[Tensor]:
        """The outputs of one long row, `chunk` steps at a time, equal to those of `forward`.

        `embed(start, end)` gives the inputs (1, end - start, D). Outputs of more than `kept`
        numbers are computed twice: between chunks only the carried states are kept then, so that
        memory holds one chunk and not the row.
        """
        walk = _Walk(self, embed, length, chunk, keeps=length * self.outputs <= kept)
        for layer in range(len(self.onward)):
            walk.sweep(layer)
        for part in range(walk.parts):
            yield walk.outputs(len(self.onward), part)


class _Walk:
    """The states of every layer at every border between the chunks of one row, and, where it
    `keeps` them, the outputs of the highest layer swept."""

    def __init__(
        self,
        encoder: Encoder,
        embed: Callable[[int, int], Tensor],
        length: int,
        chunk: int,
        *,
        keeps: bool,
    ) -> None:
        self.encoder = encoder
        self.embed = embed
        self.borders = [*range(0, length, chunk), length]
        self.parts = len(self.borders) - 1
        self.entering: list[list[State | None]] = []  # by layer and part, from the left
        self.returning: list[list[State | None]] = []  # by layer and part, from the right
        self.keeps = keeps
        self.kept: list[Tensor] = []  # by part

    def sweep(self, layer: int) -> None:
        """Carries the state of one layer through the whole row, there and back."""
        seldom = 0 if self.keeps else 1  # nobody waits for the state behind the last part
        left: list[State | None] = [None] * (self.parts + 1)
        there: list[Tensor] = []
        for part in range(self.parts - seldom):
            y, left[part + 1] = self.encoder.onward[layer](self.outputs(layer, part), left[part])
            there += [y] if self.keeps else []
        right: list[State | None] = [None] * (self.parts + 1)
        back: list[Tensor] = []
        if self.encoder.bidirectional:
            for part in range(self.parts - 1, seldom - 1, -1):
                x = self.outputs(layer, part).flip(1)
                y, right[part - 1] = self.encoder.backward_[layer](x, right[part])
                back += [y.flip(1)] if self.keeps else []
        self.entering.append(left)
        self.returning.append(right)
        ways = [there, back[::-1]] if back else [there]
        self.kept = [torch.cat(part, dim=-1) for part in zip(*ways, strict=True)]

    def outputs(self, layers: int, part: int) -> Tensor:
        """What the lowest `layers` layers make of one chunk: (1, c, D) or (1, c, H)."""
        if self.keeps and layers:
            return self.kept[part]
        x = self.embed(self.borders[part], self.borders[part + 1])
        for layer in range(layers):
            y = self.encoder.onward[layer](x, self.entering[layer][part])[0]
            if self.encoder.bidirectional:
                back = self.encoder.backward_[layer](x.flip(1), self.returning[layer][part])[0]
                y = torch.cat([y, back.flip(1)], dim=-1)
            x = y
        return x

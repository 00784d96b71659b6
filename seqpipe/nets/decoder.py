"""A recurrent decoder that looks back at what an encoder has read.

The lowest layer reads what was written so far, attention asks with its state, and the layers above
read that state and the context. Nothing of a step goes back into the lowest layer, so that in
training each layer takes all steps in one call, and so does attention; with `feeding` the context
goes back in (input feeding, Luong et al. 2015), one step at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from seqpipe.nets.attention import Attention, make_attention
from seqpipe.nets.cells import Cell, Recurrent, State, make_cell, thinned
from seqpipe.nets.dropout import Locked
from seqpipe.nets.encoder import length_mask
from seqpipe.nets.unrolled import run_rows


@dataclass(frozen=True, slots=True)
class Memory:
    """What an encoder has read, ready to be looked at."""

    states: Tensor  # (B, S, M)
    keys: Tensor  # (B, S, A)
    mask: Tensor  # (B, S)


class Decoder(nn.Module):
    """From vectors of what is written so far to one vector of what comes next, step by step."""

    def __init__(
        self,
        *,
        cell: Cell,
        inputs: int,
        width: int,
        layers: int,
        memory: int,
        attention: str,
        feeding: bool,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        above = [width + memory] + [width] * (layers - 2) if layers > 1 else []
        lowest = inputs + memory if feeding else inputs
        self.cell = cell
        self.inputs = inputs
        self.width = width
        self.feeding = feeding
        self.start = nn.Linear(memory, layers * width)
        self.layers = nn.ModuleList(
            make_cell(cell, inputs=d, width=width, weight_dropout=weight_dropout)
            for d in [lowest, *above]
        )
        self.attention: Attention = make_attention(attention, query=width, memory=memory)
        # what is written next hangs on state, context and last piece alike (Pascanu et al. 2014)
        self.readout = nn.Linear(width + memory + inputs, inputs)
        self.dropout = Locked(0.0)  # the rate is the driver's: see `set_dropout`
        self.weight_dropout = weight_dropout

    def remember(self, states: Tensor, lengths: Tensor) -> Memory:
        """The memory of what an encoder gave: (B, S, M)."""
        mask = length_mask(lengths, states.shape[1])
        return Memory(states, self.attention.keys(states), mask)

    def starts(self, memory: Memory) -> Tensor:
        """The states before the first step, from the mean of what was read: (L, B, H)."""
        count = memory.mask.sum(dim=1, keepdim=True).clamp(min=1)
        mean = memory.states.sum(dim=1) / count  # zero beyond a row's length
        starts: Tensor = torch.tanh(self.start(mean)).unflatten(1, (-1, self.width))
        return starts.transpose(0, 1).contiguous()

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """From (B, T, D), each step's last piece, to (B, T, D) and the attention (B, T, S)."""
        layers = [_Layer(self, layer, start) for layer, start in self._parts(memory)]
        if not self.feeding:
            return self._steps(x, x, memory, layers)
        steps = []
        context = x.new_zeros(x.shape[0], 1, memory.states.shape[2])
        for now in x.split(1, dim=1):
            step = self._steps(now, torch.cat([now, context], dim=-1), memory, layers)
            context = torch.bmm(step[1], memory.states)
            steps.append(step)
        outputs, weights = zip(*steps, strict=True)
        return torch.cat(outputs, dim=1), torch.cat(weights, dim=1)

    def _parts(self, memory: Memory) -> list[tuple[Recurrent, Tensor]]:
        """Each layer and what it begins with."""
        layers = [cast(Recurrent, layer) for layer in self.layers]
        return list(zip(layers, self.starts(memory), strict=True))

    def _steps(
        self, x: Tensor, given: Tensor, memory: Memory, layers: Sequence[_Layer]
    ) -> tuple[Tensor, Tensor]:
        """Some steps of all layers at once; their states move on."""
        h = layers[0](given)
        context, weights = self.attention(h, memory.keys, memory.states, memory.mask)
        h = h * layers[0].mask
        for layer, below in zip(layers[1:], [context, *[None] * len(layers)], strict=False):
            h = layer(h if below is None else torch.cat([h, below], dim=-1)) * layer.mask
        return torch.tanh(self.readout(torch.cat([h, context, x], dim=-1))), weights


class _Layer:
    """One layer on its way through a batch, with the noise that it keeps from step to step."""

    def __init__(self, decoder: Decoder, module: Recurrent, start: Tensor) -> None:
        state = start[None].contiguous()  # (1, B, H), as torch's modules carry it
        self._module = module
        self._weights = thinned(module, decoder.weight_dropout)
        self._state: State = (state, torch.zeros_like(state)) if decoder.cell == "lstm" else state
        self.mask = decoder.dropout.mask(start[:, None])  # (B, 1, H)

    def __call__(self, x: Tensor) -> Tensor:
        y, self._state = run_rows(self._module, x, self._state, self._weights)
        return y

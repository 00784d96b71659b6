"""A language model with its weights folded: it tells what follows, without gradients.

The vectors of pieces times the weights that read them are a table of gates, so that the lowest
layer is looked up and not multiplied. Rows lie longest first, so that one that has ended leaves the
batch by making it shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from seqpipe.nets.carry import Carry
from seqpipe.nets.cells import Recurrent
from seqpipe.nets.folded import Folded
from seqpipe.nets.telling import told_nats


class Teller:
    """Holds for the weights that it was made from."""

    def __init__(
        self,
        cell: str,
        layers: Sequence[nn.Module],
        vectors: Tensor,
        weight: Tensor,
        bias: Tensor,
        *,
        unwritten: Sequence[int],
    ) -> None:
        """`vectors` (V, D) are read, `weight` (V, H) and `bias` (V,) tell; some pieces are no text
        that could be written."""
        with torch.no_grad():
            self._layers = [Folded(cell, [cast(Recurrent, layer)]) for layer in layers]
            lowest, *above = self._layers
            self._table = vectors @ lowest.inputs[0] + lowest.bias[0]  # (V, G)
            self._above = [layer.inputs[0] * 2 for layer in above]  # (H, G), as states are halves
            self._weight = (weight * 2).t().contiguous()  # (H, V)
            self._bias = bias
            self._writing = bias.clone()
            self._writing[list(unwritten)] = -torch.inf

    def step(self, tokens: Tensor, carry: Carry) -> tuple[Tensor, None, Carry]:
        """From one piece a text (R,) to the scores of what follows (R, V) and what to go on with;
        in the middle stands what other nets look at."""
        halves, cells = torch.empty_like(carry.halves), carry.cells.clone()
        self._advance(self._table.index_select(0, tokens), carry.halves, cells, halves)
        scores = torch.addmm(self._writing, halves[-1], self._weight)
        return scores, None, Carry(tokens, halves, cells)

    def nats(self, ids: Tensor, lengths: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """What each piece of rows (B, S) costs after those before it (B, S), zero beyond a row."""
        rows, steps = ids.shape
        if not steps:
            return torch.zeros(rows, 0, device=ids.device), carry
        longest, order = lengths.sort(descending=True, stable=True)
        live = (longest[:, None] > torch.arange(steps, device=ids.device)).sum(dim=0).tolist()
        ids = ids.index_select(0, order)
        carry = carry.pick(order)
        read = torch.cat([carry.last[:, None], ids[:, :-1]], dim=1).t().contiguous()  # (S, B)
        halves, cells = carry.halves.clone(), carry.cells.clone()
        tops = []
        for now, n in zip(read, live, strict=True):
            if not n:
                break
            states = halves[:, :n]
            self._advance(self._table.index_select(0, now[:n]), states, cells[:, :n], states)
            tops.append(states[-1].clone())
        found = torch.zeros(rows, steps, device=ids.device)
        real = torch.arange(steps, device=ids.device)[:, None] < longest  # (S, B)
        if tops:
            told = told_nats(torch.cat(tops), self._weight, self._bias, ids.t()[real])
            found.t()[real] = told
        back = order.argsort()
        ended = (longest - 1).clamp(min=0)[:, None]
        last = torch.where(longest > 0, ids.gather(1, ended)[:, 0], carry.last)
        return found.index_select(0, back), Carry(last, halves, cells).pick(back)

    def _advance(self, gates: Tensor, before: Tensor, cells: Tensor, after: Tensor) -> None:
        """One step of all layers, from states (L, n, H) to states that may lie in the same place;
        `gates` (n, G) are used up."""
        for i, layer in enumerate(self._layers):
            if i:
                gates = torch.addmm(layer.bias[0], after[i - 1], self._above[i - 1])
            at = slice(i, i + 1)
            layer.step(gates[None], before[at], cells[at], after[at])

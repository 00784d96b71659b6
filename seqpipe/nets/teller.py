"""A language model with its weights folded: it tells what follows, without gradients.

The vectors of pieces times the weights that read them are a table of gates, so that the lowest
layer is looked up and not multiplied. Rows lie longest first, so that one that has ended leaves the
batch by making it shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from seqpipe.nets.carry import Carry
from seqpipe.nets.cells import Recurrent
from seqpipe.nets.encoder import length_mask
from seqpipe.nets.folded import Folded
from seqpipe.nets.solo import Solo
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
        gates = self._table.index_select(0, tokens)
        self._advance(gates, carry.halves.split(1), cells.split(1), halves.split(1))
        scores = torch.addmm(self._writing, halves[-1], self._weight)
        return scores, None, Carry(tokens, halves, cells)

    def solo(self, carry: Carry) -> Solo:
        """Goes on with one text, on the CPU; no step of it changes what is carried."""
        return Solo(
            self._layers,
            self._table,
            self._above,
            self._weight,
            self._writing,
            halves=carry.halves[:, 0],
            cells=carry.cells[:, 0],
        )

    def alone(self, carry: Carry) -> Callable[[int], NDArray[np.float32]] | None:
        """One step of a text by itself, where that is quicker: not on a GPU."""
        return None if carry.last.is_cuda else self.solo(carry).step

    def nats(self, ids: Tensor, lengths: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """What each piece of rows (B, S) costs after those before it (B, S), zero beyond a row."""
        rows, steps = ids.shape
        if not steps:
            return torch.zeros(rows, 0, device=ids.device), carry
        if rows == 1 and not ids.is_cuda and int(lengths):
            costs, carry = self._nats_of_one(ids[:, : int(lengths)], carry)
            return F.pad(costs, (0, steps - int(lengths))), carry
        costs, _, carry = self.told(ids, lengths, carry)
        return costs, carry

    def told(
        self, ids: Tensor, lengths: Tensor, carry: Carry
    ) -> tuple[Tensor, Callable[[], Tensor], Carry]:
        """The same, and in the middle what gives the states that it was told from (B, S, H)."""
        steps = ids.shape[1]
        rows = len(ids)
        longest, order = lengths.sort(descending=True, stable=True)
        live = length_mask(longest, steps).sum(dim=0).tolist()
        ids = ids.index_select(0, order)
        carry = carry.pick(order)
        read = torch.cat([carry.last[:, None], ids[:, :-1]], dim=1).t().contiguous()  # (S, B)
        halves, cells = carry.halves.clone(), carry.cells.clone()
        tops = halves.new_empty(steps, rows, halves.shape[2])  # the lower layers move in place
        for t, (now, n) in enumerate(zip(read, live, strict=True)):
            lower = [halves[i : i + 1, :n] for i in range(len(halves) - 1)]
            top = tops[t - 1 : t, :n] if t else halves[-1:, :n]
            gates = self._table.index_select(0, now[:n])
            after = [*lower, tops[t : t + 1, :n]]
            self._advance(gates, [*lower, top], cells[:, :n].split(1), after)
        found = self._told(tops, ids.t(), longest)
        back = order.argsort()
        told = partial(_in_rows, tops, back)
        read_any, end = longest > 0, (longest - 1).clamp(min=0)
        ends = tops[end, torch.arange(rows, device=ids.device)]
        halves[-1] = torch.where(read_any[:, None], ends, halves[-1])
        last = torch.where(read_any, ids.gather(1, end[:, None])[:, 0], carry.last)
        return found.t().index_select(0, back), told, Carry(last, halves, cells).pick(back)

    def _nats_of_one(self, ids: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """The same for the pieces of one row (1, S)."""
        alone = self.solo(carry)
        tops = torch.from_numpy(alone.read(torch.cat([carry.last, ids[0, :-1]]).numpy()))
        halves, cells = (state[:, None] for state in alone.states())
        costs = told_nats(tops, self._weight, self._bias, ids[0])
        return costs[None], Carry(ids[:, -1], halves, cells)

    def _told(self, tops: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """What pieces (S, B) cost, told by states (S, B, H)."""
        steps, rows = ids.shape
        if rows and int(lengths[-1]) == steps:  # nothing to leave out
            costs = told_nats(tops.flatten(0, 1), self._weight, self._bias, ids.flatten())
            return costs.view(steps, rows)
        found = tops.new_zeros(steps, rows)
        real = length_mask(lengths, steps).t()  # (S, B)
        found[real] = told_nats(tops[real], self._weight, self._bias, ids[real])
        return found

    def _advance(
        self,
        gates: Tensor,
        before: Sequence[Tensor],
        cells: Sequence[Tensor],
        after: Sequence[Tensor],
    ) -> None:
        """One step of all layers, each from half states (1, n, H) to others that may lie in the
        same place; `gates` (n, G) are used up."""
        for i, layer in enumerate(self._layers):
            if i:
                gates = torch.addmm(layer.bias[0], after[i - 1][0], self._above[i - 1])
            layer.step(layer.apart(gates[None]), before[i], cells[i], after[i])


def _in_rows(tops: Tensor, back: Tensor) -> Tensor:
    """Whole states (B, S, H) of half ones (S, B, H) in another order."""
    return tops.transpose(0, 1).index_select(0, back) * 2

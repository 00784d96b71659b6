"""From the states of a row to one vector.

Each pool is a fold: `begin`, `add` a stretch of states, `end`. A row in one piece is the fold of
one stretch, so a document of any length is pooled in constant memory by the same code.
"""

from __future__ import annotations

from typing import Protocol, cast

import catalogue
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.errors import SettingError
from seqpipe.nets.full import full

# Others may add a pool under the entry point group `seqpipe_poolings`.
poolings = catalogue.create("seqpipe", "poolings", entry_points=True)

_LOWEST = -1e30  # finite: the difference of two of them is a number


class Pool(nn.Module):
    """What all pools share: they take (B, S, H) and a mask (B, S) and give (B, H)."""

    def __init__(self, *, width: int, bidirectional: bool) -> None:
        super().__init__()
        self.width = width
        self.bidirectional = bidirectional

    def begin(self, rows: int, like: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def add(self, state: tuple[Tensor, ...], x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def end(self, state: tuple[Tensor, ...]) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = full(x)
        return self.end(self.add(self.begin(x.shape[0], x), x, mask))


class PoolType(Protocol):
    def __call__(self, *, width: int, bidirectional: bool) -> Pool: ...


def make_pool(name: str, *, width: int, bidirectional: bool) -> Pool:
    """The pool registered under a name."""
    if name not in poolings.get_all():
        raise SettingError("pooling", name, f"some of {', '.join(sorted(poolings.get_all()))}")
    return cast(PoolType, poolings.get(name))(width=width, bidirectional=bidirectional)


@poolings.register("attention")
class AttentionPool(Pool):
    """A weighted mean; the weights come from one learned query (Yang et al. 2016)."""

    def __init__(self, *, width: int, bidirectional: bool) -> None:
        super().__init__(width=width, bidirectional=bidirectional)
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, 1, bias=False)

    def scores(self, x: Tensor, mask: Tensor) -> Tensor:
        """How much each state counts, before the softmax: (B, S)."""
        # a bias given to a product is first copied out to the size of its result
        keys = F.linear(x, self.key.weight).add_(self.key.bias)
        # tanh x = 2 s(2x) - 1, three times as fast on a CPU; softmax forgets what the 1 shifts
        scores = full(2 * self.query(keys.mul_(2).sigmoid_()).squeeze(-1))
        return scores.masked_fill(~mask, _LOWEST)

    def begin(self, rows: int, like: Tensor) -> tuple[Tensor, ...]:
        highest = like.new_full((rows, 1), _LOWEST)
        return highest, like.new_zeros(rows, 1), like.new_zeros(rows, self.width)

    def add(self, state: tuple[Tensor, ...], x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        # the running softmax of Milakov and Gimelshein (2018)
        highest, total, summed = state  # (B, 1), (B, 1), (B, H)
        if not x.shape[1]:
            return state
        scores = self.scores(x, mask)  # (B, S)
        higher = torch.maximum(highest, scores.amax(dim=1, keepdim=True)).detach()
        kept = torch.exp(highest - higher)
        weights = torch.exp(scores - higher) * mask  # (B, S)
        summed = summed * kept + torch.bmm(weights[:, None, :], x).squeeze(1)
        return higher, total * kept + weights.sum(dim=1, keepdim=True), summed

    def end(self, state: tuple[Tensor, ...]) -> Tensor:
        _, total, summed = state
        return summed / total.clamp(min=1e-30)


@poolings.register("max")
class MaxPool(Pool):
    """The highest value of every unit (Collobert et al. 2011)."""

    def begin(self, rows: int, like: Tensor) -> tuple[Tensor, ...]:
        return (like.new_full((rows, self.width), _LOWEST),)

    def add(self, state: tuple[Tensor, ...], x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        if not x.shape[1]:
            return state
        whole = int(mask.all(dim=0).sum())  # steps that every row has need no mask
        highest = torch.maximum(state[0], x[:, :whole].amax(dim=1)) if whole else state[0]
        if whole < x.shape[1]:
            # beside so low a number a state is nothing; to fill it in takes four times as long
            gaps = torch.where(mask[:, whole:], 0.0, _LOWEST)
            highest = torch.maximum(highest, (x[:, whole:] + gaps[:, :, None]).amax(dim=1))
        return (highest,)

    def end(self, state: tuple[Tensor, ...]) -> Tensor:
        return state[0].masked_fill(state[0] == _LOWEST, 0.0)


@poolings.register("mean")
class MeanPool(Pool):
    """The mean over the row's own length."""

    def begin(self, rows: int, like: Tensor) -> tuple[Tensor, ...]:
        return like.new_zeros(rows, self.width), like.new_zeros(rows, 1)

    def add(self, state: tuple[Tensor, ...], x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        summed = (x * mask[:, :, None]).sum(dim=1)
        return state[0] + summed, state[1] + mask.sum(dim=1, keepdim=True)

    def end(self, state: tuple[Tensor, ...]) -> Tensor:
        return state[0] / state[1].clamp(min=1.0)


@poolings.register("last")
class LastPool(Pool):
    """Where each direction ends: the last state onward, the first one of the way back."""

    def begin(self, rows: int, like: Tensor) -> tuple[Tensor, ...]:
        empty = like.new_zeros(rows, self.width)
        return empty, empty, torch.zeros(rows, 1, dtype=torch.bool, device=like.device)

    def add(self, state: tuple[Tensor, ...], x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        first, last, seen = state
        if not x.shape[1]:
            return state
        some = mask.any(dim=1, keepdim=True)  # (B, 1)
        place = (mask.sum(dim=1) - 1).clamp(min=0)  # (B,)
        ending = x[torch.arange(x.shape[0], device=x.device), place]  # (B, H)
        first = torch.where(some & ~seen, x[:, 0], first)
        return first, torch.where(some, ending, last), seen | some

    def end(self, state: tuple[Tensor, ...]) -> Tensor:
        first, last, _ = state
        if not self.bidirectional:
            return last
        half = self.width // 2
        return torch.cat([last[:, :half], first[:, half:]], dim=-1)

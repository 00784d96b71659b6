"""What each step is among its neighbours: as a layer that learns, and as sums of looked up rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.encoder import length_mask


class Convolution(nn.Module):
    """What each piece is among its neighbours, added to what it is (He et al. 2016)."""

    def __init__(self, *, width: int, reach: int) -> None:
        super().__init__()
        self.filter = nn.Conv1d(width, width, 2 * reach + 1, padding=reach)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, D) to (B, S, D)."""
        around: Tensor = self.filter(x.transpose(1, 2)).transpose(1, 2)
        return x + torch.relu(around)


class LookedUpConvolution:
    """The same over inputs that are each the sum of one row of each table: a table times what the
    filter has for a neighbour is a table too, and what was a product is a sum of few rows. A one
    stands behind each of its outputs. Holds for the weights that it was made from."""

    def __init__(self, convolution: Convolution, tables: Sequence[Tensor]) -> None:
        weight, bias = convolution.filter.weight, convolution.filter.bias
        assert bias is not None
        rows = torch.cat([*tables])  # (V, D)
        self._reach = weight.shape[2] // 2
        self._nothing = len(rows)  # the place of a row of zeros
        self._firsts = [sum(map(len, tables[:i])) for i in range(len(tables))]
        with torch.no_grad():
            near = F.pad(rows @ weight.permute(2, 1, 0), (0, 0, 0, 1))  # (K, V + 1, D)
            near[self._reach, : len(tables[0])] += bias  # once for each step, as is its own row
            self._near = F.pad(near.flatten(0, 1), (0, 1))  # (K * (V + 1), D + 1)
            own = F.pad(rows, (0, 1, 0, 1))  # (V + 1, D + 1)
            own[: len(tables[0]), -1] = 1.0
            self._own = own
        self._neighbours = torch.arange(len(near)) * (self._nothing + 1)

    def __call__(self, places: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """From places (B, S) in each table to (B, S, D + 1); what is beyond a row is nothing."""
        own = torch.stack([p + n for p, n in zip(places, self._firsts, strict=True)], dim=2)
        rows, steps, _ = own.shape
        own = own.masked_fill(~length_mask(lengths, steps)[..., None], self._nothing)
        wide = F.pad(own, (0, 0, self._reach, self._reach), value=self._nothing)
        near = wide.unfold(1, len(self._neighbours), 1) + self._neighbours  # (B, S, T, K)
        around = F.embedding_bag(near.flatten(2).flatten(0, 1), self._near, mode="sum")
        x = F.embedding_bag(own.flatten(0, 1), self._own, mode="sum")
        return x.add_(around.relu_()).view(rows, steps, -1)

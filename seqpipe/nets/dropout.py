"""Noise while training: dropout that a row keeps from its first step to its last, and gaps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Locked(nn.Dropout):
    """One mask a row for all its steps (Gal and Ghahramani 2016): noise that changes from step to
    step drowns what a recurrent state carries."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, D) to (B, S, D)."""
        return x * self.mask(x) if self.training and self.p else x

    def mask(self, x: Tensor) -> Tensor:
        """What rows like these (B, S, D) are multiplied by: (B, 1, D)."""
        return F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.p, self.training)


class Fixed(Locked):
    """The same with a rate of its own, which no driver changes."""


def set_dropout(net: nn.Module, rate: float) -> None:
    """Gives every other dropout of a net the rate that the driver of the training asks for."""
    for module in net.modules():
        if isinstance(module, nn.Dropout) and not isinstance(module, Fixed):
            module.p = rate


class Gaps(nn.Module):
    """While training some pieces read as another one, for the most part as unknown (Iyyer et al.
    2015)."""

    def __init__(self, rate: float, *, piece: int) -> None:
        super().__init__()
        self.rate = rate
        self.piece = piece

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S)."""
        if not (self.training and self.rate):
            return ids
        gaps = torch.rand(ids.shape, device=ids.device) < self.rate
        return ids.masked_fill(gaps, self.piece)

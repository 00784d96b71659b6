"""One step of each cell, by torch's own modules or as plainly as can be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqpipe.nets.cells import Cell


class MinGRUCell(nn.Module):
    """As Feng et al. (2024) write it down, with a gate that opens instead of one that keeps."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(2 * width, inputs) / inputs**0.5)
        self.bias_ih = nn.Parameter(torch.zeros(2 * width))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """From (B, D) and (B, H) to (B, H)."""
        opening, new = (x @ self.weight_ih.t() + self.bias_ih).chunk(2, dim=1)
        z = torch.sigmoid(opening)
        return (1 - z) * h + z * new


SINGLE: dict[Cell, Any] = {
    "rnn": nn.RNNCell,
    "lstm": nn.LSTMCell,
    "gru": nn.GRUCell,
    "mingru": MinGRUCell,
}

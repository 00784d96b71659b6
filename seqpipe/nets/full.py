"""What is computed in 32 bits where a training computes in 16: sums, exponentials, losses."""

from __future__ import annotations

import torch
from torch import Tensor


def full(x: Tensor) -> Tensor:
    """In 32 bits at least; what has them stays as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))

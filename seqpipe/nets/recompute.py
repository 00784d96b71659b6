"""Long rows in less memory: of a stretch of steps only the state before it is kept for the way
back, and the rest computed once more there (Chen et al. 2016; Gruslys et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# From some steps and the state before them to the states of all of them and the last one's.
Run = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Recomputing(nn.Module):
    """What has recurrent layers that can run in stretches."""

    recompute = 0  # steps of a stretch; 0: all is kept


def set_recompute(net: nn.Module, steps: int) -> None:
    """The driver's wish, for every part of a net that can."""
    for module in net.modules():
        if isinstance(module, Recomputing):
            module.recompute = steps


def in_stretches(run: Run, x: Tensor, state: Any, *, steps: int, dim: int) -> tuple[Tensor, Any]:
    """`run` over all of x, so many steps along `dim` at a time; it must not draw by chance."""
    if not (steps and x.shape[dim] > steps and torch.is_grad_enabled()):
        return run(x, state)
    found = []
    for some in x.split(steps, dim):
        y, state = checkpoint(run, some, state, use_reentrant=False, preserve_rng_state=False)
        found.append(y)
    return torch.cat(found, dim), state

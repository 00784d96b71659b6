"""How large gradients are: those of each layer, and those of what a cell has read long before.

In a layer whose gradients vanish nothing is learned, and what a cell has read so many steps before
cannot be learned from where the gradient of its state does not reach there (Hochreiter 1991;
Pascanu et al. 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from seqpipe.nets.cells import Recurrent, run_cell
from seqpipe.train.learner import Learner

_FARTHEST = 100  # steps back that are looked at


@dataclass(frozen=True, slots=True)
class Gradients:
    """A line of gradients.jsonl."""

    step: int
    layers: Mapping[str, float]  # norms of the gradients of their weights
    lags: Mapping[str, Sequence[float]]  # of each cell, 0 steps back and more

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def look(learner: Learner, learn: Callable[[], object], *, step: int, steps: int) -> Gradients:
    """At this step of a run, the gradients that `learn` adds for rows of so many steps each, which
    are dropped again; weights and random numbers are left as they were."""
    device = learner.weights[0].device
    drawing = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with drawing, heard(learner.net) as heard_by:
        learn()
        layers = learner.norms()
        learner.forget()
    cells: dict[str, Any] = dict(learner.net.named_modules())
    lags = {
        name: reach(cells[name], torch.cat(parts, dim=1), steps=steps)
        for name, parts in heard_by.items()
    }
    return Gradients(step, layers, lags)


@contextmanager
def heard(net: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Within, fills up with what each recurrent layer of a net reads, call by call: (B, S, D)."""
    heard_by: dict[str, list[Tensor]] = {}

    def hear(name: str, x: Tensor | PackedSequence) -> None:
        rows = pad_packed_sequence(x, batch_first=True)[0] if isinstance(x, PackedSequence) else x
        heard_by.setdefault(name, []).append(rows.detach().float())

    hooks = [
        module.register_forward_pre_hook(lambda _, args, name=name: hear(name, args[0]))
        for name, module in net.named_modules()
        if isinstance(module, get_args(Recurrent))
    ]
    try:
        yield heard_by
    finally:
        for hook in hooks:
            hook.remove()


def reach(cell: Recurrent, x: Tensor, *, steps: int) -> list[float]:
    """How strongly what was read k steps before, k from 0 on, still moves the state after so many
    `steps` of rows (B, S, D): the norm of its gradient, the mean over rows. The gradient is that of
    the sum of all units, each taken by a sign of chance, which measures the Jacobian as a whole
    (Hutchinson 1989)."""
    x = x[:, :steps].clone().requires_grad_()
    chance = torch.Generator().manual_seed(0)
    # cuDNN knows no way back through a net that is not training
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        last = run_cell(cell, x)[0][:, -1]  # (B, H)
        signs = torch.randint(0, 2, last.shape, generator=chance) * 2 - 1
        (found,) = torch.autograd.grad((last * signs.to(last)).sum(), x)
    norms = torch.linalg.vector_norm(found, dim=2).mean(dim=0)  # (S,)
    back: list[float] = norms.flip(0)[: _FARTHEST + 1].tolist()
    return back

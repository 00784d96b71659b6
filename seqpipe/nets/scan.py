"""The states of a minGRU over all steps at once, with their gradient written out.

Its gate looks at the input alone, so that what is left of a step is h_t = a_t h_{t-1} + b_t, number
by number, and the gradient is the same the other way round. A step of that costs a CPU a few
microseconds in a plain loop, less than any scan that saves steps by doing more work; a GPU would
wait for each, and has few large steps instead. Nothing is divided, nothing goes through logarithms.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

_FULL = 2048  # numbers of a step, about: for fewer a CPU takes hardly less time
_LONG = 64  # steps: below it to put blocks together costs as much as they save
_SHORTEST = 16  # steps of a block


def gated(gates: Tensor, first: Tensor) -> Tensor:
    """h_t = (1 - s(z_t)) h_{t-1} + s(z_t) c_t with z and c side by side in `gates` (T, B, 2 H),
    after a state (B, H) before them: (T, B, H) (Feng et al. 2024)."""
    # under autocast gates come in half precision, where a small change of a state is none
    gates = gates.to(first.dtype)
    return cast(Tensor, _Gated.apply(gates, first))  # type: ignore[no-untyped-call]


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, first: Tensor) -> Tensor:
        opening, new = gates.chunk(2, dim=2)
        opened = opening.sigmoid()
        keep = 1 - opened
        states = scan(keep, opened.mul_(new), first)
        ctx.save_for_backward(gates, keep, states, first)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        gates, keep, states, first = ctx.saved_tensors
        new = gates.chunk(2, dim=2)[1]
        back = torch.empty_like(gates)
        d_opening, d_new = back.chunk(2, dim=2)
        # what reaches the state before each step
        passed = scan(keep, keep * grads[0], torch.zeros_like(first), backwards=True)
        whole = grads[0].clone()
        whole[:-1] += passed[1:]
        torch.addcmul(whole, whole, keep, value=-1, out=d_new)
        torch.sub(new[:1], first, out=d_opening[:1])
        torch.sub(new[1:], states[:-1], out=d_opening[1:])
        d_opening.mul_(d_new).mul_(keep)
        return back, passed[0] if len(passed) else torch.zeros_like(first)


def scan(keep: Tensor, added: Tensor, first: Tensor, *, backwards: bool = False) -> Tensor:
    """h_t = keep_t h_{t-1} + added_t over (T, B, H), after `first` (B, H); `backwards`, the last
    step is taken first."""
    if not keep.is_cuda:
        steps, rows, width = keep.shape
        long = steps >= _LONG and 0 < 4 * rows * width <= _FULL
        return (in_blocks if long else step_by_step)(keep, added, first, backwards=backwards)
    if not backwards:
        return by_doubling(keep, added, first)
    return by_doubling(keep.flip(0), added.flip(0), first).flip(0)


def in_blocks(keep: Tensor, added: Tensor, first: Tensor, *, backwards: bool = False) -> Tensor:
    """The same for a few long rows, cut into blocks that go side by side, each from nothing; what
    was before a block is added when it is known, as far as the block has kept it."""
    steps, rows, width = added.shape
    size = -(-steps // max(1, min(_FULL // (rows * width), steps // _SHORTEST)))
    blocks = -(-steps // size)
    gap = blocks * size - steps
    end = (0, 0, 0, 0, gap, 0) if backwards else (0, 0, 0, 0, 0, gap)  # steps that change nothing
    shape = (blocks, size, rows, width)
    kept = F.pad(keep, end, value=1.0).view(shape).transpose(0, 1)  # (L, K, B, H)
    more = F.pad(added, end).view(shape).transpose(0, 1)
    states = step_by_step(kept, more, torch.zeros_like(more[0]), backwards=backwards)
    reach = kept.flip(0).cumprod(0).flip(0) if backwards else kept.cumprod(0)
    last = 0 if backwards else -1
    behind = scan(reach[last], states[last], first, backwards=backwards)  # each block
    before = [behind[1:], first[None]] if backwards else [first[None], behind[:-1]]
    whole = states.addcmul_(reach, torch.cat(before)).transpose(0, 1).reshape(-1, rows, width)
    return whole[gap:] if backwards else whole[:steps]


def step_by_step(keep: Tensor, added: Tensor, first: Tensor, *, backwards: bool = False) -> Tensor:
    states = torch.empty_like(added)
    steps = list(zip(keep.unbind(), added.unbind(), states.unbind(), strict=True))
    before = first
    for kept, more, after in reversed(steps) if backwards else steps:
        before = torch.addcmul(more, kept, before, out=after)
    return states


def by_doubling(keep: Tensor, added: Tensor, first: Tensor) -> Tensor:
    """Each round a step knows twice as much of what was before it (Hillis and Steele 1986)."""
    states = torch.cat([torch.addcmul(added[:1], keep[:1], first), added[1:]])
    keep, reach = keep[1:], 1  # of the steps that do not know all yet
    while reach < len(states):
        further = torch.addcmul(states[reach:], keep, states[:-reach])
        states = torch.cat([states[:reach], further])
        keep = keep[reach:] * keep[:-reach]
        reach *= 2
    return states

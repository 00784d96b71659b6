"""Telling pieces out of a large vocabulary: what it costs, without ever holding all scores."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.nets.full import full

# Rows whose scores stand in memory at a time: the caches hold them through all that is done.
_ROWS = 256


class _Told(torch.autograd.Function):
    """The gradients are known once the loss is, so one pass finds both."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        shares: Tensor,
    ) -> Tensor:
        loss = x.new_zeros(())
        of_x, of_weight = torch.empty_like(x), torch.zeros_like(weight)
        of_bias = torch.zeros_like(bias)
        buffer = x.new_empty(min(_ROWS, len(x)), len(weight))
        for some, right, out in zip(
            x.split(_ROWS), targets.split(_ROWS), of_x.split(_ROWS), strict=True
        ):
            scores = torch.addmm(bias, some, weight.t(), out=buffer[: len(some)])  # (R, V)
            scores.sub_(scores.amax(dim=1, keepdim=True))
            told = scores.gather(1, right[:, None]).sum() * (1 - smoothing)
            if smoothing:
                told += scores.mv(shares).sum()
            total = scores.exp_().sum(dim=1, keepdim=True)  # (R, 1)
            loss += total.log().sum() - told
            scores.div_(total)
            if smoothing:
                scores.sub_(shares)
            scores.scatter_add_(1, right[:, None], scores.new_full((len(some), 1), smoothing - 1))
            torch.mm(scores, weight, out=out)
            of_weight.addmm_(scores.t(), some)
            of_bias += scores.sum(dim=0)
        ctx.save_for_backward(of_x, of_weight, of_bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return *(grads[0] * kept for kept in ctx.saved_tensors), None, None, None


def told_loss(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    *,
    smoothing: float = 0.0,
    sampled: int = 0,
) -> Tensor:
    """The cross entropy of targets (N,) told from x (N, D) by weight (V, D) and bias (V,), summed,
    with label smoothing (Szegedy et al. 2016).

    With `sampled` they are told from each other and from so many pieces besides, drawn anew for
    each call, which stand for all that were not (Jean et al. 2015).
    """
    pieces = len(weight)
    wanted = targets.unique() if sampled else targets
    if not sampled or len(wanted) + sampled >= pieces:
        shares = weight.new_full((pieces,), smoothing / pieces)
        return _told(full(x), weight, bias, targets, smoothing, shares)
    others = torch.ones_like(bias, dtype=torch.bool).index_fill_(0, wanted, False).nonzero()[:, 0]
    drawn = others[torch.randperm(len(others), device=others.device)[:sampled]]
    some = torch.cat([wanted, drawn])
    more = math.log(len(others) / sampled)  # each is that much likelier, for those left out
    shift = F.pad(bias.new_full((sampled,), more), (len(wanted), 0))
    shares = shift.exp() * (smoothing / pieces)
    right = torch.searchsorted(wanted, targets)
    weight, bias = weight.index_select(0, some), bias.index_select(0, some) + shift
    loss = _told(full(x), weight, bias, right, smoothing, shares)
    return loss + len(x) * shares.dot(shift)


def told_from(sampled: int) -> int:
    """How many pieces besides, if that is a number to draw."""
    if sampled < 0:
        raise SettingError("model.sampled_softmax", sampled, "0 for all pieces, or how many")
    return sampled


def _told(*given: Any) -> Tensor:
    loss: Tensor = _Told.apply(*given)  # type: ignore[no-untyped-call]
    return loss


# Scores that stand in memory at a time where no gradient is asked for.
_SCORES = 1 << 18


def told_nats(x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """What each of the targets (N,) costs, told from x (N, H) by weight (H, V) and bias (V,)."""
    rows = max(1, _SCORES // len(bias))
    found = [
        F.cross_entropy(torch.addmm(bias, some, weight), right, reduction="none")
        for some, right in zip(x.split(rows), targets.split(rows), strict=True)
    ]
    return torch.cat(found)

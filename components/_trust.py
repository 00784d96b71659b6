"""How much is made of what a stage remembers, fitted to what was held out; this needs torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Tuple

import numpy as np

from seqpipe.components._memory import Room
from seqpipe.search.recalling import SURE, Trust

if TYPE_CHECKING:
    from torch import Tensor

# What was fitted on the validation parts of Multi30k and Tatoeba lies around it.
USUAL = Trust(weight=5.0, reach=0.078, likeness=1.5, most=0.6)
WIDTH = 64  # numbers of a vector: more change little
_SPREAD = 2.0  # of the fitted numbers around the usual ones, before any piece was seen
_FLOOR = 1e-9


@dataclass(frozen=True)
class Fit:
    """What trust was fitted to: pairs or texts, their pieces, and the nats that a piece costs by
    the net alone and beside what it remembers."""

    held: int
    pieces: int
    alone: float
    beside: float


@dataclass(frozen=True)
class Case:
    """Some pieces that were held out, each beside K remembered ones."""

    alone: np.ndarray  # (T,) the logarithm of what the net makes of them
    apart: np.ndarray  # (T, K) squared distances
    alike: np.ndarray  # (T, K), 0 where nothing is remembered
    right: np.ndarray  # (T, K) whether it is the same piece
    same: bool = False  # whether all is what the same source became


def room_of(vectors: np.ndarray) -> Room:
    """The directions that vectors (N, D) of a net differ most in."""
    seen = vectors.astype(np.float64)
    mean = seen.mean(axis=0)
    apart = seen - mean
    spread, directions = np.linalg.eigh(apart.T @ apart / len(apart))
    spread, basis = spread[-WIDTH:], directions[:, -WIDTH:]
    basis = basis * np.where(basis.sum(axis=0) < 0, -1.0, 1.0)  # as good as its opposite
    basis = basis / np.sqrt(max(2 * spread.sum(), _FLOOR))
    step = max(float(np.abs(apart @ basis).max()), _FLOOR) / 127
    return Room(mean.astype(np.float32), basis.astype(np.float32), step)


def fit_trust(cases: Sequence[Case], *, held: int) -> Tuple[Trust, Fit]:
    """The trust under which the pieces are likeliest."""
    import torch

    widest = max(case.apart.shape[1] for case in cases)

    def all_of(name: str, *, floor: float) -> "Tensor":
        rows = [getattr(case, name).astype(np.float64) for case in cases]
        wide = [np.pad(row, [(0, 0), (0, widest - row.shape[1])]) for row in rows]
        return torch.from_numpy(np.concatenate(wide)).clamp(min=floor)

    by_net = torch.from_numpy(np.concatenate([case.alone for case in cases])).double()
    apart, right = all_of("apart", floor=0), all_of("right", floor=0)
    alike = all_of("alike", floor=0)
    nothing, alike = alike == 0, alike.clamp(min=_FLOOR).log()
    same = torch.tensor([case.same for case in cases for _ in case.alone])
    shares = [math.log(share / (SURE - share)) for share in (USUAL.most, USUAL.same)]
    start = [USUAL.weight, math.log(USUAL.reach), math.log(USUAL.likeness), *shares]
    usual = torch.tensor(start, dtype=torch.float64)
    numbers = usual.clone().requires_grad_()

    def nats() -> "Tensor":
        weight, reach, likeness, most, of_same = numbers.unbind()
        nearness = weight - apart / reach.exp() + likeness.exp() * alike
        weights = nearness.exp().masked_fill(nothing, 0.0)
        mass = weights.sum(dim=1)
        share = SURE * torch.where(same, of_same, most).sigmoid() / (1 + mass)
        chance = (1 - share * mass) * by_net.exp() + share * (weights * right).sum(dim=1)
        return chance.clamp(min=1e-12).log().mean().neg()

    search = torch.optim.LBFGS([numbers], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> "Tensor":
        search.zero_grad()
        # few pieces leave it about as it usually is
        unusual = ((numbers - usual) / _SPREAD).square().sum() / 2
        loss = nats() + unusual / len(by_net)
        loss.backward()
        return loss

    search.step(closure)
    weight, reach, likeness, *shares = numbers.detach().tolist()
    most, of_same = (SURE / (1 + math.exp(-share)) for share in shares)
    trust = Trust(weight, math.exp(reach), math.exp(likeness), most, of_same)
    with torch.no_grad():
        return trust, Fit(held, len(by_net), -float(by_net.mean()), float(nats()))

"""A classifier that can be asked what its decision hangs on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from seqpipe.explain.path import Integral, Numbers, integrate
from seqpipe.nets.cells import Recurrent
from seqpipe.nets.classifier import Classifier
from seqpipe.nets.encoder import Encoder, length_mask
from seqpipe.nets.pooling import AttentionPool, Pool
from seqpipe.nets.unrolled import given, unrolled
from seqpipe.text.codec import PAD, Ids

_CELLS = 16384  # of a padded batch: about 10 KB each while gradients are kept

Part = TypeVar("Part", bound=nn.Module)


class Reader:
    """What stands above the vectors of a classifier, copied in double precision, as sure as the
    temperatures of its stage make it.

    Sums of gradients over a path are to be right to a hundredth, differences between two readings
    to far less; single precision, and kernels of a GPU that round more, would show in both.
    """

    def __init__(self, net: Classifier, temperatures: Sequence[float] = (1.0,)) -> None:
        self._embedding = net.embedding
        self._encoder: Encoder = _exact(net.encoder)
        self._pools = [cast(Pool, _exact(pool)) for pool in net.pools]
        self._output: nn.Linear = _exact(net.output)
        self._multi_label = net.multi_label
        self._temperatures = torch.tensor(temperatures, dtype=torch.float64)

    def odds(self, rows: Sequence[Ids]) -> Numbers:
        """Of each label for each row, log p / (1 - p): (N, C)."""
        found = np.zeros((len(rows), self._output.out_features))
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for places in _batches(order, longest=max(map(len, rows), default=0)):
            lengths = torch.tensor([len(rows[place]) for place in places])
            ids = torch.full((len(places), int(lengths.max())), PAD)
            for row, place in zip(ids, places, strict=True):
                row[: len(rows[place])] = torch.from_numpy(rows[place].astype(np.int64))
            with torch.no_grad():
                states = self._encoder(self._vectors(ids), lengths)
                found[places] = self._odds(states, length_mask(lengths, ids.shape[1])).numpy()
        return found

    def saliency(self, ids: Ids, label: int) -> Integral:
        """Integrated gradients (Sundararajan et al. 2017): what each piece adds to the log-odds of
        a label on the straight way from vectors of nothing but zeros, of the same length."""
        if not len(ids):
            alone = float(self.odds([ids])[0, label])
            return Integral(np.zeros(0), alone, alone, points=0, tipped=0.0)
        whole = self._vectors(torch.from_numpy(ids.astype(np.int64))[None])  # (1, S, D)

        def along(at: Numbers) -> tuple[Numbers, Numbers]:
            values, slopes = np.zeros(len(at)), np.zeros((len(at), len(ids)))
            for places in _batches(range(len(at)), longest=len(ids)):
                x = (torch.from_numpy(at[places])[:, None, None] * whole).requires_grad_()
                mask = torch.ones(x.shape[:2], dtype=torch.bool)
                odds = self._odds(self._states(x), mask)[:, label]
                (slope,) = torch.autograd.grad(odds.sum(), x)
                values[places] = odds.detach().numpy()
                slopes[places] = (slope * whole).sum(dim=2).numpy()
            return values, slopes

        return integrate(along)

    def attention(self, ids: Ids) -> Numbers | None:
        """How much of the attention each piece has (S,), the mean where several pools look; none
        where no pool does."""
        pools = [pool for pool in self._pools if isinstance(pool, AttentionPool)]
        if not pools:
            return None
        lengths = torch.tensor([len(ids)])
        with torch.no_grad():
            x = self._vectors(torch.from_numpy(ids.astype(np.int64))[None])
            states, mask = self._encoder(x, lengths), length_mask(lengths, len(ids))
            each = torch.stack([pool.scores(states, mask)[0].softmax(0) for pool in pools])
        weights: Numbers = each.mean(dim=0).numpy()
        return weights

    def _vectors(self, ids: Tensor) -> Tensor:
        """From ids (B, S), by the net's own tables, to (B, S, D)."""
        place = self._embedding.single.weight.device
        with torch.no_grad():
            x: Tensor = self._embedding(ids.to(place))
        return x.to("cpu", torch.float64)

    def _states(self, x: Tensor) -> Tensor:
        """From (B, S, D), rows that all go on to the end, to (B, S, H); the gradient of a torch
        module of GRUs takes time with the square of the steps."""
        x = x.transpose(0, 1)
        for layer, onward in enumerate(self._encoder.onward):
            ways = [_run(onward, x)]
            for back in self._encoder.backward_[layer : layer + 1]:
                ways.append(_run(back, x.flip(0)).flip(0))
            x = torch.cat(ways, dim=-1)
        return x.transpose(0, 1)

    def _odds(self, states: Tensor, mask: Tensor) -> Tensor:
        """From states (B, S, H) and where rows go on (B, S) to (B, C)."""
        pooled = torch.cat([pool(states, mask) for pool in self._pools], dim=-1)
        scores: Tensor = self._output(pooled) / self._temperatures
        if self._multi_label:
            return scores
        own = torch.eye(scores.shape[1], dtype=torch.bool)
        others = scores[:, None].expand(-1, *own.shape).masked_fill(own, -torch.inf)  # (B, C, C)
        return scores - others.logsumexp(dim=2)


def _run(module: nn.Module, x: Tensor) -> Tensor:
    """One way through one layer, from (S, B, D) to (S, B, H)."""
    cell = cast(Recurrent, module)
    first = x.new_zeros(x.shape[1], cell.hidden_size)
    state = (first, first) if isinstance(cell, nn.LSTM) else first
    return unrolled(cell, given(cell, x), state)[0]


def _exact(part: Part) -> Part:
    return deepcopy(part).to("cpu", torch.float64).requires_grad_(False).eval()


def _batches(places: Sequence[int], *, longest: int) -> Iterator[list[int]]:
    """So many at a time that memory holds them, one at least."""
    most = max(1, _CELLS // max(longest, 1))
    for at in range(0, len(places), most):
        yield list(places[at : at + most])

"""A net that goes on with a text beside texts that it remembers.

As `seqpipe.search.recalling`, but what is looked at changes with every piece: the places in the
remembered texts where the pieces before stood (Khandelwal et al. 2020, by context instead of by a
search through all).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqpipe.search import arrays
from seqpipe.search.arrays import Floats, Ints
from seqpipe.search.recalling import Remembered, Space, Trust, mixed, squared
from seqpipe.search.state import Net, Step

_AT_ONCE = 256  # pieces whose neighbours stand in memory


class Lore(Space, Protocol):
    """Remembered texts."""

    @property
    def context(self) -> int:
        """How many pieces before are looked at."""

    def of(self, contexts: Ints) -> Remembered:
        """What followed on the like of these (R, G), the last piece at the end."""


class Reminded:
    """A net as a search sees it, and beside it texts."""

    def __init__(self, net: Net[Any], lore: Lore) -> None:
        self._net, self._lore = net, lore

    def step(self, tokens: Ints, state: RemindedState) -> Step[RemindedState]:
        recent = np.concatenate([state.recent[:, 1:], tokens[:, None]], axis=1)
        step = self._net.step(tokens, state.inner)
        vectors = self._lore.within(arrays.array(step.state.vectors))
        beside = self._lore.of(recent)
        weights = weights_of(vectors, beside, self._lore.trust)
        rows, width = step.scores.shape
        places = np.arange(rows)[:, None] * width + beside.pieces.clip(min=0)
        near = np.bincount(places.ravel(), weights.ravel(), minlength=rows * width)
        columns = np.broadcast_to(np.arange(width), (rows, width))
        scores = mixed(step.scores, columns, near.reshape(rows, width), most=self._lore.trust.most)
        return Step(scores, RemindedState(step.state, recent), step.attention)


@dataclass(frozen=True, slots=True, eq=False)
class RemindedState:
    """What the net carries, and the pieces that came last."""

    inner: Any
    recent: Ints  # (R, G)

    @property
    def pieces(self) -> Ints | None:
        pieces: Ints | None = self.inner.pieces
        return pieces

    def pick(self, rows: Ints) -> RemindedState:
        return RemindedState(self.inner.pick(rows), self.recent[rows])


def weights_of(asked: Floats, beside: Remembered, trust: Trust) -> NDArray[Any]:
    """What counts of each remembered piece (R, K) for rows that ask (R, D)."""
    far = squared(asked, beside.keys)
    with np.errstate(divide="ignore"):
        alike = np.log(np.where(beside.pieces < 0, 0, beside.alike))
    nearness = trust.weight - far / trust.reach
    weights: NDArray[Any] = np.exp(nearness + trust.likeness * alike)
    return weights


def nats_beside(
    lore: Lore, nats: Floats, vectors: Floats, contexts: Ints, pieces: Ints
) -> NDArray[np.float32]:
    """What pieces (T,) cost behind contexts (T, G) that by the net alone cost so many nats (T,),
    told from vectors (T, D')."""
    found = np.zeros(len(nats), np.float32)
    for at in range(0, len(nats), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        beside = lore.of(contexts[some])
        weights = weights_of(lore.within(vectors[some]), beside, lore.trust)
        mass = weights.sum(axis=1)
        share = lore.trust.most / (1 + mass)
        right = (weights * (beside.pieces == pieces[some, None])).sum(axis=1)
        found[some] = -np.log((1 - share * mass) * np.exp(-nats[some]) + share * right)
    return found

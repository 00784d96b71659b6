"""A net that writes beside what it remembers.

At each step the vector that its scores are told from is held against those that stood before the
pieces of remembered rows; pieces behind vectors that lie near gain (Khandelwal et al. 2021). Only
rows remembered for sources like its own are looked at (Dai et al. 2023), and what lies far off
weighs nothing, so that a net beside nothing alike says what it says alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqpipe.search import arrays
from seqpipe.search.arrays import Bools, Floats, Ints
from seqpipe.search.seats import Seats
from seqpipe.search.state import Columns, Net, Step

SURE = 0.95  # no larger share is told from memory: others can still be said
_SPARE = 0.75  # share of the sources still written for, below which the others are let go


@dataclass(frozen=True, slots=True)
class Trust:
    """How much is made of what lies near."""

    weight: float  # the logarithm of what counts at no distance, where the net counts 1
    reach: float  # the square of the distance at which that has fallen to a third
    likeness: float  # the power of how alike the sources are that it is multiplied by
    most: float  # the share of all that can be told from memory
    same: float = 0.9  # the same of what the same source became


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """Beside each of N sources K pieces and the vectors that stood before them."""

    keys: NDArray[np.float32]  # (N, K, D)
    pieces: Ints  # (N, K), -1 where there is none
    alike: NDArray[np.float32]  # (N, K) how alike the source of each is

    def known(self) -> list[int]:
        """All pieces of it, each once."""
        found: list[int] = np.unique(self.pieces[self.pieces >= 0]).tolist()
        return found


class Space(Protocol):
    """Where vectors are compared."""

    @property
    def trust(self) -> Trust: ...

    def within(self, vectors: Floats) -> NDArray[np.float32]:
        """(R, D') of the net to (R, D)."""


class Recalling:
    """A net as a search sees it, and beside it a memory."""

    def __init__(self, net: Net[Any], space: Space) -> None:
        self._net = net
        self._space = space

    def step(self, tokens: Ints, state: RecallingState) -> Step[RecallingState]:
        step = self._net.step(tokens, state.inner)
        asked = self._space.within(arrays.array(step.state.vectors))
        trust = self._space.trust
        near, columns = state.beside.near(asked, state.seats, trust)
        most = np.where(state.beside.same, trust.same, trust.most)[state.seats.homes]
        scores = mixed(step.scores, columns, near, most=most[:, None])
        return Step(scores, replace(state, inner=step.state), step.attention)


def squared(asked: Floats, keys: Floats) -> Floats:
    """The distances (R, K) of some vectors (R, D) to others (R, K, D), or to the same (1, K, D),
    squared."""
    far = np.square(asked).sum(axis=1, keepdims=True) + np.square(keys).sum(axis=2)
    far -= 2 * (keys @ asked[:, :, None])[:, :, 0]
    found: Floats = np.maximum(far, 0)
    return found


def mixed(scores: Any, columns: Ints, near: Floats, *, most: float | Floats) -> Any:
    """Log-probabilities (R, V), of which those in these columns (R, U), -1 for none, gain by how
    near (R, U) they were, by a share of `most` (R, 1) at most; all others lose as much."""
    on = arrays.of(scores)
    mass = near.sum(axis=1, keepdims=True)
    share = most / (1 + mass)
    rest = np.log1p(-share * mass)  # (R, 1)
    own = arrays.array(on.at(scores, columns.clip(min=0)))
    with np.errstate(divide="ignore"):  # nothing gains nothing
        gained = np.logaddexp(own + rest, np.log(share * near))
    return on.put(on.add(scores, rest), columns, on.like(gained, scores))


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What is remembered beside each source of a batch, ready to be held against its rows."""

    keys: NDArray[np.float32]  # (N, D, K)
    norms: NDArray[np.float32]  # (N, 1, K)
    alike: NDArray[np.float32]  # (N, 1, K) as a logarithm: of nothing where there is nothing
    which: Ints  # (N, K) of the columns each of them stands for
    columns: Ints  # (N, U), -1 for none
    same: Bools  # (N,) whether it is what the same source became

    @classmethod
    def of(cls, remembered: Remembered, columns: Columns) -> Beside:
        places = np.where(remembered.pieces < 0, -1, columns.of(remembered.pieces.clip(min=0)))
        rows = [np.unique(row[row >= 0]) for row in places]
        found = np.full((len(rows), max(1, *map(len, rows))), -1, np.int64)
        which = np.zeros(places.shape, np.int64)
        for i, row in enumerate(rows):
            found[i, : len(row)] = row
            which[i] = np.searchsorted(row, places[i]).clip(max=found.shape[1] - 1)
        norms = np.square(remembered.keys).sum(axis=2)[:, None]
        with np.errstate(divide="ignore"):
            alike = np.log(np.where(places < 0, 0, remembered.alike))[:, None]
        keys = np.ascontiguousarray(remembered.keys.transpose(0, 2, 1))
        same = remembered.alike.max(axis=1, initial=0) >= 1
        return cls(keys, norms, alike, which, found, same)

    def near(self, asked: Floats, seats: Seats, trust: Trust) -> tuple[Floats, Ints]:
        """What counts for each column (R, U) of rows that ask (R, D), and the columns (R, U)."""
        grid = asked[seats.grid].reshape(seats.sources, seats.widest, -1)
        far = np.square(grid).sum(axis=2, keepdims=True) - 2 * (grid @ self.keys) + self.norms
        nearness = trust.weight - np.maximum(far, 0) / trust.reach
        weights = np.exp(nearness + trust.likeness * self.alike)
        sources, widest, _ = weights.shape
        cells = np.arange(sources * widest).reshape(sources, widest, 1) * self.columns.shape[1]
        size = sources * widest * self.columns.shape[1]
        counts = np.bincount((cells + self.which[:, None]).ravel(), weights.ravel(), size)
        grid = counts.reshape(sources, widest, -1)
        return grid[seats.homes, seats.slots], self.columns[seats.homes]

    def pick(self, sources: Ints) -> Beside:
        return Beside(
            self.keys[sources],
            self.norms[sources],
            self.alike[sources],
            self.which[sources],
            self.columns[sources],
            self.same[sources],
        )


@dataclass(frozen=True, slots=True, eq=False)
class RecallingState:
    """What the net carries, and the seats of its rows beside what is remembered."""

    inner: Any
    seats: Seats
    beside: Beside

    @classmethod
    def of(cls, inner: Any, remembered: Remembered) -> RecallingState:
        """Of a state with a row for each source."""
        beside = Beside.of(remembered, Columns(inner.pieces))
        return cls(inner, Seats.one_each(len(remembered.pieces)), beside)

    @property
    def pieces(self) -> Ints | None:
        pieces: Ints | None = self.inner.pieces
        return pieces

    def pick(self, rows: Ints) -> RecallingState:
        seats, left = self.seats.pick(rows, spare=_SPARE)
        beside = self.beside if left is None else self.beside.pick(left)
        return RecallingState(self.inner.pick(rows), seats, beside)

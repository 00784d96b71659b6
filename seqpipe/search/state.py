"""What a net shows of itself while it is asked for one token after the other, and what is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.search import arrays
from seqpipe.search.arrays import CLOSED, Bools, Floats, Held, Ints

S = TypeVar("S", bound="State")
R = TypeVar("R", contravariant=True)


class State(Protocol):
    """What a net keeps of each row between two steps; never changed in place."""

    @property
    def pieces(self) -> Ints | None:
        """(V,) the piece that each column of the scores stands for, ascending, the same for all
        rows and steps; None: all pieces have their column."""

    def pick(self: S, rows: Ints) -> S:
        """The places (R',) of the rows to go on with, in any order and as often as they occur:
        finished rows leave, those of a beam fork."""


@dataclass(frozen=True, slots=True, eq=False)
class Step(Generic[S]):
    """What a net answers to one token a row."""

    scores: Held  # (R, V) log-probabilities, 32 bits
    state: S
    attention: Held | None = None  # (R, S), zero beyond a row; S may shrink as rows leave


class Net(Protocol[S]):
    def step(self, tokens: Ints, state: S) -> Step[S]:
        """What follows these tokens (R,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one row wrote, the end included if it came to that."""

    tokens: Ints  # (T,)
    scores: Floats  # (T,) their log-probabilities
    attention: Floats | None  # (T, S)


@runtime_checkable
class Runner(Protocol[R]):
    """A net that can take all steps of one row by itself, which costs less than to ask for each."""

    def best(self, token: int, state: R, *, end: int, most: int) -> Run:
        """The best token at every step behind this one, until the end or so many."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One continuation of a row, without the tokens that begin and end it."""

    tokens: list[int]
    # The sum of the log-probabilities that the net gave to all tokens and to the end.
    score: float
    # Whether the end was reached; else a limit or a stop cut it.
    ended: bool
    attention: NDArray[Any] | None  # (T, S)
    # What a beam orders its results by, with transforms and penalties; elsewhere the score.
    rank: float
    each: list[float]  # the part of the score that each token has: the rest is that of the end


class Columns:
    """Where each piece stands in the scores."""

    def __init__(self, pieces: Ints | None) -> None:
        self._pieces = pieces

    def pieces(self, columns: Ints) -> Ints:
        return columns if self._pieces is None else self._pieces[columns]

    def of(self, pieces: Ints) -> Ints:
        """-1 for a piece that has none."""
        if self._pieces is None:
            return pieces
        at = np.searchsorted(self._pieces, pieces).clip(max=len(self._pieces) - 1)
        return np.where(self._pieces[at] == pieces, at, -1)

    def end(self, piece: int) -> int:
        """The column of what ends a row, without which nothing can be written."""
        self.must_have([piece], "end")
        return piece if self._pieces is None else self._pieces.tolist().index(piece)

    def value(self, scores: Held, pieces: Ints) -> Any:
        """The scores (R, N) of these pieces (R, N); of one without a column, any."""
        return arrays.of(scores).at(scores, self.of(pieces).clip(min=0))

    def put(self, scores: Held, pieces: Ints, values: Any) -> Any:
        """The scores (R, V) with others (R, N) for these pieces (R, N), -1 for none."""
        return arrays.of(scores).put(scores, self.of(pieces), values)

    def close(self, scores: Held, pieces: Ints) -> Any:
        """The scores (R, V) without these pieces (R, N), -1 for none."""
        return self.put(scores, pieces, CLOSED)

    def must_have(self, pieces: Sequence[int], setting: str) -> None:
        """A piece that cannot be said cannot be asked for."""
        if self._pieces is not None:
            lacking = set(pieces) - set(self._pieces.tolist())
            if lacking:
                raise SettingError(setting, sorted(lacking), "pieces that the shortlist holds")


def found_of(
    tokens: Ints,
    end: int,
    *,
    each: Floats,
    scores: Floats,
    ended: Bools,
    attention: Floats | None,
    ranks: Floats | None = None,
) -> list[Found]:
    """From what rows wrote (N, T), filled up with the end, the log-probability of each piece of it
    (N, T), and what else is known of each row (N,)."""
    lengths = (tokens != end).sum(axis=1).tolist()
    looked = [None] * len(lengths) if attention is None else attention
    ranked = scores if ranks is None else ranks
    return [
        Found(row[:length], score, by_net, None if at is None else at[:length], rank, own[:length])
        for row, length, score, by_net, at, rank, own in zip(
            tokens.tolist(),
            lengths,
            scores.tolist(),
            ended.tolist(),
            looked,
            ranked.tolist(),
            each.tolist(),
            strict=True,
        )
    ]


class Prefix:
    """The tokens that rows must begin with."""

    def __init__(
        self, prefix: Sequence[Sequence[int]] | None, columns: Columns, *, rows: int
    ) -> None:
        prefix = prefix or [()] * rows
        if len(prefix) != rows:
            raise SettingError("prefix", f"{len(prefix)} rows", f"one for each of {rows} rows")
        columns.must_have([piece for row in prefix for piece in row], "prefix")
        self.longest = max(map(len, prefix), default=0)
        self.lengths = [len(row) for row in prefix]
        padded = np.full((rows, self.longest), -1, np.int64)
        for i, row in enumerate(prefix):
            padded[i, : len(row)] = row
        self._columns = columns.of(padded)  # (N, L)

    def at(self, places: Ints, step: int) -> Ints:
        """The column that each of these rows (R,) must take at a step below `longest`, or -1."""
        columns: Ints = self._columns[places, step]
        return columns


class History:
    """What rows have written so far, for transforms and stops that look back."""

    def __init__(self, rows: int, *, kept: bool) -> None:
        self._held = np.zeros((rows, 16), np.int64)
        self._length = 0
        self._kept = kept

    @property
    def so_far(self) -> Ints:
        """(R, T); nothing where nobody looks back."""
        return self._held[:, : self._length]

    def add(self, tokens: Ints) -> None:
        if not self._kept:
            return
        if self._length == self._held.shape[1]:
            self._held = np.concatenate([self._held, np.zeros_like(self._held)], axis=1)
        self._held[:, self._length] = tokens
        self._length += 1

    def pick(self, rows: Ints) -> None:
        if self._kept:
            self._held = self._held[rows]


def first_tokens(begin: int | Ints, rows: int) -> Ints:
    """(R,)"""
    return np.full(rows, begin, np.int64) if isinstance(begin, int) else begin

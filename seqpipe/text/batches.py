"""Rows of near-equal length side by side, under a budget of cells, and the order put back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.text.rows import Rows
from seqpipe.text.units import PAD

T = TypeVar("T")

# The share of its length by which a row may change its neighbours from one epoch to the next: what
# it costs in padding stays below it, and without it long rows would meet the same rows each time.
_NOISE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Padded rows, and where each of them stood in what was given."""

    ids: NDArray[np.int64]  # (B, S)
    lengths: NDArray[np.int64]  # (B,)
    rows: NDArray[np.int64]  # (B,)


def plan(lengths: NDArray[Any], *, budget: int, rows: int) -> list[NDArray[np.int64]]:
    """By length, shortest first; a row longer than the budget goes alone."""
    return _cut(np.argsort(lengths, kind="stable"), lengths, budget, rows)


def shuffled(
    lengths: NDArray[Any], *, budget: int, rows: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Other neighbours and another order each epoch, the same for the same seed and epoch.

    Where a row has several sides, with a length each (N, K), neighbours are alike in the first of
    them, and among these in the next.
    """
    chance = np.random.default_rng((seed, epoch))
    sides = np.atleast_2d(lengths.T).T
    noise = chance.random(sides.shape)
    last = sides[:, -1] + noise[:, -1] * (1 + _NOISE * sides[:, -1])
    # whole numbers, of which many are equal, so that the next side has something to tell apart
    before = np.floor(sides[:, :-1] * (1 + _NOISE * noise[:, :-1]))
    order = np.lexsort([last, *before.T[::-1]])
    parts = _cut(order, sides.sum(axis=1), budget, rows)
    return [parts[i] for i in chance.permutation(len(parts))]


def collate(encoded: Sequence[NDArray[np.int32]] | Rows, rows: NDArray[Any]) -> Batch:
    """Padded to the longest row, and to one column at least: recurrent layers take no fewer."""
    picked = [encoded[i] for i in rows.tolist()]
    lengths = np.fromiter(map(len, picked), np.int64, len(picked))
    return Batch(_padded(picked, lengths, PAD), lengths, rows.astype(np.int64))


def collate_answers(answers: Sequence[NDArray[Any]] | Rows, rows: NDArray[Any]) -> NDArray[Any]:
    """What the net should say of these rows: as many numbers for each, or padded with -1."""
    picked = [answers[i] for i in rows.tolist()]
    if picked[0].dtype.kind == "f":
        return np.stack(picked)
    lengths = np.fromiter(map(len, picked), np.int64, len(picked))
    return _padded(picked, lengths, -1)


def _padded(
    picked: Sequence[NDArray[Any]], lengths: NDArray[np.int64], fill: int
) -> NDArray[np.int64]:
    padded = np.full((len(picked), int(lengths.max(initial=0)) or 1), fill, np.int64)
    if len(picked):
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = np.concatenate(picked)
    return padded


def restore(parts: Iterable[tuple[NDArray[Any], Sequence[T]]], count: int) -> list[T]:
    """The results of all batches in the order in which their rows were given."""
    found: dict[int, T] = {}
    for rows, results in parts:
        found.update(zip(rows.tolist(), results, strict=True))
    return [found[i] for i in range(count)]


def _cut(
    order: NDArray[np.int64], lengths: NDArray[Any], budget: int, rows: int
) -> list[NDArray[np.int64]]:
    for name, value in (("budget", budget), ("rows", rows)):
        if value < 1:
            raise SettingError(name, value, "a whole number from 1 on")
    # An empty row costs a column too, as `collate` pads it to one.
    cells = np.maximum(lengths[order], 1)
    parts: list[NDArray[np.int64]] = []
    at = 0
    while at < len(order):
        most = min(rows, max(budget // int(cells[at]), 1))
        longest = np.maximum.accumulate(cells[at : at + most])
        costs = longest * np.arange(1, len(longest) + 1)
        fits = max(int(np.searchsorted(costs, budget, side="right")), 1)
        parts.append(order[at : at + fits])
        at += fits
    return parts

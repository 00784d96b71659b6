"""What is done to the scores (R, V) of a step, on arrays of numpy: see `arrays.Operations`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 8  # of so many, each by itself is found sooner than all are ordered

Array = NDArray[Any]


def log_softmax(scores: Array) -> Array:
    given = scores.astype(np.float32)
    with np.errstate(invalid="ignore"):  # of a row where all is closed nothing can be said
        given -= given.max(axis=1, keepdims=True)
    given -= np.log(np.exp(given).sum(axis=1, keepdims=True))
    return given


def softmax(scores: Array) -> Array:
    with np.errstate(invalid="ignore"):
        chances: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    return chances


def exp(x: Array) -> Array:
    found: Array = np.exp(x)
    return found


def copy(x: Array) -> Array:
    return x.copy()


def closed(scores: Array, where: NDArray[np.bool_]) -> Array:
    return np.where(where, np.float32(-np.inf), scores)


def at(scores: Array, columns: NDArray[np.int64]) -> Array:
    return np.take_along_axis(scores, columns, axis=1)


def put(scores: Array, columns: NDArray[np.int64], values: Array) -> Array:
    rows, width = scores.shape
    wider = np.empty((rows, width + 1), scores.dtype)  # a column more takes what has no place
    wider[:, :width] = scores
    np.put_along_axis(wider, np.where(columns < 0, width, columns), values, axis=1)
    return wider[:, :width]


def add(scores: Array, each: Array) -> Array:
    found: Array = scores + each.astype(scores.dtype)
    return found


def like(values: Array, scores: Array) -> Array:
    return values.astype(scores.dtype, copy=False)


def highest(x: Array, count: int) -> tuple[Array, NDArray[np.int64]]:
    width = x.shape[1]
    if count < width:
        some = np.argpartition(x, width - count, axis=1)[:, width - count :]
    else:
        some = np.broadcast_to(np.arange(width), x.shape)
    values = at(x, some)
    order = values.argsort(axis=1)[:, ::-1]
    return at(values, order), at(some, order)


def top(scores: Array, most: int) -> tuple[Array, NDArray[np.int64]]:
    width = scores.shape[1]
    if most >= width:
        columns = np.argsort(-scores, axis=1, kind="stable")
    elif most <= _FEW:
        return _one_by_one(scores, most)
    else:
        some = _above_the_edge(scores, most)
        columns = at(some, np.argsort(-at(scores, some), axis=1, kind="stable"))
    return at(scores, columns), columns


def _one_by_one(scores: Array, most: int) -> tuple[Array, NDArray[np.int64]]:
    rows = np.arange(len(scores))
    values = np.empty((most, len(scores)), scores.dtype)
    columns = np.empty(values.shape, np.int64)
    left = scores.copy() if most > 1 else scores
    for i in range(most):
        columns[i] = left.argmax(axis=1)
        values[i] = left[rows, columns[i]]
        if i < most - 1:
            left[rows, columns[i]] = -np.inf
    return values.T, columns.T


def _above_the_edge(scores: Array, most: int) -> NDArray[np.int64]:
    """The columns of the highest, ascending: all above the lowest of them, and the first of its
    equals, as many as there is room for."""
    width = scores.shape[1]
    edge = np.partition(scores, width - most, axis=1)[:, width - most, None]
    above, equal = scores > edge, scores == edge
    room = most - above.sum(axis=1, keepdims=True)
    taken = above | (equal & (equal.cumsum(axis=1) <= room))
    found: NDArray[np.int64] = taken.nonzero()[1].reshape(len(scores), most)
    return found


def best(scores: Array) -> NDArray[np.int64]:
    columns: NDArray[np.int64] = scores.argmax(axis=1)
    return columns


def drawn(scores: Array, numbers: Array) -> NDArray[np.int64]:
    mass = softmax(scores).cumsum(axis=1, dtype=np.float64)
    # the first that reaches beyond, which no column without mass does
    found: NDArray[np.int64] = (mass <= numbers[:, None] * mass[:, -1:]).sum(axis=1)
    return found


def array(x: Array) -> Array:
    return x

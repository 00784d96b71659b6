"""The scores and the attention of a net, wherever it holds them.

What search keeps itself is numpy's: its arrays are small, and a call of numpy costs a third of one
of torch. A net on the CPU answers with arrays of numpy too, so that nothing here needs torch; one
on a GPU with tensors, and what is done to all scores of a step is done there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from seqpipe.search import on_numpy

if TYPE_CHECKING:
    from torch import Tensor

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]
Held: TypeAlias = "Floats | Tensor"

# The score of what may not be said.
CLOSED = -np.inf


class Operations(Protocol):
    """What can be done to scores (R, V), and to other numbers of their shape."""

    def log_softmax(self, scores: Any) -> Any:
        """In 32 bits."""

    def softmax(self, scores: Any) -> Any: ...
    def exp(self, x: Any) -> Any: ...
    def copy(self, x: Any) -> Any: ...
    def closed(self, scores: Any, where: Any) -> Any:
        """CLOSED in some places."""

    def at(self, scores: Any, columns: Any) -> Any:
        """Those in these columns (R, N)."""

    def put(self, scores: Any, columns: Ints, values: Any) -> Any:
        """Others (R, N) in these columns (R, N), -1 for none."""

    def add(self, scores: Any, each: Floats) -> Any:
        """A number (R, 1) to all of each row."""

    def like(self, values: Floats, scores: Any) -> Any:
        """Where the scores are held, in their precision."""

    def highest(self, x: Any, count: int) -> tuple[Any, Any]:
        """So many of each row, the highest first, and their columns."""

    def top(self, scores: Any, most: int) -> tuple[Floats, Ints]:
        """The same, of equals the first."""

    def best(self, scores: Any) -> Ints:
        """The column of the highest (R,), of equals the first."""

    def drawn(self, scores: Any, numbers: Floats) -> Ints:
        """The column where the running sum of chances comes to these shares (R,) of it."""

    def array(self, x: Any) -> Floats:
        """As numpy holds it."""


def of(x: Held) -> Operations:
    """Those for where it is held."""
    if isinstance(x, np.ndarray):
        return cast(Operations, on_numpy)
    from seqpipe.search import on_torch  # whoever holds tensors has torch

    return cast(Operations, on_torch)


def array(x: Held) -> Floats:
    return x if isinstance(x, np.ndarray) else of(x).array(x)

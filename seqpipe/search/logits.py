"""What bends the scores of a step before one of them is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from seqpipe.search.state import Columns

CLOSED = -math.inf


class Transform(Protocol):
    """From the log-probabilities (R, V) that follow what was written so far (R, T) to others, none
    of them above zero; gives a new tensor, and asks `columns` where a piece stands."""

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class AtLeast:
    """No end before a row has so many tokens."""

    least: int
    end: int

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        if so_far.shape[1] >= self.least:
            return scores
        column = columns.of(torch.tensor([self.end], device=scores.device))
        return scores.index_fill(1, column, CLOSED)


class Bend:
    """All transforms of a search, one after the other; false when there are none."""

    def __init__(self, transforms: Sequence[Transform], columns: Columns) -> None:
        self._transforms = transforms
        self._columns = columns

    def __bool__(self) -> bool:
        return bool(self._transforms)

    def __call__(self, scores: Tensor, so_far: Tensor) -> Tensor:
        for transform in self._transforms:
            scores = transform(scores, so_far, self._columns)
        return scores


def with_least(transforms: Sequence[Transform], least: int, end: int) -> list[Transform]:
    """The shortest length is a transform like others, and the last of them."""
    return [*transforms, AtLeast(least, end)] if least else [*transforms]

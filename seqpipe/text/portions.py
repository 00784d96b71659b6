"""Rows of a stream, so many at a time, and where in it the next ones begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Place:
    """Between two rows of an epoch: so many of its shards are read, and so many rows of the one
    after them."""

    shards: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Portion(Generic[Item]):
    """What was made of some rows that follow one another, and where the next ones begin."""

    items: Iterable[Item]
    end: Place

    def made(self, make: Callable[[Item], Made]) -> Portion[Made]:
        """The same rows as something else, each when it is walked."""
        return Portion(map(make, self.items), self.end)

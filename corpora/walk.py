"""A table's rows in batches of columns, in order or in any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from seqpipe.corpora.sources import column_names
from seqpipe.errors import ColumnMissing, SourceUnreadable

if TYPE_CHECKING:
    from seqpipe.corpora.sources import Table

Columns: TypeAlias = Mapping[str, Sequence[Any]]
Item = TypeVar("Item")

BATCH = 1000  # rows fetched at once: arrow gives single rows twenty times slower


class Walk:
    """Walks the columns asked for, as often as asked for; `limit` is how many of the first rows."""

    def __init__(self, table: Table, *, data: str, needed: Sequence[str], limit: int = 0) -> None:
        with _readable(data):
            self.columns = column_names(table)
        for column in needed:
            if column not in self.columns:
                raise ColumnMissing(data, column, self.columns)
        self.data, self.limit = data, limit
        self.streaming = not hasattr(table, "num_rows")
        self._table = table

    def keys(self, column: str) -> list[str]:
        """Those of a column of dicts; none of any other."""
        feature: Any = (self._table.features or {}).get(column)
        if isinstance(feature, dict):
            return list(feature)
        if type(feature).__name__ == "Translation":
            return list(feature.languages)
        with _readable(self.data):
            row: Any = next(iter(self._table), {})
        return list(row[column]) if isinstance(row.get(column), dict) else []

    def in_order(self, columns: Sequence[str]) -> Iterator[Columns]:
        if self.streaming:
            return self._streamed(self._head())
        return self.picked(np.arange(self.size()), columns)

    def picked(self, order: Any, columns: Sequence[str]) -> Iterator[Columns]:
        table = self._table.select_columns(list(columns))
        for start in range(0, len(order), BATCH):
            yield table[order[start : start + BATCH]]

    def shards(self, random: np.random.Generator) -> Iterator[Columns]:
        """A stream's files in random order; `IterableDataset.shuffle` ends in a sleep of 5 s."""
        if self.limit:
            yield from self._streamed(self._head())
            return
        count = self._table.num_shards
        for index in random.permutation(count):
            yield from self._streamed(self._table.shard(num_shards=count, index=int(index)))

    def shuffled(
        self,
        columns: Sequence[str],
        usable: Callable[[Iterator[Columns]], Iterator[Item]],
        *,
        seed: int,
        epoch: int,
        buffer: int,
    ) -> Iterator[Item]:
        """What is usable of every row, in an order that (seed, epoch) decide."""
        random = np.random.default_rng([seed, epoch])
        if self.streaming:
            return mixed(usable(self.shards(random)), random, buffer)
        return usable(self.picked(random.permutation(self.size()), columns))

    def size(self) -> int:
        rows = int(self._table.num_rows)
        return min(rows, self.limit) if self.limit else rows

    def _streamed(self, table: Any) -> Iterator[Columns]:
        with _readable(self.data):
            yield from table.iter(batch_size=BATCH)

    def _head(self) -> Any:
        return self._table.take(self.limit) if self.limit else self._table


def mixed(items: Iterator[Item], random: np.random.Generator, size: int) -> Iterator[Item]:
    """A stream in random order as far as a buffer of `size` items reaches."""
    held = list(islice(items, max(size, 1)))
    for item in items:
        place = int(random.integers(len(held)))
        yield held[place]
        held[place] = item
    for place in random.permutation(len(held)):
        yield held[place]


@contextmanager
def _readable(data: str) -> Iterator[None]:
    """A damaged file shows only when its stream is read."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceUnreadable(data, str(error).splitlines()[0]) from error

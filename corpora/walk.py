"""A table's rows in batches of columns, in order or in any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqpipe.corpora.sources import column_names, of_nothing
from seqpipe.errors import ColumnMissing, DataEmpty, SourceUnreadable
from seqpipe.text.portions import Place, Portion

if TYPE_CHECKING:
    from seqpipe.corpora.sources import Table

Columns: TypeAlias = Mapping[str, Sequence[Any]]
Item = TypeVar("Item")

BATCH = 1000  # rows fetched at once: arrow gives single rows twenty times slower
MOST = 50_000_000  # characters of a portion: more would not be a small part of anything


class Walk:
    """Walks the columns asked for, as often as asked for; `limit` is how many of the first rows."""

    def __init__(self, table: Table, *, data: str, needed: Sequence[str], limit: int = 0) -> None:
        with _readable(data):
            self.columns = column_names(table)
        if not self.columns:
            raise DataEmpty(data)
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
        for index in _ordered(self._shard_count(), random):
            yield from self._streamed(self._shard(int(index)))

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

    def portions(
        self,
        columns: Sequence[str],
        usable: Callable[[Iterator[Columns]], Iterator[Item]],
        random: np.random.Generator | None,
        *,
        size: int,
        at: Place,
    ) -> Iterator[Portion[Item]]:
        """What is usable of at least `size` rows at a time, of fewer where texts are long; files of
        a stream, or rows of a table, come in random order. From where a portion ended the next is
        the same, whether what came before was read or not."""
        each = -(-size // -(-size // BATCH))
        held: list[Columns] = []
        count = characters = 0
        for batch, end in self._batches(columns, random, each=each, at=at):
            held.append(batch)
            count += _rows_in(batch)
            characters += sum(len(v) for c in columns for v in batch[c] if isinstance(v, str))
            if count >= size or characters >= MOST:
                yield Portion(usable(iter(held)), end)
                held, count, characters = [], 0, 0
        if held:
            yield Portion(usable(iter(held)), end)

    def _batches(
        self, columns: Sequence[str], random: np.random.Generator | None, *, each: int, at: Place
    ) -> Iterator[tuple[Columns, Place]]:
        """Of `each` rows, and where the next one begins; shards that were read are not opened."""
        order = _ordered(self._shard_count() if self.streaming else self.size(), random)
        if not self.streaming:
            table = self._table.select_columns(list(columns))
            for start in range(at.rows, len(order), each):
                places = order[start : start + each]
                yield table[places], Place(0, start + len(places))
            return
        for number in range(at.shards, len(order)):
            rows = at.rows if number == at.shards else 0
            shard = self._shard(int(order[number]))
            for batch in _behind(self._streamed(shard, each), rows):
                rows += _rows_in(batch)
                yield batch, Place(number, rows)

    def _shard_count(self) -> int:
        return 1 if self.limit else int(self._table.num_shards)

    def _shard(self, index: int) -> Any:
        if self.limit:
            return self._head()
        return self._table.shard(num_shards=self._shard_count(), index=index)

    def size(self) -> int:
        rows = int(self._table.num_rows)
        return min(rows, self.limit) if self.limit else rows

    def _streamed(self, table: Any, each: int = BATCH) -> Iterator[Columns]:
        with _readable(self.data):
            yield from table.iter(batch_size=each)

    def _head(self) -> Any:
        return self._table.take(self.limit) if self.limit else self._table


def _behind(batches: Iterator[Columns], rows: int) -> Iterator[Columns]:
    """Without so many rows of the first. `IterableDataset.skip` made a table of each row by itself
    before datasets 5, and a row of nothing then fits no other."""
    for batch in batches:
        here = min(rows, _rows_in(batch))
        rows -= here
        if here < _rows_in(batch):
            yield {name: values[here:] for name, values in batch.items()} if here else batch


def in_portions(items: Iterator[Item], *, size: int, at: Place) -> Iterator[Portion[Item]]:
    """Of what can be walked from its beginning alone."""
    walk, rows = islice(items, at.rows, None), at.rows
    while some := list(islice(walk, size)):
        rows += len(some)
        yield Portion(some, Place(0, rows))


def _ordered(count: int, random: np.random.Generator | None) -> NDArray[np.int64]:
    return np.arange(count) if random is None else random.permutation(count)


def _rows_in(batch: Columns) -> int:
    return len(next(iter(batch.values()), ()))


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
        if of_nothing(error):
            raise DataEmpty(data) from error
        raise SourceUnreadable(data, str(error).splitlines()[0]) from error

"""An input cut into the parts of a job, in the same places whoever does them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count

import numpy as np
import pyarrow as pa

from seqpipe.annotation.work import Task
from seqpipe.errors import JobChanged

LARGEST = 8 << 20  # bytes of rows after which a part ends, however few they are


@dataclass(frozen=True, slots=True)
class Parts:
    """The tasks of a job; rows of parts that are done are read, compared and passed over."""

    place: str  # of the job, for what is said
    tables: Iterable[pa.Table]  # the input, walked anew each time
    rows: int  # of a part, at most
    done: Mapping[int, str] = field(default_factory=dict)  # part -> digest of its rows
    again: Mapping[int, Sequence[int]] | None = None  # part -> places of rows, and nothing else

    def __call__(self) -> Iterator[Task]:
        first, open_still = 0, set(self.done if self.again is None else self.again)
        for part, rows in zip(count(), cut(self.tables, rows=self.rows), strict=False):
            digest = digest_of(rows)
            if self.done.get(part, digest) != digest:
                until = first + rows.num_rows - 1
                raise JobChanged(self.place, [f"the input has other rows from {first} to {until}"])
            if self.again is None and part not in self.done:
                yield Task(part, first, rows, digest)
            elif self.again and part in self.again:
                yield Task(part, first, rows, digest, only=self.again[part])
            first += rows.num_rows
            open_still.discard(part)
            if self.again is not None and not open_still:
                return
        if open_still:
            raise JobChanged(self.place, [f"the input ends at its row {first}, before it did then"])


def cut(tables: Iterable[pa.Table], *, rows: int, size: int = LARGEST) -> Iterator[pa.Table]:
    """Tables of so many rows; a part ends sooner with the table that makes it so many bytes."""
    held: list[pa.Table] = []
    number = weight = 0
    for table in tables:
        while table.num_rows:
            taken, table = table.slice(0, rows - number), table.slice(rows - number)
            held.append(taken)
            number, weight = number + taken.num_rows, weight + taken.nbytes
            if number == rows or weight >= size:
                yield _copied(held)
                held, number, weight = [], 0, 0
    if held:
        yield _copied(held)


def _copied(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows in buffers of their own, so that their bytes do not hang on what they were cut from."""
    table = pa.concat_tables(tables)
    return table.take(np.arange(len(table))).combine_chunks()


def digest_of(rows: pa.Table) -> str:
    return blake2b(packed(rows), digest_size=16).hexdigest()


def packed(rows: pa.Table) -> pa.Buffer:
    """A table as the bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def unpacked(body: bytes) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(body)).read_all()

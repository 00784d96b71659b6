"""Documents that are there already, in Python, as the tables that a job reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from seqpipe.annotation.rows import KIND, LINE

_ROWS = 256  # of a table


@dataclass(frozen=True, slots=True)
class Given:
    """A data set of `datasets`, or anything that yields texts, mappings or docs."""

    rows: Iterable[Any]
    text: str
    total: int | None = None
    size: int | None = None
    files: Sequence[Path] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[str] | None = None

    @classmethod
    def of(cls, rows: Any, *, text: str) -> Given:
        if isinstance(rows, pa.Table):
            return cls(rows, text, len(rows), names=rows.column_names)
        total = len(rows) if hasattr(rows, "__len__") else None
        found = getattr(rows, "column_names", None)
        print_of = getattr(rows, "_fingerprint", None)
        identity = {"kind": type(rows).__name__, "fingerprint": print_of, "rows": total}
        return cls(rows, text, total, identity=identity, names=found)

    def __iter__(self) -> Iterator[pa.Table]:
        if isinstance(self.rows, pa.Table):
            for first in range(0, len(self.rows), _ROWS):
                yield self.rows.slice(first, _ROWS)
        elif hasattr(self.rows, "with_format"):
            yield from self.rows.with_format("arrow").iter(batch_size=_ROWS)
        else:
            walk = iter(self.rows)
            while rows := [_line(row, self.text) for row in islice(walk, _ROWS)]:
                lines = pa.array(rows, pa.large_binary())
                yield pa.table({LINE: lines}).replace_schema_metadata({KIND: b"json"})


def _line(row: Any, text: str) -> bytes:
    """Anything as a row of JSON; what JSON has no word for becomes its text."""
    if hasattr(row, "text") and hasattr(row, "user_data"):  # a Doc
        row = row.text
    columns = row if isinstance(row, Mapping) else {text: row}
    return json.dumps(dict(columns), default=str).encode()

"""The documents of a job, of which the first have been looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from seqpipe.annotation.formats.columns import columns_of, schema_text
from seqpipe.annotation.given import Given
from seqpipe.annotation.parts import LARGEST
from seqpipe.annotation.rows import kind_of, rows_of
from seqpipe.errors import ColumnMissing, DataEmpty, OutputRefused, UsageError, listed

if TYPE_CHECKING:
    from seqpipe.annotation.place import Place


_NO_ID = "\0id"  # a column that no input has, so that it is made, and stands in front


class Source(Protocol):
    """Whatever yields small tables of raw rows; the same ones each time that it is walked."""

    @property
    def total(self) -> int | None: ...  # rows, where they are known
    @property
    def size(self) -> int | None: ...  # bytes of its files
    @property
    def files(self) -> Sequence[Path]: ...
    @property
    def identity(self) -> Mapping[str, Any]: ...  # what a journal remembers it by
    @property
    def names(self) -> Sequence[str] | None: ...  # of its columns, where they are known

    def __iter__(self) -> Iterator[pa.Table]: ...


class Input:
    """A source with its first rows; what comes but once, such as stdin, can be walked once."""

    def __init__(self, data: Any, source: Source, *, text: str, id: str, enough: int) -> None:
        self.data, self.source, self.text, self.id = data, source, text, id
        self._rest: Iterator[pa.Table] | None = iter(source)
        self._head = [*_some(self._rest, enough)]
        if not self._head:
            raise DataEmpty(self.name, "row")
        self._rows = rows_of(pa.concat_tables(self._head), first=0, text=text, id=id)
        seen = rows_of(self._head[0], first=0, text=text, id=_NO_ID)
        self._names = [*dict.fromkeys(chain(*(row.columns for row in seen)))][1:]
        self._known = self._head[0].schema if kind_of(self._head[0]) == "table" else None

    @property
    def name(self) -> str:
        return self.data if isinstance(self.data, str) else f"the {type(self.data).__name__}"

    @property
    def size(self) -> int | None:
        """Bytes of its rows, where they lie in files that are not packed."""
        packed = {path.suffix for path in self.source.files} - {".jsonl", ".csv", ".tsv", ".txt"}
        return None if packed else self.source.size

    def __iter__(self) -> Iterator[pa.Table]:
        if self._rest is None:
            return iter(self.source)
        head, rest = self._head, self._rest
        self._head, self._rest = [], None
        return chain(head, rest)

    def columns(self) -> str:
        """The types of its columns, as the first rows show them."""
        return schema_text(columns_of(self._rows, self._known))

    def agree(self, columns: Mapping[str, str]) -> None:
        """The column of the texts is there, and those of what is found are free."""
        names = self.source.names or self._names
        for name in [self.text] if self.id == "id" else [self.text, self.id]:
            if name not in names:
                raise ColumnMissing(self.name, name, names)
        taken = {field: column for field, column in columns.items() if column in names}
        if taken:
            free = [f"{f}={f}_found" if f in taken else f for f in columns if f != "error"]
            free += ["error=error_found"] if "error" in taken else []
            raise UsageError(
                f"{self.name} has {listed(taken.values())} already among its columns: name others "
                f"for what is found, as in --fields {','.join(free)}."
            )


def keep_apart(place: Place, data: Any, files: Sequence[Path] = ()) -> None:
    """The output is none of the files that are read, and does not lie among them."""
    output, job = place.output.resolve(), place.folder.resolve()
    named = [Path(data).expanduser()] if isinstance(data, str | Path) else []
    for path in (path.resolve() for path in [*named, *files]):
        among = path.is_dir() and output.is_relative_to(path)
        if path == output or path.is_relative_to(job) or among:
            raise OutputRefused(place.output, f"it is, or lies in, the input {str(data)!r}")


def open_source(
    data: Any, *, text: str, split: str | None, whole_files: bool, suffix: str | None
) -> Source:
    """A name by what it stands for, anything else as it is."""
    if not isinstance(data, str | Path):
        return Given.of(data, text=text)
    from seqpipe.corpora.documents import open_documents

    return open_documents(str(data), split=split, text=text, whole_files=whole_files, suffix=suffix)


def _some(tables: Iterable[pa.Table], enough: int) -> Iterator[pa.Table]:
    """Tables until there are so many rows, or as many bytes as a part has at most."""
    rows = weight = 0
    for table in tables:
        yield table
        rows, weight = rows + len(table), weight + table.nbytes
        if rows >= enough or weight >= LARGEST:
            return

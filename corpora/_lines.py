"""Lines and whole files as rows that nobody has looked into yet: each stands in a column `line`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seqpipe.corpora._opening import BOM, lines, opened, unpacked
from seqpipe.errors import SourceUnreadable, reason_of

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 256  # of a table: few enough that a part can be cut at nearly any size
MOST_BYTES = 1 << 20  # of a table, unless a single row is longer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JsonRows:
    """A row a line that is not blank; what is on it is for the workers to find out.

    A `.json` file that is one array has a row an element instead.
    """

    files: Sequence[str]
    kind: str = "json"
    total: int | None = None

    def names(self) -> None:
        """Each row has its own."""

    def tables(self) -> Iterator[pa.Table]:
        for rows in packed((line, len(line)) for line in self._lines()):
            yield _table(self.kind, {"line": rows})

    def _lines(self) -> Iterator[bytes]:
        for file in self.files:
            with opened(file) as stream:
                found = (line.strip() for line in lines(stream))
                first = next(filter(None, found), b"")
                if first.startswith(b"[") and unpacked(Path(file)).suffix.lower() == ".json":
                    yield from _elements(file, b"\n".join([first, *found]))
                else:
                    yield from filter(None, chain([first], found))


@dataclass(frozen=True, slots=True)
class TextRows:
    """A row a line, blank or not, so that a row has the number of its line."""

    files: Sequence[str]
    kind: str = "text"
    total: int | None = None

    def names(self) -> None:
        """A text has no columns."""

    def tables(self) -> Iterator[pa.Table]:
        for rows in packed((line, len(line)) for line in _lines_of(self.files)):
            yield _table(self.kind, {"line": [line.removesuffix(b"\r") for line in rows]})


@dataclass(frozen=True, slots=True)
class FileRows:
    """A row a file, beside its name."""

    files: Sequence[str]
    folder: str = ""  # that the names begin in
    kind: str = "text"

    @property
    def total(self) -> int:
        return len(self.files)

    def names(self) -> None:
        """A text has no columns."""

    def tables(self) -> Iterator[pa.Table]:
        for rows in packed(self._sized()):
            files, contents = zip(*rows, strict=True)
            yield _table(self.kind, {"file": files, "line": contents})

    def _sized(self) -> Iterator[tuple[tuple[str, bytes], int]]:
        for file in self.files:
            with opened(file) as stream:
                content = stream.read().removeprefix(BOM)
            yield (name_in(self.folder, file), content), len(content)


def name_in(folder: str, file: str) -> str:
    """The path below the folder, the same on every system; bytes of no text are replaced."""
    name = Path(os.path.relpath(file, folder)).as_posix() if os.path.isabs(file) else file
    return os.fsencode(name).decode("utf-8", errors="replace")


def packed(sized: Iterable[tuple[T, int]]) -> Iterator[list[T]]:
    """Rows that come with their sizes, in lists as long as a table may be."""
    held: list[T] = []
    weight = 0
    for row, size in sized:
        if held and (len(held) == MOST_ROWS or weight + size > MOST_BYTES):
            yield held
            held, weight = [], 0
        held.append(row)
        weight += size
    if held:
        yield held


def _elements(file: str, content: bytes) -> Iterator[bytes]:
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadable(file, f"it is no JSON ({reason_of(error)})") from error
    yield from (json.dumps(row).encode() for row in rows)


def _lines_of(files: Sequence[str]) -> Iterator[bytes]:
    for file in files:
        with opened(file) as stream:
            yield from lines(stream)


def _table(kind: str, columns: dict[str, Sequence[Any]]) -> pa.Table:
    import pyarrow as pa

    kinds = {"line": pa.large_binary(), "file": pa.string()}
    schema = pa.schema([(name, kinds[name]) for name in columns], metadata={"seqpipe": kind})
    return pa.table([*columns.values()], schema=schema)

"""`.csv`: a header, then a row a document; what is nested stands as JSON in its cell."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.annotation.formats.format import Encoded, Layout, appended, refused, unknown
from seqpipe.annotation.formats.gzipped import Gzipped, compressed
from seqpipe.annotation.formats.values import cell_of

if TYPE_CHECKING:
    from seqpipe.annotation.annotator import Found

_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')


class Csv:
    """Every row stands there; the column of errors too, be there any or none."""

    suffix = ".csv"
    keeps_docs = False
    needs_columns = True

    def __init__(self, layout: Layout) -> None:
        self._given = list(layout.schema.names) if layout.schema is not None else []
        self._known = frozenset(self._given)
        self._found = len(layout.columns)
        self._header = _line([*self._given, *layout.columns.values()])

    def encode(self, found: Iterable[Found]) -> Encoded:
        lines, failures = [self._header], []
        for each in found:
            strange = [name for name in each.row.columns if name not in self._known]
            if strange and each.failure is None:
                each = refused(each, unknown(strange[0], self._given))
            lines.append(_line(self._cells(each)))
            if each.failure is not None:
                failures.append(each.failure)
        return Encoded(b"".join(lines), failures)

    def _cells(self, found: Found) -> Iterator[Any]:
        values = found.values or [None] * (self._found - 1)
        error = found.failure and found.failure.error
        return chain(map(found.row.columns.get, self._given), values, [error])

    def splice(self, old: bytes, numbers: Sequence[int], new: bytes, added: Sequence[int]) -> bytes:
        start = len(self._header)
        rows = dict(zip(numbers, _records(old[start:]), strict=True))
        rows |= dict(zip(added, _records(new[start:]), strict=True))
        return self._header + b"".join(rows[number] for number in sorted(rows))

    def join(self, parts: Sequence[Path], file: Path) -> None:
        appended(parts, file, heading=len(self._header))


class CsvZipped(Gzipped, Csv):
    suffix = ".csv.gz"

    def join(self, parts: Sequence[Path], file: Path) -> None:
        with file.open("wb") as whole:
            for at, part in enumerate(parts):
                body = gzip.decompress(part.read_bytes())
                whole.write(compressed(body[len(self._header) if at else 0 :]))


def _line(values: Iterable[Any]) -> bytes:
    return (",".join(map(_cell, values)) + "\n").encode()


def _cell(value: Any) -> str:
    """Quoted where it must be; so is an empty text, which a missing one is not."""
    text = cell_of(value)
    if _QUOTED.search(text) or value == "":
        return '"' + text.replace('"', '""') + '"'
    return text


def _records(body: bytes) -> Iterator[bytes]:
    """The rows as they stand there: one ends with the line in which every quote is closed."""
    lines: list[bytes] = []
    quotes = 0
    for line in body.split(b"\n")[:-1]:
        lines.append(line + b"\n")
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield b"".join(lines)
            lines = []

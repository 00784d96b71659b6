"""`.jsonl`: an object a line, the columns of the input and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.annotation.formats.format import Encoded, Layout, appended
from seqpipe.annotation.formats.gzipped import Gzipped
from seqpipe.annotation.formats.values import json_line

if TYPE_CHECKING:
    from seqpipe.annotation.annotator import Found


class JsonLines:
    """Every row stands there; an error only where there is one."""

    suffix = ".jsonl"
    keeps_docs = False
    needs_columns = False

    def __init__(self, layout: Layout) -> None:
        *self._columns, self._error = layout.columns.values()

    def encode(self, found: Iterable[Found]) -> Encoded:
        lines, failures = [], []
        for each in found:
            lines.append(json_line(self._row(each)))
            if each.failure is not None:
                failures.append(each.failure)
        return Encoded(b"".join(lines), failures)

    def _row(self, found: Found) -> dict[str, Any]:
        values = found.values or [None] * len(self._columns)
        row = {**found.row.columns, **dict(zip(self._columns, values, strict=True))}
        if found.failure is not None:
            row[self._error] = found.failure.error
        return row

    def splice(self, old: bytes, numbers: Sequence[int], new: bytes, added: Sequence[int]) -> bytes:
        lines = dict(zip(numbers, old.split(b"\n"), strict=False))
        lines |= dict(zip(added, new.split(b"\n"), strict=False))
        return b"".join(lines[number] + b"\n" for number in sorted(lines))

    def join(self, parts: Sequence[Path], file: Path) -> None:
        appended(parts, file)


class JsonLinesZipped(Gzipped, JsonLines):
    suffix = ".jsonl.gz"

"""Rows of csv: cells are strings, empty ones null, and a damaged row costs only itself.

The column `\\0fault` says what is wrong with a row; no header has such a name.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from seqpipe.corpora._lines import packed
from seqpipe.corpora._opening import lines, opened
from seqpipe.errors import ColumnMissing, DataEmpty, SourceUnreadable, listed, reason_of

if TYPE_CHECKING:
    import pyarrow as pa

FAULT = "\0fault"

# A quote that is left open swallows what follows it: so many characters, before that is noticed.
_LONGEST = 1 << 24

Row = list[str | None]


@dataclass(frozen=True, slots=True)
class CellRows:
    """The rows of files whose headers name the same columns, in any order."""

    files: Sequence[str]
    delimiter: str
    text: str  # the column that must be there
    kind: str = "table"
    total: int | None = None

    def names(self) -> list[str]:
        """The columns, once the header of every file has been found to agree."""
        names: list[str] = []
        for file in self.files:
            with opened(file) as stream:
                names = self._header(file, names, _records(stream, self.delimiter)) or names
        if not names:
            raise DataEmpty(self.files[0], "header that names its columns")
        return names

    def tables(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        names: list[str] = []  # as in the first file
        for rows in packed(self._sized(names)):
            columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
            yield pa.table(columns, names=[*names, FAULT])

    def _sized(self, names: list[str]) -> Iterator[tuple[Row, int]]:
        """Cells in the order of the names, which the first header fills in."""
        for file in self.files:
            with opened(file) as stream:
                records = _records(stream, self.delimiter)
                header = self._header(file, names, records)
                names.extend(() if names else header)
                straight = header == names
                for record in records:
                    if straight and record.fault is None:
                        row: Row = [cell or None for cell in record.cells]
                    else:
                        row = self._kept(record, header, names)
                    yield [*row, record.fault], record.size

    def _kept(self, record: _Record, header: Sequence[str], names: Sequence[str]) -> Row:
        """What there is of a row; a damaged one stands as a whole where its text would."""
        cells = dict(zip(header, record.cells, strict=False)) or {self.text: record.whole}
        return [cells.get(name) or None for name in names]

    def _header(self, file: str, names: Sequence[str], records: Iterator[_Record]) -> list[str]:
        """The names in the order of this file; none where the file is empty."""
        first = next(records, _Record([], None, []))
        if first.fault:
            raise SourceUnreadable(file, f"in its header, {first.fault}")
        header = _told_apart(first.cells)
        if header and self.text not in header:
            raise ColumnMissing(file, self.text, header)
        if header and names and set(header) != set(names):
            differing = listed(sorted({*header} ^ {*names}))
            raise SourceUnreadable(file, f"{differing} is not in the header of every file")
        return header


@dataclass(frozen=True, slots=True)
class _Record:
    """A row: its cells, none where they cannot be told apart, and the lines it is made of."""

    cells: Sequence[str]
    fault: str | None
    lines: Sequence[bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.lines))

    @property
    def whole(self) -> str:
        return b"\n".join(self.lines).decode("utf-8", errors="replace")


def _records(stream: Any, delimiter: str) -> Iterator[_Record]:
    """What stands in a file, its header first; blank lines are no rows."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
    source = _Lines(lines(stream))
    reader = csv.reader(source, delimiter=delimiter)
    width = 0
    while True:
        source.taken, source.fault, fault = [], None, None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # the reader is fit for the next line
            cells, fault = [], f"the row is no csv: {reason_of(error)}"
        width = width or len(cells)
        if cells and len(cells) != width:
            fault = f"the row has {len(cells)} cells and the header has {width}"
        if source.torn(delimiter) or (fault and len(source.taken) > 1):
            cells, fault = [], "a quote is opened in the row and not closed"
            source.give_back()
        if source.taken and (cells or fault):
            yield _Record(cells, fault or source.fault, source.taken)


class _Lines:
    """Lines as a reader of csv takes them, remembered as long as it is at one row.

    A quote that is not closed swallows the rows that follow. All but the first of its lines can be
    given back, to be read again.
    """

    def __init__(self, source: Iterator[bytes]) -> None:
        self.taken: list[bytes] = []
        self.fault: str | None = None
        self._source = source
        self._given_back: deque[bytes] = deque()
        self._ended = False  # whether the reader has asked for more than there is

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else next(self._source, None)
        self._ended = line is None
        if line is None:
            raise StopIteration
        self.taken.append(line)
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as error:
            self.fault = f"the row is not UTF-8: {error.reason}"
            return line.decode("utf-8", errors="replace") + "\n"

    def torn(self, delimiter: str) -> bool:
        """Whether a quote has gone too far: up to the end, or up to another that opens."""
        if len(self.taken) < 2:
            return self._ended and bool(self.taken)
        text = [line.decode("utf-8", errors="replace") + "\n" for line in self.taken]
        try:
            return not next(csv.reader(text, delimiter=delimiter, strict=True))
        except csv.Error:
            return True

    def give_back(self) -> None:
        self._given_back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _told_apart(header: Sequence[str]) -> list[str]:
    """Every column under a name of its own, given as pandas would where the file gives none."""
    names: list[str] = []
    for place, cell in enumerate(header):
        name = cell or f"Unnamed: {place}"
        free = (f"{name}.{number}" if number else name for number in count())
        names.append(next(found for found in free if found not in names))
    return names

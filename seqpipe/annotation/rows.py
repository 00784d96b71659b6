"""Rows as an annotator takes them: out of Arrow tables, with what is wrong with each said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqpipe.errors import reason_of

if TYPE_CHECKING:
    import pyarrow as pa

KIND = b"seqpipe"  # where the metadata of a table say how its rows are read
LINE = "line"  # the column of the lines, where the rows are lines that nobody has read yet
FAULT = "\0fault"  # a column that says why a row cannot be read; no column of a file is called so


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the input, and the text in it."""

    number: int  # in the whole input, counted from 0
    id: Any
    columns: Mapping[str, Any]
    text: str | None
    fault: str = ""  # why it cannot be annotated; a row without text and fault is empty
    stage: str = "input"  # where the fault was found

    @property
    def empty(self) -> bool:
        return not self.fault and not (self.text and self.text.strip())


def rows_of(rows: pa.Table, *, first: int, text: str, id: str) -> list[Row]:
    """The rows of a table whose first one has this number; damage costs a row only itself."""
    read = _READERS[kind_of(rows)]
    return [
        _row(found, number=number, text=text, id=id)
        for number, found in enumerate(read(rows, text), first)
    ]


def row_of(number: int, columns: Mapping[str, Any], *, text: str, id: str) -> Row:
    """A row made of its columns."""
    return _row(_Read(dict(columns)), number=number, text=text, id=id)


def kind_of(rows: pa.Table) -> str:
    """`table`, `json` or `text`."""
    return ((rows.schema.metadata or {}).get(KIND) or b"table").decode()


@dataclass(frozen=True, slots=True)
class _Read:
    """What could be read of a row, and why not all."""

    columns: dict[str, Any]
    fault: str = ""


def _row(read: _Read, *, number: int, text: str, id: str) -> Row:
    columns = read.columns if id in read.columns else {id: number, **read.columns}
    named = number if columns[id] is None else columns[id]
    if read.fault:
        return Row(number, named, columns, None, read.fault)
    fault = _fault_of(columns, text)
    return Row(number, named, columns, None if fault else columns[text], fault)


def _fault_of(columns: Mapping[str, Any], text: str) -> str:
    if text not in columns:
        return f"the row has no column {text!r}"
    value = columns[text]
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"the text is {type(value).__name__}, not a string"
    try:
        value.encode()
    except UnicodeEncodeError as error:
        sign = ord(value[error.start])
        return f"the text has half a character, U+{sign:04X}, at {error.start}"
    return ""


def _table_rows(rows: pa.Table, text: str) -> Iterator[_Read]:
    if FAULT not in rows.column_names:
        yield from map(_Read, rows.to_pylist())
        return
    for columns in rows.to_pylist():
        fault = columns.pop(FAULT)
        yield _Read(columns, fault or "")


def _json_rows(rows: pa.Table, text: str) -> Iterator[_Read]:
    for line in rows.column(LINE).to_pylist():
        try:
            found = json.loads(line.decode())
        except UnicodeDecodeError as error:
            fault = _not_utf8(error)
        except (ValueError, RecursionError) as error:  # RecursionError: a million brackets
            fault = f"the line is no JSON: {reason_of(error)}"
        else:
            if isinstance(found, dict):
                yield _Read(found)
                continue
            fault = f"the line is no JSON object, but {type(found).__name__}"
        yield _Read({text: line.decode(errors="replace")}, fault)


def _text_rows(rows: pa.Table, text: str) -> Iterator[_Read]:
    for columns in rows.to_pylist():
        line = columns.pop(LINE)
        try:
            yield _Read({text: line.decode(), **columns})
        except UnicodeDecodeError as error:
            yield _Read({text: line.decode(errors="replace"), **columns}, _not_utf8(error))


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"the line is not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"


_READERS = {"table": _table_rows, "json": _json_rows, "text": _text_rows}

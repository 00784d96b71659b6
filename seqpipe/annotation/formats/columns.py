"""The columns of rows: of what types they are, and those types as a text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from seqpipe.annotation.rows import KIND, Row


def columns_of(rows: Sequence[Row], known: pa.Schema | None = None) -> pa.Schema:
    """The columns of rows, the made id among them; their types are those `known`, or what their
    values show."""
    known = pa.schema([]) if known is None else known
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.columns.items():
            values.setdefault(name, []).append(value)
    kinds = [
        (name, settled(known.field(name).type if name in known.names else type_of(found)))
        for name, found in values.items()
    ]
    metadata = {key: value for key, value in (known.metadata or {}).items() if key != KIND}
    return pa.schema(kinds, metadata=metadata or None)


def schema_text(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def schema_from(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def settled(kind: pa.DataType) -> pa.DataType:
    """A type with text where nothing is known; a dictionary is a way to write, and no type."""
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_dictionary(kind):
        return settled(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([(part.name, settled(part.type)) for part in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(settled(kind.value_type)))
    return kind


def type_of(values: Sequence[Any]) -> pa.DataType:
    """The type that holds all values, or, where none does, that of the first."""
    try:
        return pa.infer_type(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return next((_one(value) for value in values if value is not None), pa.null())


def _one(value: Any) -> pa.DataType:
    try:
        return pa.infer_type([value])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return pa.string()

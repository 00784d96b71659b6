"""`.parquet`: the types of the source, and those of what was found."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from seqpipe.annotation.formats.format import Encoded, Layout, refused, unknown
from seqpipe.errors import reason_of
from seqpipe.text.units import well_formed

if TYPE_CHECKING:
    from seqpipe.annotation.annotator import Found
    from seqpipe.annotation.work import Failure

_ROW_GROUP = 20_000  # rows joined to one group: a group for each part would be slow to read

# What Arrow raises about a value of another kind, and what Python does on the way there.
_UNFIT: tuple[type[Exception], ...] = (
    pa.ArrowInvalid,
    pa.ArrowTypeError,
    pa.ArrowNotImplementedError,
    TypeError,
    ValueError,
    OverflowError,
    AttributeError,
)


class Parquet:
    """Every row stands there; of one that its columns do not take, what they do take."""

    suffix = ".parquet"
    keeps_docs = False
    needs_columns = True

    def __init__(self, layout: Layout) -> None:
        self._given = pa.schema([]) if layout.schema is None else layout.schema
        self._found = layout.found
        self._schema = pa.schema([*self._given, *layout.found], metadata=self._given.metadata)
        self._known = frozenset(self._given.names)

    def encode(self, found: Iterable[Found]) -> Encoded:
        rows = [self._checked(each) for each in found]
        given = [
            _fitted(rows, kind, [each.row.columns.get(kind.name) for each in rows])
            for kind in self._given
        ]
        results, refusals = self._results(rows), _failed(rows)
        errors = pa.array([each.failure and each.failure.error for each in rows], pa.string())
        table = pa.table([*given, *results, errors], schema=self._schema)
        return Encoded(_written(table), refusals)

    def _checked(self, found: Found) -> Found:
        strange = [name for name in found.row.columns if name not in self._known]
        if strange and found.failure is None:
            return refused(found, unknown(strange[0], self._given.names))
        return found

    def _results(self, rows: list[Found]) -> list[pa.Array]:
        """What was found; once more where a row is refused for it, since that one has nothing."""
        before = len(_failed(rows))
        arrays = [
            _fitted(rows, kind, [each.values and each.values[place] for each in rows])
            for place, kind in enumerate(list(self._found)[:-1])  # the last is that of errors
        ]
        return arrays if len(_failed(rows)) == before else self._results(rows)

    def splice(self, old: bytes, numbers: Sequence[int], new: bytes, added: Sequence[int]) -> bytes:
        tables = [pq.read_table(pa.BufferReader(body)) for body in (old, new)]
        places = {number: place for place, number in enumerate([*numbers, *added])}
        whole = pa.concat_tables(tables).take([places[number] for number in sorted(places)])
        return _written(whole.cast(self._schema))

    def join(self, parts: Sequence[Path], file: Path) -> None:
        held: list[pa.Table] = []
        with pq.ParquetWriter(file, self._schema) as writer:
            for part in parts:
                held.append(pq.read_table(part).cast(self._schema))
                if sum(map(len, held)) >= _ROW_GROUP:
                    writer.write_table(pa.concat_tables(held).combine_chunks())
                    held = []
            if held:
                writer.write_table(pa.concat_tables(held).combine_chunks())


def _failed(rows: Sequence[Found]) -> list[Failure]:
    return [each.failure for each in rows if each.failure is not None]


def _fitted(rows: list[Found], kind: pa.Field, values: Sequence[Any]) -> pa.Array:
    """A column of all values that its type takes; the rows of the others are refused."""
    if all(_holds(kind.type, value) for value in values):
        try:
            return pa.array(values, kind.type)
        except _UNFIT:
            pass
    kept = []
    for place, value in enumerate(values):
        value = well_formed(value) if isinstance(value, str) else value
        reason = _misfit(value, kind.type)
        if reason and rows[place].failure is None:
            rows[place] = refused(rows[place], f"{kind.name!r} is {kind.type}: {reason}")
        kept.append(None if reason else value)
    return pa.array(kept, kind.type)


def _misfit(value: Any, kind: pa.DataType) -> str:
    """Why a type does not take a value."""
    if not _holds(kind, value):
        return "the value says more; jsonl takes it"
    try:
        pa.array([value], kind)
    except _UNFIT as error:
        return f"{reason_of(error)}; jsonl takes it"
    return ""


def _holds(kind: pa.DataType, value: Any) -> bool:
    """Whether nothing is lost: Arrow drops fields that a struct has not, and cuts off fractions,
    without a word."""
    if pa.types.is_integer(kind) and isinstance(value, float):
        return value.is_integer()
    if pa.types.is_floating(kind):
        return not isinstance(value, bool)
    if pa.types.is_struct(kind) and isinstance(value, Mapping):
        parts = {part.name: part.type for part in kind}
        return all(
            name in parts and _holds(parts[name], part)
            for name, part in value.items()
            if part is not None
        )
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if listed and isinstance(value, Sequence):
        return all(_holds(kind.value_type, part) for part in value)
    return True


def _written(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table.combine_chunks(), file)  # bytes depend on where chunks end
    return file.getvalue()

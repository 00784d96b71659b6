"""Tables of rows in, the same rows with what a pipeline finds in their texts, and where they go.

Three parts that know nothing of each other: whatever yields Arrow tables, an `Annotator`, and a
`Sink`. One table at a time is in memory.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from seqpipe.errors import FieldMissing, OutputRefused, SeqpipeError, reason_of
from seqpipe.pipelines import fields_of

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

ERROR = "error"  # the field that says why a document has no others

_WARM = 10_000  # documents after which the tokenizer has seen the common words
_ROW_GROUP = 20_000  # rows written to parquet at once: a group for each batch would be slow to read


@dataclass(slots=True)
class Tally:
    """What has become of the documents so far."""

    documents: int = 0
    words: int = 0
    empty: int = 0
    failed: int = 0
    first: str = ""  # why the first of the failed ones failed


@dataclass(frozen=True, slots=True)
class Annotated:
    """Rows, and the new columns: a value a row, None where nothing was found."""

    rows: pa.Table
    found: Mapping[str, Sequence[Any]]


class Annotator:
    """Runs a pipeline over the texts of tables; a document that fails costs only itself.

    `fields` gives fields the columns to stand in, all that there are by their own names when it
    is empty. The pipeline's error handler is taken over; an error of seqpipe's own is no
    document's fault and ends the work.
    """

    def __init__(self, nlp: Language, *, text: str, fields: Mapping[str, str]) -> None:
        known = fields_of(nlp)
        wanted = {name: column for name, column in fields.items() if name != ERROR}
        missing = [name for name in wanted if name not in known]
        if missing or not known:
            raise FieldMissing(missing[0] if missing else "field", known)
        self.fields = wanted or {name: name for name in known}
        self.columns = {**self.fields, ERROR: fields.get(ERROR, ERROR)}
        self.tally = Tally()
        self._nlp, self._text = nlp, text
        self._error: Exception | None = None
        nlp.set_error_handler(self._handle)  # type: ignore[arg-type]  # spaCy's says Never

    def __call__(self, table: pa.Table) -> Annotated:
        texts = table.column(self._text).to_pylist()
        readable = {i: t for i, t in enumerate(texts) if isinstance(t, str) and t.strip()}
        strange = {
            i: type(t).__name__ for i, t in enumerate(texts) if not isinstance(t, str | None)
        }
        errors = {i: f"the text is {kind}, not a string" for i, kind in strange.items()}
        with self._zone():
            values = self._together(readable)
            for i in sorted(readable.keys() - values.keys()):
                try:
                    values[i] = self._alone(readable[i])
                except SeqpipeError:
                    raise
                except Exception as error:
                    errors[i] = f"{type(error).__name__}: {reason_of(error)}"
        self._count(len(texts), found=len(values), errors=errors)
        found = {
            column: [values[i][place] if i in values else None for i in range(len(texts))]
            for place, column in enumerate(self.fields.values())
        }
        return Annotated(
            table, {**found, self.columns[ERROR]: [*map(errors.get, range(len(texts)))]}
        )

    def schema(self) -> pa.Schema:
        """The types of the columns, as annotating a letter shows them; None stands for text."""
        values = [*self._alone("a"), ""]
        self.tally = Tally()
        kinds = [_settled(pa.infer_type([value])) for value in values]
        return pa.schema(list(zip(self.columns.values(), kinds, strict=True)))

    def _zone(self) -> AbstractContextManager[Any]:
        """Once begun, the vocabulary keeps no new word, and the tokenizer's cache none either."""
        warm = self.tally.documents >= _WARM
        return self._nlp.memory_zone() if warm else nullcontext()

    def _together(self, texts: Mapping[int, str]) -> dict[int, list[Any]]:
        """All at once; what fails is not among the results."""
        found: dict[int, list[Any]] = {}
        pairs = ((text, i) for i, text in texts.items())
        try:
            for doc, i in self._nlp.pipe(pairs, as_tuples=True, batch_size=max(1, len(texts))):
                found[i] = self._read(doc)
        except SeqpipeError:
            raise
        except Exception as error:  # of the tokenizer, about which no handler is asked
            self._error = error
        return found

    def _alone(self, text: str) -> list[Any]:
        self._error = None
        for doc in self._nlp.pipe([text]):
            return self._read(doc)
        raise self._error or RuntimeError("the pipeline gives nothing back")

    def _handle(self, name: str, pipe: object, docs: Sequence[Doc], error: Exception) -> None:
        if isinstance(error, SeqpipeError):
            raise error
        self._error = error

    def _read(self, doc: Doc) -> list[Any]:
        self.tally.words += len(doc)
        return [_OWN[name](doc) if name in _OWN else doc._.get(name) for name in self.fields]

    def _count(self, documents: int, *, found: int, errors: Mapping[int, str]) -> None:
        tally = self.tally
        tally.documents += documents
        tally.failed += len(errors)
        tally.empty += documents - found - len(errors)
        if errors and not tally.first:
            tally.first = errors[min(errors)]


def _tokens(doc: Doc) -> list[str]:
    return [token.text for token in doc if not token.is_space]


def _sentences(doc: Doc) -> list[str]:
    if not doc.has_annotation("SENT_START"):
        return []
    return [found for sentence in doc.sents if (found := sentence.text.strip())]


# What is read from a doc itself; all else is an extension.
_OWN: Mapping[str, Callable[[Doc], Any]] = {
    "cats": lambda doc: dict(doc.cats),
    "tokens": _tokens,
    "sentences": _sentences,
}


def _settled(kind: pa.DataType) -> pa.DataType:
    """A type with text where nothing is known."""
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([(part.name, _settled(part.type)) for part in kind])
    if pa.types.is_list(kind):
        return pa.list_(_settled(kind.value_type))
    return kind


class Sink(Protocol):
    """Where annotated rows go."""

    def write(self, part: Annotated) -> None: ...
    def close(self) -> None: ...


class JsonLines:
    """An object a line; an error stands only where there is one."""

    def __init__(self, file: IO[bytes], *, error: str) -> None:
        self._file, self._error = file, error

    def write(self, part: Annotated) -> None:
        for i, row in enumerate(part.rows.to_pylist()):
            row |= {column: values[i] for column, values in part.found.items()}
            if row[self._error] is None:
                del row[self._error]
            self._file.write(f"{_json(row)}\n".encode())

    def close(self) -> None:
        self._file.flush()


class Parquet:
    """A file that keeps the types of its source."""

    def __init__(self, path: Path, *, found: pa.Schema) -> None:
        self._path, self._found = path, found
        self._schema: pa.Schema | None = None
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []  # too few rows for a group yet

    def write(self, part: Annotated) -> None:
        table = part.rows
        for column in self._found:
            table = table.append_column(column, pa.array(part.found[column.name], column.type))
        self._held.append(self._alike(table))
        if sum(map(len, self._held)) >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _alike(self, table: pa.Table) -> pa.Table:
        """Every part as the first one was."""
        if self._schema is None:
            kinds = [(column.name, _settled(column.type)) for column in table.schema]
            self._schema = pa.schema(kinds, metadata=table.schema.metadata)
        for name in set(self._schema.names) - set(table.column_names):
            table = table.append_column(name, pa.nulls(len(table), self._schema.field(name).type))
        try:
            return table.select(self._schema.names).cast(self._schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = f"the rows are not all of one kind ({reason_of(error)}); jsonl takes them"
            raise OutputRefused("A parquet file", reason) from error

    def _flush(self) -> None:
        if self._held:
            self._writer = self._writer or pq.ParquetWriter(self._path, self._schema)
            self._writer.write_table(pa.concat_tables(self._held))
            self._held = []


def _json(row: Mapping[str, Any]) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:  # NaN and the infinities, which JSON has no names for
        row = json.loads(json.dumps(row, default=_plain), parse_constant=lambda _: None)
        return json.dumps(row, ensure_ascii=False)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value.isoformat() if hasattr(value, "isoformat") else value)

"""Rows that are typed already: parquet, the docs of `.spacy`, and what `datasets` reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.corpora._lines import MOST_BYTES, MOST_ROWS, packed
from seqpipe.corpora._opening import readable
from seqpipe.corpora.docbins import bin_of
from seqpipe.corpora.sources import Source, column_names, explained, locate, open_split
from seqpipe.errors import SourceUnreadable, reason_of

if TYPE_CHECKING:
    import pyarrow as pa

_READ_AT_ONCE = 1 << 20  # bytes of a column: whole column chunks can be hundreds of megabytes


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """The rows of files, with the types that take in what all of them hold."""

    files: Sequence[str]
    schema: pa.Schema
    total: int
    kind: str = "table"

    def names(self) -> list[str]:
        return list(self.schema.names)

    def tables(self) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        for file in self.files:
            with readable(file), pq.ParquetFile(file, buffer_size=_READ_AT_ONCE) as rows:
                for batch in rows.iter_batches(batch_size=MOST_ROWS):
                    yield from _halves(_typed(pa.Table.from_batches([batch]), self.schema))


def parquet_rows(files: Sequence[str]) -> ParquetRows:
    """What the ends of the files say of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema: pa.Schema | None = None
    total = 0
    for file in files:
        with readable(file), pq.ParquetFile(file) as rows:
            own = _settled(rows.schema_arrow)
            total += rows.metadata.num_rows
        try:
            both = [own] if schema is None else [schema, own]
            schema = pa.unify_schemas(both, promote_options="permissive")
        except pa.ArrowException as error:
            wrong = f"its columns do not go with those of {files[0]!r} ({reason_of(error)})"
            raise SourceUnreadable(file, wrong) from error
    return ParquetRows(files, schema, total)


@dataclass(frozen=True, slots=True)
class DocRows:
    """The texts of docs, and their cats where there are any; a file at a time is in memory."""

    files: Sequence[str]
    cats: Sequence[str]
    total: int
    kind: str = "table"

    def names(self) -> list[str]:
        return ["text", "cats"] if self.cats else ["text"]

    def tables(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        cats = pa.struct([(name, pa.float64()) for name in self.cats])
        kinds = {"text": pa.string(), "cats": cats}
        schema = pa.schema([(name, kinds[name]) for name in self.names()])
        for rows in packed(self._sized()):
            yield pa.Table.from_pylist(rows, schema=schema)

    def _sized(self) -> Iterator[tuple[dict[str, Any], int]]:
        from spacy.vocab import Vocab

        for file in self.files:
            # A vocabulary for each file: one for all would grow with every word of theirs.
            for doc in bin_of(Path(file)).get_docs(Vocab()):
                yield {"text": doc.text, "cats": dict(doc.cats) or None}, len(doc.text)


def doc_rows(files: Sequence[str]) -> DocRows:
    """All names of cats there are, which no single file need have."""
    names: set[str] = set()
    total = 0
    for file in files:
        docs = bin_of(Path(file))
        names.update(name for cats in docs.cats for name in cats)
        total += len(docs)
    return DocRows(files, sorted(names), total)


@dataclass(frozen=True, slots=True)
class SplitRows:
    """What `open_split` streams."""

    data: str
    split: str
    revision: str | None
    total: int | None
    kind: str = "table"

    def names(self) -> list[str] | None:
        """The columns; a stream that does not know them is asked for its first row."""
        with explained(locate(self.data), self.split):
            return column_names(self._open()) or None

    def tables(self) -> Iterator[pa.Table]:
        schema: pa.Schema | None = None
        with explained(locate(self.data), self.split):
            for table in self._open().with_format("arrow").iter(batch_size=MOST_ROWS):
                schema = schema or _settled(table.schema)
                yield from _halves(_typed(table, schema))

    def _open(self) -> Any:
        return open_split(self.data, split=self.split, streaming=True, revision=self.revision)


def split_rows(source: Source, split: str, *, revision: str | None) -> tuple[SplitRows, list[str]]:
    """The rows of a part and the files they lie in; of the hub the revision that is there now."""
    data = os.path.abspath(Path(source.full).expanduser()) if source.local else source.full
    if own := source.sentences or source.lines:
        return SplitRows(data, split, None, None), [os.path.abspath(file) for file in own[split]]
    if source.saved:
        files = sorted(file for file in source.saved.rglob("*") if file.is_file())
        table: Any = open_split(data, split=split)
        return SplitRows(data, split, None, table.num_rows), [
            os.path.abspath(file) for file in files
        ]
    from datasets import load_dataset_builder

    with explained(source, split):
        builder = load_dataset_builder(source.loader, revision=revision, **source.options)
    told = (builder.info.splits or {}).get(split)
    files = (builder.config.data_files or {}).get(split, []) if source.local else []
    seen = revision if source.local else builder.hash
    return SplitRows(data, split, seen, told and told.num_examples), [str(f) for f in files]


def _settled(schema: pa.Schema) -> pa.Schema:
    """Text where no type is known, and the values themselves where a dictionary stands for them."""
    import pyarrow as pa

    def settled(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_null(kind):
            return pa.string()
        if pa.types.is_dictionary(kind):
            return kind.value_type
        if pa.types.is_struct(kind):
            return pa.struct([part.with_type(settled(part.type)) for part in kind])
        if pa.types.is_list(kind):
            return pa.list_(kind.value_field.with_type(settled(kind.value_type)))
        return kind

    columns = [column.with_type(settled(column.type)) for column in schema]
    return pa.schema(columns, metadata=schema.metadata)


def _typed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Columns that are missing are null."""
    import pyarrow as pa

    if table.schema.equals(schema):
        return table.replace_schema_metadata(schema.metadata)
    if strange := set(table.column_names) - set(schema.names):
        raise pa.ArrowInvalid(f"the column {min(strange)!r} is not in the rows before")
    there = set(table.column_names)
    columns = [
        table.column(column.name) if column.name in there else pa.nulls(len(table), column.type)
        for column in schema
    ]
    return pa.table(columns, names=schema.names).cast(schema)


def _halves(table: pa.Table) -> Iterator[pa.Table]:
    """The table in pieces as large as one may be, a longer row alone."""
    if table.nbytes <= MOST_BYTES or len(table) == 1:
        yield table
        return
    middle = len(table) // 2
    yield from _halves(table.slice(0, middle))
    yield from _halves(table.slice(middle))

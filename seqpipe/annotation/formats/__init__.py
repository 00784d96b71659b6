"""The formats of annotated rows, by their names."""

from __future__ import annotations

from seqpipe.annotation.formats.columns import columns_of, schema_from, schema_text
from seqpipe.annotation.formats.conllu import Conllu, ConlluZipped
from seqpipe.annotation.formats.csv import Csv, CsvZipped
from seqpipe.annotation.formats.docbin import DocBins
from seqpipe.annotation.formats.format import Encoded, Format, Layout
from seqpipe.annotation.formats.jsonl import JsonLines, JsonLinesZipped
from seqpipe.annotation.formats.parquet import Parquet

__all__ = ["FORMATS", "Encoded", "Format", "Layout", "columns_of", "schema_from", "schema_text"]

_KINDS: tuple[type[Format], ...] = (
    JsonLines,
    Csv,
    Parquet,
    DocBins,
    Conllu,
    JsonLinesZipped,
    CsvZipped,
    ConlluZipped,
)
# A format is called as its files end, without the first dot.
FORMATS = {kind.suffix.removeprefix("."): kind for kind in _KINDS}

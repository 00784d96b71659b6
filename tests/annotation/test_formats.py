"""What all formats have in common: parts make the file, retried rows fall in, same bytes."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import annotator, encoded

from seqpipe.annotation.annotator import Annotator
from seqpipe.annotation.formats import FORMATS, Layout, columns_of, schema_from, schema_text
from seqpipe.annotation.formats.format import Format
from seqpipe.annotation.rows import Row, row_of

TEXTS = ["a b", "c", 'say "no",\nplease', "é 好\u2028x\r\ny", None, "", "  d  e "]


@cache
def annotators() -> dict[bool, Annotator]:
    return {keep: annotator(keep_docs=keep) for keep in (False, True)}


def make_row(number: int, text: str | None) -> Row:
    columns = {"text": text, "tags": ["x", None] * (number % 3), "n": 0.5 * number}
    return row_of(number, columns, text="text", id="id")


ROWS = [make_row(i, text) for i, text in enumerate(TEXTS * 3)]
# the run that knows all columns; a retry finds texts where there were faults
KNOWN = columns_of(ROWS)


@cache
def format_of(name: str) -> Format:
    run = annotators()[FORMATS[name].keeps_docs]
    return FORMATS[name](Layout(run.columns, run.schema(), KNOWN, run._nlp))


def body_of(name: str, rows: Sequence[Row]) -> bytes:
    return format_of(name).encode(annotators()[FORMATS[name].keeps_docs](rows)).body


def present(name: str, rows: Sequence[Row]) -> list[int]:
    """The numbers of the rows that stand in a part."""
    absent = FORMATS[name].keeps_docs
    return [row.number for row in rows if not (absent and (row.empty or row.fault))]


def read(name: str, body: bytes) -> Any:
    if name.endswith(".gz"):
        return gzip.decompress(body)
    if name == "parquet":
        return pq.read_table(io.BytesIO(body)).to_pylist()
    return body


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15)
@given(cuts=st.lists(st.integers(0, len(ROWS)), max_size=4))
def test_parts_make_the_file(
    name: str, cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    borders = [0, *sorted(cuts), len(ROWS)]
    parts = []
    for at, (start, end) in enumerate(pairwise(borders)):
        parts.append(folder / f"{at}")
        parts[-1].write_bytes(body_of(name, ROWS[start:end]))
    format_of(name).join(parts, folder / "whole")
    assert read(name, (folder / "whole").read_bytes()) == read(name, body_of(name, ROWS))


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15)
@given(bad=st.sets(st.integers(0, len(ROWS) - 1)))
def test_what_is_retried_falls_into_its_place(name: str, bad: set[int]) -> None:
    failed = [
        Row(row.number, row.id, row.columns, None, "it broke") if row.number in bad else row
        for row in ROWS
    ]
    again = [row for row in ROWS if row.number in bad]
    spliced = format_of(name).splice(
        body_of(name, failed), present(name, failed), body_of(name, again), present(name, again)
    )
    assert spliced == body_of(name, ROWS)


@pytest.mark.parametrize("name", FORMATS)
def test_what_fails_is_told(name: str) -> None:
    rows = [make_row(i, text) for i, text in enumerate(["a", "boom", None, "b"])]
    found = encoded(name, rows)
    (failure,) = found.failures
    assert (failure.row, failure.stage, failure.error) == (1, "measure", "ValueError: it went boom")


def test_columns_are_those_of_the_rows() -> None:
    first = {"text": "a", "x": None, "n": 1}
    second = {"text": "b", "n": 1.5, "more": [{"k": None}]}
    rows = [
        row_of(0, first, text="text", id="id"),
        row_of(1, second, text="text", id="id"),
    ]
    schema = columns_of(rows)
    assert schema.names == ["id", "text", "x", "n", "more"]
    told = [str(kind) for kind in schema.types]
    assert told[:4] == ["int64", "string", "string", "double"] and "k: string" in told[4]
    assert schema_from(schema_text(schema)).equals(schema)


@pytest.mark.parametrize("name", FORMATS)
def test_docs_are_written_before_their_memory_is_given_back(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = body_of(name, ROWS)
    monkeypatch.setattr("seqpipe.annotation.annotator._WARM", 0)
    run = annotators()[FORMATS[name].keeps_docs]
    monkeypatch.setattr(run, "_most", 2)
    assert body_of(name, ROWS) == before

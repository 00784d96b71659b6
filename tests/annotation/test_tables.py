"""`.jsonl`, `.csv` and `.parquet`: every row stands there."""

from __future__ import annotations

import csv
import datetime
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measures import annotator, encoded, measuring, rows

from seqpipe.annotation.annotator import Annotator
from seqpipe.annotation.formats import FORMATS, Encoded, Layout, columns_of
from seqpipe.annotation.rows import Row, row_of, rows_of

ODD = {
    "number": pa.array([float("nan"), 1.5]),
    "when": pa.array([datetime.datetime(2024, 1, 2), None]),
    "raw": pa.array([b"\xff", b""]),
    "nested": pa.array([{"x": [float("inf")]}, None]),
    "text": pa.array(["é 好", '"\n']),
}


def read(table: pa.Table) -> list[Row]:
    return rows_of(table, first=0, text="text", id="id")


def made(*columns: dict[str, Any]) -> list[Row]:
    return [row_of(i, each, text="text", id="id") for i, each in enumerate(columns)]


def test_a_line_has_its_columns_and_what_was_found() -> None:
    body = encoded("jsonl", rows("a b", "boom", None)).body
    good, bad, empty = map(json.loads, body.splitlines())
    assert good == {"id": "d0", "text": "a b", "cats": {"long": 0.0}, "length": 2}
    nothing = {"cats": None, "length": None}
    assert bad == {"id": "d1", "text": "boom", **nothing, "error": "ValueError: it went boom"}
    assert empty == {"id": "d2", "text": None, **nothing}


def test_json_of_odd_values() -> None:
    first, second = encoded("jsonl", read(pa.table(ODD))).body.decode().splitlines()
    told = {"number": None, "when": "2024-01-02T00:00:00", "raw": "/w==", "nested": {"x": [None]}}
    kept = {name: json.loads(first)[name] for name in ODD}
    assert kept == {**told, "text": "é 好"} and "好" in first
    assert json.loads(second)["text"] == '"\n'


def test_half_a_character_is_written_as_well_as_may_be() -> None:
    given = made({"text": "a", "x": "\ud800"}, {"text": "\udfff"})
    first, second = map(json.loads, encoded("jsonl", given).body.splitlines())
    assert first["x"] == "\ud800" and first["length"] == 1
    assert second["text"] == "\udfff" and "half a character" in second["error"]
    first, second = csv.DictReader(io.StringIO(encoded("csv", given).body.decode()))
    assert first["x"] == second["text"] == "\ufffd"
    first, second = table_of(encoded("parquet", given)).to_pylist()
    assert first["x"] == second["text"] == "\ufffd" and first["length"] == 1


def test_cells_are_texts() -> None:
    body = encoded("csv", read(pa.table(ODD))).body.decode()
    first, second = csv.DictReader(io.StringIO(body, newline=""))
    assert list(first) == ["id", *ODD, "cats", "length", "error"]
    assert first["number"] == "" and first["when"] == "2024-01-02T00:00:00"
    assert first["raw"] == "/w==" and json.loads(first["nested"]) == {"x": [None]}
    assert json.loads(first["cats"]) == {"long": 0.0} and first["error"] == ""
    assert second["text"] == '"\n' and second["nested"] == ""


def test_a_row_with_another_column_is_refused() -> None:
    given = made({"text": "a", "n": 1}, {"text": "b", "m": 2}, {"text": "c"})
    for name in ("csv", "parquet"):
        run = annotator()
        format = FORMATS[name](Layout(run.columns, run.schema(), columns_of(given[:1]), run._nlp))
        found = format.encode(run(given))
        (failure,) = found.failures
        assert failure.row == 1 and failure.stage == "output"
        assert failure.error.startswith("the first rows have no column 'm', but id, text and n")


def table_of(found: Encoded) -> pa.Table:
    return pq.read_table(io.BytesIO(found.body))


def parquet(table: pa.Table) -> pa.Table:
    given, run = read(table), annotator()
    schema = columns_of(given, table.schema)
    format = FORMATS["parquet"](Layout(run.columns, run.schema(), schema, run._nlp))
    return table_of(format.encode(run(given)))


def test_parquet_keeps_the_types_of_its_source() -> None:
    # the nested column stays out: parquet has its own name for the items of a list
    odd = {name: column for name, column in ODD.items() if name != "nested"}
    source = pa.table(odd, metadata={"huggingface": "{}", "seqpipe": "table"})
    found = parquet(source)
    assert found.select(source.column_names).schema.equals(source.schema)
    assert found.schema.metadata == {b"huggingface": b"{}"}
    assert found.column("length").to_pylist() == [2, 2]
    assert found.schema.field("cats").type == pa.struct([("long", pa.float64())])


def test_parquet_of_rows_where_nothing_is_found() -> None:
    found = table_of(encoded("parquet", rows(None, "", "boom")))
    assert found.column("length").to_pylist() == [None] * 3
    assert found.column("error").to_pylist() == [None, None, "ValueError: it went boom"]
    assert found.schema.field("text").type == pa.string()


@pytest.mark.parametrize(
    ("first", "strange"),
    [
        (1, "x"),
        (1, 1.5),
        (0.5, True),
        ("x", 1),
        ([1], [0.5]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1], ["x"]),
        (1, 2**70),
    ],
)
def test_parquet_refuses_a_row_of_another_kind(first: object, strange: object) -> None:
    given = made(*({"text": "a", "v": value} for value in (first, strange, None)))
    run = Annotator(measuring(), fields={})
    format = FORMATS["parquet"](Layout(run.columns, run.schema(), columns_of(given[:1]), run._nlp))
    found = format.encode(run(given))
    (failure,) = found.failures
    assert failure.row == 1 and failure.stage == "output" and "jsonl takes it" in failure.error
    good, bad, none = table_of(found).to_pylist()
    assert good["v"] == first and good["length"] == none["length"] == 1
    assert bad == {"id": 1, "text": "a", "v": None, **dict.fromkeys(["cats", "length"])} | {
        "error": failure.error
    }

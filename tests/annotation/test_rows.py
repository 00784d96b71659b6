"""Tables as rows: ids, columns, and what is wrong with a row."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.annotation.rows import FAULT, Row, rows_of


def read(table: pa.Table, *, first: int = 0, text: str = "text") -> list[Row]:
    return rows_of(table, first=first, text=text, id="id")


def lines(kind: str, *found: bytes, **more: list[Any]) -> pa.Table:
    table = pa.table({"line": pa.array(found, pa.large_binary()), **more})
    return table.replace_schema_metadata({"seqpipe": kind})


def test_a_row_without_an_id_has_its_number() -> None:
    first, second = read(pa.table({"text": ["a", "b"], "n": [1, 2]}), first=7)
    assert first == Row(7, 7, {"id": 7, "text": "a", "n": 1}, "a")
    assert list(second.columns) == ["id", "text", "n"] and second.id == 8


def test_a_row_with_an_id_keeps_it_where_it_stands() -> None:
    first, second = read(pa.table({"text": ["a", "b"], "id": ["x", None]}))
    assert list(first.columns) == ["text", "id"] and first.id == "x"
    assert second.id == 1 and second.columns["id"] is None


@pytest.mark.parametrize("text", [None, "", " \n\u3000"])
def test_no_text_is_no_fault(text: str | None) -> None:
    (row,) = read(pa.table({"text": pa.array([text], pa.string())}))
    assert row.empty and not row.fault


def test_what_is_no_text_is_a_fault() -> None:
    assert read(pa.table({"text": [1]}))[0].fault == "the text is int, not a string"
    assert read(pa.table({"text": [b"a"]}))[0].fault == "the text is bytes, not a string"
    assert read(pa.table({"other": [1]}))[0].fault == "the row has no column 'text'"
    (row,) = read(pa.table({"text": ["a"], FAULT: ["too many fields"]}))
    assert row.fault == "too many fields" and row.text is None
    assert row.columns == {"id": 0, "text": "a"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"text": "a"', "the line is no JSON: Expecting ',' delimiter"),
        (b"[1]", "the line is no JSON object, but list"),
        (b'{"text": "\xff"}', "the line is not UTF-8: byte 0xff at 10"),
        (b'{"text": 1}', "the text is int, not a string"),
        (b'{"body": "a"}', "the row has no column 'text'"),
        (b'{"text": "a\\ud800"}', "the text has half a character, U+D800, at 1"),
        (b"[" * 200_000, "the line is no JSON: "),
    ],
)
def test_a_damaged_line_costs_only_itself(line: bytes, fault: str) -> None:
    before, bad, after = read(lines("json", b'{"text": "a"}', line, b'{"text": "b"}'))
    assert (before.text, bad.text, after.text) == ("a", None, "b")
    assert bad.fault.startswith(fault) and bad.id == 1 and not bad.empty


def test_lines_are_documents() -> None:
    table = lines("text", b"a b", b"", b"\xffc", file=["x", "x", "y"])
    good, empty, bad = read(table, text="body")
    assert good.columns == {"id": 0, "body": "a b", "file": "x"} and good.text == "a b"
    assert empty.empty
    assert bad.columns["body"] == "\ufffdc" and bad.columns["file"] == "y"
    assert bad.fault == "the line is not UTF-8: byte 0xff at 0"


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=3), max_size=4))
def test_rows_of_json_are_its_objects(objects: list[dict[str, str]]) -> None:
    table = lines("json", *(json.dumps(each).encode() for each in objects))
    for number, (row, each) in enumerate(zip(read(table), objects, strict=True)):
        assert row.columns == {"id": number, **each}
        assert row.text == (None if row.fault else each["text"])

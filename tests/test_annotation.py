"""Rows in, annotated rows out: order, failures, types, and both sinks."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from seqpipe.annotation.annotator import Annotated, Annotator, JsonLines, Parquet, fields_of
from seqpipe.errors import FieldMissing, NotInitialized, OutputRefused

Doc.set_extension("length", default=None, force=True)


class Measure:
    """Writes `doc.cats` and `doc._.length`; fails as it is told by the text."""

    def __call__(self, doc: Doc) -> Doc:
        if "boom" in doc.text:
            raise ValueError("it went boom\nand more")
        if "unready" in doc.text:
            raise NotInitialized("measure")
        doc.cats = {"long": float(len(doc) > 2)}
        doc._.length = len(doc)
        return doc


class Batches(Measure):
    """Gives a whole batch up where one document fails, as many components do."""

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 8) -> Iterator[Doc]:
        for docs in minibatch(stream, batch_size):
            try:
                found = [self(doc) for doc in docs]
            except ValueError as error:
                self.handler("measure", self, list(docs), error)
                continue
            yield from found

    def set_error_handler(self, handler: Any) -> None:
        self.handler = handler


@Language.factory("test_measure", assigns=["doc.cats", "doc._.length"])
def make_measure(nlp: Language, name: str, whole: bool = False) -> Measure:
    return Batches() if whole else Measure()


def annotator(*, whole: bool = False, **fields: str) -> Annotator:
    nlp = spacy.blank("en")
    nlp.add_pipe("test_measure", config={"whole": whole})
    nlp.max_length = 50
    return Annotator(nlp, text="text", fields=fields)


def table(*texts: object) -> pa.Table:
    return pa.table({"id": range(len(texts)), "text": pa.array(texts)})


def rows(part: Annotated) -> list[dict[str, Any]]:
    file = io.BytesIO()
    JsonLines(file, error="error").write(part)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_rows_keep_their_order_and_their_columns() -> None:
    first, second = rows(annotator()(table("a b", "a b c")))
    assert first == {"id": 0, "text": "a b", "cats": {"long": 0.0}, "length": 2}
    assert second == {"id": 1, "text": "a b c", "cats": {"long": 1.0}, "length": 3}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("failing", ["boom", "x" * 60])
def test_a_document_that_fails_costs_only_itself(whole: bool, failing: str) -> None:
    run = annotator(whole=whole)
    texts = ["a", failing, "b", None, " ", "c"]
    found = rows(run(table(*texts)))
    assert [row["text"] for row in found] == texts
    assert [row["length"] for row in found] == [1, None, 1, None, None, 1]
    assert ["error" in row for row in found] == [False, True, False, False, False, False]
    tally = run.tally
    assert (tally.documents, tally.words, tally.empty, tally.failed) == (6, 3, 2, 1)
    assert tally.first == found[1]["error"] and "\n" not in tally.first


def test_what_is_no_text_is_an_error() -> None:
    run = annotator()
    assert rows(run(table(1, 2)))[0]["error"] == "the text is int, not a string"
    assert run.tally.failed == 2


def test_an_error_of_the_pipeline_itself_ends_the_work() -> None:
    with pytest.raises(NotInitialized):
        annotator()(table("a", "unready"))


def test_fields_are_chosen_and_renamed() -> None:
    run = annotator(length="n", error="why")
    file = io.BytesIO()
    JsonLines(file, error="why").write(run(table("a b", "boom")))
    first, second = map(json.loads, file.getvalue().splitlines())
    assert first == {"id": 0, "text": "a b", "n": 2}
    assert second == {"id": 1, "text": "boom", "n": None, "why": "ValueError: it went boom"}
    with pytest.raises(FieldMissing, match="Did you mean 'length'"):
        annotator(lenth="n")
    with pytest.raises(FieldMissing, match="it writes nothing"):
        Annotator(spacy.blank("en"), text="text", fields={})


def test_fields_of_two_stages_are_told_apart() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("seqpipe_sentiment", name="a", config={"extension": "mood"})
    nlp.add_pipe("seqpipe_sentiment", name="b")
    assert fields_of(nlp) == ["cats", "mood", "sentiment"]


def test_the_vocabulary_stops_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqpipe.annotation.annotator._WARM", 4)
    run = annotator()
    sizes = []
    for part in range(4):
        run(table(*(f"word{part}x{i}" for i in range(4))))
        sizes.append(len(run._nlp.vocab.strings))
    assert sizes[0] == sizes[1] == sizes[3]


ODD = {
    "number": pa.array([float("nan"), 1.5]),
    "when": pa.array([datetime.datetime(2024, 1, 2), None]),
    "raw": pa.array([b"\xff", b""]),
    "nested": pa.array([{"x": [float("inf")]}, None]),
    "text": pa.array(["é 好", '"\n']),
}


def test_json_of_odd_values() -> None:
    file = io.BytesIO()
    JsonLines(file, error="error").write(Annotated(pa.table(ODD), {"error": [None, None]}))
    first, second = file.getvalue().decode().splitlines()
    told = {"number": None, "when": "2024-01-02T00:00:00", "raw": "/w==", "nested": {"x": [None]}}
    assert json.loads(first) == {**told, "text": "é 好"} and "好" in first
    assert json.loads(second)["text"] == '"\n'


def written(path: Path, run: Annotator, parts: Sequence[pa.Table]) -> pa.Table:
    sink = Parquet(path, found=run.schema())
    for part in parts:
        sink.write(run(part))
    sink.close()
    return pq.read_table(path)


def test_parquet_keeps_the_types_of_its_source(tmp_path: Path) -> None:
    # the nested column stays out: parquet has its own name for the items of a list
    odd = {name: column for name, column in ODD.items() if name != "nested"}
    source = pa.table(odd, metadata={"huggingface": "{}"})
    found = written(tmp_path / "x.parquet", annotator(), [source])
    assert found.select(source.column_names).schema.equals(source.schema, check_metadata=True)
    assert found.column("length").to_pylist() == [2, 2]
    assert found.schema.field("cats").type == pa.struct([("long", pa.float64())])


def test_parquet_of_parts_where_nothing_is_found(tmp_path: Path) -> None:
    run = annotator()
    parts = [table(None, ""), table("boom", "a"), table("a")]
    found = written(tmp_path / "x.parquet", run, parts)
    assert found.column("length").to_pylist() == [None, None, None, 1, 1]
    assert found.column("error").null_count == 4
    assert found.schema.field("text").type == pa.string()
    assert run.tally.documents == 5


def test_parquet_takes_no_rows_of_another_kind(tmp_path: Path) -> None:
    parts = [pa.table({"text": ["a"], "n": [kind]}) for kind in (1, "x")]
    with pytest.raises(OutputRefused, match="jsonl takes them"):
        written(tmp_path / "x.parquet", annotator(), parts)


def test_row_groups_are_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqpipe.annotation.annotator._ROW_GROUP", 4)
    written(tmp_path / "x.parquet", annotator(), [table("a")] * 6)
    meta = pq.ParquetFile(tmp_path / "x.parquet").metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [4, 2]

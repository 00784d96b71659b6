"""Rows in, what was found out: order, windows, failures, the tally."""

from __future__ import annotations

import pyarrow as pa
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import WAYS, Batches, annotator, length_of, measuring, rows
from small import TEXTS, make_nlp, stage_of
from spacy.language import Language
from spacy.tokens import Doc
from words import STRINGS, trained

from seqpipe.annotation.annotator import Annotator
from seqpipe.annotation.rows import Row, row_of
from seqpipe.errors import FieldMissing, NotInitialized
from seqpipe.pipelines import fields_of
from seqpipe.text.segments import locate_tokens


def test_what_is_found_has_the_order_of_the_rows() -> None:
    run = annotator()
    first, second = run(rows("a b", "a b c"))
    assert first.row.id == "d0" and first.values == [{"long": 0.0}, 2]
    assert second.row.id == "d1" and second.values == [{"long": 1.0}, 3]
    assert first.doc is None and first.failure is None
    assert run.columns == {"cats": "cats", "length": "length", "error": "error"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("failing", ["boom", "x" * 60])
def test_a_document_that_fails_costs_only_itself(way: str, failing: str) -> None:
    run = annotator(way)
    found = list(run(rows("a", failing, "b", None, " ", "c")))
    assert [length_of(each) for each in found] == [1, None, 1, None, None, 1]
    assert [each.failure is not None for each in found] == [False, True, *[False] * 4]
    failure = found[1].failure
    assert failure and (failure.row, failure.id) == (1, "d1") and "\n" not in failure.error
    assert failure.stage == ("measure" if failing == "boom" else "tokenizer")
    tally = run.take_tally()
    assert (tally.documents, tally.words, tally.empty, tally.failed) == (6, 3, 2, 1)
    assert set(tally.seconds) == {"tokenizer", "measure"}
    assert run.take_tally().documents == 0


@pytest.mark.parametrize("way", ["alone", "batches", "raises"])
def test_a_failure_says_why(way: str) -> None:
    (found,) = annotator(way)(rows("boom"))
    assert found.failure and found.failure.error == "ValueError: it went boom"
    assert "Traceback" in found.failure.traceback and "and more" in found.failure.traceback


@pytest.mark.parametrize("way", ["silent", "forgetful"])
def test_what_a_pipeline_loses_is_a_failure(way: str) -> None:
    good, lost = annotator(way)(rows("a", "boom"))
    assert good.values and lost.failure
    assert lost.failure.error == "the pipeline gives nothing back"


def test_a_fault_of_the_input_is_a_failure() -> None:
    run = annotator()
    fault, good = run([row_of(3, {"text": 1}, text="text", id="id"), *rows("a")])
    assert fault.failure and fault.failure.stage == "input" and fault.failure.row == 3
    assert fault.failure.error == "the text is int, not a string" and good.values
    assert run.tally.failed == 1


@pytest.fixture(scope="module")
def raising() -> Annotator:
    return annotator("raises")


@settings(max_examples=30)
@given(texts=st.lists(st.sampled_from(["a", "b c", "boom", "", "y" * 60]), max_size=40))
def test_failures_beside_each_other(raising: Annotator, texts: list[str]) -> None:
    found = list(raising(rows_of_any(texts)))
    assert [each.row.text for each in found] == texts
    for each in found:
        bad = each.row.text in ("boom", "y" * 60)
        assert (each.failure is not None) == bad
        assert (each.values is not None) == (not bad and not each.row.empty)


def test_many_failures_cost_little() -> None:
    nlp = measuring("batches")
    run = Annotator(nlp, fields={})
    texts = ["boom" if 40 <= i < 60 else "a" for i in range(1000)]
    assert sum(each.failure is not None for each in run(rows(*texts))) == 20
    stage = nlp.get_pipe("measure")
    assert isinstance(stage, Batches) and stage.docs < 4 * len(texts)


@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_pipeline_itself_ends_the_work(way: str) -> None:
    with pytest.raises(NotInitialized):
        list(annotator(way)(rows("a", "unready")))


def test_an_interruption_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: object, doc: Doc) -> Doc:
        raise KeyboardInterrupt

    monkeypatch.setattr("measures.Measure.__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        list(annotator()(rows("a")))


@Language.component("test_names", assigns=["doc._.length"])
def names(doc: Doc) -> Doc:
    """Says what it writes, and leaves that to others."""
    return doc


def test_an_extension_that_cannot_be_read() -> None:
    def get(doc: Doc) -> int:
        return 1 // (len(doc) - 1)

    nlp = spacy.blank("en")
    nlp.add_pipe("test_names")
    Doc.set_extension("length", getter=get, force=True)
    try:
        bad, good = Annotator(nlp, fields={})(rows("a", "a b"))
    finally:
        Doc.set_extension("length", default=None, force=True)
    assert bad.failure and bad.failure.stage == "output" and length_of(good) == 1


def test_fields_are_chosen_and_renamed() -> None:
    run = annotator(length="n", error="why")
    assert run.columns == {"length": "n", "error": "why"}
    assert [each.values for each in run(rows("a b", "boom"))] == [[2], None]
    with pytest.raises(FieldMissing, match="Did you mean 'length'"):
        annotator(lenth="n")
    with pytest.raises(FieldMissing, match="it writes nothing"):
        Annotator(spacy.blank("en"), fields={})
    (found,) = Annotator(spacy.blank("en"), fields={}, keep_docs=True)(rows("a"))
    assert found.doc
    nlp = spacy.blank("en")
    nlp.max_length = 1
    (found,) = Annotator(nlp, fields={}, keep_docs=True)(rows("ab"))
    assert found.failure and found.failure.stage == "tokenizer"


def test_fields_of_two_stages_are_told_apart() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("seqpipe_sentiment", name="a", config={"extension": "mood"})
    nlp.add_pipe("seqpipe_sentiment", name="b")
    assert fields_of(nlp) == ["cats", "mood", "sentiment"]


def test_types_of_what_is_found() -> None:
    run = annotator()
    cats = pa.struct([("long", pa.float64())])
    kinds = {"cats": cats, "length": pa.int64(), "error": pa.string()}
    assert run.schema().equals(pa.schema(kinds)) and not run.tally.documents


def test_windows_hold_so_many_documents_and_characters() -> None:
    run = Annotator(measuring(), fields={}, batch_size=3)
    run._characters = 10
    given = rows("aaaa", "bbbb", "cccc", "d", "e", "f", "g" * 20, "h")
    sizes = [[row.text[0] for row in window if row.text] for window in run._windows(given)]
    assert sizes == [["a", "b"], ["c", "d", "e"], ["f"], ["g"], ["h"]]


def test_the_vocabulary_stops_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqpipe.annotation.annotator._WARM", 4)
    run = annotator()
    sizes = []
    for part in range(4):
        list(run(rows(*(f"word{part}x{i}" for i in range(4)))))
        sizes.append(len(run._nlp.vocab.strings))
    assert sizes[0] == sizes[1] == sizes[3]


def test_a_batch_equals_its_rows_one_by_one() -> None:
    texts = [text for text, _ in TEXTS] * 3 + ["film", "good " * 50]
    run = Annotator(make_nlp(3), fields={"cats": "cats"})
    together = [each.values for each in run(rows(*texts))]
    alone = [next(iter(run([row]))).values for row in rows(*texts)]
    for one, other in zip(together, alone, strict=True):
        assert one and other and one[0] == pytest.approx(other[0], abs=1e-6)


@pytest.fixture(scope="module")
def cutting() -> Annotator:
    return Annotator(trained(), fields={})


@settings(max_examples=20)
@given(texts=st.lists(STRINGS, max_size=12))
def test_tokens_of_any_texts(cutting: Annotator, texts: list[str]) -> None:
    for each in cutting(rows_of_any(texts)):
        assert (each.values is None) == (each.row.empty or bool(each.row.fault))
        if each.values:
            tokens, sentences = each.values
            assert locate_tokens(each.row.text or "", tokens) is not None and sentences


def rows_of_any(texts: list[str]) -> list[Row]:
    return [row_of(i, {"text": text}, text="text", id="id") for i, text in enumerate(texts)]


def test_memory_that_runs_out_is_taken_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make_nlp()
    stage, predict = stage_of(nlp), stage_of(nlp).predict

    def scarce(docs: list[Doc]) -> object:
        if len(docs) > 2:
            raise torch.cuda.OutOfMemoryError("no more")
        return predict(docs)

    monkeypatch.setattr(stage, "predict", scarce)
    assert all(each.values for each in Annotator(nlp, fields={})(rows(*"abcdefg")))

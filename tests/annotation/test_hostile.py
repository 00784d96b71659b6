"""Documents that nobody would write, among good ones: none is lost, none takes another along."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import count_in, make_format
from small import add_stage, make_examples
from spacy.language import Language
from words import STRINGS, trained

from seqpipe.annotation.annotator import Annotator
from seqpipe.annotation.formats import FORMATS
from seqpipe.annotation.rows import Row, row_of

GOOD = "a good film , warm and clever"
HOSTILE: list[object] = [
    None,
    "",
    "\0",
    "a\0b",
    "\ud800",
    "half \udfff a character",
    "\u202eright to left\u202c שלום سلام",
    "Z\u0351\u036b\u0343a\u0349\u0334l\u0321\u035ag\u0324o\u032b" * 20,
    "x" * 100_000,
    "好" * 20_000,
    "👨‍👩‍👧‍👦🏳️‍🌈👍🏽" * 50,
    "\ufeffmark",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\u0301\u0302\u0303",
    "\u200b\u200d\u2060",
    " \u3000\n\t",
    "\r\n\r",
    "<script>" * 200,
    "'\"\\,;\t|" * 30,
    "=1+1",
    "# newdoc id = 1\n1\ta",
    "\uffff\U0010ffff\ue000",
    "1e999 NaN Infinity -0",
    "." * 5_000,
    "a " * 5_000,
    0,
    1.5,
    True,
    b"bytes",
    ["a"],
    {"a": "b"},
]


@pytest.fixture(scope="module")
def nlp() -> Language:
    """Tokens and sentences as they were learned, then what is felt in them."""
    nlp = trained()
    stage = add_stage(nlp)
    examples = make_examples(spacy.blank("en"))
    stage.initialize(lambda: examples, nlp=nlp)
    return nlp


def among_good(texts: Sequence[object]) -> list[Row]:
    mixed = [text for bad in texts for text in (bad, GOOD)]
    return [row_of(i, {"text": text}, text="text", id="id") for i, text in enumerate(mixed)]


def accounted(nlp: Language, given: Sequence[Row]) -> None:
    """Every row has values, or is empty, or has a failure that says why; good ones have values."""
    found = list(Annotator(nlp, fields={}, batch_size=7)(given))
    assert [each.row for each in found] == list(given)
    for each in found:
        told = (each.values is not None, each.failure is not None, each.row.empty)
        assert sum(told) == 1
        assert each.values or each.row.text != GOOD
        assert each.failure is None or each.failure.error


def test_hostile_documents(nlp: Language) -> None:
    accounted(nlp, among_good(HOSTILE))


@settings(max_examples=25)
@given(texts=st.lists(st.none() | STRINGS | st.text(), max_size=10))
def test_any_documents(nlp: Language, texts: list[object]) -> None:
    accounted(nlp, among_good(texts))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_hostile_documents(nlp: Language, name: str) -> None:
    given = among_good(HOSTILE)
    known = [row for row in given if isinstance(row.columns["text"], str)]
    run = Annotator(nlp, fields={}, keep_docs=FORMATS[name].keeps_docs)
    found = make_format(name, known, run).encode(run(given))
    failed = {failure.row for failure in found.failures}
    good = [row for row in given if not row.empty and row.number not in failed]
    assert {row.number for row in given if row.text == GOOD}.isdisjoint(failed)
    assert count_in(name, found.body) == (len(good) if FORMATS[name].keeps_docs else len(given))

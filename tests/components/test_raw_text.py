"""A tokenizer that only has to give the text back."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from hypothesis import given
from spacy.tokens import DocBin
from words import STRINGS, blank, held

from seqpipe.components.raw_text import RawText


@given(STRINGS)
def test_the_text_is_the_text(text: str) -> None:
    doc = blank().make_doc(text)
    assert doc.text == held(text)
    assert all(len(token) for token in doc) and not doc.has_unknown_spaces


def test_the_vocabulary_is_not_filled_with_texts() -> None:
    nlp = blank()
    before = len(nlp.vocab)
    for number in range(50):
        nlp.make_doc("我们喜欢电影。" * number + " word " * number + "\n" * number)
    assert len(nlp.vocab) - before <= 10
    assert max(len(token) for token in nlp.make_doc("x" * 5000)) <= 65


def test_batches_are_texts_one_by_one() -> None:
    tokenizer = RawText(blank().vocab)
    texts = ["a b", "", "我"]
    assert [doc.text for doc in tokenizer.pipe(texts, batch_size=2)] == texts


def test_it_is_saved_with_a_pipeline(tmp_path: Path) -> None:
    nlp = blank()
    nlp.to_disk(tmp_path)
    for again in (spacy.load(tmp_path), blank().from_bytes(nlp.to_bytes())):
        assert isinstance(again.tokenizer, RawText)
        assert again.tokenizer.vocab is again.vocab
        assert again("  a\n\nb ").text == "  a\n\nb "


def test_its_docs_are_stored() -> None:
    nlp = blank()
    data = DocBin(docs=[nlp(" a b\n\n好")]).to_bytes()
    assert [doc.text for doc in DocBin().from_bytes(data).get_docs(nlp.vocab)] == [" a b\n\n好"]


def test_a_text_too_long_for_spacy_is_refused_by_spacy() -> None:
    nlp = blank()
    nlp.max_length = 10
    with pytest.raises(ValueError, match="E088"):
        nlp("x" * 11)

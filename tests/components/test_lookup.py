"""Ids by the hashes of tokens are the ids of the text."""

from __future__ import annotations

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from small import make_nlp, stage_of
from spacy.language import Language
from spacy.tokens import Doc

import seqpipe.components._lookup as lookup
from seqpipe.components._lookup import Lookup
from seqpipe.components.raw_text import RawText
from seqpipe.text.codec import Codec

KNOWN = ["I can't say it's good .", "房间很干净 !", "é e\u0301t\u00e9 U.S. --- a-b"]
TEXTS = st.lists(st.text("aI'’.-! \n\x1cé\u0301房很ก๑🙂", max_size=12), max_size=6)


def raw() -> Language:
    nlp = spacy.blank("xx")
    nlp.tokenizer = RawText(nlp.vocab)
    return nlp


PIPELINES = [spacy.blank("en"), spacy.blank("xx"), raw()]
WORDS = Codec.train(KNOWN)


def alike(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return all(
        np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(found, wanted, strict=True)
    )


@given(some=TEXTS)
def test_they_are_those_of_the_texts(some: list[str]) -> None:
    found = Lookup(WORDS, apart=False)
    docs = [nlp.make_doc(text) for nlp in PIPELINES for text in [*some, *KNOWN]]
    wanted = WORDS.encode([doc.text for doc in docs])
    for _ in range(2):  # once new, once known
        assert alike(found.encode(docs), wanted)
    for doc, ids in zip(docs, wanted, strict=True):
        assert alike(found.encode([doc]), [ids])


@given(some=TEXTS)
def test_or_of_the_tokens(some: list[str]) -> None:
    found = Lookup(WORDS, apart=True)
    docs = [nlp.make_doc(text) for nlp in PIPELINES for text in [*some, *KNOWN]]
    for _ in range(2):
        assert alike(found.encode(docs), WORDS.encode_words([[t.text for t in d] for d in docs]))


def test_nothing_is_learned_of_nothing() -> None:
    found = Lookup(WORDS, apart=False)
    assert found.encode([]) == []
    assert alike(found.encode([Doc(PIPELINES[0].vocab)]), WORDS.encode([""]))


def test_tokens_that_were_joined_hold_a_space() -> None:
    doc = PIPELINES[0].make_doc("can't say it's good")
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1:4])
    assert alike(Lookup(WORDS, apart=False).encode([doc]), WORDS.encode([doc.text]))


def test_no_more_is_remembered_than_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_MOST", 3)
    found = Lookup(WORDS, apart=False)
    for text in ["a b", "c d", "e", "f" * 100]:
        doc = PIPELINES[0].make_doc(text)
        assert alike(found.encode([doc]), WORDS.encode([text]))
        assert len(found._known) <= 3


def test_another_codec_is_looked_up_anew() -> None:
    nlp = make_nlp()
    stage = stage_of(nlp)
    docs = [nlp.make_doc("a good film")] * lookup.FEWEST_TOKENS
    stage.encode(docs)
    stage.codec = WORDS
    assert alike(stage.encode(docs), WORDS.encode([doc.text for doc in docs]))


def test_pieces_that_know_of_spaces_are_found_in_texts() -> None:
    assert WORDS.splits_at_spaces
    assert not Codec.train(KNOWN, unit="char", lower=False).splits_at_spaces
    assert not Codec.train(KNOWN, unit="bpe", size=300, lower=False).splits_at_spaces

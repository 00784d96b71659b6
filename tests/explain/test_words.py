"""Words of a doc, and pieces added up over them."""

from __future__ import annotations

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from words import STRINGS, held

from seqpipe.explain.words import Cut, cut
from seqpipe.text.codec import Codec

NLP = spacy.blank("en")
PLAIN = spacy.blank("xx")
CODECS = [
    Codec.train(["a good film, don't"] * 3, unit="word"),
    Codec.train(["a good film, don't"] * 3, unit="char"),
    Codec.train(["a good film, 电影很好"] * 3, unit="bpe", size=300),
]


def cut_by(codec: Codec, doc: Doc) -> Cut:
    return cut(doc, codec.align(doc.text).offsets.astype(np.int64))


def texts_of(found: Cut) -> list[str]:
    return [found.text[begin:end] for begin, end in found.spans()]


@given(STRINGS, st.sampled_from(CODECS))
def test_words_cover_the_text_and_nothing_is_lost(text: str, codec: Codec) -> None:
    doc = NLP.make_doc(held(text))
    found = cut_by(codec, doc)
    visible = [i for i, sign in enumerate(doc.text) if not sign.isspace()]
    covered = [i for begin, end in found.spans() for i in range(begin, end)]
    assert set(visible) <= set(covered) and len(covered) == len(set(covered))
    carried = np.random.default_rng(len(text)).normal(size=len(found.pieces))
    assert found.summed(carried).sum() == pytest.approx(carried.sum(), abs=1e-9)
    assert all(0 <= word < len(doc.text) for word in found.word_of_piece().tolist())


def test_a_word_is_a_token() -> None:
    doc = NLP("I don't  like it.")
    assert texts_of(cut_by(CODECS[0], doc)) == [token.text for token in doc]


def test_a_piece_of_two_tokens_is_shared_by_characters() -> None:
    found = cut_by(CODECS[0], NLP("don't"))  # one piece, two and three characters
    assert texts_of(found) == ["do", "n't"]
    assert found.summed(np.array([5.0])).tolist() == pytest.approx([2.0, 3.0])


def test_pieces_of_a_token_are_added_up() -> None:
    found = cut_by(CODECS[1], NLP("do it"))
    assert found.summed(np.array([1.0, 2.0, 4.0, 8.0, 16.0])).tolist() == pytest.approx([7.0, 24.0])
    assert found.word_of_piece().tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("codec", CODECS[:2])
def test_a_token_that_is_a_sentence_falls_into_its_pieces(codec: Codec) -> None:
    doc = PLAIN("我喜欢这部电影。 good")
    assert [token.text for token in doc] == ["我喜欢这部电影", "。", "good"]
    assert texts_of(cut_by(codec, doc)) == [*"我喜欢这部电影。", "good"]


def test_what_somebody_has_cut_stays_a_word() -> None:
    doc = Doc(NLP.vocab, words=["我", "喜欢", "电影"], spaces=[False] * 3)
    assert texts_of(cut_by(CODECS[0], doc)) == ["我", "喜欢", "电影"]


def test_letters_of_other_scripts_without_case_stay_together() -> None:
    doc = PLAIN("الكتاب جميل")
    assert texts_of(cut_by(CODECS[1], doc)) == ["الكتاب", "جميل"]

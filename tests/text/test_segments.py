"""Tokens, labels and words say the same thing three ways."""

from __future__ import annotations

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from seqpipe.text.characters import codes_of
from seqpipe.text.segments import (
    EITHER,
    INSIDE,
    SENTENCE,
    TOKEN,
    Segments,
    labels_of,
    locate_tokens,
    segments_of,
    segments_of_all,
    words_of_all,
)

VOCAB = spacy.blank("xx").vocab
SPACED = st.text(alphabet="ab. \t\n\u3000\u00a0é中\u200b\U0001f600", max_size=30)


def found(text: str, labels: list[int] | None = None, *, spaces: bool = False) -> Segments:
    said = np.array([INSIDE] * len(text) if labels is None else labels, np.int32)
    return segments_of(codes_of(text), said, spaces=spaces)


def cut(text: str, segments: Segments) -> list[str]:
    return [text[a:b] for a, b in segments.spans.tolist()]


def starts(segments: Segments) -> list[bool]:
    assert segments.starts is not None
    return [bool(start) for start in segments.starts]


def test_labels_end_tokens_and_sentences() -> None:
    text = "ab.cd ef"
    segments = found(text, [0, 1, 2, 0, 1, 0, 0, 0])
    assert cut(text, segments) == ["ab", ".", "cd", "ef"]
    assert starts(segments) == [True, False, True, False]
    assert cut(text, Segments(segments.sentences(), None)) == ["ab.", "cd ef"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ab cd", ["ab cd"]),
        ("ab  cd", ["ab", "cd"]),
        ("ab\ncd", ["ab", "cd"]),
        ("ab\tcd", ["ab", "cd"]),
        (" ab ", ["ab"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_a_token_holds_single_spaces_alone(text: str, tokens: list[str]) -> None:
    assert cut(text, found(text, spaces=True)) == tokens
    assert cut(text, found(text)) == text.split()


@pytest.mark.parametrize("gap", ["\n\n", " \n \n", "\r\n\r\n"])
def test_a_blank_line_ends_a_sentence(gap: str) -> None:
    assert starts(found(f"ab{gap}cd")) == [True, True]


@pytest.mark.parametrize("gap", [" ", "\n", "\r\n", "   "])
def test_other_white_space_does_not(gap: str) -> None:
    assert starts(found(f"ab{gap}cd")) == [True, False]


def test_a_label_on_white_space_says_nothing() -> None:
    assert starts(found("a b", [0, SENTENCE, 0])) == [True, False]
    assert cut("a b", found("a b", [0, SENTENCE, 0], spaces=True)) == ["a b"]


def test_unmarked_sentences_have_ends_of_either_kind() -> None:
    spans = np.array([[0, 2], [2, 3]])
    assert labels_of(4, Segments(spans, None)).tolist() == [INSIDE, EITHER, EITHER, INSIDE]
    marked = Segments(spans, np.array([True, True]))
    assert labels_of(4, marked).tolist() == [INSIDE, SENTENCE, SENTENCE, INSIDE]
    marked = Segments(spans, np.array([True, False]))
    assert labels_of(4, marked).tolist() == [INSIDE, TOKEN, SENTENCE, INSIDE]


@given(text=SPACED, seed=st.integers(0, 99), spaces=st.booleans())
def test_any_labels_make_tokens_that_cover_the_text(text: str, seed: int, spaces: bool) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, len(text))
    segments = segments_of(codes_of(text), labels, spaces=spaces)
    tokens = cut(text, segments)
    assert all(token == token.strip() and token for token in tokens)
    assert "".join("".join(tokens).split()) == "".join(text.split())
    assert len(starts(segments)) == len(tokens)
    assert not tokens or starts(segments)[0]


@given(text=SPACED, seed=st.integers(0, 99), spaces=st.booleans())
def test_labels_and_segments_are_one_another(text: str, seed: int, spaces: bool) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, len(text))
    segments = segments_of(codes_of(text), labels, spaces=spaces)
    again = segments_of(codes_of(text), labels_of(len(text), segments), spaces=spaces)
    assert np.array_equal(again.spans, segments.spans)
    assert starts(again) == starts(segments)


@given(texts=st.lists(SPACED, max_size=5), seed=st.integers(0, 99), spaces=st.booleans())
def test_many_texts_are_cut_as_each_by_itself(texts: list[str], seed: int, spaces: bool) -> None:
    chance = np.random.default_rng(seed)
    labels = [chance.integers(0, 3, len(text)).astype(np.int8) for text in texts]
    together = segments_of_all(texts, labels, spaces=spaces)
    for text, said, one in zip(texts, labels, together, strict=True):
        alone = segments_of(codes_of(text), said, spaces=spaces)
        assert one.spans.tolist() == alone.spans.tolist()
        assert starts(one) == starts(alone)


@given(texts=st.lists(SPACED, max_size=5), seed=st.integers(0, 99), spaces=st.booleans())
def test_words_and_spaces_make_docs_of_the_texts(texts: list[str], seed: int, spaces: bool) -> None:
    chance = np.random.default_rng(seed)
    labels = [chance.integers(0, 3, len(text)) for text in texts]
    found = segments_of_all(texts, labels, spaces=spaces)
    for text, segments, made in zip(texts, found, words_of_all(texts, found), strict=True):
        doc = Doc(VOCAB, words=made.words, spaces=made.spaces)
        assert doc.text == text
        marks = made.starts.tolist()
        solid = [token.i for token in doc if not token.is_space]
        assert [doc[i].text for i in solid] == cut(text, segments)
        assert [marks[i] == 1 for i in solid] == starts(segments)
        assert all(marks[token.i] == (-1 if token.i else 1) for token in doc if token.is_space)


@pytest.mark.parametrize(
    "text", ["a  b", " a", "a \n b", "a\n\nb  ", "  ", "", "a\tb c ", "x y\n\n z", " ", "a \u3000b"]
)
def test_white_space_is_cut_as_spacy_cuts_it(text: str) -> None:
    doc = spacy.blank("xx").make_doc(text)
    (made,) = words_of_all([text], [found(text)])
    assert made.words == [token.text for token in doc]
    assert made.spaces == [bool(token.whitespace_) for token in doc]


def test_tokens_are_located_or_refused() -> None:
    def at(text: str, tokens: list[str]) -> list[list[int]] | None:
        located = locate_tokens(text, tokens)
        return None if located is None else located.tolist()

    assert at("ab  c d", ["ab", "c d"]) == [[0, 2], [4, 7]]
    assert at("", []) == []
    assert at("ab", ["a"]) is None
    assert at("ab", ["a", "b", "c"]) is None
    assert at("ab", ["b", "a"]) is None
    assert at("ab", ["ab", ""]) is None

"""Scores as the CoNLL 2018 shared task counts them, by hand."""

from __future__ import annotations

import pytest
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from seqpipe.components.tokenizer import make_tokenizer_scorer

VOCAB = Vocab()
score_tokens = make_tokenizer_scorer()


def doc_of(*sentences: str, glued: bool = False) -> Doc:
    """Sentences of tokens between bars; without any space where they are glued."""
    tokens = [line.split("|") for line in sentences]
    words = [token for line in tokens for token in line]
    starts: list[bool | int | None] = [at == 0 for line in tokens for at in range(len(line))]
    return Doc(VOCAB, words=words, spaces=[not glued] * len(words), sent_starts=starts)


def scores(*pairs: tuple[Doc, Doc]) -> list[float | None]:
    """Precision, recall and F of tokens, then of sentences, of pairs of gold and said."""
    found = score_tokens([Example(said, gold) for gold, said in pairs])
    return [found[f"{what}_{how}"] for what in ("token", "sents") for how in "prf"]


GOLD = doc_of("I|do|n't|.", "No|.")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (doc_of("I|do|n't|.", "No|."), [1, 1, 1, 1, 1, 1]),
        # a boundary missed: five said, four of them right, of six
        (doc_of("I|don't|.", "No|."), [4 / 5, 4 / 6, 8 / 11, 1, 1, 1]),
        # one too many: seven said, five right
        (doc_of("I|do|n't|.", "N|o|."), [5 / 7, 5 / 6, 10 / 13, 1, 1, 1]),
        # sentences merged: one said, none right, of two
        (doc_of("I|do|n't|.|No|."), [1, 1, 1, 0, 0, 0]),
        # one cut in two: three said, one right
        (doc_of("I|do", "n't|.", "No|."), [1, 1, 1, 1 / 3, 1 / 2, 2 / 5]),
        # a sentence with its end in the midst of a token: neither is right
        (doc_of("I|do|n't", ".No|."), [4 / 5, 4 / 6, 8 / 11, 0, 0, 0]),
    ],
)
def test_what_is_missed_and_what_is_too_much(said: Doc, expected: list[float]) -> None:
    assert scores((GOLD, said)) == pytest.approx(expected)


def test_texts_may_differ_in_white_space() -> None:
    glued = doc_of("I|do|n't|.", "No|.", glued=True)
    assert glued.text != GOLD.text
    assert scores((GOLD, glued)) == scores((glued, GOLD)) == [1] * 6


def test_a_space_within_a_token_does_not_count() -> None:
    assert scores((doc_of("Hà Nội|."), doc_of("HàNội|.")))[2] == 1
    assert scores((doc_of("Hà Nội|."), doc_of("Hà|Nội|.")))[:3] == [1 / 3, 1 / 2, 2 / 5]


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        (["\n", "I", "do", "n't", ".", "\n\n", "No", ".", " "], [0, 4 + 2]),
        (["\n", "I", "do", "n't", ".", "\n\n", "No", ".", " "], [1, 4 + 1]),
    ],
    ids=["after", "before"],
)
def test_tokens_of_white_space_are_none(words: list[str], starts: list[int]) -> None:
    """And a sentence that begins with one begins with the token after it."""
    flags: list[bool | int | None] = [at in starts for at in range(len(words))]
    spaced = Doc(VOCAB, words=words, spaces=[False] * len(words), sent_starts=flags)
    assert scores((GOLD, spaced)) == scores((spaced, GOLD)) == [1] * 6


def test_counts_are_of_all_docs_together() -> None:
    wrong = doc_of("I|don't|.|No|.")
    found = scores((GOLD, GOLD), (GOLD, wrong))
    assert found == pytest.approx([10 / 11, 10 / 12, 20 / 23, 2 / 3, 2 / 4, 4 / 7])


def test_sentences_nobody_marked_are_not_counted() -> None:
    plain = Doc(VOCAB, words=[token.text for token in GOLD])
    nothing = [None, None, None]
    assert scores((plain, GOLD)) == [1, 1, 1, *nothing]
    assert scores((GOLD, plain))[3:] == nothing
    assert scores((plain, GOLD), (GOLD, GOLD))[3:] == [1, 1, 1]


def test_a_lone_token_is_a_sentence_where_others_are_marked() -> None:
    plain = Doc(VOCAB, words=[token.text for token in GOLD])
    lone = doc_of("Yes")
    assert scores((lone, lone))[3:] == scores((plain, plain), (lone, lone))[3:] == [None] * 3
    assert scores((GOLD, GOLD), (lone, doc_of("Y", "es")))[3:] == [2 / 4, 2 / 3, 4 / 7]


def test_of_nothing_there_are_no_scores() -> None:
    assert scores() == scores((Doc(VOCAB), Doc(VOCAB))) == [None] * 6

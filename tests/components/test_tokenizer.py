"""The stage's own life: every text is kept, what is learned is said, what cannot be is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import get_words_and_spaces
from words import (
    CHINESE,
    ENGLISH,
    STRINGS,
    VIETNAMESE,
    add_stage,
    any_weights,
    blank,
    facts_of,
    held,
    make_doc,
    make_examples,
    make_words_nlp,
    text_of,
    tokens_of,
    trained,
    words_stage,
)

from seqpipe.errors import NewDocNeeded, NotInitialized, RehearsalRefused, SettingError

NLP = make_words_nlp()
SEEDS = st.integers(0, 2**31)


@pytest.mark.parametrize(
    ("sentences", "joint"),
    [(ENGLISH, " "), (VIETNAMESE, " "), (CHINESE, "")],
    ids=["en", "vi", "zh"],
)
def test_it_learns_what_it_is_shown(sentences: tuple[str, ...], joint: str) -> None:
    nlp = trained(sentences, joint=joint)
    scores = nlp.evaluate(make_examples(nlp, sentences, joint=joint))
    assert scores["token_f"] == scores["sents_f"] == 1
    doc = nlp(" ".join(line.replace("|", "") for line in sentences[:2]))
    expected = [[t for t in line.split("|") if t != " "] for line in sentences[:2]]
    assert [tokens_of(sentence.as_doc()) for sentence in doc.sents] == expected


@given(text=STRINGS, seed=SEEDS, spaces=st.booleans())
def test_every_text_is_kept_whatever_the_net_says(text: str, seed: int, spaces: bool) -> None:
    stage = words_stage(NLP)
    any_weights(stage, seed)
    stage.cfg["spaces"] = spaces
    doc, text = NLP(text), held(text)
    assert doc.text == text and not doc.has_unknown_spaces
    solid = tokens_of(doc)
    assert get_words_and_spaces(solid, text) == (
        [token.text for token in doc],
        [bool(token.whitespace_) for token in doc],
    )
    covered = [at for t in doc if not t.is_space for at in range(t.idx, t.idx + len(t))]
    assert len(covered) == len(set(covered))
    assert {at for at, c in enumerate(text) if not c.isspace()} <= set(covered)
    # a token holds single spaces within it, where tokens do, and no other white space
    assert all(part for token in solid for part in token.split(" ")) and "".join(
        "".join(solid).split()
    ) == "".join(solid).replace(" ", "")
    if not spaces:
        assert " " not in "".join(solid)


@given(text=STRINGS)
def test_every_text_is_kept_by_a_net_that_has_learned(text: str) -> None:
    assert LEARNED(text).text == held(text)


LEARNED = trained()


@given(parts=st.lists(st.text("ab. ", min_size=1), min_size=2, max_size=5), seed=SEEDS)
def test_a_blank_line_ends_a_sentence(parts: list[str], seed: int) -> None:
    stage = words_stage(NLP)
    any_weights(stage, seed)
    parts = [f"x{part}" for part in parts]
    doc = NLP("\n \n".join(parts))
    starts = {token.idx for token in doc if token.is_sent_start}
    begins = np.cumsum([0, *(len(part) + 3 for part in parts[:-1])])
    assert set(begins.tolist()) <= starts


def test_a_lone_surrogate_is_read_as_the_replacement_character() -> None:
    assert LEARNED("a \ud800 b").text == LEARNED("a \ufffd b").text == "a \ufffd b"


@pytest.mark.parametrize("text", ["", " ", "\n\n", " \t\u3000 "])
def test_texts_without_a_token(text: str) -> None:
    doc = LEARNED(text)
    assert doc.text == text and not tokens_of(doc)
    assert [d.text for d in LEARNED.pipe([text] * 3)] == [text] * 3


def test_tokens_hold_spaces_where_those_of_the_corpus_do() -> None:
    nlp = trained(VIETNAMESE)
    assert words_stage(nlp).cfg["spaces"] is True
    doc = nlp(text_of(VIETNAMESE))
    assert {"Việt Nam", "Hà Nội", "thủ đô"} <= set(tokens_of(doc))
    assert not words_stage(LEARNED).cfg["spaces"]


def test_some_slips_of_a_corpus_are_not_taken_for_its_habit() -> None:
    nlp = blank()
    stage = add_stage(nlp)
    slip = make_doc(nlp, ["The| |film is| |good|."])
    plain = [make_doc(nlp, ENGLISH) for _ in range(10)]
    for docs, spaces in ((plain, False), ([slip, *plain], False), ([slip, *plain[:1]], True)):
        examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
        stage.initialize(partial(list, examples), nlp=nlp)
        assert stage.cfg["spaces"] is spaces


def test_a_text_may_be_given_instead_of_a_doc() -> None:
    text = text_of()
    assert facts_of(words_stage(LEARNED)(text)) == facts_of(LEARNED(text))
    assert words_stage(LEARNED)("a\ud800").text == "a\ufffd"


def test_predicting_leaves_the_doc_as_it_is() -> None:
    doc = LEARNED.make_doc(text_of())
    before = doc.to_bytes()
    stage = words_stage(LEARNED)
    (labels,) = stage.predict([doc])
    assert len(labels) == len(doc.text)
    new = stage(doc)
    assert doc.to_bytes() == before and new is not doc and len(new) != len(doc)


def test_what_it_cannot_do_is_said() -> None:
    stage = words_stage(LEARNED)
    docs = [LEARNED.make_doc("a b")]
    with pytest.raises(NewDocNeeded, match="The stage 'tokenizer' gives a new Doc"):
        stage.set_annotations(docs, stage.predict(docs))
    with pytest.raises(RehearsalRefused):
        stage.rehearse(make_examples(LEARNED))


def test_a_stage_without_weights_says_so() -> None:
    nlp = blank()
    stage = add_stage(nlp)
    with pytest.raises(NotInitialized, match="The stage 'tokenizer' has no weights yet"):
        nlp("a")
    with pytest.raises(NotInitialized):
        stage("a")
    with pytest.raises(NotInitialized):
        next(stage.stream(["a"]))


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("window", 0, r"window = 0 .* a whole number from 1 on"),
        ("margin", -1, r"margin = -1 .* a whole number from 0 on"),
        ("codec", {"@misc": "seqpipe.Codec.v1", "unit": "bpe"}, r"codec.unit = 'bpe' .* 'char'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, value: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        add_stage(blank(), **{setting: value})


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru"])
@pytest.mark.parametrize("conv", [0, 1])
def test_every_cell_learns(cell: str, conv: int) -> None:
    model = {"cell": cell, "conv": conv, "layers": 2}
    nlp = make_words_nlp(model=model)
    examples = make_examples(nlp)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.02
    first = nlp.update(examples, sgd=optimizer)["tokenizer"]
    for _ in range(15):
        last = nlp.update(examples, sgd=optimizer)["tokenizer"]
    assert last < 0.7 * first


def test_it_stands_in_a_pipeline_without_a_problem() -> None:
    nlp = make_words_nlp()
    nlp.add_pipe("seqpipe_sentiment")
    found = nlp.analyze_pipes()
    assert found is not None and not any(found["problems"].values())
    meta = nlp.get_pipe_meta("tokenizer")
    assert meta.retokenizes and (meta.default_score_weights or {})["token_f"] == 0.5


def test_spacys_rules_are_another_matter() -> None:
    """What is learned are the conventions of the corpus, not those of spaCy."""
    text = "北京很好。我喜欢北京!"
    chinese = trained(CHINESE, joint="")
    assert tokens_of(chinese(text))[:3] == ["北京", "很", "好"]
    assert tokens_of(spacy.blank("xx")(text)) != tokens_of(chinese(text))


def test_words_of_the_new_doc_are_in_the_vocabulary() -> None:
    nlp = trained()
    doc = nlp("Is it unheardof?")
    assert isinstance(doc, Doc) and doc.vocab is nlp.vocab
    assert [nlp.vocab.strings[token.orth] for token in doc] == [token.text for token in doc]

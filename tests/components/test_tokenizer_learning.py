"""What is learned from which examples, and how noise, stretches and seeds have their part in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam
from words import (
    ENGLISH,
    QUIET,
    add_stage,
    blank,
    drawn,
    make_doc,
    make_examples,
    make_words_nlp,
    text_of,
    tokens_of,
    words_stage,
)

from seqpipe.errors import CodecError, SettingError
from seqpipe.text.codec import Codec
from seqpipe.text.segments import EITHER, INSIDE, SENTENCE, TOKEN, Segments, stretches
from seqpipe.text.stream import Token


def test_sentences_that_nobody_marked_are_not_written() -> None:
    nlp = make_words_nlp(60, known=False)
    doc = nlp(text_of())
    assert not doc.has_annotation("SENT_START") and not words_stage(nlp).cfg["sentences"]
    scores = nlp.evaluate(make_examples(nlp, known=False))
    assert scores["token_f"] == 1 and scores["sents_f"] is None
    tokens: list[Token] = list(words_stage(nlp).stream([text_of()]))
    assert {token.is_sent_start for token in tokens} == {None}


def test_a_lone_token_is_no_word_about_sentences() -> None:
    nlp = blank()
    stage = add_stage(nlp)
    docs = [make_doc(nlp, drawn(), known=False), Doc(nlp.vocab, words=["Yes"])]
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    assert not stage.cfg["sentences"]
    assert nlp.evaluate([Example(doc, doc.copy()) for doc in docs[1:]])["sents_f"] is None


def test_a_corpus_may_know_sentences_in_part() -> None:
    nlp = blank()
    stage = add_stage(nlp)
    examples = make_examples(nlp)[:3] + make_examples(nlp, known=False)[3:]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.03
    for _ in range(100):
        nlp.update(examples, sgd=optimizer)
    assert stage.cfg["sentences"]
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["token_f"] == 1 and scores["sents_f"] == 1


def test_labels_stand_at_the_ends() -> None:
    nlp = make_words_nlp()
    known, unknown = (make_doc(nlp, ["I| |do|n't|.", "No|."], known=how) for how in (True, False))
    stage = words_stage(nlp)
    lessons = stage.lessons([Example(nlp.make_doc(doc.text), doc) for doc in (known, unknown)])
    t, s, e = TOKEN, SENTENCE, EITHER
    first = [t, 0, 0, t, 0, 0, t, s, 0, 0, t, s]
    assert INSIDE == 0 and lessons.answers[0].tolist() == first
    assert lessons.answers[1].tolist() == [e if label else 0 for label in first]
    assert [len(row) for row in lessons.rows] == [12, 12]


def test_examples_with_nothing_in_them_do_no_harm() -> None:
    nlp = make_words_nlp()
    docs = [Doc(nlp.vocab), Doc(nlp.vocab, words=[" \n"], spaces=[False])]
    empty = [Example(doc.copy(), doc) for doc in docs]
    optimizer = nlp.create_optimizer()
    assert nlp.update(empty[:1], sgd=optimizer) == {"tokenizer": 0.0}
    assert nlp.update(empty, sgd=optimizer)["tokenizer"] > 0  # white space ends no token
    nlp.initialize(lambda: [*empty, *make_examples(nlp)])
    assert nlp("Is it bad?").text == "Is it bad?"


def spans_of(lengths: list[int], starts: list[bool] | None) -> Segments:
    ends = np.cumsum(lengths)
    spans = np.stack([ends - lengths, ends], axis=1)
    return Segments(spans, None if starts is None else np.array(starts))


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([True, False, True, False, True, False], [(0, 20), (20, 40), (40, 60)]),
        ([True, True, False, False, False, True], [(0, 50), (50, 60)]),
        ([True, False, False, False, False, False], [(0, 50), (50, 60)]),
        (None, [(0, 20), (20, 40), (40, 60)]),
    ],
)
def test_stretches_begin_with_sentences_or_where_none_begins_with_tokens(
    starts: list[bool] | None, expected: list[tuple[int, int]]
) -> None:
    assert list(stretches(spans_of([10] * 6, starts), 60, 15)) == expected


def test_a_stretch_goes_to_the_end_of_its_text() -> None:
    assert list(stretches(spans_of([10], [True]), 99, 15)) == [(0, 99)]
    assert list(stretches(spans_of([], []), 3, 15)) == [(0, 3)]
    assert list(stretches(spans_of([], []), 0, 15)) == []


def test_no_row_outgrows_the_stretches_where_there_is_a_token_to_cut_at() -> None:
    nlp = make_words_nlp(stretch=20)
    endless = make_doc(nlp, ["| |".join(["word"] * 500)])
    rows = words_stage(nlp).lessons([Example(nlp.make_doc(endless.text), endless)]).rows
    assert sum(map(len, rows)) == len(endless.text)
    assert max(map(len, rows)) <= 3 * 20 + len("word ")
    (row,) = (
        make_words_nlp(stretch=10**6)
        .get_pipe("tokenizer")
        .lessons(  # type: ignore[attr-defined]
            [Example(nlp.make_doc(endless.text), endless)]
        )
        .rows
    )
    assert len(row) == len(endless.text)


def learned(**config: object) -> bytes:
    nlp = make_words_nlp(3, **config)  # type: ignore[arg-type]
    return words_stage(nlp).shim.to_bytes()


def test_training_twice_gives_the_same_weights() -> None:
    noise = {"punctuation": 0.5, "spaces": 0.5, "paragraphs": 0.5}
    assert learned(noise=noise) == learned(noise=noise) != learned()


@pytest.mark.parametrize("name", list(QUIET))
def test_each_noise_is_a_switch_of_its_own(name: str) -> None:
    assert learned(noise={**QUIET, name: 0.5}) != learned()


def test_noise_of_nothing_changes_nothing() -> None:
    nlp = make_words_nlp()
    stage = words_stage(nlp)
    lessons = stage.lessons(make_examples(nlp))
    assert not stage.noise
    losses = {stage.learn(lessons, drop=0.0) for _ in range(2)}
    assert len(losses) == 1


def test_noise_takes_what_real_text_lacks() -> None:
    nlp = make_words_nlp(noise={"punctuation": 1.0, "spaces": 1.0, "paragraphs": 1.0})
    stage = words_stage(nlp)
    doc = make_doc(nlp, ["Is| |it| |bad|?", "It|."], joint="\n\n")
    lessons = stage._noisy(stage.lessons([Example(nlp.make_doc(doc.text), doc)]))
    assert stage.codec is not None
    assert ["".join(map(stage.codec.piece, row)) for row in lessons.rows] == ["Isitbad\nIt"]
    assert [np.flatnonzero(labels).tolist() for labels in lessons.answers] == [[1, 3, 6, 9]]
    assert lessons.answers[0][[6, 9]].tolist() == [SENTENCE, SENTENCE]


def test_noise_is_for_learning_alone() -> None:
    loud = make_words_nlp(noise={"punctuation": 1.0, "spaces": 1.0, "paragraphs": 1.0})
    quiet = make_words_nlp()
    text = text_of(joint="\n\n")
    assert tokens_of(loud(text)) == tokens_of(quiet(text)) and loud(text).text == text


def test_averages_are_put_in_and_taken_out() -> None:
    nlp = make_words_nlp()
    optimizer = Adam(0.03, use_averages=True)
    examples = make_examples(nlp)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    last = words_stage(nlp).shim.to_bytes()
    with nlp.use_params(optimizer.averages):
        averaged = words_stage(nlp).shim.to_bytes()
        assert nlp(text_of()).text == text_of()
    assert words_stage(nlp).shim.to_bytes() == last != averaged


def test_a_tokenizer_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Codec.train(["abc"], unit="char").save(path)
    nlp = blank()
    stage = add_stage(nlp)
    stage.initialize(lambda: make_examples(nlp), nlp=nlp, tokenizer=str(path))
    assert stage.codec is not None and "a" in stage.codec.pieces()
    assert nlp(text_of()).text == text_of()  # most of its characters are known by their kinds
    with pytest.raises(CodecError, match="No codec can be read"):
        stage.initialize(lambda: make_examples(nlp), tokenizer=str(tmp_path / "none.json"))
    Codec.train(ENGLISH, unit="word").save(path)
    with pytest.raises(SettingError, match=r"a tokenizer\.json of the unit 'char'"):
        stage.initialize(lambda: make_examples(nlp), tokenizer=str(path))

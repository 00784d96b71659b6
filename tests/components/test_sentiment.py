"""The stage's own life: initialize, update, predict, annotate, score, be told labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spacy
import torch
from small import (
    LABELS,
    TEXTS,
    add_stage,
    cats_of,
    make_examples,
    make_nlp,
    stage_of,
    texts_of,
)
from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.errors import (
    LabelsFixed,
    LabelsTooFew,
    LabelUnknown,
    NotInitialized,
    RehearsalRefused,
    SettingError,
)


def test_it_learns_what_it_is_shown() -> None:
    nlp = make_nlp(steps=25)
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["cats_acc"] == 1.0 and scores["cats_macro_f"] == 1.0
    assert nlp("warm and good").cats["positive"] > 0.5 > nlp("cold and bad").cats["positive"]


def test_labels_come_from_the_examples_in_their_order() -> None:
    stage = stage_of(make_nlp())
    assert stage.labels == LABELS and stage.label_data == list(LABELS)


def test_labels_may_be_given_and_then_fix_their_order() -> None:
    nlp = spacy.blank("en")
    stage = add_stage(nlp)
    examples = make_examples(nlp)
    stage.initialize(lambda: examples, nlp=nlp, labels=["positive", "neutral", "negative"])
    assert stage.labels == ("positive", "neutral", "negative")
    assert set(nlp("good").cats) == set(stage.labels)
    assert nlp.pipe_labels["sentiment"] == list(stage.labels)


def test_labels_added_before_come_first_and_after_are_refused() -> None:
    nlp = spacy.blank("en")
    stage = add_stage(nlp)
    assert stage.add_label("positive") == 1 and stage.add_label("positive") == 0
    with pytest.raises(SettingError, match="give a string"):
        stage.add_label(7)  # type: ignore[arg-type]
    nlp.initialize(lambda: make_examples(nlp))
    assert stage.labels == ("positive", "negative")
    assert stage.add_label("negative") == 0
    with pytest.raises(LabelsFixed, match="'mixed' comes too late"):
        stage.add_label("mixed")


def test_one_label_is_too_few_for_a_choice_and_enough_for_a_yes() -> None:
    for multi_label in (False, True):
        nlp = spacy.blank("en")
        stage = add_stage(nlp, multi_label=multi_label)
        examples = make_examples(nlp, labels=["positive"])
        if multi_label:
            nlp.initialize(lambda examples=examples: examples)  # type: ignore[misc]
            assert stage.labels == ("positive",)
            continue
        with pytest.raises(LabelsTooFew, match="at least 2 labels to choose from and found posi"):
            nlp.initialize(lambda examples=examples: examples)  # type: ignore[misc]


def test_before_it_is_initialized_it_says_so() -> None:
    nlp = spacy.blank("en")
    add_stage(nlp)
    with pytest.raises(NotInitialized, match="'sentiment' has no weights yet"):
        nlp("good")
    with pytest.raises(NotInitialized, match="'sentiment' has no weights yet"):
        nlp.update(make_examples(nlp))


def test_predict_leaves_the_docs_as_they_are() -> None:
    nlp = make_nlp()
    docs = [nlp.make_doc(text) for text in ["good film", "", "unheard of"]]
    before = [doc.to_bytes() for doc in docs]
    scores = stage_of(nlp).predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert np.array(scores).shape == (3, 2)
    assert np.allclose(np.array(scores).sum(axis=1), 1)


def test_annotations_are_plain_values() -> None:
    nlp = make_nlp()
    doc = nlp.make_doc("good")
    stage_of(nlp).set_annotations([doc], [np.array([0.25, 0.75], dtype=np.float32)])
    assert doc.cats == {"negative": 0.25, "positive": 0.75}
    assert doc.sentiment == 0.5
    assert doc._.sentiment == {"label": "positive", "score": 0.75, "polarity": 0.5}
    values = [*doc.cats.values(), *doc._.sentiment.values()]
    assert {type(value) for value in values} == {float, str}
    assert doc.to_json()["cats"] == doc.cats


def test_a_batch_equals_its_docs_one_by_one_in_any_order() -> None:
    nlp = make_nlp(steps=3)
    texts = ["", *texts_of(), "good " * 50, "x"]
    together = cats_of(nlp.pipe(texts))
    for cats, text in zip(together, texts, strict=True):
        assert cats == pytest.approx(dict(nlp(text).cats), abs=1e-5)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_empty_docs_and_batches_work(texts: list[str]) -> None:
    nlp = make_nlp(steps=1)
    assert len(list(nlp.pipe(texts))) == len(texts)
    examples = make_examples(nlp, [(text, "positive") for text in texts])
    assert stage_of(nlp).update(examples)["sentiment"] >= 0
    assert all(np.isfinite(list(cats.values())).all() for cats in cats_of(nlp.pipe(texts)))


def test_docs_of_no_words_at_all() -> None:
    nlp = make_nlp()
    doc = stage_of(nlp)(Doc(nlp.vocab))
    assert set(doc.cats) == set(LABELS)


def test_scores_of_known_answers_by_hand() -> None:
    nlp = make_nlp()
    stage = stage_of(nlp)
    examples = make_examples(nlp, [("a", "positive"), ("b", "negative"), ("c", "negative")])
    said = [[0.1, 0.9], [0.4, 0.6], [0.8, 0.2]]
    stage.set_annotations([eg.predicted for eg in examples], list(map(np.array, said)))
    scores = stage.score(examples)
    assert scores["cats_acc"] == pytest.approx(2 / 3)
    assert scores["cats_ece"] == pytest.approx((0.1 + 0.6 + 0.2) / 3, abs=1e-6)
    assert 0 < scores["cats_score"] < 1 and scores["cats_score_desc"] == "macro F"


def test_examples_without_an_answer_count_neither_way() -> None:
    nlp = make_nlp()
    examples = make_examples(nlp, [("good", "positive")])
    silent = [
        Example.from_dict(nlp.make_doc("bad"), {"cats": cats}) for cats in ({}, {"negative": 0.0})
    ]
    stage = stage_of(nlp)
    said = [np.array([0.1, 0.9])] * 3
    stage.set_annotations([eg.predicted for eg in examples + silent], said)
    assert stage.score(examples + silent)["cats_acc"] == 1
    nothing = stage.score(silent)
    assert nothing["cats_acc"] is None and nothing["cats_ece"] is None
    assert nlp.update(silent)["sentiment"] == 0


def test_the_loss_is_the_mean_surprise() -> None:
    nlp = make_nlp()
    stage = stage_of(nlp)
    examples = make_examples(nlp)
    said = stage.predict([eg.predicted for eg in examples])
    expected, gradient = stage.get_loss(examples, said)
    assert nlp.update(examples, sgd=None)["sentiment"] == pytest.approx(expected, rel=1e-5)
    assert gradient.shape == (8, 2) and np.allclose(gradient.sum(axis=1), 0, atol=1e-6)


def test_a_label_never_seen_is_refused_by_name() -> None:
    nlp = make_nlp()
    examples = make_examples(nlp, [("good", "positve")], labels=["positve"])
    with pytest.raises(LabelUnknown, match="Did you mean 'positive'"):
        nlp.update(examples)


def test_rehearsal_is_refused() -> None:
    nlp = make_nlp()
    with pytest.raises(RehearsalRefused, match="mix some of the old examples"):
        stage_of(nlp).rehearse(make_examples(nlp))


def test_spacy_finds_nothing_to_complain_of() -> None:
    nlp = make_nlp()
    found = nlp.analyze_pipes()
    assert found is not None and not any(found["problems"].values())
    meta = nlp.get_pipe_meta("sentiment")
    assert set(meta.assigns) == {"doc.cats", "doc.sentiment", "doc._.sentiment"}
    assert stage_of(nlp).is_trainable and not stage_of(nlp).is_resizable


def test_a_start_of_the_same_seed_is_the_same() -> None:
    first, second = make_nlp(steps=2, seed=3), make_nlp(steps=2, seed=3)
    assert stage_of(first).shim.to_bytes() == stage_of(second).shim.to_bytes()
    assert stage_of(first).shim.to_bytes() != stage_of(make_nlp(steps=2)).shim.to_bytes()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("reads", "words", "'text', 'tokens'"),
        ("model", {"pooling": []}, "at least one pool"),
        ("model", {"pooling": ["median"]}, "some of attention, last, max, mean"),
        ("model", {"cell": "qrnn"}, "one of rnn, lstm, gru"),
    ],
)
def test_settings_that_make_no_sense_are_one_sentence(
    setting: str, value: Any, message: str
) -> None:
    with pytest.raises((SettingError, ValueError), match=message):
        make_nlp(**{setting: value})


def test_all_examples_may_have_soft_labels() -> None:
    nlp = make_nlp()
    example = Example.from_dict(nlp.make_doc("so so"), {"cats": {"positive": 3.0, "negative": 1.0}})
    assert stage_of(nlp).targets([example]).tolist() == [[0.25, 0.75]]


def test_an_update_without_an_optimizer_takes_no_step() -> None:
    nlp = make_nlp()
    before = stage_of(nlp).shim.to_bytes()
    stage_of(nlp).update(make_examples(nlp))
    assert stage_of(nlp).shim.learner.steps == 0 and stage_of(nlp).shim.to_bytes() == before
    stage_of(nlp).finish_update(nlp.create_optimizer())
    assert stage_of(nlp).shim.learner.steps == 1 and stage_of(nlp).shim.to_bytes() != before


def test_a_failed_update_leaves_the_net_ready_to_predict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nlp = make_nlp()
    net: torch.nn.Module = stage_of(nlp).shim.net
    with monkeypatch.context() as patch:
        patch.setattr(net, "loss", None)
        with pytest.raises(TypeError):
            nlp.update(make_examples(nlp), drop=0.5)
    assert not net.training


def test_every_text_it_was_shown_is_in_its_vocabulary() -> None:
    codec = stage_of(make_nlp()).codec
    assert codec is not None
    assert {word for text, _ in TEXTS for word in text.split()} <= set(codec.pieces())

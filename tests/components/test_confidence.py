"""How sure a stage says it is: fitted, kept, scored before and after; and when it rather says
nothing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from small import LABELS, TEXTS, add_stage, cats_of, make_examples, make_nlp, stage_of, texts_of
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import fix_random_seed

from seqpipe.components._confidence import as_trained, fitted, make_calibration, thresholds
from seqpipe.components._label_scores import score_sentiment
from seqpipe.components.sentiment import Sentiment
from seqpipe.errors import SettingError
from seqpipe.explain.explanation import Explainer
from seqpipe.train.calibration import softmax

# Others than it has learned from, a quarter of them with the wrong label.
OTHERS = [
    *[("good and warm", "positive"), ("a clever film", "positive"), ("bad end", "negative")] * 4,
    *[("dull and cold", "negative"), ("good start", "negative"), ("cold film", "positive")] * 2,
]
SEVERAL = ("good", "film", "long")


@cache
def _learned(multi_label: bool) -> bytes:
    if not multi_label:
        return make_nlp(steps=20).to_bytes(exclude=["vocab"])
    fix_random_seed(0)
    nlp = spacy.blank("en")
    add_stage(nlp, multi_label=True)
    examples = several_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    for _ in range(8):
        nlp.update(examples, sgd=optimizer)
    return nlp.to_bytes(exclude=["vocab"])


def sure(*, multi_label: bool = False, **config: Any) -> Language:
    """Far too sure of what it has learned."""
    nlp = spacy.blank("en")
    add_stage(nlp, multi_label=multi_label, **config)
    return nlp.from_bytes(_learned(multi_label), exclude=["vocab"])


def several(**config: Any) -> Language:
    """One with labels that stand by themselves."""
    return sure(multi_label=True, **config)


def several_examples(nlp: Language) -> list[Example]:
    """Of nothing is it known that it is long."""
    texts = dict([*TEXTS, *OTHERS])
    return [
        Example.from_dict(
            nlp.make_doc(text),
            {"cats": {"good": float(side == "positive"), "film": float("film" in text), "long": 0}},
        )
        for text, side in texts.items()
    ]


def test_who_is_too_sure_is_made_less_sure_of_the_same() -> None:
    nlp = sure()
    before = cats_of(nlp.pipe(texts_of()))
    raw = nlp.evaluate(make_examples(nlp, OTHERS))
    stage_of(nlp).calibrate(make_examples(nlp, OTHERS))
    assert stage_of(nlp).cfg["temperature"] > 1
    for cats, cooler in zip(before, cats_of(nlp.pipe(texts_of())), strict=True):
        assert max(cats, key=cats.__getitem__) == max(cooler, key=cooler.__getitem__)
        assert max(cats.values()) > max(cooler.values())
        assert sum(cooler.values()) == pytest.approx(1)
    scores = nlp.evaluate(make_examples(nlp, OTHERS))
    assert "cats_ece_raw" not in raw
    assert scores["cats_ece"] < raw["cats_ece"] == pytest.approx(scores["cats_ece_raw"], abs=1e-5)
    assert scores["cats_acc"] == raw["cats_acc"]


def test_it_gives_what_it_then_says() -> None:
    for nlp in (sure(), several()):
        examples = make_examples(nlp, OTHERS) if "negative" in stage_of(nlp).labels else None
        examples = examples or several_examples(nlp)
        found = stage_of(nlp).calibrate(examples)
        again = stage_of(nlp).predict([eg.predicted for eg in examples])
        assert np.array(found) == pytest.approx(np.array(again), abs=1e-6)


def test_fitting_again_changes_nothing_and_nothing_to_fit_to_neither() -> None:
    nlp = sure()
    stage_of(nlp).calibrate(make_examples(nlp, OTHERS))
    once = dict(stage_of(nlp).cfg)
    stage_of(nlp).calibrate(make_examples(nlp, OTHERS))
    assert stage_of(nlp).cfg == once
    assert stage_of(nlp).calibrate([]) == [] and stage_of(nlp).cfg == once


def test_each_of_several_labels_has_its_own() -> None:
    nlp = several()
    stage_of(nlp).cfg["threshold"] = 0.45
    examples = several_examples(nlp)
    before = nlp.evaluate(examples)
    stage_of(nlp).calibrate(examples)
    cfg = stage_of(nlp).cfg
    assert cfg["temperature"].keys() == cfg["thresholds"].keys() == set(SEVERAL)
    assert (cfg["temperature"]["long"], cfg["thresholds"]["long"]) == (1, 0.45)
    after = nlp.evaluate(several_examples(nlp))
    assert after["cats_macro_f"] >= before["cats_macro_f"]
    assert after["cats_macro_auc"] == pytest.approx(before["cats_macro_auc"])
    assert after["cats_ece_raw"] > after["cats_ece"]


def test_a_label_counts_from_its_own_threshold_on() -> None:
    nlp = several()
    stage = stage_of(nlp)
    stage.cfg["thresholds"] = {"good": 0.9, "film": 0.2}
    docs = [nlp.make_doc("a") for _ in range(3)]
    rows = [[0.8, 0.3, 0.1], [0.95, 0.3, 0.6], [0.8, 0.1, 0.4]]
    stage.set_annotations(docs, [np.array(row, dtype=np.float32) for row in rows])
    told = [(doc._.sentiment["label"], doc._.sentiment["score"]) for doc in docs]
    assert told == [
        ("film", pytest.approx(0.3)),
        ("good", pytest.approx(0.95)),
        (None, pytest.approx(0.8)),
    ]


def test_the_scores_know_of_each_threshold() -> None:
    nlp = spacy.blank("en")
    examples = [
        Example.from_dict(nlp.make_doc("a"), {"cats": {"x": 1.0, "y": 0.0}}),
        Example.from_dict(nlp.make_doc("b"), {"cats": {"x": 0.0, "y": 1.0}}),
    ]
    for example, cats in zip(examples, [{"x": 0.3, "y": 0.8}, {"x": 0.2, "y": 0.9}], strict=True):
        example.predicted.cats = cats
    cfg: dict[str, Any] = {"labels": ["x", "y"], "multi_label": True, "threshold": 0.5}
    scores = score_sentiment(examples, **cfg)
    assert (scores["cats_acc"], scores["cats_macro_f"]) == (0.5, pytest.approx(1 / 3))
    scores = score_sentiment(examples, **cfg, thresholds={"x": 0.25, "y": 0.9})
    assert (scores["cats_acc"], scores["cats_macro_f"]) == (1, 1)
    silent = [Example(nlp.make_doc("a"), examples[0].reference)]
    assert score_sentiment(silent, **cfg)["cats_macro_f"] == 0


@pytest.mark.parametrize("make", [sure, several])
def test_it_is_saved_and_an_older_one_is_as_it_was_trained(make: Any, tmp_path: Path) -> None:
    nlp = make()
    plain = cats_of(nlp.pipe(texts_of()))
    examples = several_examples(nlp) if make is several else make_examples(nlp, OTHERS)
    stage_of(nlp).calibrate(examples)
    nlp.to_disk(tmp_path)
    assert cats_of(spacy.load(tmp_path).pipe(texts_of())) == cats_of(nlp.pipe(texts_of()))
    path = tmp_path / "sentiment" / "cfg"
    cfg = json.loads(path.read_text())
    older = {name: cfg[name] for name in ("labels", "multi_label", "threshold")}
    path.write_text(json.dumps(older))
    assert cats_of(spacy.load(tmp_path).pipe(texts_of())) == plain


def test_who_begins_anew_knows_nothing_of_before() -> None:
    nlp = sure()
    stage_of(nlp).calibrate(make_examples(nlp, OTHERS))
    nlp.initialize(lambda: make_examples(nlp))
    assert stage_of(nlp).temperatures == [1.0]


def test_rows_of_soft_labels_and_rows_that_tell_nothing() -> None:
    cfg = {"labels": ["a", "b"], "multi_label": False, "threshold": 0.5}
    scores = np.array([[0.0, 1.0], [0.0, 1.0], [5.0, 0.0]])
    gold = np.array([[0.3, 0.7], [1.0, 4.0], [np.nan, np.nan]])
    heat = fitted(scores, gold, cfg)["temperature"]
    # as many votes as shares, and one more for each by the rule of succession
    assert softmax(scores[:1] / heat)[0, 1] == pytest.approx((0.7 + 0.8 + 1) / (2 + 2))
    assert fitted(scores[2:], gold[2:], cfg)["temperature"] == 1


@given(st.integers(0, 2**16), st.floats(0.3, 10), st.booleans())
def test_what_was_said_before_can_be_told_from_what_is_said_now(
    seed: int, heat: float, multi_label: bool
) -> None:
    scores = np.random.default_rng(seed).normal(size=(5, 3)) * 3
    heats: Any = {"a": heat, "b": 1.0, "c": 2 * heat} if multi_label else heat
    cfg = {"labels": [*"abc"], "multi_label": multi_label, "temperature": heats}
    divided = scores / (list(heats.values()) if multi_label else heat)
    said, before = (
        (1 / (1 + np.exp(-z)) if multi_label else softmax(z)) for z in (divided, scores)
    )
    assert as_trained(said, cfg) == pytest.approx(before, abs=1e-4)


def test_a_label_without_a_threshold_has_the_usual_one() -> None:
    cfg = {"labels": ["a", "b"], "threshold": 0.4, "thresholds": {"b": 0.7}}
    assert thresholds(cfg).tolist() == [0.4, 0.7]
    assert thresholds({**cfg, "usual": 0.4}).tolist() == [0.4, 0.7]
    assert thresholds({**cfg, "usual": 0.5}).tolist() == [0.4, 0.4]  # set since, for all of them


@pytest.mark.parametrize("make", [sure, several])
def test_an_explanation_is_of_what_is_said(make: Any) -> None:
    nlp = make()
    examples = several_examples(nlp) if make is several else make_examples(nlp, OTHERS)
    stage_of(nlp).calibrate(examples)
    for doc in nlp.pipe(texts_of()[:2]):
        found = Explainer(nlp).explain(doc)
        assert found.score == pytest.approx(doc.cats[found.label], abs=1e-5)
        added = sum(word.saliency for word in found.words)
        assert added == pytest.approx(found.log_odds - found.baseline, rel=0.02, abs=1e-4)


def test_below_a_confidence_it_abstains() -> None:
    nlp = make_nlp(abstain=0.7, abstain_label="unclear")
    docs = [nlp.make_doc(text) for text in "ab"]
    stage_of(nlp).set_annotations(docs, [np.array([0.25, 0.75]), np.array([0.6, 0.4])])
    assert [doc._.sentiment["label"] for doc in docs] == ["positive", "unclear"]
    assert docs[1].cats == {"negative": 0.6, "positive": 0.4}
    assert docs[1]._.sentiment["score"] == 0.6
    assert docs[1]._.sentiment["polarity"] == pytest.approx(-0.2)


def test_scores_of_who_abstains_by_hand() -> None:
    nlp = make_nlp(abstain=0.7)
    stage = stage_of(nlp)
    examples = make_examples(nlp, [(text, "positive") for text in "abcd"])
    said = [[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.25, 0.75]]
    stage.set_annotations([eg.predicted for eg in examples], list(map(np.array, said)))
    scores = stage.score(examples)
    assert scores["cats_answered"] == 0.75
    assert scores["cats_acc_answered"] == pytest.approx(2 / 3) and scores["cats_acc"] == 0.75
    stage.abstain = 0.99
    nobody = stage.score(examples)
    assert (nobody["cats_answered"], nobody["cats_acc_answered"]) == (0, None)
    stage.abstain = 0.0
    assert "cats_answered" not in stage.score(examples)


def test_it_may_abstain_that_was_trained_without(tmp_path: Path) -> None:
    sure().to_disk(tmp_path)
    nlp = spacy.load(tmp_path, config={"components.sentiment.abstain": 1.0})
    assert nlp("good")._.sentiment["label"] == "abstain"


@pytest.mark.parametrize("wrong", [-0.1, 1.1, 0.5])
def test_abstaining_that_makes_no_sense(wrong: float) -> None:
    with pytest.raises(SettingError, match=f"abstain = {wrong}"):
        add_stage(spacy.blank("en"), abstain=wrong, multi_label=wrong == 0.5)


def test_no_label_may_be_called_like_it() -> None:
    with pytest.raises(SettingError, match="abstain_label"):
        make_nlp(abstain=0.5, abstain_label=LABELS[0])


def part_of(nlp: Language, path: Path) -> Path:
    DocBin(docs=[eg.reference for eg in make_examples(nlp, OTHERS)]).to_disk(path)
    nlp.config["corpora"] = {"dev": {"@readers": "seqpipe.Dataset.v1", "path": str(path)}}
    nlp.config["training"]["dev_corpus"] = "corpora.dev"
    return path


def test_spacy_train_calibrates_by_a_callback(tmp_path: Path) -> None:
    nlp = sure()
    nlp.add_pipe("sentencizer", first=True)
    part_of(nlp, tmp_path / "dev.spacy")
    nlp.meta["performance"] = nlp.evaluate(make_examples(nlp, OTHERS))
    before = nlp.meta["performance"]["cats_ece"]
    save = make_calibration()
    assert save(nlp) is nlp and stage_of(nlp).temperatures != [1.0]
    told, scores = nlp.meta["performance"], nlp.evaluate(make_examples(nlp, OTHERS))
    assert told["cats_ece"] == pytest.approx(scores["cats_ece"], abs=1e-5)
    assert told["cats_ece_raw"] == pytest.approx(before, abs=1e-5)
    once = stage_of(nlp).temperatures
    assert stage_of(save(nlp)).temperatures == once


def test_the_callback_leaves_alone_what_is_frozen_or_does_not_want_it(tmp_path: Path) -> None:
    nlp = sure(calibrate=False)
    part_of(nlp, tmp_path / "dev.spacy")
    assert stage_of(make_calibration()(nlp)).temperatures == [1.0]
    stage: Sentiment = stage_of(nlp)
    stage.calibrates = True
    nlp.config["training"]["frozen_components"] = ["sentiment"]
    assert stage_of(make_calibration()(nlp)).temperatures == [1.0]


def test_who_goes_on_from_another_begins_as_sure_as_that(tmp_path: Path) -> None:
    nlp = sure()
    stage_of(nlp).calibrate(make_examples(nlp, OTHERS))
    nlp.to_disk(tmp_path)
    again = spacy.blank("en")
    stage = add_stage(again)
    stage.initialize(lambda: make_examples(again), earlier=str(tmp_path / "sentiment"))
    assert stage.temperatures == stage_of(nlp).temperatures
    for cats, before in zip(
        cats_of(again.pipe(texts_of())), cats_of(nlp.pipe(texts_of())), strict=True
    ):
        assert cats == pytest.approx(before, abs=1e-5)

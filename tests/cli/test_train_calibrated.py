"""How sure a model is that `seqpipe train` has saved: as its own weights may be, whenever saved."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import LABELS, Command, write_lines
from runs import Impatient, told
from spacy.language import Language
from spacy.training import Example

from seqpipe.cli.train import train
from seqpipe.corpora.labelled import labelled_rows
from seqpipe.train.calibration import COOLEST, HOTTEST

QUICK: dict[str, Any] = {
    "training.max_steps": 12,
    "training.eval_frequency": 5,
    "training.optimizer.learn_rate.rate": 0.05,
    "components.sentiment.model.width": 8,
    "components.sentiment.model.embedding": 8,
}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fifth of the labels are wrong: nobody should be too sure."""
    folder, chance = tmp_path_factory.mktemp("data"), random.Random(0)
    telling = {"negative": ["bad", "dull"], "positive": ["good", "warm"]}
    for part, count in (("train", 80), ("validation", 40), ("test", 10)):
        rows = []
        for i in range(count):
            words = [*chance.sample(["film", "the", "plot", "was"], 2)]
            words.append(chance.choice(telling[LABELS[i % 2]]))
            rows.append({"id": i, "text": " ".join(words), "label": LABELS[(i + (i % 5 == 0)) % 2]})
        write_lines(folder / f"{part}.jsonl", rows)
    return folder


@pytest.fixture(scope="module")
def output(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    train("sentiment", str(reviews), output=folder, overrides=QUICK)
    return folder


def examples(nlp: Language, data: Path) -> list[Example]:
    """Of the part that is measured on."""
    rows = labelled_rows(str(data), split="validation")
    return [
        Example.from_dict(
            nlp.make_doc(row.text), {"cats": {name: float(name in row.labels) for name in LABELS}}
        )
        for row in rows
    ]


def fits(model: Path, data: Path) -> bool:
    """Whether a fit to the part that was measured on leaves it as it is."""
    nlp = spacy.load(model)
    stage: Any = nlp.get_pipe("sentiment")
    before = stage.temperatures
    stage.calibrate(examples(nlp, data))
    assert COOLEST < before[0] < HOTTEST
    return bool(before != [1.0] and stage.temperatures == pytest.approx(before, rel=1e-3))


@pytest.mark.parametrize("name", ["model-best", "model-last"])
def test_each_model_is_as_sure_as_its_own_weights_may_be(
    name: str, output: Path, reviews: Path
) -> None:
    assert fits(output / name, reviews)


def test_the_log_and_the_model_tell_both_errors(output: Path, reviews: Path) -> None:
    last = told(output)[-1]["scores"]
    assert last["cats_ece_raw"] != last["cats_ece"]
    nlp = spacy.load(output / "model-best")
    scores = nlp.evaluate(examples(nlp, reviews))
    for name in ("cats_ece", "cats_ece_raw"):
        assert nlp.meta["performance"][name] == pytest.approx(scores[name], abs=1e-5)


def test_who_is_stopped_between_validations_has_its_own_too(reviews: Path, tmp_path: Path) -> None:
    train("sentiment", str(reviews), output=tmp_path, overrides=QUICK, watcher=Impatient(7))
    assert fits(tmp_path / "model-last", reviews)


def test_it_can_be_done_without(reviews: Path, tmp_path: Path) -> None:
    plain = {**QUICK, "components.sentiment.calibrate": False, "training.max_steps": 2}
    trained = train("sentiment", str(reviews), output=tmp_path, overrides=plain)
    cfg = json.loads((trained.best / "sentiment" / "cfg").read_text())
    assert cfg["temperature"] == 1 and "cats_ece_raw" not in trained.scores


def test_what_is_told_of_it(seqpipe: Command, output: Path, reviews: Path, tmp_path: Path) -> None:
    out = seqpipe("info", output / "model-best").out
    stage: Any = spacy.load(output / "model-best").get_pipe("sentiment")
    heat = stage.temperatures[0]
    assert re.search(rf"temperature +{heat:.3f}\n", out) and "cats_ece_raw" in out
    careful = {"components.sentiment.abstain": 0.6, "components.sentiment.abstain_label": "?"}
    spacy.load(output / "model-best", config=careful).to_disk(tmp_path / "careful")
    out = seqpipe("evaluate", tmp_path / "careful", reviews).out
    assert "before calibration" in out and "answered  " in out
    lines = seqpipe(
        "annotate", tmp_path / "careful", reviews / "test.jsonl", "--fields", "sentiment", "-o", "-"
    ).out
    found = [json.loads(line)["sentiment"] for line in lines.splitlines()]
    assert all((one["label"] == "?") == (one["score"] < 0.6) for one in found) and found

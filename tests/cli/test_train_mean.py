"""Runs that end with the mean of the weights of their last validations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from runs import Impatient, told, written_bytes
from safetensors.torch import load_file
from torch import Tensor

from seqpipe.cli.train import train
from seqpipe.errors import SettingError
from seqpipe.train.learner import Learner

QUICK = {
    "training.max_steps": 8,
    "training.eval_frequency": 2,
    "components.sentiment.model.width": 8,
    "components.sentiment.model.embedding": 8,
}
MEAN = {**QUICK, "seqpipe.mean_of_last": 3}


@pytest.fixture(scope="module")
def whole(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("mean") / "whole"
    train("sentiment", str(reviews), output=output, overrides=MEAN)
    return output


def test_the_last_model_has_the_mean_of_those_before(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks: list[list[Tensor]] = []
    settle = Learner.settle

    def seen(learner: Learner) -> None:
        marks.extend(learner.marks)
        settle(learner)

    monkeypatch.setattr(Learner, "settle", seen)
    trained = train("sentiment", str(reviews), output=tmp_path / "out", overrides=MEAN)
    assert len(marks) == 3
    means = [torch.stack(each).mean(dim=0) for each in zip(*marks, strict=True)]
    saved = load_file(trained.last / "sentiment" / "model.safetensors").values()
    for mean in means:
        assert any(mean.shape == weight.shape and torch.equal(mean, weight) for weight in saved)


def test_it_is_measured_as_one_line_more(whole: Path, reviews: Path, tmp_path: Path) -> None:
    plain = train("sentiment", str(reviews), output=tmp_path / "out", overrides=QUICK)
    lines, others = told(whole), told(plain.best.parent)
    assert lines[:-1] == others
    assert lines[-1]["step"] == lines[-2]["step"] == 8
    assert lines[-1]["loss"] == lines[-2]["loss"] and lines[-1]["words"] == 0


@pytest.mark.parametrize("steps", [5, 8])
def test_stopped_and_gone_on_with_it_ends_in_the_same_bytes(
    whole: Path, reviews: Path, tmp_path: Path, steps: int
) -> None:
    output = tmp_path / "out"
    how = {"output": output, "overrides": MEAN}
    train("sentiment", str(reviews), watcher=Impatient(steps), **how)  # type: ignore[arg-type]
    train("sentiment", str(reviews), resume=True, **how)  # type: ignore[arg-type]
    assert written_bytes(output) == written_bytes(whole) and told(output) == told(whole)


def test_the_scores_told_are_those_of_the_best_model(reviews: Path, tmp_path: Path) -> None:
    trained = train("sentiment", str(reviews), output=tmp_path / "out", overrides=MEAN)
    best = max(told(tmp_path / "out"), key=lambda line: float(line["score"]))
    assert trained.scores["cats_acc"] == best["scores"]["cats_acc"]


def test_a_number_below_zero_is_refused(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="mean_of_last = -1 is not allowed"):
        overrides = {**QUICK, "seqpipe.mean_of_last": -1}
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=overrides)

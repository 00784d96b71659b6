"""Losses, gradients and weights that are not finite: what is skipped, kept and said."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from commands import Command
from runs import told, written_bytes
from torch import Tensor

from seqpipe.cli.train import Silent, train
from seqpipe.errors import SettingError, TrainingDiverged
from seqpipe.nets.classifier import Classifier

SETTINGS = {
    "seqpipe.rows": 8,  # eight steps an epoch
    "training.max_epochs": 2,
    "training.eval_frequency": 4,
    "components.sentiment.model.width": 6,
    "components.sentiment.model.embedding": 6,
}
EIGHT = {**SETTINGS, "seqpipe.most_skipped": 8}
Spoil = Callable[[Classifier, Tensor, Tensor], Tensor]  # net, ids and loss to another loss


class Patient(Silent):
    """Asks to stop after a step."""

    def __init__(self, last: int) -> None:
        self.last = last

    def stepped(self, position: Any, words_per_second: float) -> None:
        self.stopping = position.step == self.last


def spoiled(monkeypatch: pytest.MonkeyPatch, spoil: Spoil) -> None:
    loss = Classifier.loss

    def bad(net: Classifier, ids: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        return spoil(net, ids, loss(net, ids, lengths, targets))

    monkeypatch.setattr(Classifier, "loss", bad)


def from_call(first: int, value: float) -> Spoil:
    """Every loss from the call of this number on, times `value`."""
    calls = iter(range(1, 1000))
    return lambda net, ids, loss: loss * (value if next(calls) >= first else 1.0)


def weights(model: Path) -> bytes:
    return (model / "sentiment" / "model.safetensors").read_bytes()


def test_a_step_that_is_not_finite_is_skipped_and_counted(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, lambda net, ids, loss: loss + (math.inf if ids.sum() % 3 == 0 else 0.0))
    trained = train("sentiment", str(reviews), output=tmp_path / "out", overrides=EIGHT)
    lines = told(tmp_path / "out")
    skipped = [line["skipped"] for line in lines]
    assert trained.step == 16 and 0 < skipped[-1] < 16 and skipped == sorted(skipped)
    assert all(isinstance(line["loss"], float) for line in lines)  # of the others
    assert all(map(math.isfinite, spacy.load(trained.last)("good").cats.values()))


def test_a_run_without_them_has_skipped_nothing(reviews: Path, tmp_path: Path) -> None:
    train("sentiment", str(reviews), output=tmp_path / "out", overrides=SETTINGS)
    assert [line["skipped"] for line in told(tmp_path / "out")] == [0, 0, 0, 0]


def test_stopped_among_skipped_steps_it_ends_in_the_same_bytes(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, lambda net, ids, loss: loss * (math.nan if ids.sum() % 2 else 1.0))
    how: dict[str, Any] = {"overrides": EIGHT, "resume": True}
    for output, watcher in ((tmp_path / "a", None), (tmp_path / "b", Patient(5))):
        train("sentiment", str(reviews), output=output, watcher=watcher, **how)
    train("sentiment", str(reviews), output=tmp_path / "b", **how)
    assert told(tmp_path / "a")[-1]["skipped"] > 0
    assert told(tmp_path / "a") == told(tmp_path / "b")
    assert written_bytes(tmp_path / "a") == written_bytes(tmp_path / "b")


def test_too_many_in_a_row_end_the_run_with_the_weights_before_them(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"overrides": {**SETTINGS, "seqpipe.most_skipped": 3}}
    stopped = train("sentiment", str(reviews), output=tmp_path / "whole", watcher=Patient(6), **how)
    spoiled(monkeypatch, from_call(7, math.nan))
    with pytest.raises(TrainingDiverged, match=r"At step 9 .* of 3 steps .* weights of step 6"):
        train("sentiment", str(reviews), output=tmp_path / "out", **how)
    assert weights(tmp_path / "out" / "model-last") == weights(stopped.last)
    assert weights(tmp_path / "out" / "model-best") == weights(stopped.best)
    with pytest.raises(TrainingDiverged):  # the same settings come to the same end
        train("sentiment", str(reviews), output=tmp_path / "out", resume=True, **how)


def test_what_was_never_validated_is_kept_without_a_score(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, from_call(2, math.inf))
    once = {**SETTINGS, "seqpipe.most_skipped": 1}
    with pytest.raises(TrainingDiverged, match="weights of step 1"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=once)
    meta = json.loads((tmp_path / "out" / "model-last" / "meta.json").read_text())
    assert not meta.get("performance") and "score" not in meta["seqpipe"]
    assert spacy.load(tmp_path / "out" / "model-last")("good").cats


def ruined(first: int) -> Spoil:
    """Weights that are lost at a call."""
    calls = iter(range(1, 1000))

    def spoil(net: Classifier, ids: Tensor, loss: Tensor) -> Tensor:
        with torch.no_grad():
            net.output.bias.mul_(math.inf if next(calls) == first else 1.0)
        return loss

    return spoil


def test_weights_that_are_lost_are_those_of_the_last_checkpoint(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = train(
        "sentiment", str(reviews), output=tmp_path / "ok", overrides=SETTINGS, watcher=Patient(4)
    )
    spoiled(monkeypatch, ruined(8))  # what the step makes of them is seen before it is validated
    with pytest.raises(TrainingDiverged, match=r"At step 8 the weights .* weights of step 4"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=SETTINGS)
    assert weights(tmp_path / "out" / "model-last") == weights(stopped.last)
    assert [line["step"] for line in told(tmp_path / "out")] == [4]


def test_without_any_good_weights_nothing_is_kept(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, ruined(2))
    with pytest.raises(TrainingDiverged, match="no good weights are left"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=SETTINGS)
    assert not (tmp_path / "out" / "model-last").exists()


def test_the_command_ends_in_one_sentence(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seqpipe: Command
) -> None:
    spoiled(monkeypatch, from_call(1, math.nan))
    options = [f"--{name}={value}" for name, value in EIGHT.items()]
    ran = seqpipe("train", "sentiment", reviews, "-o", tmp_path / "out", *options)
    error = next(line for line in ran.err.splitlines() if line.startswith("error"))
    assert ran.code == 1 and "Lower the learning rate" in error and "Traceback" not in ran.err


def test_never_to_give_up_is_refused(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="most_skipped"):
        overrides = {"seqpipe.most_skipped": 0}
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=overrides)

"""Runs that are shown in TensorBoard, Weights & Biases and MLflow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from runs import told, written_bytes
from shelves import Shelf

from seqpipe.cli.train import Silent, train
from seqpipe.errors import ExtraMissing, SettingError, TrackerFailed

KINDS = ["mlflow", "tensorboard", "wandb"]
SETTINGS: dict[str, Any] = {
    "seqpipe.rows": 8,  # eight steps an epoch
    "training.max_epochs": 1,
    "training.eval_frequency": 2,
    "components.sentiment.model.width": 6,
    "components.sentiment.model.embedding": 6,
}


class Leaving(Silent):
    """Asks to stop after a step, or dies there."""

    def __init__(self, step: int, *, dies: bool = False) -> None:
        self.step = step
        self.dies = dies

    def stepped(self, position: Any, words_per_second: float) -> None:
        self.stopping = position.step == self.step
        if self.stopping and self.dies:
            raise KeyboardInterrupt


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(monkeypatch)


def settings(*kinds: str) -> dict[str, Any]:
    return {**SETTINGS, "seqpipe.track": list(kinds)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tracker_is_told_what_the_log_says(
    kind: str, shelf: Shelf, reviews: Path, tmp_path: Path
) -> None:
    train("sentiment", str(reviews), output=tmp_path / "out", overrides=settings(kind))
    ((name, run),) = shelf.runs.items()
    assert str(tmp_path / "out") in name and run.ends in (["FINISHED"], ["closed"], [0])
    assert str(run.settings["components.sentiment.model.width"]) == "6"
    assert str(run.settings["seqpipe.rows"]) == "8"
    lines = told(tmp_path / "out")
    for (step, values), line in zip(run.points, lines, strict=True):
        assert step == line["step"]
        assert values.pop("words_per_second") > 0
        scores = {n.removeprefix("scores/"): v for n, v in values.items() if "/" in n}
        assert scores["cats_acc"] == line["scores"]["cats_acc"]
        plain = {n: v for n, v in values.items() if "/" not in n}
        assert plain == {n: line[n] for n in plain}
        assert set(plain) >= {"loss", "score", "learn_rate", "gradient_norm", "padding"}


@pytest.mark.parametrize("dies", [False, True])
def test_a_run_that_goes_on_is_the_same_one_and_nothing_is_told_twice(
    dies: bool, shelf: Shelf, reviews: Path, tmp_path: Path
) -> None:
    how: dict[str, Any] = {"output": tmp_path / "out", "overrides": settings(*KINDS)}
    for step in (3, 5):
        try:
            train("sentiment", str(reviews), resume=True, watcher=Leaving(step, dies=dies), **how)
        except KeyboardInterrupt:
            assert dies
    train("sentiment", str(reviews), resume=True, **how)
    assert len(shelf.runs) == 3
    for run in shelf.runs.values():
        assert [step for step, _ in run.points] == [2, 4, 6, 8]
    ends = [run.ends for run in shelf.runs.values()]
    assert ends == [["KILLED", "KILLED", "FINISHED"], ["closed"] * 3, [1, 1, 0]]


def test_a_run_begun_anew_is_another_one(shelf: Shelf, reviews: Path, tmp_path: Path) -> None:
    kinds = settings("wandb", "tensorboard")
    how: dict[str, Any] = {"output": tmp_path / "out", "overrides": kinds}
    for overwrite in (False, True):
        train("sentiment", str(reviews), overwrite=overwrite, **how)
    assert all([step for step, _ in run.points] == [2, 4, 6, 8] for run in shelf.runs.values())
    assert len([name for name in shelf.runs if "#" in name]) == 2


def test_a_tracker_that_fails_ends_no_training(shelf: Shelf, reviews: Path, tmp_path: Path) -> None:
    shelf.down = True
    with pytest.warns(UserWarning, match="told no more of this run.*nobody answers") as warned:
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=settings("wandb"))
    assert len(warned) == 1 and len(told(tmp_path / "out")) == 4


def test_a_tracker_changes_nothing(shelf: Shelf, reviews: Path, tmp_path: Path) -> None:
    for output, kinds in ((tmp_path / "a", KINDS), (tmp_path / "b", [])):
        train("sentiment", str(reviews), output=output, overrides=settings(*kinds))
    assert told(tmp_path / "a") == told(tmp_path / "b")
    name = "model-last/sentiment/model.safetensors"
    assert written_bytes(tmp_path / "a")[name] == written_bytes(tmp_path / "b")[name]


def test_the_command_names_several(
    shelf: Shelf, reviews: Path, tmp_path: Path, seqpipe: Command
) -> None:
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    words = ["train", "sentiment", reviews, "-o", tmp_path / "out", "--track", "wandb, mlflow"]
    assert seqpipe(*words, *options).code == 0
    assert len(shelf.runs) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_not_installed_is_one_sentence(
    kind: str, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("mlflow", "torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing, match=rf"{kind} is not installed: .*seqpipe\[{kind}\]"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=settings(kind))
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("track", [["tensorbord"], "wandb", ["wandb", "x"]])
def test_what_is_no_tracker_is_refused(track: object, reviews: Path, tmp_path: Path) -> None:
    overrides = {**SETTINGS, "seqpipe.track": track}
    with pytest.raises(SettingError, match="mlflow, tensorboard and wandb"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=overrides)


def test_one_that_takes_no_run_is_one_sentence(
    shelf: Shelf, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError("log in first")

    monkeypatch.setattr(sys.modules["wandb"], "init", refused)
    with pytest.raises(TrackerFailed, match="wandb takes no run: log in first"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=settings("wandb"))

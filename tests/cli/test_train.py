"""`seqpipe train`: what it writes, what it refuses, and how a killed run ends."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import spacy
from runs import Impatient, child, told, written_bytes

from seqpipe.cli.train import train
from seqpipe.errors import (
    CheckpointError,
    ColumnMissing,
    DataEmpty,
    OutputInUse,
    SeqpipeError,
    SettingError,
    SettingUnknown,
    SourceMissing,
    UsageError,
)

QUICK = {
    "training.max_epochs": 2,
    "training.eval_frequency": 5,
    "components.sentiment.model.width": 8,
    "components.sentiment.model.embedding": 8,
}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    chance = random.Random(0)
    for part, count in (("train", 200), ("validation", 40)):
        with (folder / f"{part}.jsonl").open("w", encoding="utf-8") as file:
            for i in range(count):
                words = chance.sample(["film", "the", "plot", "was", "very", "actors", "and"], 4)
                label = ["negative", "positive"][i % 2]
                words.insert(chance.randrange(5), chance.choice(TELLING[label]))
                row = {"text": " ".join(words), "label": label}
                file.write(json.dumps(row) + "\n")
    return folder


TELLING = {"positive": ["good", "great", "lovely"], "negative": ["bad", "dull", "awful"]}


@pytest.fixture(scope="module")
def whole(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole") / "out"
    train("sentiment", str(reviews), output=output, overrides=QUICK)
    return output


def test_writes_two_pipelines_a_log_and_a_report(whole: Path) -> None:
    assert {p.name for p in whole.iterdir()} == {
        "log.jsonl",
        "model-best",
        "model-last",
        "report.html",
        "run.json",
        "samples.jsonl",
    }
    doc = spacy.load(whole / "model-best")("a lovely film")
    assert set(doc.cats) == {"positive", "negative"}
    assert [line["step"] for line in told(whole)] == [5, 10, 14]


def test_no_training_text_is_saved(whole: Path) -> None:
    strings = json.loads((whole / "model-best" / "vocab" / "strings.json").read_text())
    assert "lovely" not in strings


def test_knows_what_it_was_trained_on(whole: Path) -> None:
    meta = json.loads((whole / "model-best" / "meta.json").read_text())
    assert meta["seqpipe"]["trained_on"]["rows"] == 200
    assert meta["seqpipe"]["seed"] == 0
    assert meta["performance"]["cats_acc"] == pytest.approx(
        max(line["scores"]["cats_acc"] for line in told(whole)), abs=0.05
    )


def test_the_same_seed_gives_the_same_bytes(whole: Path, reviews: Path, tmp_path: Path) -> None:
    train("sentiment", str(reviews), output=tmp_path / "out", overrides=QUICK)
    assert written_bytes(tmp_path / "out") == written_bytes(whole)
    assert told(tmp_path / "out") == told(whole)


def test_another_seed_gives_other_bytes(whole: Path, reviews: Path, tmp_path: Path) -> None:
    train("sentiment", str(reviews), output=tmp_path / "out", overrides={**QUICK, "system.seed": 1})
    assert written_bytes(tmp_path / "out") != written_bytes(whole)


run = partial(child, overrides=QUICK)
STEPS = sorted(random.Random(1).sample(range(1, 14), 3))


def test_killed_at_three_points_it_ends_in_the_same_bytes(
    whole: Path, reviews: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    for step in STEPS:
        assert run(reviews, tmp_path / "out", step=step) == -signal.SIGKILL
    assert run(reviews, tmp_path / "out", fresh=True) == 0
    assert written_bytes(tmp_path / "out") == written_bytes(whole)
    assert told(tmp_path / "out") == told(whole)


def test_killed_while_it_saves_it_keeps_the_old_model(
    whole: Path, reviews: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    assert run(reviews, output, saving=2) == -signal.SIGKILL
    assert json.loads((output / "model-best" / "meta.json").read_text())["seqpipe"]["step"] == 5
    assert run(reviews, output) == 0
    assert written_bytes(output) == written_bytes(whole)
    assert not [path for path in output.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("steps", [1, 5, 8])
def test_asked_to_stop_it_saves_and_goes_on_later(
    whole: Path, reviews: Path, tmp_path: Path, steps: int
) -> None:
    output = tmp_path / "out"
    stopped = train(
        "sentiment", str(reviews), output=output, overrides=QUICK, watcher=Impatient(steps)
    )
    assert stopped.stopped and stopped.step == steps
    done = train("sentiment", str(reviews), output=output, overrides=QUICK, resume=True)
    assert not done.stopped
    assert written_bytes(output) == written_bytes(whole)
    assert told(output) == told(whole)


def test_resuming_a_finished_run_gives_its_result(whole: Path, reviews: Path) -> None:
    before = written_bytes(whole)
    again = train("sentiment", str(reviews), output=whole, overrides=QUICK, resume=True)
    assert again.step == 14 and "cats_acc" in again.scores
    assert written_bytes(whole) == before


def test_resuming_with_other_settings_names_them(whole: Path, reviews: Path) -> None:
    changed = {**QUICK, "components.sentiment.model.width": 16}
    with pytest.raises(CheckpointError, match="width was 8 and is 16"):
        train("sentiment", str(reviews), output=whole, overrides=changed, resume=True)


def test_a_folder_in_use_is_refused(whole: Path, reviews: Path, tmp_path: Path) -> None:
    before = written_bytes(whole)
    with pytest.raises(OutputInUse, match="--overwrite or --resume"):
        train("sentiment", str(reviews), output=whole, overrides=QUICK)
    assert written_bytes(whole) == before
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputInUse):
        train("sentiment", str(reviews), output=tmp_path, overrides=QUICK, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_overwrite_begins_anew(reviews: Path, tmp_path: Path) -> None:
    once = {**QUICK, "training.max_steps": 1}
    train("sentiment", str(reviews), output=tmp_path / "out", overrides=once)
    train("sentiment", str(reviews), output=tmp_path / "out", overrides=QUICK, overwrite=True)
    assert [line["step"] for line in told(tmp_path / "out")] == [5, 10, 14]


def test_trains_what_a_config_says(reviews: Path, tmp_path: Path, whole: Path) -> None:
    """The config that a run leaves in its model is one to train from."""
    config = whole / "model-best" / "config.cfg"
    train(str(config), output=tmp_path / "out")
    assert told(tmp_path / "out") == told(whole)


def test_without_a_length_small_data_is_walked_more_often(reviews: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "training.max_epochs": 0}
    output = tmp_path / "out"
    train("sentiment", str(reviews), output=output, overrides=overrides, watcher=Impatient(5))
    training = spacy.load(output / "model-last").config["training"]
    assert training["max_epochs"] == 143  # seven steps an epoch, a thousand in all
    assert training["optimizer"]["learn_rate"]["total_steps"] == 1001


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru"])
def test_every_cell_trains(cell: str, reviews: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "training.max_steps": 2, "components.*.model.cell": cell}
    trained = train("sentiment", str(reviews), output=tmp_path / "out", overrides=overrides)
    assert spacy.load(trained.best).config["components"]["sentiment"]["model"]["cell"] == cell


def test_without_a_part_to_measure_on_a_tenth_is_held_out(reviews: Path, tmp_path: Path) -> None:
    data = str(reviews / "train.jsonl")
    train("sentiment", data, output=tmp_path / "out", overrides={**QUICK, "training.max_steps": 1})
    meta = json.loads((tmp_path / "out" / "model-best" / "meta.json").read_text())
    assert meta["seqpipe"]["trained_on"]["rows"] == 180


REFUSED: list[tuple[type[SeqpipeError], str, Mapping[str, Any]]] = [
    (UsageError, "neither a stage", {"what": "sentimnt"}),
    (UsageError, "Name the data", {"data": None}),
    (SourceMissing, "no file", {"data": "./nowhere.csv"}),
    (SourceMissing, "no file", {"what": "nowhere.cfg"}),
    (
        UsageError,
        "dev-split is said of the data",
        {"what": "x.cfg", "data": None, "columns": {"dev_split": "y"}},
    ),
    (ColumnMissing, "text and label", {"columns": {"text": "sentence"}}),
    (SettingUnknown, "trainin", {"overrides": {"trainin.max_epochs": 1}}),
    (SettingError, "bogus", {"overrides": {"seqpipe.bogus": 1}}),
    (SettingError, "max_epochs", {"overrides": {"training.max_epochs": -1}}),
    (SettingError, "lstm", {"overrides": {"components.sentiment.model.cell": "lstn"}}),
    (SettingError, "attention", {"overrides": {"components.sentiment.model.pooling": ["sum"]}}),
]


@pytest.mark.parametrize(("error", "said", "wrong"), REFUSED)
def test_what_cannot_be_is_one_sentence(
    error: type[SeqpipeError], said: str, wrong: Mapping[str, Any], reviews: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"what": "sentiment", "data": str(reviews), **wrong}
    with pytest.raises(error, match=said) as raised:
        train(
            asked["what"],
            asked["data"],
            output=tmp_path / "out",
            columns=asked.get("columns"),
            overrides=asked.get("overrides"),
        )
    assert len(str(raised.value).splitlines()) == 1


def test_after_a_refusal_the_folder_is_free(reviews: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(ColumnMissing):
        train("sentiment", str(reviews), output=output, columns={"text": "sentence"})
    train("sentiment", str(reviews), output=output, overrides={**QUICK, "training.max_steps": 1})


def test_what_overwrite_replaces_stays_until_the_new_run_begins(
    reviews: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    train("sentiment", str(reviews), output=output, overrides={**QUICK, "training.max_steps": 1})
    before = written_bytes(output)
    with pytest.raises(ColumnMissing):
        train("sentiment", str(reviews), output=output, columns={"text": "x"}, overwrite=True)
    assert written_bytes(output) == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of datasets 4
def test_an_empty_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\n")
    with pytest.raises(DataEmpty):
        train("sentiment", str(tmp_path / "train.csv"), output=tmp_path / "out", overrides=QUICK)

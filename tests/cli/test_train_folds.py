"""`seqpipe train --folds --sizes`: several runs, what they leave, how they go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
import spacy
from commands import Command

from seqpipe.cli.folds import FoldRun, train_folds
from seqpipe.cli.train import Silent
from seqpipe.errors import (
    CheckpointError,
    FoldsTooMany,
    OutputInUse,
    SeqpipeError,
    SizeTooLarge,
    UsageError,
)

QUICK = {
    "training.max_steps": 2,
    "training.eval_frequency": 1,
    "components.*.model.width": 8,
    "components.*.model.embedding": 8,
}
WORDS = [f"--{name}={value}" for name, value in QUICK.items()]


class Listener(Silent):
    """Hears which runs begin, and asks to stop after so many steps of all."""

    def __init__(self, steps: int = 1000) -> None:
        self.heard: list[str] = []
        self.left = steps

    def entered(self, run: str) -> None:
        self.heard.append(run)

    @property
    def stopping(self) -> bool:  # type: ignore[override]
        self.left -= 1
        return self.left <= 0


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    labels = ["bad"] * 8 + ["good"] * 16
    rows = [{"text": f"a {label} film {i}", "label": label} for i, label in enumerate(labels)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_each_fold_is_measured_on_and_told(rows: str, tmp_path: Path) -> None:
    listener = Listener()
    found = train_folds(
        "sentiment", rows, output=tmp_path / "out", folds=4, overrides=QUICK, watcher=listener
    )
    assert listener.heard == ["fold-1", "fold-2", "fold-3", "fold-4"]
    assert found.rows == 24 and not found.stopped
    (point,) = found.points
    assert [(run.fold, run.rows, run.step) for run in point.runs] == [
        (n, 18, 2) for n in range(1, 5)
    ]
    values = [run.scores["cats_acc"] for run in point.runs]
    spread = point.scores()["cats_acc"]
    assert (spread.mean, spread.deviation) == (fmean(values), stdev(values))
    told = json.loads((tmp_path / "out" / "folds.json").read_text())
    assert told["scores"]["cats_acc"] == {"mean": fmean(values), "deviation": stdev(values)}
    assert [run["folder"] for run in told["runs"]] == listener.heard
    assert told["runs"][0]["last"].keys() == told["runs"][0]["scores"].keys()
    model = tmp_path / "out" / "fold-1" / "model-best"
    assert spacy.load(model).meta["seqpipe"]["trained_on"]["rows"] == 18
    assert not model.with_name("model-last").exists()


def without_folder(run: FoldRun) -> tuple[object, ...]:
    return (run.fold, run.rows, run.step, run.scores, run.last)


def test_stopped_it_goes_on_to_the_same_end(rows: str, tmp_path: Path) -> None:
    def ran(name: str, watcher: Listener, *, resume: bool = False) -> list[tuple[object, ...]]:
        found = train_folds(
            "sentiment",
            rows,
            output=tmp_path / name,
            folds=3,
            overrides=QUICK,
            resume=resume,
            watcher=watcher,
        )
        assert found.stopped == (watcher.left <= 0)
        return [without_folder(run) for point in found.points for run in point.runs]

    whole = ran("whole", Listener())
    assert len(ran("out", Listener(steps=3))) == 1
    done = tmp_path / "out" / "fold-1" / "model-best" / "meta.json"
    before = done.stat().st_mtime_ns
    assert ran("out", Listener(), resume=True) == whole
    assert done.stat().st_mtime_ns == before
    told = [json.loads((tmp_path / n / "folds.json").read_text()) for n in ("whole", "out")]
    assert told[0] == told[1]


def test_other_folds_do_not_go_on_and_may_replace(rows: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    once = {**QUICK, "training.max_steps": 1}
    train_folds("sentiment", rows, output=output, folds=3, overrides=once)
    with pytest.raises(OutputInUse, match="--overwrite or --resume"):
        train_folds("sentiment", rows, output=output, folds=3, overrides=once)
    before = (output / "folds.json").read_bytes()
    with pytest.raises(CheckpointError, match="folds was 3 and is 2"):
        train_folds("sentiment", rows, output=output, folds=2, overrides=once, resume=True)
    assert (output / "folds.json").read_bytes() == before
    train_folds("sentiment", rows, output=output, folds=2, overrides=once, overwrite=True)
    assert sorted(path.name for path in output.iterdir()) == ["fold-1", "fold-2", "folds.json"]


def test_sizes_learn_from_more_and_more(rows: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    found = train_folds("sentiment", rows, output=output, sizes=[4, "all"], overrides=QUICK)
    assert [[run.rows for run in point.runs] for point in found.points] == [[4], [22]]
    told = json.loads((output / "sizes.json").read_text())
    assert [point["runs"][0]["folder"] for point in told["sizes"]] == ["size-4", "size-all"]
    metas = [spacy.load(output / f"size-{n}" / "model-best").meta for n in (4, "all")]
    assert [meta["seqpipe"]["trained_on"]["rows"] for meta in metas] == [4, 22]


def test_sizes_and_folds_go_together(rows: str, tmp_path: Path, seqpipe: Command) -> None:
    words = ("train", "sentiment", rows, "--output", tmp_path / "out", *WORDS)
    ran = seqpipe(*words, "--folds", 2, "--sizes", "6,all")
    assert ran.code == 0, ran.err
    assert "±" in ran.out and "24 rows in 2 folds" in ran.out
    assert (tmp_path / "out" / "size-6" / "fold-2" / "model-best").is_dir()
    told = seqpipe("info", tmp_path / "out" / "size-6" / "fold-2" / "model-best").out
    assert "all but fold 2 of 2, 6 rows" in told


@pytest.mark.parametrize(
    ("stage", "data", "settings"),
    [
        ("tokenizer", "bundled:sentences_en", {"corpora.train.group": 5}),
        ("translator", "bundled:phrases_en_de", {}),
        ("generator", "bundled:verse_en", {}),
    ],
)
def test_every_stage_has_folds(
    stage: str, data: str, settings: Mapping[str, Any], tmp_path: Path
) -> None:
    columns = {"limit": 30, **({"source": "en", "target": "de"} if stage == "translator" else {})}
    found = train_folds(
        stage,
        data,
        output=tmp_path / "out",
        folds=2,
        columns=columns,
        overrides={"training.max_steps": 1, **settings},
    )
    assert len(found.points[0].runs) == 2 and found.points[0].scores()


REFUSED: list[tuple[type[SeqpipeError], str, dict[str, Any]]] = [
    (UsageError, "2 at least", {"folds": 1}),
    (UsageError, "2 at least", {"folds": -2}),
    (UsageError, "how many folds", {}),
    (UsageError, "numbers of rows", {"sizes": [0]}),
    (UsageError, "each fold is that", {"folds": 2, "columns": {"dev": "x"}}),
    (FoldsTooMany, "25 folds are more than there are rows, which are 24", {"folds": 25}),
    (SizeTooLarge, "23 rows are more than there are to learn from, which are 22", {"sizes": [23]}),
    (SizeTooLarge, "which are 16", {"sizes": [5, 17], "folds": 3}),
]


@pytest.mark.parametrize(("error", "said", "how"), REFUSED)
def test_what_cannot_be_is_one_sentence(
    error: type[SeqpipeError], said: str, how: dict[str, Any], rows: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        train_folds("sentiment", rows, output=tmp_path / "out", **how)
    assert not (tmp_path / "out").exists()


def test_sizes_that_are_no_numbers_are_a_usage_error(
    rows: str, tmp_path: Path, seqpipe: Command
) -> None:
    ran = seqpipe("train", "sentiment", rows, "--output", tmp_path / "out", "--sizes", "4,some")
    assert ran.code == 2 and "'some'" in ran.err

"""`seqpipe train generator`: running text in rows and lines, and runs that are killed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command, read_lines, write_lines
from runs import child, told, written_bytes
from verses import POEMS

from seqpipe.cli.train import train
from seqpipe.errors import ColumnMissing, DataEmpty, UsageError

QUICK: dict[str, Any] = {
    "training.max_steps": 8,
    "training.eval_frequency": 4,
    "seqpipe.rows": 4,
    "components.generator.window": 16,
    "components.generator.model.width": 8,
    "components.generator.model.embedding": 8,
}


@pytest.fixture(scope="module")
def poems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of texts, one a row."""
    folder = tmp_path_factory.mktemp("data") / "poems"
    for part, times in (("train", 12), ("validation", 1), ("test", 2)):
        rows = [{"text": text, "by": n} for n in range(times) for text in POEMS]
        write_lines(folder / f"{part}.jsonl", rows)
    return folder


def test_the_bundled_corpus(seqpipe: Command, tmp_path: Path) -> None:
    small = [f"--{name}={value}" for name, value in QUICK.items()]
    words = ["train", "generator", "bundled:verse_en", "--limit", 40, *small]
    ran = seqpipe(*words, "--corpora.dev.limit", 5, "--output", tmp_path)
    assert ran.code == 0 and "model-best: bits_per_char " in ran.out
    (first, *_) = read_lines(tmp_path / "log.jsonl")
    assert {"bits_per_char", "perplexity", "word_perplexity", "characters"} <= set(first["scores"])
    nlp = spacy.load(tmp_path / "model-best")
    assert isinstance(nlp("The moon")._.generated, str)
    meta = json.loads((tmp_path / "model-best" / "meta.json").read_text())
    assert meta["seqpipe"]["trained_on"]["rows"] == 40
    ran = seqpipe("evaluate", tmp_path / "model-best", "bundled:verse_en", "--limit", 5)
    assert ran.code == 0 and "bits per character" in ran.out
    ran = seqpipe("info", tmp_path / "model-best")
    assert "bundled:verse_en (train), text 'text'" in ran.out and "bits_per_char" in ran.out


def test_it_learns_more_with_every_epoch(poems: Path, tmp_path: Path) -> None:
    rate = {"training.optimizer.learn_rate.rate": 0.02, "components.generator.model.width": 24}
    settings = {**QUICK, **rate, "training.max_steps": 80, "training.eval_frequency": 20}
    trained = train("generator", str(poems), output=tmp_path, overrides=settings)
    bits = [line["scores"]["bits_per_char"] for line in told(tmp_path)]
    assert bits[-1] < 0.8 * bits[0]
    assert trained.scores["bits_per_char"] == pytest.approx(min(bits))


def test_a_column_by_name(seqpipe: Command, poems: Path, tmp_path: Path) -> None:
    rows = read_lines(poems / "train.jsonl")
    data = write_lines(tmp_path / "rows.jsonl", [{"poem": row["text"]} for row in rows])
    small = [f"--{name}={value}" for name, value in QUICK.items()]
    words = ["train", "generator", data, "--text", "poem", *small, "--output", tmp_path / "out"]
    assert seqpipe(*words).code == 0
    corpora = spacy.load(tmp_path / "out" / "model-last").config["corpora"]
    assert (corpora["train"]["text"], corpora["dev"]["text"]) == ("poem", "poem")
    assert (corpora["train"]["without"], corpora["dev"]["only"]) == (0.1, 0.1)
    others = write_lines(tmp_path / "others.jsonl", [{"poem": POEMS[0]}])
    ran = seqpipe("evaluate", tmp_path / "out" / "model-last", others)
    assert ran.code == 0  # the column is that of training


def test_lines_and_rows_that_run_on_are_one_text(
    seqpipe: Command, poems: Path, tmp_path: Path
) -> None:
    rows = read_lines(poems / "train.jsonl")
    lines = [line for row in rows for line in row["text"].splitlines()]
    (tmp_path / "plain.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = write_lines(tmp_path / "rows.jsonl", [{"text": line} for line in lines])
    weights = []
    small = [f"--{name}={value}" for name, value in QUICK.items()]
    for data, more in ((tmp_path / "plain.txt", []), (table, ["--join", r"\n"])):
        output = tmp_path / data.stem
        assert seqpipe("train", "generator", data, *more, *small, "--output", output).code == 0
        weights.append((output / "model-last" / "generator" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


STEP = 6  # between two validations


@pytest.mark.parametrize(
    "more",
    [
        {"components.generator.codec.unit": "bpe", "components.generator.codec.size": 300},
        {
            "training.dropout": 0.3,
            "components.generator.model.layers": 2,
            "components.generator.model.piece_dropout": 0.1,
            "components.generator.model.embedding_dropout": 0.1,
            "components.generator.model.weight_dropout": 0.3,
            "components.generator.model.activation": 1.0,
            "components.generator.model.change": 1.0,
        },
    ],
    ids=["subwords", "regularized"],
)
def test_killed_it_ends_in_the_same_bytes(
    poems: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    """In the middle of texts, whose states are kept."""
    settings = {**QUICK, **more}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train("generator", str(poems), output=whole, overrides=settings)
    killed.mkdir()
    for step, code in ((STEP, -signal.SIGKILL), (0, 0)):
        ended = child(poems, killed, overrides=settings, stage="generator", step=step)
        assert ended == code
    assert written_bytes(killed) == written_bytes(whole)
    assert told(killed) == told(whole)


def test_killed_while_saving_it_ends_in_the_same_bytes(poems: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train("generator", str(poems), output=whole, overrides=QUICK)
    killed.mkdir()
    for saving, code in ((2, -signal.SIGKILL), (0, 0)):
        how: dict[str, Any] = {"stage": "generator", "saving": saving, "fresh": saving == 0}
        assert child(poems, killed, overrides=QUICK, **how) == code
    assert written_bytes(killed) == written_bytes(whole)
    assert told(killed) == told(whole)


def test_the_same_seed_gives_the_same_bytes(poems: Path, tmp_path: Path) -> None:
    found = []
    for name, more in (("a", {}), ("b", {}), ("c", {"system.seed": 1})):
        train("generator", str(poems), output=tmp_path / name, overrides={**QUICK, **more})
        found.append(written_bytes(tmp_path / name))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru"])
def test_every_cell_trains(cell: str, poems: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "training.max_steps": 1, "components.*.model.cell": cell}
    trained = train("generator", str(poems), output=tmp_path, overrides=overrides)
    assert spacy.load(trained.last).config["components"]["generator"]["model"]["cell"] == cell


def test_what_a_config_says(seqpipe: Command, poems: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.cfg"
    small = [f"--{name}={value}" for name, value in QUICK.items()]
    assert seqpipe("init-config", "generator", "--train", poems, *small, "-o", config).code == 0
    trained = train(str(config), output=tmp_path / "a")
    train("generator", str(poems), output=tmp_path / "b", overrides=QUICK)
    weights = "model-last/generator/model.safetensors"
    assert (tmp_path / "a" / weights).read_bytes() == (tmp_path / "b" / weights).read_bytes()
    assert trained.scores["bits_per_char"] > 0


def test_data_that_does_not_fit_is_one_sentence(
    seqpipe: Command, poems: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with pytest.raises(ColumnMissing, match=r"'verse'.*it has text and by"):
        train("generator", str(poems), output=output, columns={"text": "verse"})
    with pytest.raises(UsageError, match="--label is for another stage"):
        train("generator", str(poems), output=output, columns={"label": "by"})
    with pytest.raises(UsageError, match="--join is for texts that run on"):
        train("sentiment", str(poems), output=output, columns={"join": ""})
    with pytest.raises(DataEmpty):
        empty = write_lines(tmp_path / "empty.jsonl", [{"text": ""}])
        train("generator", str(empty), output=output, overrides=QUICK)
    wrong = ["--components.generator.codec.unit", "word", "--output", output]
    ran = seqpipe("train", "generator", poems, *wrong)
    assert ran.code == 1 and "codec.unit = 'word'" in ran.sentence

"""Two processes that train together, as `torchrun` begins them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from runs import apart, ended, learn_together, told, written_bytes

from seqpipe.cli.train import train
from seqpipe.errors import CheckpointError

SHORT = {"training.max_steps": 6, "training.eval_frequency": 3}
# All noise off: what is drawn differs between one process and two.
STAGES: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "sentiment": (
        "bundled:reviews_en",
        {"limit": 200},
        {"model.word_dropout": 0.0, "model.width": 8, "model.embedding": 8},
    ),
    "tokenizer": (
        "bundled:sentences_en",
        {"limit": 400},
        {
            **dict.fromkeys(["noise.punctuation", "noise.spaces", "noise.paragraphs"], 0.0),
            **dict.fromkeys(["model.unit_dropout", "model.mark_dropout"], 0.0),
            "model.width": 8,
            "stretch": 40,
        },
    ),
    "translator": (
        "bundled:phrases_en_de",
        {"source": "en", "target": "de", "limit": 150},
        {
            **dict.fromkeys(["model.width", "model.embedding", "model.decoder_width"], 8),
            "model.embedding_dropout": 0.0,
            "codec.size": 300,
            "search.beam": 1,
        },
    ),
    "generator": (
        "bundled:verse_en",
        {"limit": 150},
        {"model.width": 8, "model.embedding": 8, "window": 16},
    ),
}


def settings(stage: str, **more: Any) -> dict[str, Any]:
    own = {f"components.{stage}.{name}": value for name, value in STAGES[stage][2].items()}
    return {**SHORT, "training.dropout": 0, "seqpipe.rows": 8, **own, **more}


def runs(output: Path, *stages: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "stage": stage,
            "data": STAGES[stage][0],
            "columns": STAGES[stage][1],
            "overrides": settings(stage),
            "output": str(output / stage),
            **more,
        }
        for stage in stages
    ]


def together(asked: Sequence[Mapping[str, Any]], *, far: bool = False) -> list[int | None]:
    """Two processes of one team, on one machine or as if on two; gives how each has ended."""
    team = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "1" if far else "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": free_port(),
    }
    begun = [
        apart(learn_together, team={**team, "RANK": str(rank)}, asked=asked) for rank in range(2)
    ]
    codes = ended(*begun)
    assert set(codes) <= {0, -9, 1}
    return codes


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


# The generator carries a state on, and each process has chance of its own.
CHANCY = settings("generator", **{"training.dropout": 0.3, "seqpipe.checkpoint_seconds": 0})


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each stage, trained by two processes; the generator with dropout once more."""
    folder = tmp_path_factory.mktemp("two")
    chancy = runs(folder / "chancy", "generator", overrides=CHANCY)
    assert together([*runs(folder, *STAGES), *chancy]) == [0, 0]
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_two_learn_as_one_with_twice_as_many_rows(by_two: Path, tmp_path: Path, stage: str) -> None:
    (how,) = runs(tmp_path, stage)
    data, columns, _ = STAGES[stage]
    overrides = settings(stage, **{"seqpipe.rows": 16, "seqpipe.budget": 2 * 4096})
    train(stage, data, columns=columns, overrides=overrides, output=how["output"])
    one, two = told(tmp_path / stage), told(by_two / stage)
    assert len(one) == len(two) == 2
    for line, other in zip(one, two, strict=True):
        assert other["loss"] == pytest.approx(line["loss"], rel=1e-4)
        assert other["gradient_norm"] == pytest.approx(line["gradient_norm"], rel=1e-3)
        assert other["words"] == line["words"]
        assert other["padding"] == pytest.approx(line["padding"], abs=0.1)


@pytest.mark.parametrize("far", [False, True], ids=["near", "far"])
def test_killed_together_they_end_in_the_same_bytes(
    by_two: Path, tmp_path: Path, far: bool
) -> None:
    (how,) = runs(tmp_path, "generator", overrides=CHANCY)
    assert -9 in together([{**how, "step": 5}], far=far)
    again = {**how, "resume": True}
    with pytest.raises(CheckpointError, match="begun by 2 processes and not 1"):
        train(again.pop("stage"), again.pop("data"), **again)
    assert together([{**how, "resume": True}], far=far) == [0, 0]
    whole, killed = by_two / "chancy" / "generator", tmp_path / "generator"
    assert written_bytes(killed) == written_bytes(whole) and told(killed) == told(whole)


def test_torchrun_begins_them_and_one_talks(reviews: Path, tmp_path: Path) -> None:
    small = [f"--{name}={value}" for name, value in settings("sentiment").items()]
    begin = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = ["-m", "seqpipe", "train", "sentiment", str(reviews), "--output", str(tmp_path / "o")]
    done = subprocess.run([*begin, *command, *small], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model-best: cats_acc") == 1
    assert done.stderr.count("step      3") == 1

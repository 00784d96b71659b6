"""What a run leaves behind, and runs that are killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import seqpipe.cli._trainee as trainee
from seqpipe.cli._study import Curve
from seqpipe.cli.train import Silent, train
from seqpipe.cli.tune import tune
from seqpipe.train.checkpoint import Position
from seqpipe.train.team import joined

TIMES = {"seconds", "words_per_second"}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Silent):
    """Is killed at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, position: Position, words_per_second: float) -> None:
        if position.step == self.step:
            die()


class Impatient(Silent):
    """Presses Ctrl-C after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @property
    def stopping(self) -> bool:  # type: ignore[override]
        self.left -= 1
        return self.left <= 0


def told(folder: Path) -> list[dict[str, Any]]:
    """The log without what the clock says."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def written_bytes(folder: Path) -> dict[str, bytes]:
    models = [folder / "model-best", folder / "model-last"]
    files = [file for model in models for file in model.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def apart(work: Callable[..., object], *, fresh: bool = False, **facts: Any) -> BaseProcess:
    """Begins work in a copy of this process, which has imported everything; or in a fresh one.

    A fresh one needs seconds for that, and keeps its sets in another order. torch cannot be copied
    once it has computed on a GPU.
    """
    way = "spawn" if fresh or torch.cuda.is_available() else "fork"
    context: Any = multiprocessing.get_context(way)
    process: BaseProcess = context.Process(target=work, kwargs=facts)
    process.start()
    return process


def ended(*processes: BaseProcess) -> list[int | None]:
    """How each has ended, None where it has not."""
    for process in processes:
        process.join(timeout=300)
    return [process.exitcode for process in processes]


def child(
    data: Path,
    output: Path,
    *,
    overrides: Mapping[str, Any],
    stage: str = "sentiment",
    step: int = 0,
    saving: int = 0,
    fresh: bool = False,
) -> int | None:
    """Goes on with a run in another process, killed at a step or in so manieth a save; gives how
    that ended."""
    settings = {**overrides, "seqpipe.checkpoint_seconds": 30}
    asked = {"stage": stage, "data": str(data), "output": output, "overrides": settings}
    (code,) = ended(apart(go_on, fresh=fresh, asked=asked, step=step, saving=saving))
    return code


def go_on(asked: Mapping[str, Any], step: int, saving: int) -> None:
    """In a process of its own: what it changes stays changed."""
    if saving:
        _die_in_save(saving)
    how = dict(asked)
    train(how.pop("stage"), how.pop("data"), resume=True, watcher=Mortal(step), **how)


def learn_together(team: Mapping[str, str], asked: Sequence[Mapping[str, Any]]) -> None:
    """The same as one process of a team, run after run."""
    os.environ |= team
    with joined() as both, patch("seqpipe.train.team.joined", lambda: nullcontext(both)):
        for run in asked:
            how = dict(run)
            watcher = Mortal(how.pop("step", 0))
            train(how.pop("stage"), how.pop("data"), watcher=watcher, **how)


def _die_in_save(number: int) -> None:
    save, saves = trainee.StageTrainee.save, list[str]()

    def dying(self: trainee.StageTrainee, name: str, validation: Any) -> None:
        saves.append(name)
        to_disk = self.nlp.to_disk

        def last_words(path: Path) -> None:
            to_disk(path)
            die()

        if len(saves) == number:
            vars(self.nlp)["to_disk"] = last_words
        save(self, name, validation)

    trainee.StageTrainee.save = dying  # type: ignore[method-assign]


def search_on(output: Path, trial: int, step: int, **search: Any) -> None:
    """The same with a search, killed at a step of a trial."""

    def stepped(self: Curve, position: Position, words_per_second: float) -> None:
        if self._trial.number == trial and position.step == step:
            die()

    Curve.stepped = stepped  # type: ignore[method-assign]
    tune("sentiment", output=output, resume=True, **search)

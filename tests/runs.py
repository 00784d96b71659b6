"""What a run leaves behind, and runs that are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqpipe.cli.train import Silent

TIMES = {"seconds", "words_per_second"}

# Trains as a user's process does, and dies by SIGKILL at the step or in the write it is told.
CHILD = """
import json, os, signal, sys
from seqpipe.cli.train import Silent, train
import seqpipe.cli._trainee as trainee

settings = json.loads(sys.argv[1])
die = lambda: os.kill(os.getpid(), signal.SIGKILL)

class Mortal(Silent):
    def stepped(self, position, words_per_second):
        if position.step == settings["step"]:
            die()

if settings["saving"]:
    save = trainee.StageTrainee.save
    saves = []
    def dying(self, name, validation):
        saves.append(name)
        if len(saves) == settings["saving"]:
            to_disk = type(self.nlp).to_disk
            type(self.nlp).to_disk = lambda nlp, path: (to_disk(nlp, path), die())
        save(self, name, validation)
    trainee.StageTrainee.save = dying

train(settings["stage"], settings["data"], output=settings["output"], resume=True,
      overrides=settings["overrides"], watcher=Mortal())
"""


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


def child(
    data: Path,
    output: Path,
    *,
    overrides: Mapping[str, Any],
    stage: str = "sentiment",
    step: int = 0,
    saving: int = 0,
) -> int:
    """Goes on with a run in a process of its own; gives how that ended."""
    settings = {
        "stage": stage,
        "data": str(data),
        "output": str(output),
        "overrides": {**overrides, "seqpipe.checkpoint_seconds": 30},
        "step": step,
        "saving": saving,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(settings)], capture_output=True, timeout=300
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode

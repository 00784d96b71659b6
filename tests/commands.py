"""The command line as a function, and the files that it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABELS = ("negative", "positive")


@dataclass(frozen=True)
class Ran:
    """What a command left behind on the terminal."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that an error is."""
        (line,) = self.err.splitlines()
        return line


Command = Callable[..., Ran]


def in_a_process(*words: object, folder: Path) -> Ran:
    """The same by a Python of its own."""
    command = [sys.executable, "-m", "seqpipe", *map(str, words)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

"""What the benchmarks share: peers in processes of their own, and times taken in turns."""

from __future__ import annotations

import gc
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


class Seconds(float):
    """A time that was taken where the work was done."""


class Peer:
    """A script that names itself, and then answers every line with the seconds of a run.

    It is told its texts by a JSON file, the last of its arguments; there `found` names the file
    for what it makes of them.
    """

    def __init__(self, command: Sequence[str], told: Mapping[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        rows = Path(self._folder.name) / "rows.json"
        self._file = Path(self._folder.name) / "found.json"
        rows.write_text(json.dumps({"found": str(self._file), **told}), encoding="utf-8")
        self._process = subprocess.Popen(
            [*command, str(rows)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.name = self._answer()

    def __call__(self) -> Seconds:
        assert self._process.stdin is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        return Seconds(self._answer())

    def found(self) -> Any:
        """What its last run made of the texts."""
        return json.loads(self._file.read_text(encoding="utf-8"))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("peer: "):  # what it imports logs to the same stream
                return line.removeprefix("peer: ").strip()
        raise SystemExit("The peer's process ended: see above.")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def in_turns(runs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """A B A B ...: what slows the machine down for a while slows all of them down; and nobody is
    charged for the garbage of another, which a short pass would feel."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # once unmeasured: caches, lazy imports
    for _ in range(repeats):
        for name, run in runs.items():
            gc.collect()
            began = time.perf_counter()
            itself = run()  # a peer in another process tells its own time
            passed = time.perf_counter() - began
            times[name].append(itself if isinstance(itself, Seconds) else passed)
    return times

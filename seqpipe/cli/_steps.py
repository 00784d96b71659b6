"""A file with a line a validation, beside log.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqpipe.files import sweep, written


class StepLog:
    """What is added stands behind all that steps before it have left; a killed sitting may have
    come further than its checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        sweep(path)

    def read(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def add(self, line: Mapping[str, Any]) -> None:
        every = [*(each for each in self.read() if each["step"] < line["step"]), line]
        with written(self._path) as beside:
            told = (json.dumps(each, ensure_ascii=False) + "\n" for each in every)
            beside.write_text("".join(told), encoding="utf-8", errors="backslashreplace")

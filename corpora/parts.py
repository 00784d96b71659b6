"""Which part of a data set a file of a folder belongs to, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_PARTS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}  # the words by which `datasets` tells the files of a folder apart


def parts_of(files: Iterable[Path], folder: Path) -> dict[str, list[Path]]:
    """The files of a folder by part; a name that says nothing means `train`."""
    found: dict[str, list[Path]] = {}
    for file in files:
        words = re.split(r"[\W_]+", str(file.relative_to(folder).with_suffix("")).lower())
        part = next((_PARTS[word] for word in words if word in _PARTS), "train")
        found.setdefault(part, []).append(file)
    return {part: found[part] for part in dict.fromkeys(_PARTS.values()) if part in found}

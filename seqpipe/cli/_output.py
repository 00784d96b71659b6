"""Outputs, looked at before the work begins."""

from __future__ import annotations

import os
from pathlib import Path

from seqpipe.errors import OutputInUse, OutputRefused


def claim_file(path: Path, *, overwrite: bool) -> None:
    """Says at once what would otherwise end the work at its last step."""
    if path.exists() and not path.is_file():
        raise OutputRefused(path, "it is a folder" if path.is_dir() else "it is no ordinary file")
    if path.exists() and not overwrite:
        raise OutputInUse(path, "--overwrite")
    claim_folder(path.parent)


def claim_folder(folder: Path) -> None:
    """Makes the folder, and makes sure that it takes files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(folder, f"no such folder can be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputRefused(folder, "this folder may not be written to")

"""Outputs, looked at before the work begins."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

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
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputRefused(folder, f"no file can be made there ({error.strerror})") from error

"""Files and folders that are there as a whole or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from seqpipe.errors import OutputInUse, OutputRefused

if os.name == "posix":
    import fcntl

_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_HERE = -100  # AT_FDCWD of fcntl.h


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


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, put in its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    try:
        yield beside
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether a file could be locked for this process; the lock goes when the process does."""
    if os.name != "posix":
        yield True
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Waits for its turn with a file; it is the next one's when the process is gone, too."""
    with path.open("ab") as file:
        if os.name == "posix":
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: readers see the old one or the new one, never half of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        for file in beside.rglob("*"):
            _sync(file)
        if path.exists():
            _exchange(beside, path)
        else:
            beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _beside(path: Path) -> Path:
    """Hidden and of this process; what a killed process left behind has another number."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def sweep(path: Path) -> None:
    """Removes what killed writers of `path` left beside it."""
    for left in path.parent.glob(f".{path.name}.*"):
        if left.suffix[1:].isdigit():
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _sync(path: Path) -> None:
    """A file's bytes, or the names in a folder, on the disk; where the system lets us."""
    if os.name == "posix" or path.is_file():
        place = os.open(path, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def _exchange(new: Path, old: Path) -> None:
    """Swaps two folders in one step where the system can, in two steps elsewhere."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.renameat2(_HERE, os.fsencode(new), _HERE, os.fsencode(old), _EXCHANGE) == 0:
                return
    aside = old.with_name(f"{new.name}.0")
    old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside)

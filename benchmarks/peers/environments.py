"""Interpreters for peers: each of them has an environment of its own, made when first asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
PEERS = tuple(sorted(path.stem for path in HERE.glob("*.txt")))
_PATIENCE = 1200  # seconds for one installation


class NotInstalled(Exception):
    """A peer that cannot be had here; its words are the reason."""


def interpreter(peer: str, cache: Path, named: Mapping[str, str]) -> str:
    """The Python that has the peer: one that was named, or that of an environment of its pins."""
    if peer in named:
        if shutil.which(named[peer]) is None:
            raise NotInstalled(f"{named[peer]} is no interpreter")
        return named[peer]
    pins = HERE / f"{peer}.txt"
    key = hashlib.sha256(f"{sys.version_info[:2]}{pins.read_text('utf-8')}".encode()).hexdigest()
    home = cache / "peers" / f"{peer}-{key[:12]}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (home / "whole").exists():
        shutil.rmtree(home, ignore_errors=True)
        print(f"installing {peer} into {home}", file=sys.stderr, flush=True)
        _done([sys.executable, "-m", "venv", str(home)])
        _done(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-compile",
                "--requirement",
                str(pins),
            ]
        )
        (home / "whole").touch()  # an installation that was broken off has none
    return str(python)


def _done(command: list[str]) -> None:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"not there after {_PATIENCE} s") from error
    if ran.returncode:
        lines = [line for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
        raise NotInstalled(lines[-1].strip() if lines else f"exit {ran.returncode}")

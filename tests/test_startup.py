"""Nothing heavy is loaded before it is needed: modules are counted, not seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from house import entry_points

import seqpipe
from seqpipe.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "spacy", "thinc", "datasets", "tokenizers", "numpy"}
# A stage's module is imported by every `spacy.blank()` of everybody.
NOT_IN_A_STAGE = {"datasets", "huggingface_hub", "pyarrow", "pandas", "ray", "accelerate"}
MARK = "loaded: "


def loaded_by(code: str, folder: Path) -> set[str]:
    """The top names a fresh Python has loaded when the code has run."""
    code = f"import atexit, sys\natexit.register(lambda: print('{MARK}', *sys.modules))\n{code}"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(seqpipe.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    modules = ran.stdout.splitlines()[-1].removeprefix(MARK).split()
    return {name.split(".")[0] for name in modules}


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    assert not loaded_by("import seqpipe", tmp_path) & HEAVY


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], *([command, "--help"] for command in COMMANDS)]
)
def test_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = f"""
import runpy
sys.argv = {["seqpipe", *arguments]}
try:
    runpy.run_module("seqpipe", run_name="__main__", alter_sys=True)
except SystemExit:
    pass
"""
    assert not loaded_by(code, tmp_path) & HEAVY


DECLARED = [target for group in entry_points(ROOT).values() for target in group.values()]


@pytest.mark.parametrize("module", sorted({target.partition(":")[0] for target in DECLARED}))
def test_what_spacy_imports_by_itself_stays_light(module: str, tmp_path: Path) -> None:
    assert not loaded_by(f"import {module}", tmp_path) & NOT_IN_A_STAGE

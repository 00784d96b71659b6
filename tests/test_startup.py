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
    modules = said_by(code, folder).splitlines()[-1].removeprefix(MARK).split()
    return {name.split(".")[0] for name in modules}


def said_by(code: str, folder: Path, *words: str) -> str:
    """What a fresh Python prints that runs the code."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(seqpipe.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


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
MODULES = sorted({target.partition(":")[0] for target in DECLARED})
# Each module in a copy of a Python that has imported what all of them may.
COPIES = """
import importlib, os, sys
import numpy, spacy, thinc.api, tokenizers, torch
for name in sys.argv[1:]:
    if not os.fork():
        importlib.import_module(name)
        print(name, *sys.modules, flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


@pytest.fixture(scope="module")
def loaded_with(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By module, the top names that are loaded with it."""
    lines = said_by(COPIES, tmp_path_factory.mktemp("copies"), *MODULES).splitlines()
    loaded = (line.split() for line in lines)
    return {name: {one.split(".")[0] for one in names} for name, *names in loaded}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("module", MODULES)
def test_what_spacy_imports_by_itself_stays_light(
    module: str, loaded_with: dict[str, set[str]]
) -> None:
    assert not loaded_with[module] & NOT_IN_A_STAGE

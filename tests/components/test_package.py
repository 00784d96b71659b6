"""`spacy package`: what it makes installs and runs where nothing else is prepared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import srsly
from small import make_nlp
from spacy.cli.package import package

import seqpipe


# spaCy leaves the files that it writes there for the collector to close
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_package_and_install(tmp_path: Path) -> None:
    """The package, installed beside nothing but what it names, is found and speaks."""
    pytest.importorskip("pip")
    make_nlp(steps=1).to_disk(tmp_path / "model")
    package(tmp_path / "model", tmp_path, name="tiny", create_sdist=False, silent=True)
    (folder,) = tmp_path.glob("en_tiny-*")
    assert [r for r in srsly.read_json(folder / "meta.json")["requirements"] if "seqpipe" in r]
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
    in_child([*pip, "--no-build-isolation", "--target", str(site), str(folder)], tmp_path)
    code = (
        "import en_tiny, spacy\n"
        "print(spacy.load('en_tiny')('good').cats == en_tiny.load()('good').cats != {})"
    )
    paths = [site, Path(seqpipe.__file__).parents[1]]
    said = in_child([sys.executable, "-c", code], tmp_path, paths)
    assert said.strip() == "True"


def in_child(command: list[str], folder: Path, paths: Sequence[Path] = ()) -> str:
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    ran = subprocess.run(command, cwd=folder, env=here, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout

"""`seqpipe serve`: it says where it is, answers, and ends with Ctrl-C."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from commands import Command
from spacy.language import Language

from seqpipe.cli.serve import named


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mapping[str, Language], dict[str, Any]]]:
    """What would be served."""
    asked: list[tuple[Mapping[str, Language], dict[str, Any]]] = []
    monkeypatch.setattr(
        "seqpipe.explain.playground.serve", lambda nlp, **how: asked.append((nlp, how))
    )
    return asked


def test_by_default_for_this_machine_alone(
    seqpipe: Command, pipeline: Path, served: list[Any]
) -> None:
    assert seqpipe("serve", pipeline).code == 0
    ((nlp, how),) = served
    assert [*nlp] == [""] and how == {"host": "127.0.0.1", "port": 8765}


def test_several_by_the_folders_of_their_runs(
    seqpipe: Command, pipeline: Path, tmp_path: Path, served: list[Any]
) -> None:
    models = [tmp_path / "stars" / "model-best", tmp_path / "words" / "model-last"]
    for model in models:
        shutil.copytree(pipeline, model)
    assert seqpipe("serve", *models, pipeline, "--port", 0, "--host", "::1").code == 0
    ((nlp, how),) = served
    assert [*nlp] == ["stars", "words", "pipeline"] and how == {"host": "::1", "port": 0}
    shutil.copytree(models[0], tmp_path / "stars" / "model-last")
    twice = [str(tmp_path / "stars" / name) for name in ("model-best", "model-last")]
    assert [*named(twice)] == twice


def test_what_is_refused(seqpipe: Command, pipeline: Path) -> None:
    ran = seqpipe("serve", pipeline, "--port", 99_999)
    assert ran.code == 1 and "at 127.0.0.1, port 99999: " in ran.sentence
    assert seqpipe("serve", pipeline, pipeline).code == 2
    assert "gone" in seqpipe("serve", "gone").sentence


def test_in_a_process_of_its_own(pipeline: Path) -> None:
    command = [sys.executable, "-m", "seqpipe", "serve", str(pipeline), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            (url,) = re.findall(r"http://127.0.0.1:\d+/", server.stdout.readline())
            body = json.dumps({"text": "a good room"}).encode()
            with urlopen(
                Request(f"{url}looks", body, {"Content-Type": "application/json"})
            ) as answer:
                assert "good" in json.load(answer)["looks"][0]["markup"]
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
        finally:
            server.kill()  # it may not hear a signal that its parent ignores

"""The projects to begin with: each says what its commands understand, and one is run."""

from __future__ import annotations

import argparse
import importlib
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import weasel.cli.run
from weasel.cli.run import project_run
from weasel.util import load_project_config

from seqpipe.__main__ import _apart, main

EXAMPLES = Path(__file__).parent.parent / "examples"
STAGES = ("generator", "sentiment", "tokenizer", "translator")


def lines(stage: str) -> Iterator[list[str]]:
    for command in load_project_config(EXAMPLES / stage)["commands"]:
        yield from (shlex.split(line) for line in command["script"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_project_says_what_is_understood(stage: str) -> None:
    for python, m, program, name, *words in lines(stage):
        assert (python, m) == ("python", "-m")
        if program == "spacy":
            assert name == "package"
            continue
        module = importlib.import_module(f"seqpipe.cli.{name.replace('-', '_')}")
        parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
        module.arguments(parser)
        plain, dotted = _apart(words)
        parser.parse_args(plain)
        assert not dotted or module.DOTTED


@pytest.mark.parametrize("stage", STAGES)
def test_a_project_makes_what_its_later_commands_need(stage: str) -> None:
    config = load_project_config(EXAMPLES / stage)
    commands = {command["name"]: command for command in config["commands"]}
    made: set[str] = set()
    for name in config["workflows"]["all"]:
        assert set(commands[name].get("deps", [])) <= made
        made |= set(commands[name].get("outputs", []))
    assert set(commands) == set(config["workflows"]["all"])
    assert stage in commands["config"]["script"][0]


def in_this_process(words: Sequence[str], **_: Any) -> None:
    """What a project would begin a Python for."""
    assert list(words[1:3]) == ["-m", "seqpipe"]
    assert main(words[3:]) == 0


def test_a_project_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weasel.cli.run, "run_command", in_this_process)
    shutil.copytree(EXAMPLES / "sentiment", tmp_path, dirs_exist_ok=True)
    config = load_project_config(tmp_path)
    for command in config["commands"]:
        if command["name"] != "package":  # spaCy's own, and pip's
            project_run(tmp_path, command["name"], overrides={"vars.steps": 4})
            assert all((tmp_path / output).exists() for output in command["outputs"])
    assert len((tmp_path / "output" / "labelled.jsonl").read_text("utf-8").splitlines()) == 400

"""The table of commands, and what becomes of errors."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from commands import Command, in_a_process

from seqpipe import __version__
from seqpipe.__main__ import COMMANDS, main


def test_help_lists_every_command(seqpipe: Command) -> None:
    ran = seqpipe("--help")
    assert ran.code == 0
    assert all(f"  {name} " in ran.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_and_an_example(name: str, seqpipe: Command) -> None:
    ran = seqpipe(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "example" in ran.out and f"python -m seqpipe {name}" in ran.out
    assert callable(importlib.import_module(f"seqpipe.cli.{name.replace('-', '_')}").run)
    page = Path(__file__).parents[2] / "docs" / "commands" / f"{name}.md"
    assert page.read_text(encoding="utf-8").startswith(f"# {name}\n")


def test_version(seqpipe: Command) -> None:
    assert seqpipe("--version").out == f"seqpipe {__version__}\n"


def test_nothing_asked_for_shows_the_help(seqpipe: Command) -> None:
    ran = seqpipe()
    assert (ran.code, ran.out) == (2, "") and "commands:" in ran.err


def test_an_unknown_command_gets_the_nearest(seqpipe: Command) -> None:
    ran = seqpipe("anotate", "a", "b")
    assert ran.code == 2
    assert ran.sentence.endswith("Did you mean 'annotate'?")


@pytest.mark.parametrize(
    "words", [["info"], ["info", "x", "y"], ["info", "x", "--nlp.lang", "en"], ["--nope"]]
)
def test_a_wrong_command_line_is_argparse_s_to_answer(words: list[str], seqpipe: Command) -> None:
    ran = seqpipe(*words)
    assert (ran.code, ran.out) == (2, "") and ran.err.startswith("usage: ")


RAISED = [
    (RuntimeError("first\n\nsecond"), 1, "error: RuntimeError: first (--debug shows where"),
    (PermissionError(13, "Permission denied", "/x/y"), 1, "error: /x/y: Permission denied."),
    (ZeroDivisionError(), 1, "error: ZeroDivisionError: ZeroDivisionError (--debug"),
    (KeyboardInterrupt(), 130, "Stopped."),
]


@pytest.mark.parametrize(("error", "code", "said"), RAISED)
def test_any_error_is_one_line(
    error: BaseException, code: int, said: str, seqpipe: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(model: str) -> None:
        raise error

    monkeypatch.setattr("seqpipe.cli.info.info", fail)
    ran = seqpipe("info", "x")
    assert (ran.code, ran.out) == (code, "") and ran.sentence.startswith(said)


@pytest.mark.parametrize("words", [["--debug", "info", "x"], ["info", "x", "--debug"]])
def test_debug_shows_the_traceback(words: list[str], seqpipe: Command) -> None:
    ran = seqpipe(*words)
    assert ran.code == 1
    assert ran.err.startswith("Traceback") and "PipelineMissing" in ran.err


def test_dotted_options_reach_those_commands_that_take_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []
    monkeypatch.setattr("seqpipe.cli.train.run", lambda args, overrides: seen.append(overrides))
    words = ["--training.dropout", "0.3", "sentiment", "--a.b=-1", "data", "-o", "out.x"]
    assert main(["train", *words]) == 0
    assert seen == [["--training.dropout", "0.3", "--a.b=-1"]]


def test_a_warning_is_one_plain_line(seqpipe: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqpipe.cli.info.run", lambda *_: warnings.warn("mind this", stacklevel=1))
    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert seqpipe("info", "x").err == "warning: mind this\n"
    assert warnings.showwarning is before


def test_in_a_process(tmp_path: Path) -> None:
    assert in_a_process("--version", folder=tmp_path).out == f"seqpipe {__version__}\n"
    ran = in_a_process("info", "nowhere", folder=tmp_path)
    assert ran.code == 1
    assert ran.sentence == "error: There is no folder or installed package 'nowhere'."


def test_a_reader_that_leaves_early_is_no_error(pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("a good room\n" * 20_000)
    words = ["annotate", str(pipeline), "many.txt", "--output", "-"]
    command = [sys.executable, "-m", "seqpipe", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        said = child.stderr.read()
        assert (child.wait(timeout=60), said) == (0, b"")

"""`python -m spacy` knows our commands, where the package is installed."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import pytest
from spacy.cli._util import app
from typer.main import get_command

import seqpipe.spacy_command  # noqa: F401 - which is what spaCy does, too


def test_spacy_has_it_among_its_own() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert {"seqpipe", "train"} <= set(commands)
    assert "Recurrent networks" in commands["seqpipe"].help


def test_whoever_installs_it_is_found() -> None:
    values = [point.value for point in entry_points(group="spacy_cli", name="seqpipe")]
    assert values == ["seqpipe.spacy_command:seqpipe"] * len(values)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--help"], 0, "python -m seqpipe COMMAND"),
        (["info", "--help"], 0, "MODEL"),
        (["info", "nowhere"], 1, "There is no folder"),
        (["infos"], 2, "Did you mean 'info'?"),
    ],
)
def test_all_that_follows_is_for_our_command(
    words: list[str],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["spacy/__main__.py", "seqpipe", *words])
    with pytest.raises(SystemExit) as left:
        get_command(app)(["seqpipe", *words], prog_name="python -m spacy")
    assert left.value.code == code
    said = capsys.readouterr()
    assert told in said.out + said.err

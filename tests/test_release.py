"""What a release says of itself agrees, and nothing is sent by mistake."""

from __future__ import annotations

import configparser
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import srsly

from seqpipe import __version__

ROOT = Path(__file__).parent.parent


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a checkout that is ready to be sent."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, text in {
        "seqpipe/__init__.py": '__version__ = "1.2.3"\n',
        "CITATION.cff": "cff-version: 1.2.0\nversion: 1.2.3\n",
        "CHANGELOG.md": "# Changelog\n\n## [1.2.3]: 2030-01-31\n",
        "dist/seqpipe-1.2.3-py3-none-any.whl": "",
        "dist/seqpipe-1.2.3.tar.gz": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name, place in {"ROOT": tmp_path, "DIST": tmp_path / "dist"}.items():
        monkeypatch.setattr(script, name, place)
    monkeypatch.setattr(script, "unready", lambda: [])
    monkeypatch.setattr(script, "tried", lambda version: None)
    monkeypatch.setattr(script, "run", told)
    return script


def told(*words: str) -> int:
    """Where a program would be run."""
    print(*words)
    return 0


def test_a_rehearsal_sends_nothing(release: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main([]) == 0
    told = capsys.readouterr().out
    assert "nothing was sent" in told and "upload" not in told and "Before" not in told


def test_a_release_is_sent(release: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--upload"]) == 0
    assert capsys.readouterr().out.count("dist/seqpipe-1.2.3") == 2


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("CITATION.cff", "version: 1.2.2\n", "CITATION.cff has another version"),
        ("CHANGELOG.md", "## [Unreleased]: 1.2.3\n", "CHANGELOG.md has no line"),
        ("seqpipe/__init__.py", '__version__ = "1.2.4"\n', "dist has no wheel"),
    ],
)
def test_what_does_not_agree_is_not_sent(
    name: str,
    text: str,
    reason: str,
    release: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_text(text)
    assert release.main(["--upload"]) == 1
    told = capsys.readouterr()
    assert reason in told.err and "upload" not in told.out


def test_without_a_token_nothing_is_sent(
    release: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "unready", lambda: ["TWINE_PASSWORD holds no token."])
    assert release.main(["--upload"]) == 1
    assert "no token" in capsys.readouterr().err


def test_the_citation_is_of_this_version() -> None:
    citation = srsly.read_yaml(ROOT / "CITATION.cff")
    assert (citation["version"], citation["license"]) == (__version__, "MIT")
    assert citation["message"] and citation["title"] and citation["authors"]


def test_every_python_that_installs_it_is_named() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    named = {
        int(line.rpartition(".")[2])
        for line in parser["metadata"]["classifiers"].splitlines()
        if ":: Python :: 3." in line
    }
    wanted = f">=3.{min(named)},<3.{max(named) + 1}"
    assert parser["options"]["python_requires"] == wanted
    assert named == {*range(min(named), max(named) + 1)}

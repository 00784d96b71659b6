"""What a release says of itself agrees, and nothing is sent by mistake."""

from __future__ import annotations

import configparser
from pathlib import Path
from types import ModuleType

import pytest
import srsly
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from scripts import opened

from seqpipe import __version__

ROOT = Path(__file__).parent.parent


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a checkout that is ready to be sent."""
    script = opened("release")
    for name, text in {
        "seqpipe/__init__.py": '__version__ = "1.2.3"\n',
        "CITATION.cff": "cff-version: 1.2.0\nversion: 1.2.3\n",
        "CHANGELOG.md": "# Changelog\n\n## [1.2.3]: 2030-01-31\n",
        "tests/released/1.2.3/told.json": "{}",
        "dist/seqpipe-1.2.3-py3-none-any.whl": "",
        "dist/seqpipe-1.2.3.tar.gz": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    kept = tmp_path / "tests" / "released"
    for name, place in {"ROOT": tmp_path, "DIST": tmp_path / "dist", "KEPT": kept}.items():
        monkeypatch.setattr(script, name, place)
    monkeypatch.setattr(script, "unready", lambda: [])
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
        ("seqpipe/__init__.py", '__version__ = "1.2.4"\n', "no pipelines of 1.2.4"),
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


def test_each_way_in_has_an_example_that_is_tried() -> None:
    script = opened("try_wheel")
    shown = "".join(one.code for one in script.examples())
    assert [way for way in script.WAYS if way not in shown] == []


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


def test_what_is_tried_as_the_oldest_is_what_is_claimed() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = parser["options.extras_require"]
    lines = [*parser["options"]["install_requires"].splitlines(), *extras["test"].splitlines()]
    claims = {Requirement(line) for line in lines if line}
    pins = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in pins if not line.startswith("#"))
    for claim in claims:
        oldest = next(part.version for part in claim.specifier if part.operator == ">=")
        assert Version(pinned[canonicalize_name(claim.name)]) == Version(oldest), claim

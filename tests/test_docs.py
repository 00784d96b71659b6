"""What the documentation shows is run as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from seqpipe.__main__ import main

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The demo has its own test; spaCy's own commands are tested with the stage.
LEFT_OUT = ("python -m seqpipe demo", "python -m spacy", "pip ", "tox", "git ")
SMALL = ["--training.max_steps", "4"]
SIDES = [
    ("a lovely film with good actors", "positive"),
    ("a dull film with bad actors", "negative"),
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages speak of."""
    rows: list[dict[str, object]] = [
        {"text": f"{text} {i}", "label": label} for i in range(30) for text, label in SIDES
    ]
    (tmp_path / "reviews").mkdir()
    for part in ("train", "validation", "test"):
        write_lines(tmp_path / "reviews" / f"{part}.jsonl", rows)
    write_lines(
        tmp_path / "new.jsonl", [{"text": text, "id": i} for i, (text, _) in enumerate(SIDES)]
    )
    stars = [f"{row['text']},{1 if row['label'] == 'negative' else 5}" for row in rows]
    (tmp_path / "reviews.csv").write_text("\n".join(["review,stars", *stars]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def trained(name: str) -> None:
    """The pages build on models that other pages have trained."""
    argv = ["train", "sentiment", "reviews", "--output", name, *SMALL]
    assert main(argv) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path, desk: Path) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    for name in ("stars", "films", "seqpipe-demo/reviews_en"):
        commands = "".join(code for kind, code in blocks if kind != "python")
        if f"{name}/model-best" in str(blocks) and f"--output {name}\n" not in commands:
            trained(name)
    names: dict[str, object] = {"__name__": "__example__"}
    for kind, code in blocks:
        if kind == "python":
            exec(compile(code, str(page), "exec"), names)
        elif kind in ("", "console", "bash"):
            run_commands(code)


def run_commands(code: str) -> None:
    for line in code.replace("\\\n", " ").splitlines():
        if not line.startswith("python -m seqpipe") or line.startswith(LEFT_OUT):
            continue
        command = line.partition(" > ")[0]
        argv = shlex.split(command)[3:]
        if argv[0] == "train" and "--training.max_steps" not in argv:
            argv += SMALL
        assert main(argv) == 0, line

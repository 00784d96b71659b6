"""What the documentation shows is run as it stands."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from shelves import Shelf
from verses import POEMS

from seqpipe.__main__ import main
from seqpipe.cli._config import stage_config
from seqpipe.components._stage import read_defaults

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
NEEDS = {"tune.md": "optuna"}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The demo and the playground have their own tests; spaCy's own commands are tested with the stage.
LEFT_OUT = (
    *("python -m seqpipe demo", "python -m seqpipe serve", "python -m spacy"),
    *("pip ", "tox", "git "),
)
SMALL = ["--training.max_steps", "4"]
# Of the bundled corpora, which the pages score whole models on.
FEW = "20"
# Models that the pages speak of without training them.
MODELS = {
    "stars": ("sentiment", "reviews"),
    "films": ("sentiment", "reviews"),
    "words": ("tokenizer", "sentences"),
    "en-de": ("translator", "pairs", "--source", "en", "--target", "de"),
    "verse": ("generator", "poems"),
    "seqpipe-demo/verse_en": ("generator", "poems"),
    "seqpipe-demo/reviews_en": ("sentiment", "reviews"),
    "seqpipe-demo/sentences_en": ("tokenizer", "sentences"),
    "seqpipe-demo/phrases_en_de": ("translator", "pairs", "--source", "en", "--target", "de"),
}
SIDES = [
    ("a lovely film with good actors", "positive"),
    ("a dull film with bad actors", "negative"),
]
PAIRS: list[dict[str, object]] = [
    {"en": f"{i} cakes are small.", "de": f"{i} Kuchen sind klein."} for i in range(2, 32)
]
SENTENCES: list[dict[str, object]] = [
    {
        "text": f"{text}.",
        "tokens": [*text.split(), "."],
        "newpar": i % 3 == 0,
        "doc_id": f"{i // 6}",
    }
    for i in range(30)
    for text, _ in SIDES
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
    shares = ({"negative": 0.8, "positive": 0.2}, {"negative": 0.3, "positive": 0.7})
    opinions: list[dict[str, object]] = [
        {"text": f"{text} {i}", "probs": told}
        for i in range(15)
        for (text, _), told in zip(SIDES, shares, strict=True)
    ]
    write_lines(tmp_path / "opinions.jsonl", opinions)
    write_lines(
        tmp_path / "new.jsonl", [{"text": text, "id": i} for i, (text, _) in enumerate(SIDES)]
    )
    (tmp_path / "sentences").mkdir()
    for part in ("train", "validation", "test"):
        write_lines(tmp_path / "sentences" / f"{part}.jsonl", SENTENCES)
    (tmp_path / "pairs").mkdir()
    for part in ("train", "validation", "test"):
        write_lines(tmp_path / "pairs" / f"{part}.jsonl", PAIRS)
    poems: list[dict[str, object]] = [{"text": text} for text in POEMS * 4]
    (tmp_path / "poems").mkdir()
    for part in ("train", "validation", "test"):
        write_lines(tmp_path / "poems" / f"{part}.jsonl", poems)
    (tmp_path / "beginnings.txt").write_text("The moon\nA ship\n", encoding="utf-8")
    (tmp_path / "lines.txt").write_text("Two cakes.\n\nThe box is blue.\n", encoding="utf-8")
    named = [{"sentence": row["text"], "words": row["tokens"]} for row in SENTENCES]
    write_lines(tmp_path / "rows.jsonl", named * 20)
    for code, word in {"en": "number", "de": "Nummer"}.items():
        lines = "".join(f"{word} {at}\n" for at in range(40))
        (tmp_path / f"talks.{code}").write_text(lines, encoding="utf-8")
    (tmp_path / "words.txt").write_text("actors\n演员\n", encoding="utf-8")
    (tmp_path / "long.txt").write_text("I saw it. " * 1000, encoding="utf-8")
    stars = [f"{row['text']},{1 if row['label'] == 'negative' else 5}" for row in rows]
    (tmp_path / "reviews.csv").write_text("\n".join(["review,stars", *stars]) + "\n")
    monkeypatch.chdir(tmp_path)
    Shelf(monkeypatch)  # nobody needs TensorBoard to run the tests
    return tmp_path


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def trained(name: str) -> None:
    """The pages build on models that other pages have trained."""
    assert main(["train", *MODELS[name], "--output", name, *SMALL]) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path, desk: Path) -> None:
    needed = NEEDS.get(page.name)
    if needed is not None and importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    for name in MODELS:
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
        if argv[0] in ("train", "evaluate") and argv[2].startswith("bundled:"):
            argv += ["--corpora.dev.limit" if argv[0] == "train" else "--limit", FEW]
        assert main(argv) == 0, line


@pytest.mark.parametrize("stage", ["generator", "sentiment", "tokenizer", "translator"])
def test_every_setting_of_a_stage_is_told(stage: str) -> None:
    page = (ROOT / "docs" / f"{stage}.md").read_text(encoding="utf-8")
    config = read_defaults(str(stage_config(stage)), stage)
    names = [
        f"{name}.{inner}" if isinstance(value, dict) else name
        for name, value in config.items()
        for inner in (value if isinstance(value, dict) else [""])
        if not inner.startswith("@")
    ]
    assert [name for name in names if f"`{name}`" not in page] == []

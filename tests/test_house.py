"""The house keeps its rules, the rules see what breaks them, and no name changes unseen."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from house import Module, disk, entry_points, imports_bare, left_out, undeclared, violations

import seqpipe
from seqpipe.__main__ import COMMANDS as OFFERED

ROOT = Path(__file__).parents[1]

# What the outside may lean on. A change here is a change for users: CHANGELOG.md says so too.
PUBLIC_NAMES = [
    "Codec",
    "SeqpipeError",
    "__version__",
    "annotate",
    "explained",
    "from_pretrained",
    "mapper",
    "pipeline",
    "push_to_hub",
    "render",
    "save_pretrained",
    "serve",
]
COMMANDS = [
    "annotate",
    "demo",
    "evaluate",
    "explain",
    "export",
    "generate",
    "info",
    "init-config",
    "push",
    "remember",
    "serve",
    "train",
    "translate",
    "tune",
]
CONSOLE_COMMANDS = ["seqpipe"]
REGISTERED = {
    "architectures": [
        "seqpipe.Classifier.v1",
        "seqpipe.LanguageModel.v1",
        "seqpipe.Tagger.v1",
        "seqpipe.Translator.v1",
    ],
    "callbacks": ["seqpipe.calibrate.v1"],
    "cli": ["seqpipe"],
    "factories": [
        "seqpipe_generator",
        "seqpipe_sentiment",
        "seqpipe_tokenizer",
        "seqpipe_translator",
    ],
    "misc": ["seqpipe.Codec.v1", "seqpipe.Search.v1"],
    "readers": [
        "seqpipe.Dataset.v1",
        "seqpipe.Pairs.v1",
        "seqpipe.Picked.v1",
        "seqpipe.RunningText.v1",
        "seqpipe.Tokens.v1",
    ],
    "schedules": ["seqpipe.WarmupDecay.v1"],
    "scorers": [
        "seqpipe.sentiment_scorer.v1",
        "seqpipe.surprisal_scorer.v1",
        "seqpipe.tokenizer_scorer.v1",
        "seqpipe.translation_scorer.v1",
    ],
    "tokenizers": ["seqpipe.RawText.v1", "seqpipe.Tokenizer.v1"],
}
POOLINGS = ["attention", "last", "max", "mean"]
_TRANSLATION = [
    "alignment",
    "translation",
    "translation_confidence",
    "translation_nbest",
    "translation_recalled",
    "translation_score",
]
_MEASURES = ["bits_per_char", "generated", "generated_nbest", "perplexity", "surprisal"]
EXTENSIONS = {
    "doc": sorted(["sentiment", *_MEASURES, *_TRANSLATION]),
    "span": sorted(["surprisal", *_TRANSLATION]),
    "token": sorted(["surprisal", *_TRANSLATION]),
}


def in_child(code: str, *arguments: str, folder: Path) -> Any:
    """What the code prints as JSON on its last line, run by a fresh Python elsewhere."""
    command = [sys.executable, "-c", code, *arguments]
    here = {**os.environ, "PYTHONPATH": str(Path(seqpipe.__file__).parents[1])}
    ran = subprocess.run(command, cwd=folder, env=here, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_the_house_keeps_its_rules() -> None:
    assert violations(ROOT) == []


def test_a_wheel_would_hold_everything() -> None:
    assert left_out(ROOT) == []


def test_what_is_imported_is_required() -> None:
    assert undeclared(ROOT) == []


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_nobody_outside_imports_a_room_bare(folder: str) -> None:
    paths = (ROOT / folder).rglob("*.py")
    outside = [Module(str(path), path, ast.parse(path.read_text("utf-8"))) for path in paths]
    assert [found for module in outside for found in imports_bare(module)] == []


@pytest.mark.skipif("SEQPIPE_TEST_WHEEL" not in os.environ, reason="a checkout, not the wheel")
def test_the_wheel_is_what_is_tested_and_holds_everything() -> None:
    assert seqpipe.__file__.startswith(sysconfig.get_path("purelib"))
    files = importlib.metadata.files("seqpipe") or []
    installed = {str(path) for path in files if path.parts[0] == "seqpipe"}
    assert {name for name in installed if "__pycache__" not in name} == set(disk(ROOT))


def test_public_names() -> None:
    assert sorted(seqpipe.__all__) == PUBLIC_NAMES
    assert all(hasattr(seqpipe, name) for name in PUBLIC_NAMES)


def test_declared_names() -> None:
    declared = {group: sorted(found) for group, found in entry_points(ROOT).items()}
    assert declared.pop("console_scripts") == CONSOLE_COMMANDS
    assert {group.partition("_")[2]: found for group, found in declared.items()} == REGISTERED
    assert sorted(OFFERED) == COMMANDS


@pytest.mark.parametrize(
    "target", [target for group in entry_points(ROOT).values() for target in group.values()]
)
def test_what_is_declared_is_there(target: str) -> None:
    module, _, name = target.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


LIVE = """
import importlib, json, sys, spacy
from spacy.tokens.underscore import Underscore
for target in sys.argv[1:]:
    importlib.import_module(target.partition(":")[0])
from seqpipe.nets.pooling import poolings
nlp = spacy.blank("en")
ours = lambda names: sorted(name for name in names if name.startswith("seqpipe"))
registries = spacy.registry.get_registry_names()
names = {kind: ours(getattr(spacy.registry, kind).get_all()) for kind in registries}
names["factories"] = ours(nlp.factory_names)
for factory in names["factories"]:
    nlp.add_pipe(factory)
print(json.dumps({
    "registered": {kind: found for kind, found in names.items() if found},
    "poolings": sorted(poolings.get_all()),
    "extensions": {
        kind: sorted(getattr(Underscore, f"{kind}_extensions")) for kind in ("doc", "span", "token")
    },
}))
"""


def test_names_that_live_in_spacy(tmp_path: Path) -> None:
    groups = [group for name, group in entry_points(ROOT).items() if name != "console_scripts"]
    targets = [target for group in groups for target in group.values()]
    live = in_child(LIVE, *targets, folder=tmp_path)
    assert live == {"registered": REGISTERED, "poolings": POOLINGS, "extensions": EXTENSIONS}


# Where it stands, what it says, and what the rules answer; nothing, for what is allowed.
HOUSES = [
    ("seqpipe/nets/a.py", "import torch\nfrom seqpipe.errors import SettingError", ""),
    ("seqpipe/train/a.py", "def f() -> None:\n    from ..text import codec", ""),
    ("seqpipe/cli/a.py", "from seqpipe import __version__, components", ""),
    ("components/a.py", "from ._stage import Stage\nfrom seqpipe import bridge", ""),
    ("components/a.py", "from seqpipe.components.raw_text import RawText", ""),
    ("corpora/a.py", "import seqpipe.text.codec\nfrom .sources import Source", ""),
    ("seqpipe/nets/a.py", "import seqpipe.train", "does not lie below"),
    ("seqpipe/nets/a.py", "from seqpipe.text import codec", "does not lie below"),
    ("seqpipe/errors.py", "from .text.codec import Codec", "does not lie below"),
    ("seqpipe/text/__init__.py", "from ..nets import cells", "does not lie below"),
    ("seqpipe/search/a.py", "def f():\n    from ..train import loop", "does not lie below"),
    ("seqpipe/hub.py", "from . import explain", "does not lie below"),
    ("seqpipe/train/a.py", "import_module('seqpipe.bridge')", "does not lie below"),
    ("seqpipe/annotation/a.py", "from seqpipe import components", "does not lie below"),
    ("seqpipe/__init__.py", "from .components import sentiment", "does not lie below"),
    ("corpora/a.py", "from ..nets import cells", "does not lie below"),
    ("corpora/a.py", "if x:\n    import seqpipe.components._stage", "does not lie below"),
    ("components/a.py", "from seqpipe.corpora import reader", "does not lie below"),
    ("components/a.py", "import seqpipe.cli.train", "does not lie below"),
    ("components/a.py", "from . import b", "imports the sibling"),
    ("components/_stage.py", "from .b import B", "imports the sibling"),
    ("seqpipe/nets/a.py", "from seqpipe import Codec", "from the front"),
    ("seqpipe/attic/a.py", "", "does not have"),
    ("seqpipe/text/codec.py", "import torch", "foreign"),
    ("seqpipe/nets/a.py", "def f():\n    import spacy.tokens", "foreign"),
    ("components/a.py", "import components.b", "bare"),
    ("seqpipe/cli/a.py", "def f():\n    from corpora import reader", "bare"),
    ("seqpipe/train/a.py", "import pickle", "unpickled"),
    ("seqpipe/train/a.py", "from torch import load", "unpickled"),
    ("seqpipe/train/a.py", "import torch as t\nt.load('x')", "unpickled"),
    ("seqpipe/train/a.py", "import numpy\nnumpy.load('x', allow_pickle=True)", "pickle"),
    ("seqpipe/text/a.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
    ("seqpipe/text/a.py", "x = 1\n" * 401, "has 401 lines"),
    ("seqpipe/text/utils.py", "", "named for nothing"),
]


@pytest.mark.parametrize(("place", "source", "answer"), HOUSES)
def test_a_rule_sees_what_breaks_it(place: str, source: str, answer: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert [answer in found for found in violations(tmp_path)] == [True] * bool(answer)


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("seqpipe/nets/cells.py", "does not list the package seqpipe.nets"),
        (
            "corpora/data/reviews.jsonl",
            "package_data leaves out seqpipe/corpora/data/reviews.jsonl",
        ),
        ("components/sentiment.py", "seqpipe.components has no __init__.py"),
        ("setup.cfg", "lists seqpipe.text, which is not there"),
    ],
)
def test_what_a_wheel_would_lack_is_seen(place: str, answer: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    text = "[options]\npackages =\n  seqpipe.components\n  seqpipe.text"
    (tmp_path / "setup.cfg").write_text(text, encoding="utf-8")
    assert any(answer in found for found in left_out(tmp_path))

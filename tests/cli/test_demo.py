"""`seqpipe demo`, shortened: it trains, tells and leaves pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command

from seqpipe.cli import train as command
from seqpipe.cli.demo import CORPORA

SMALL = {
    "training.max_steps": 3,
    "components.sentiment.model.width": 8,
    "components.sentiment.model.embedding": 8,
}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """Trains three steps; gives the settings that were asked for."""
    train, asked = command.train, list[Mapping[str, Any]]()

    def few_steps(*words: str, overrides: Mapping[str, Any], **others: Any) -> Any:
        asked.append(overrides)
        return train(*words, overrides={**overrides, **SMALL}, **others)

    monkeypatch.setattr(command, "train", few_steps)
    return asked


def test_it_leaves_pipelines_and_says_how_to_use_them(
    seqpipe: Command, hurried: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    ran = seqpipe("demo", "--output", tmp_path / "new", "--seed", 5)
    assert ran.code == 0
    assert [settings["system.seed"] for settings in hurried] == [5, 5]
    for corpus, lang in CORPORA.items():
        model = tmp_path / "new" / corpus / "model-best"
        assert f"bundled:{corpus}: learned from 2,200 reviews" in ran.out
        assert str(model) in ran.out
        nlp = spacy.load(model)
        assert nlp.lang == lang
        assert nlp("好 good")._.sentiment["label"] in ("positive", "negative")
    assert "accuracy" in ran.out and "spacy.load(" in ran.out


def test_a_folder_in_use_is_left_alone(
    seqpipe: Command, hurried: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "mine").touch()
    ran = seqpipe("demo", "--output", tmp_path)
    assert (ran.code, ran.out, hurried) == (1, "", []) and "--overwrite" in ran.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_ctrl_c(seqpipe: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "train", stopped)
    ran = seqpipe("demo", "--output", tmp_path)
    assert (ran.code, ran.out, ran.err) == (
        130,
        "",
        "Learning from bundled:reviews_en ...\nStopped.\n",
    )

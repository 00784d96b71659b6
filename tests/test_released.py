"""What earlier versions have saved loads, and says what it said then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from scripts import opened

KEPT = Path(__file__).parent / "released"
MODELS = sorted(path.parent for path in KEPT.glob("*/*/config.cfg"))


def same(kept: Any, now: Any) -> bool:
    """Whether all that was told is told still; what is told besides is new since then."""
    if isinstance(kept, Mapping):
        return all(name in now and same(value, now[name]) for name, value in kept.items())
    if isinstance(kept, list):
        return len(kept) == len(now) and all(map(same, kept, now))
    if isinstance(kept, float):
        # Of what was rounded to four places the last one may differ.
        near = 1.01e-4 if round(kept, 4) == kept else 1e-5
        return bool(now == pytest.approx(kept, rel=1e-5, abs=near))
    return bool(kept == now)


# Saved by a newer spaCy than the oldest that we take.
@pytest.mark.filterwarnings(r"ignore:\[W095\]")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.parent.name}-{model.name}")
def test_a_pipeline_of_an_earlier_version_says_what_it_said(model: Path) -> None:
    keep = opened("keep")
    told = srsly.read_json(model.parent / keep.TOLD)[model.name]
    nlp = spacy.load(model)
    assert nlp.pipe_names == [model.name]
    found = keep.told_of(nlp)
    assert same(told, found), (told, found)
    assert not same(told, found[::-1])  # the comparison sees something


def test_every_stage_of_every_version_was_kept() -> None:
    stages = {"generator", "sentiment", "tokenizer", "translator"}
    versions = {model.parent.name for model in MODELS}
    assert versions
    for version in versions:
        assert {model.name for model in MODELS if model.parent.name == version} == stages
    size = sum(path.stat().st_size for path in KEPT.rglob("*") if path.is_file())
    assert size < 200_000 * len(versions)  # they travel with the sources for ever

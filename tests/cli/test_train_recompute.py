"""`seqpipe.recompute`: a training in less memory is the same training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs import told
from verses import POEMS

from seqpipe.cli.train import train
from seqpipe.errors import SettingError

SETTINGS: dict[str, Any] = {
    "training.max_steps": 6,
    "training.eval_frequency": 3,
    "training.dropout": 0.2,
    "seqpipe.rows": 8,
}


@pytest.mark.parametrize("stage", ["generator", "sentiment"])
def test_a_training_that_computes_twice_is_the_same(
    stage: str, reviews: Path, tmp_path: Path
) -> None:
    poems = tmp_path / "poems.txt"
    poems.write_text("\n".join(poem.replace("\n", " ") for poem in POEMS * 4), encoding="utf-8")
    data = reviews if stage == "sentiment" else poems
    for steps in (0, 2):
        overrides = {**SETTINGS, "seqpipe.recompute": steps}
        train(stage, str(data), output=tmp_path / str(steps), overrides=overrides)
    once, twice = told(tmp_path / "0"), told(tmp_path / "2")
    for name in ("loss", "gradient_norm", "score"):
        assert [line[name] for line in twice] == pytest.approx([line[name] for line in once], 1e-4)


def test_less_than_none_is_refused(reviews: Path, tmp_path: Path) -> None:
    overrides = {**SETTINGS, "seqpipe.recompute": -1}
    with pytest.raises(SettingError, match=r"recompute = -1 .* from 0 on"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=overrides)

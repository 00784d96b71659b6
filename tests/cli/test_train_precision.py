"""Trainings in bf16: every stage and cell learns nearly the same, and goes on to the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import letters
import pytest
import small
import torch
import verses
import words
from runs import told, written_bytes
from spacy.language import Language
from spacy.training import Example

from seqpipe.cli.train import Silent, train
from seqpipe.components._stage import Stage
from seqpipe.errors import SettingError
from seqpipe.nets.cells import Cell

Make = Callable[..., Language]
Examples = Callable[[Language], list[Example]]
STAGES: dict[str, tuple[Make, Examples]] = {
    "generator": (verses.make_verses_nlp, verses.make_examples),
    "sentiment": (small.make_nlp, small.make_examples),
    "tokenizer": (words.make_words_nlp, words.make_examples),
    "translator": (letters.make_letters_nlp, letters.make_examples),
}
SETTINGS: dict[str, Any] = {
    "seqpipe.precision": "bf16",
    "seqpipe.rows": 8,  # eight steps an epoch
    "training.max_epochs": 1,
    "training.eval_frequency": 3,
    "training.dropout": 0.1,
}


def gradient(name: str, precision: str, cell: str) -> torch.Tensor:
    make, examples = STAGES[name]
    nlp = make(model={"cell": cell})
    stage = nlp.get_pipe(name)
    assert isinstance(stage, Stage)
    learner = stage.shim.learner
    learner.compute_in(precision)
    stage.update(examples(nlp)[:20], drop=0.0)
    grads = [weight.grad for weight in learner.weights if weight.grad is not None]
    assert {grad.dtype for grad in grads} == {torch.float32}
    return torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("stage", STAGES)
def test_gradients_are_nearly_those_of_32_bits(stage: str, cell: str) -> None:
    exact, short = (gradient(stage, precision, cell) for precision in ("fp32", "bf16"))
    assert not torch.equal(exact, short)
    assert torch.linalg.vector_norm(exact - short) < 0.05 * torch.linalg.vector_norm(exact)


class Leaving(Silent):
    """Asks to stop after a step."""

    def stepped(self, position: Any, words_per_second: float) -> None:
        self.stopping = position.step == 4


def test_a_run_in_bf16_goes_on_to_the_same_bytes(reviews: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"overrides": SETTINGS, "resume": True}
    for output, watcher in ((tmp_path / "a", None), (tmp_path / "b", Leaving())):
        train("sentiment", str(reviews), output=output, watcher=watcher, **how)
    train("sentiment", str(reviews), output=tmp_path / "b", **how)
    assert len(told(tmp_path / "a")) == 3
    assert told(tmp_path / "a") == told(tmp_path / "b")
    assert written_bytes(tmp_path / "a") == written_bytes(tmp_path / "b")


def test_fp16_on_a_cpu_is_one_sentence(reviews: Path, tmp_path: Path) -> None:
    overrides = {**SETTINGS, "seqpipe.precision": "fp16", "components.*.device": "cpu"}
    with pytest.raises(SettingError, match="fp16 needs a GPU"):
        train("sentiment", str(reviews), output=tmp_path / "out", overrides=overrides)

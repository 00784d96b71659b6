"""A stage that begins as a generator where spaCy drives: `nlp.initialize` and its settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import torch
from generators import SIZES, write_generator
from letters import add_stage as add_translator
from letters import make_examples as make_letters
from letters import make_pairs, said
from safetensors.torch import load_file
from small import add_stage, make_examples, stage_of, texts_of
from spacy.language import Language

from seqpipe.errors import SeqpipeError, SettingError

MODEL = {**SIZES, "pooling": ["max"]}


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stage, as the setting has it."""
    folder = tmp_path_factory.mktemp("generator") / "model"
    return write_generator(folder, [*texts_of(), *(text for text, _ in make_pairs(50))]) / (
        "generator"
    )


def begun(generator: Path, **sizes: object) -> Language:
    nlp = spacy.blank("en")
    add_stage(nlp, model={**MODEL, **sizes})
    nlp.config["initialize"]["components"]["sentiment"] = {"generator": str(generator)}
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


def test_it_begins_with_the_pieces_and_weights(generator: Path) -> None:
    stage = stage_of(begun(generator))
    given = load_file(generator / "model.safetensors")
    assert len(stage._codec()) == len(given["pieces.weight"])
    assert torch.equal(
        stage.shim.net.encoder.onward[0].weight_hh_l0, given["layers.0.weight_hh_l0"]
    )


def test_it_learns_and_is_saved_like_any_other(generator: Path, tmp_path: Path) -> None:
    nlp = begun(generator)
    nlp.update(make_examples(nlp), sgd=nlp.create_optimizer())
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert [doc.cats for doc in again.pipe(texts_of())] == [
        doc.cats for doc in nlp.pipe(texts_of())
    ]


def test_sizes_that_do_not_match_are_one_sentence(generator: Path) -> None:
    with pytest.raises(SettingError, match="= 9 is not allowed: give 5, as the"):
        begun(generator, width=9)


def test_a_protected_translator_needs_a_generator_with_its_holders(generator: Path) -> None:
    """What stands for a number in a text is a piece, and the generator has read none."""
    nlp = spacy.blank("xx")
    add_translator(nlp, model=SIZES, protect=["number"])
    nlp.config["initialize"]["components"]["translator"] = {"generator": str(generator)}
    with pytest.raises(SeqpipeError) as raised:
        nlp.initialize(lambda: make_letters(nlp, make_pairs(50)))
    assert len(str(raised.value).splitlines()) == 1


def test_a_translator_writes(generator: Path) -> None:
    nlp = spacy.blank("xx")
    add_translator(nlp, model=SIZES)
    nlp.config["initialize"]["components"]["translator"] = {"generator": str(generator)}
    nlp.initialize(lambda: make_letters(nlp, make_pairs(50)))
    assert all(isinstance(text, str) for text in said(nlp))

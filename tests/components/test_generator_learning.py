"""Learning: by spaCy's own calls, in windows, and from part to part of a text that runs on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import spacy
import torch
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Adam, Config
from verses import BPE, CODEC, MODEL, POEMS, add_stage, make_examples, make_verses_nlp, verses_stage

from seqpipe.components import generator
from seqpipe.components._stage import Buckets, Lessons
from seqpipe.components.generator import Generator
from seqpipe.errors import SettingError
from seqpipe.nets.carry import Carry
from seqpipe.nets.cells import Cell
from seqpipe.nets.language_model import LanguageModel
from seqpipe.text.codec import EOS, Codec
from seqpipe.text.course import CONTINUES, Part, Running
from seqpipe.text.rows import Rows

UNEVEN = [POEMS[0] * 3, "春", "", POEMS[4], "A candle", POEMS[1]]
SHORT: dict[str, Any] = {"max_length": 10}


def gradients(stage: Generator) -> list[torch.Tensor]:
    return [w.grad.clone() for w in stage.shim.learner.weights if w.grad is not None]


def fresh(**config: Any) -> Generator:
    return verses_stage(make_verses_nlp(texts=UNEVEN, **config))


def docs_of(stage: Generator, texts: list[str]) -> Lessons:
    nlp = spacy.blank("xx")
    return stage.lessons(make_examples(nlp, texts))


# By spaCy's own calls -----------------------------------------------------------------------


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("codec", [CODEC, BPE], ids=lambda codec: codec["unit"])
def test_docs_of_any_lengths_are_learned(cell: str, codec: dict[str, Any]) -> None:
    nlp = make_verses_nlp(texts=UNEVEN, codec=codec, model={"cell": cell}, search=SHORT, window=20)
    examples, optimizer = make_examples(nlp, UNEVEN), Adam(0.02)
    before = nlp.evaluate(make_examples(nlp, UNEVEN))
    losses = [nlp.update(examples, sgd=optimizer)["generator"] for _ in range(12)]
    after = nlp.evaluate(make_examples(nlp, UNEVEN))
    assert losses[-1] < 0.8 * losses[0]
    assert after["bits_per_char"] < 0.8 * before["bits_per_char"]


REGULARIZED: dict[str, Any] = {
    "layers": 2,
    "tie_output": True,
    "piece_dropout": 0.05,
    "embedding_dropout": 0.05,
    "weight_dropout": 0.1,
    "activation": 0.5,
    "change": 0.5,
}


def test_all_regularizers_together_learn_too() -> None:
    nlp = make_verses_nlp(texts=UNEVEN, model=REGULARIZED, search=SHORT)
    examples, optimizer = make_examples(nlp, UNEVEN), Adam(0.02)
    losses = [nlp.update(examples, sgd=optimizer, drop=0.1)["generator"] for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    assert not verses_stage(nlp).shim.net.training


def test_spacy_train_learns_by_the_defaults(tmp_path: Path) -> None:
    rows = tmp_path / "train.jsonl"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in POEMS * 4))
    config = Config().from_disk(Path(generator.__file__).with_suffix(".cfg"), interpolate=False)
    del config["seqpipe"]  # what spaCy does not know
    config["paths"].update(train=str(rows), dev=str(rows))
    config["corpora"]["dev"]["split"] = "train"
    own = config["components"]["generator"]
    own.update(model=MODEL, device="cpu")
    own["search"]["max_length"] = 5
    config["training"].update(max_steps=30, eval_frequency=10)
    config["training"]["optimizer"]["learn_rate"].update(rate=0.03, warmup_steps=3)
    config["training"]["logger"]["console_output"] = False
    nlp = init_nlp(config)
    before = nlp(POEMS[0])._.bits_per_char
    train(nlp, tmp_path)
    best = spacy.load(tmp_path / "model-best")
    assert best(POEMS[0])._.bits_per_char < 0.8 * before
    scores = best.meta["performance"]
    assert scores["bits_per_char"] < 0.8 * before and 0 < scores["char_likelihood"] < 1


# Windows ------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_all_pieces_and_ends() -> None:
    stage = fresh(window=1000)
    lessons = docs_of(stage, UNEVEN)
    assert all(row[-1] == EOS for row in lessons.rows)
    assert [len(row) for row in lessons.rows] == [len(text) + 1 for text in UNEVEN]
    found = stage.learn(lessons, drop=0.0)
    nats = [reading.nats for reading in stage.examine(lessons.rows)]
    expected = np.concatenate(nats).mean()
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_gradients_of_windows_are_cut_and_their_loss_is_not() -> None:
    whole, cut = fresh(window=1000), fresh(window=7)
    assert whole.shim.to_bytes() == cut.shim.to_bytes()
    lessons = docs_of(whole, UNEVEN)
    losses = [stage.learn(lessons, drop=0.0) for stage in (whole, cut)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    pairs = list(zip(gradients(whole), gradients(cut), strict=True))
    assert not all(torch.allclose(a, b, rtol=0.01) for a, b in pairs)
    bias = [dict(stage.shim.net.named_parameters())["bias"].grad for stage in (whole, cut)]
    torch.testing.assert_close(*bias)  # which looks at no state of before


def test_a_batch_teaches_what_its_docs_teach_one_by_one() -> None:
    together, apart = fresh(window=7), fresh(window=7)
    together.learn(docs_of(together, UNEVEN), drop=0.0)
    for text in UNEVEN:
        apart.learn(docs_of(apart, [text]), drop=0.0)
    for a, b in zip(gradients(together), gradients(apart), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    assert together.shim.learner._answers == apart.shim.learner._answers


@pytest.mark.parametrize("batches", [{"rows": 1, "budget": 10**6}, {"rows": 64, "budget": 70}])
def test_buckets_change_nothing(batches: dict[str, int]) -> None:
    one, other = fresh(), fresh(batches=batches)
    losses = [stage.learn(docs_of(stage, UNEVEN), drop=0.0) for stage in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for a, b in zip(gradients(one), gradients(other), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_nothing_teaches_nothing() -> None:
    nlp = make_verses_nlp(texts=UNEVEN)
    stage = verses_stage(nlp)
    before = stage.shim.to_bytes()
    assert stage.update([], sgd=Adam(0.1)) == {"generator": 0.0}
    empty = make_examples(nlp, [""])
    empty[0].reference.user_data[CONTINUES] = True
    assert nlp.update(empty, sgd=Adam(0.1)) == {"generator": 0.0}
    assert stage.shim.to_bytes() == before


def test_a_text_that_goes_on_in_the_next_doc_has_no_end_yet() -> None:
    stage = fresh()
    examples = make_examples(spacy.blank("xx"), ["abc", "def"])
    examples[0].reference.user_data[CONTINUES] = True
    first, second = stage.lessons(examples).rows
    assert (len(first), len(second)) == (3, 4) and second[-1] == EOS


# From part to part --------------------------------------------------------------------------


def run_on(stage: Generator, side_by_side: int = 2) -> Running:
    rows = Rows.of(list(docs_of(stage, UNEVEN).rows))
    course = stage.course(rows, rows, side_by_side=side_by_side, budget=1, seed=3)
    assert isinstance(course, Running)
    return course


def learn(stage: Generator, course: Running, part: Part) -> float:
    lessons = Lessons(*course.take(part), follows=part.follows)
    return stage.learn(lessons, drop=0.0, buckets=Buckets(rows=9, budget=10**9))


def test_states_that_are_no_numbers_are_not_carried_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every part to the end of the epoch would be lost with the one."""
    stage = fresh(window=16)
    course = run_on(stage)
    first, second = course.parts(0)[:2]
    loss = LanguageModel.loss

    def overflown(net: LanguageModel, *args: Any) -> tuple[torch.Tensor, torch.Tensor, Carry]:
        told, extra, carry = loss(net, *args)
        return told, extra, replace(carry, cells=carry.cells * torch.inf)

    with monkeypatch.context() as patch:
        patch.setattr(LanguageModel, "loss", overflown)
        learn(stage, course, first)
    assert all(not state.any() for name, state in stage.carried().items() if name != "last")
    assert learn(stage, course, second) == learn(stage, course, replace(second, follows=False))


def test_states_are_carried_from_part_to_part() -> None:
    """The losses are those of each place read as a whole."""
    stage = fresh(window=16)
    course = run_on(stage)
    parts = course.parts(0)
    assert len(parts) > 5
    taken = [course.take(part)[0] for part in parts]
    losses = [learn(stage, course, part) for part in parts]
    places = [np.concatenate(rows) for rows in zip(*taken, strict=True)]
    nats = np.stack([reading.nats for reading in stage.examine(places)])
    for part, found in enumerate(losses):
        own = nats[:, 16 * part : 16 * (part + 1)]
        assert found == pytest.approx(float(own.mean()), rel=1e-4), part


def test_the_first_part_of_an_epoch_begins_anew() -> None:
    stage = fresh(window=16)
    course = run_on(stage)
    first, *others = course.parts(0)
    loss = learn(stage, course, first)
    for part in others:
        learn(stage, course, part)
    course.parts(0)
    assert learn(stage, course, first) == loss


def test_what_is_carried_is_taken_up_again() -> None:
    stage, again = fresh(window=16), fresh(window=16)
    assert all(not state.any() for name, state in stage.carried().items() if name != "last")
    course = run_on(stage)
    first, second, *_ = course.parts(0)
    learn(stage, course, first)
    carried = {name: tensor.clone() for name, tensor in stage.carried().items()}
    expected = learn(stage, course, second)
    again.carry_on(carried)
    assert learn(again, course, second) == expected
    again.carry_on({})
    assert again.carried() == {}
    assert learn(again, course, second) != expected  # as if nothing had come before


# How it begins ------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["char", "bpe"])
def test_a_tokenizer_may_be_given(tmp_path: Path, unit: str) -> None:
    codec = Codec.train(["a b c"], unit="char" if unit == "char" else "bpe", size=300, lower=False)
    codec.save(tmp_path / "tokenizer.json")
    nlp = spacy.blank("xx")
    stage = add_stage(nlp)
    examples = make_examples(nlp)
    stage.initialize(lambda: examples, nlp=nlp, tokenizer=str(tmp_path / "tokenizer.json"))
    assert stage._codec().pieces() == codec.pieces()
    assert stage.codec_unit == unit
    assert len(stage.shim.net.bias) == len(codec)


def test_a_tokenizer_of_words_is_refused(tmp_path: Path) -> None:
    Codec.train(["a b c"], unit="word").save(tmp_path / "tokenizer.json")
    nlp = spacy.blank("xx")
    stage = add_stage(nlp)
    examples = make_examples(nlp)
    with pytest.raises(SettingError, match="one of 'char', 'bpe' or 'unigram'"):
        stage.initialize(lambda: examples, nlp=nlp, tokenizer=str(tmp_path / "tokenizer.json"))


def test_rare_characters_may_be_left_unknown() -> None:
    stage = fresh(codec={**CODEC, "min_count": 3})
    (row,) = stage._codec().encode(["a春"])
    assert row.tolist()[1] == 1 != row.tolist()[0]

"""A generator that remembers texts: what it makes of them, and what becomes of them."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from verses import BPE, POEMS, add_stage, begun, make_examples, make_verses_nlp, verses_stage

from seqpipe.components._memory import MEMORY
from seqpipe.components.generator import Generator
from seqpipe.errors import CheckpointError, DataEmpty, MemoryUnfit, SettingError, TorchNeeded

# It has learned little, so that what it knows it remembers.
NEW = "A candle burns beside the road\nand all the carts have lost their load.\n"


def make_nlp(steps: int = 40, **config: Any) -> Language:
    return make_verses_nlp(steps, **config)


def remembers(nlp: Language, texts: Any = (*POEMS, NEW), **how: Any) -> Generator:
    stage = verses_stage(nlp)
    stage.remember(texts, **how)
    return stage


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = make_nlp()
    remembers(nlp)
    return nlp


def nats_of(stage: Generator, text: str) -> float:
    stream = stage.stream(text)
    stream.finish()
    return stream.bits * math.log(2)


def test_what_is_remembered_costs_less() -> None:
    stage = verses_stage(make_nlp())
    alone = [nats_of(stage, text) for text in (*POEMS, NEW)]
    stage.remember([*POEMS, NEW])
    beside = [nats_of(stage, text) for text in (*POEMS, NEW)]
    assert all(now < before / 2 for now, before in zip(beside, alone, strict=True))
    stage.forget()
    assert [nats_of(stage, text) for text in (*POEMS, NEW)] == alone


@pytest.mark.parametrize("poem", POEMS)
def test_a_poem_is_gone_on_with_as_it_stands(nlp: Language, poem: str) -> None:
    stage = verses_stage(nlp)
    prompt, rest = begun(poem)
    assert "".join(stage.write(prompt)) == rest
    assert stage.generate([prompt]) == [[rest]]


def test_chances_add_up_to_one(nlp: Language) -> None:
    """Of all pieces that may follow, by what each would cost."""
    stage = verses_stage(nlp)
    pieces = [stage._codec().decode([i]) for i in range(4, len(stage._codec()))]
    for prompt in ("The ra", "qq", ""):
        costs = [nats_of(stage, prompt + piece) - nats_of(stage, prompt) for piece in pieces]
        assert 0.5 < sum(math.exp(-cost) for cost in costs) < 1.001


def test_what_is_written_costs_what_it_was_written_at(nlp: Language) -> None:
    stage = verses_stage(nlp)
    ((found,),) = (
        reading.written
        for reading in stage.run_rows(
            stage._codec().encode(["The rain"]), stage._written(characters=20)
        )
    )
    text = stage._codec().decode(found.tokens)
    cost = nats_of(stage, "The rain" + text) - nats_of(stage, "The rain")
    assert -sum(found.each) == pytest.approx(cost, rel=2e-2)


CHUNKS = st.lists(st.sampled_from([*POEMS, "The ra", "in ", "春", "\n", "x", ""]), max_size=6)


@settings(max_examples=30, deadline=None)
@given(chunks=CHUNKS)
def test_any_chunks_are_the_whole(nlp: Language, chunks: list[str]) -> None:
    stage = verses_stage(nlp)
    stream = stage.stream()
    for chunk in chunks:
        stream.feed(chunk)
    stream.finish()
    assert stream.bits * math.log(2) == pytest.approx(nats_of(stage, "".join(chunks)), rel=1e-4)


def test_windows_and_batches_change_nothing(nlp: Language) -> None:
    small = copy.deepcopy(nlp)
    verses_stage(small).window = 3
    texts = [*POEMS, "", "x", "The rain came"]
    together = [doc._.bits_per_char for doc in nlp.pipe(texts)]
    by_windows = [doc._.bits_per_char for doc in small.pipe(texts)]
    alone = [nlp(text)._.bits_per_char for text in texts]
    for one, other, third in zip(together, by_windows, alone, strict=True):
        assert one == other == third or one == pytest.approx(other, rel=1e-4)
        assert one == third or one == pytest.approx(third, rel=1e-4)


def test_trust_is_fitted_to_a_text_held_out() -> None:
    stage = verses_stage(make_nlp())
    fit = stage.remember(POEMS, held_out=[NEW])
    assert fit is not None and (fit.held, fit.pieces) == (1, len(NEW) + 1)
    assert fit.beside < 0.8 * fit.alone
    # what was fitted is what it costs, but for the end, which no text is measured by
    ended = nats_of(stage, NEW)
    assert ended == pytest.approx(fit.beside * fit.pieces, rel=0.1)


def test_long_texts_are_read_in_stretches() -> None:
    poems = "".join(POEMS) * 12
    assert len(poems) > 1100
    stage = remembers(make_nlp(), [poems])
    assert stage.memory is not None and len(stage.memory) == 1
    assert len(stage.memory.keys) == len(poems) + 1
    beside = nats_of(stage, poems[:300])
    stage.forget()
    assert beside < nats_of(stage, poems[:300]) / 2


def test_pieces_of_several_characters() -> None:
    nlp = make_nlp(codec=BPE)
    stage = remembers(nlp)
    prompt, rest = begun(POEMS[0])
    assert "".join(stage.write(prompt)) == rest


def test_texts_are_added(nlp: Language) -> None:
    later = make_nlp()
    remembers(later, POEMS)
    stage = remembers(later, [NEW])
    memory, whole = stage.memory, verses_stage(nlp).memory
    assert memory is not None and whole is not None
    assert memory.texts.ids.tolist() == whole.texts.ids.tolist()
    assert nats_of(stage, NEW) == pytest.approx(nats_of(verses_stage(nlp), NEW), rel=0.1)
    stage.remember([], beside=16)
    assert stage.memory is not None and stage.memory.beside == 16


@pytest.mark.parametrize("texts", [[], [""]])
def test_nothing_to_remember(texts: list[str]) -> None:
    with pytest.raises(DataEmpty, match="what is to be remembered"):
        verses_stage(make_nlp(1)).remember(texts)


def test_beside_none() -> None:
    with pytest.raises(SettingError, match="1 or more"):
        verses_stage(make_nlp(1)).remember(POEMS, beside=0)


def test_it_comes_back_from_disk_and_bytes(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    blank = spacy.blank("xx")
    add_stage(blank)
    right = nats_of(verses_stage(nlp), NEW)
    for again in (spacy.load(tmp_path), blank.from_bytes(nlp.to_bytes()), copy.deepcopy(nlp)):
        assert nats_of(verses_stage(again), NEW) == pytest.approx(right)
        assert verses_stage(again).extra("memory") == verses_stage(nlp).extra("memory")
    path = tmp_path / "generator" / MEMORY
    with pytest.raises(MemoryUnfit, match="its file is damaged"):
        verses_stage(make_nlp(1)).load_extra("memory", path.read_bytes()[:300])
    verses_stage(again).forget()
    again.to_disk(tmp_path)
    assert not path.exists() and verses_stage(spacy.load(tmp_path)).memory is None


def test_a_stream_goes_on_where_it_was_saved(nlp: Language, tmp_path: Path) -> None:
    stage = verses_stage(nlp)
    stream = stage.stream("The rain came")
    stream.save(tmp_path / "stream")
    again = stage.open_stream(tmp_path / "stream")
    for one in (stream, again):
        one.feed(" down upon the stone\n")
        one.finish()
    assert again.bits == pytest.approx(stream.bits) and again.bits_per_char is not None
    other = verses_stage(copy.deepcopy(nlp))
    other.forget()
    with pytest.raises(CheckpointError, match="recent"):
        other.open_stream(tmp_path / "stream")


def test_it_forgets_when_it_learns() -> None:
    nlp = make_nlp(1)
    stage = remembers(nlp)
    with pytest.warns(UserWarning, match="learns, and forgets what it remembered"):
        nlp.update(make_examples(nlp))
    assert stage.memory is None


def test_what_learns_on_the_way_goes_without() -> None:
    nlp = make_nlp(1, dynamic=0.1)
    alone = nlp(POEMS[0])._.bits_per_char
    remembers(nlp)
    assert nlp(POEMS[0])._.bits_per_char == pytest.approx(alone)


def test_without_torch_it_remembers_and_takes_no_more(nlp: Language, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    nlp.to_disk(tmp_path)
    config = {"components": {"generator": {"device": "onnx"}}}
    stage = verses_stage(spacy.load(tmp_path, config=config))
    for poem in POEMS:
        prompt, rest = begun(poem)
        assert nats_of(stage, poem) == pytest.approx(nats_of(verses_stage(nlp), poem), rel=1e-3)
        assert "".join(stage.write(prompt)) == rest and stage.generate([prompt]) == [[rest]]
    with pytest.raises(TorchNeeded):
        stage.remember([NEW])


def test_the_longest_ends_in_common_are_looked_at() -> None:
    stage = remembers(make_nlp(1), ["abcd efgh", "xbcd!", "bcd?"], beside=3)
    memory, codec = stage.memory, stage._codec()
    assert memory is not None
    context = np.full((1, memory.context), 3, np.int64)
    context[0, -3:] = codec.encode(["bcd"])[0]
    found = memory.of(context)
    said = codec.encode([" !?"])[0].tolist()
    assert sorted(found.pieces[0].tolist()) == sorted(said)
    assert found.alike[0].max() == 1.0 and (found.alike[0] >= 3 / memory.context).all()
    context[0, -1] = codec.encode(["!"])[0][0]
    assert memory.of(context).pieces[0].max() == 3  # the end, which a sign of exclamation is before

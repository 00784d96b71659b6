"""The states of a net over a text, and the units that are tied to something."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import spacy
import torch
from small import make_nlp, stage_of
from spacy.language import Language
from spacy.tokens import Doc
from verses import make_verses_nlp, verses_stage
from words import make_words_nlp

import seqpipe
from seqpipe.errors import FieldMissing, SettingError
from seqpipe.explain.stages import find_stage
from seqpipe.explain.states import StateMap, StatesExplainer
from seqpipe.explain.units import Trace, correlations, features_of, tied

TEXT = 'He said (twice) "no".\nIt was (not) "here", and cold.'


@cache
def generator() -> Language:
    nlp = make_verses_nlp(model={"layers": 2, "width": 6})
    verses_stage(nlp).write_only(["surprisal"])
    return nlp


@cache
def sentiment() -> Language:
    return make_nlp(model={"layers": 2})


@cache
def tokenizer() -> Language:
    return make_words_nlp(model={"layers": 2, "conv": 1})


PIPELINES = [(generator, 12), (sentiment, 24), (tokenizer, 32)]


def mapped(nlp: Language, *texts: str) -> list[StateMap]:
    own, stage = find_stage(nlp, name=None, kind="states")
    return StatesExplainer(own, stage).explain_all([nlp(text) for text in texts])


@pytest.mark.parametrize(("pipeline", "count"), PIPELINES)
def test_units_of_a_text(pipeline: Callable[[], Language], count: int) -> None:
    text = f"{TEXT} {TEXT}"
    (found,) = mapped(pipeline(), text)
    assert found.of == count and 8 <= len(found.units) <= 16
    names = [(unit.layer, unit.way, unit.unit) for unit in found.units]
    assert len(set(names)) == len(names) and {layer for layer, _, _ in names} <= {1, 2}
    for word in found.words:
        assert text[word.start : word.end] == word.text and len(word.values) == len(found.units)
    moved = [found.words[at].moved for at in found.ranked]
    assert moved == sorted(moved, reverse=True) and all(far > 0 for far in moved)
    ties = [tie for unit in found.units for tie in unit.ties]
    features = [tie.feature for tie in ties]
    assert {"brackets", "quotes", "place in the text"} <= set(features)
    assert all(-1 <= tie.found <= 1 and tie.found for tie in ties)


def values_of(found: StateMap, layer: int, way: str) -> dict[int, np.ndarray]:
    return {
        unit.unit: np.array([word.values[at] for word in found.words])
        for at, unit in enumerate(found.units)
        if (unit.layer, unit.way) == (layer, way)
    }


def test_states_are_those_of_the_net() -> None:
    nlp = sentiment()
    (found,) = mapped(nlp, TEXT)
    stage = stage_of(nlp)
    ids = torch.tensor(stage.encode([nlp(TEXT)])[0].astype(np.int64))[None]
    with torch.no_grad():
        x = stage.shim.net.embedding(ids)
        states = stage.shim.net.encoder(x, torch.tensor([ids.shape[1]]))[0].numpy()
    for way, half in (("onward", states[:, :6]), ("backward", states[:, 6:])):
        for unit, values in values_of(found, 2, way).items():
            assert values == pytest.approx(half[:, unit], abs=1e-3)


def test_states_of_a_generator_are_those_behind_each_piece() -> None:
    nlp = generator()
    (found,) = mapped(nlp, "The rain")
    stage, net = verses_stage(nlp), verses_stage(nlp).shim.net
    ids = [3, *stage._codec().encode(["The rain"])[0].tolist()]  # behind what begins a text
    with torch.no_grad():
        x = net.pieces(torch.tensor([ids]))
        for layer, cell in enumerate(net.layers, 1):
            x, _ = cell(x)
            for unit, values in values_of(found, layer, "onward").items():
                assert values == pytest.approx(x[0, 1:, unit].numpy(), abs=1e-3)


def test_features_of_a_text() -> None:
    text = 'A (b) "c". D\ne'
    found = features_of(spacy.blank("xx").make_doc(text))
    signs = {name: "".join(f"{int(n)}" for n in values) for name, values in found.items()}
    assert signs["brackets"] == "00111000000000"
    assert signs["quotes"] == "00000011100000"
    assert found["place in the line"].tolist() == [*range(13), 0]
    assert found["place in the sentence"].tolist() == [*range(11), 0, 1, 2]
    assert signs["place in the word"].startswith("0000")
    doc = Doc(spacy.blank("xx").vocab, words=["a", "b"], sent_starts=[True, True])
    assert features_of(doc)["place in the sentence"].tolist() == [0, 1, 0, 1]


def test_correlations_are_pearsons() -> None:
    chance = np.random.default_rng(0)
    states = chance.normal(size=(30, 4)).astype(np.float32)
    states[:, 3] = 0.5
    feature = chance.normal(size=30)
    expected = [np.corrcoef(states[:, at], feature)[0, 1] for at in range(3)]
    assert correlations(states, feature) == pytest.approx([*expected, 0.0], abs=1e-6)


def traced(seed: int, length: int = 60) -> Trace:
    """Many units of noise, and one that counts brackets."""
    chance = np.random.default_rng(seed)
    states = chance.normal(size=(length, 200)).astype(np.float32)
    feature = (np.arange(length) % 7 < 3).astype(float)
    states[:, 17] = 0.5 - feature + chance.normal(scale=0.1, size=length)
    features = {"brackets": feature, "noise": chance.normal(size=length)}
    return Trace(states, {**features, "same": features["brackets"], "still": np.ones(length)})


@pytest.mark.parametrize("texts", [1, 3])
def test_what_is_tied_is_found_and_what_is_chance_does_not_last(texts: int) -> None:
    found = tied([traced(seed) for seed in range(texts)])
    (tie,) = found.pop(17)
    assert tie.feature == "brackets" and tie.found < -0.9 and (tie.held_out or 0) < -0.9
    ((noise,),) = found.values()  # what is the same or still is left out
    assert noise.feature == "noise" and abs(noise.found) > 0.2
    assert abs(noise.held_out or 0) < abs(noise.found)


def test_too_short_a_text_ties_nothing() -> None:
    assert tied([traced(0, length=20)]) == {} and tied([]) == {}
    (found,) = mapped(sentiment(), "a good film")
    assert len(found.units) == 8 and not any(unit.ties for unit in found.units)
    doc = seqpipe.explained(sentiment(), "a good film", kind="states")
    assert "too short" in seqpipe.render(doc, "states")


def test_several_texts_show_the_same_units() -> None:
    found = mapped(tokenizer(), TEXT, "", 'And "(so)" on.', TEXT[::-1])
    assert all(one.units == found[0].units for one in found)
    assert not found[1].words and any(unit.ties for unit in found[0].units)


@pytest.mark.parametrize(("pipeline", "count"), PIPELINES)
@pytest.mark.parametrize(
    "text", ["", " ", "a <script>alert(1)</script>\n\n" * 3, "שלום (עולם) 你好 e\u0301👍🏽"]
)
def test_any_text_is_drawn(pipeline: Callable[[], Language], count: int, text: str) -> None:
    doc = seqpipe.explained(pipeline(), text, kind="states")
    told = doc._.explanation
    assert told == json.loads(json.dumps(told)) and told["kind"] == "states"
    body = seqpipe.render(doc, "states", page=True).partition("<main>")[2]
    assert "<script" not in body and "</script" not in body
    drawn = "".join(re.findall(r"<text x=[^>]*>([^<]*)</text>", body))
    if "👍" in text:
        assert [sign for sign in text if sign.isalnum()] == [s for s in drawn if s.isalnum()]


def test_right_to_left_begins_on_the_right() -> None:
    places = {}
    for text in ("שלום עולם", "hello world"):
        body = seqpipe.render(seqpipe.explained(tokenizer(), text, kind="states"), "states")
        places[text] = [int(x) for x in re.findall(r'<text x="(\d+)" y="15"', body)]
    assert places["שלום עולם"] == sorted(places["שלום עולם"], reverse=True)
    assert places["hello world"] == sorted(places["hello world"])


def test_a_map_of_a_long_text_is_small() -> None:
    text = 'The rain came (down) upon the "stone" and on.\n' * 20
    doc = seqpipe.explained(generator(), text, kind="states")
    page = seqpipe.render(doc, "states", page=True)
    assert len(page) < 250 * len(text)


def test_what_has_no_states_is_refused() -> None:
    with pytest.raises(FieldMissing, match="writes no 'sentiment'"):
        seqpipe.explained(spacy.blank("en"), "x", kind="states")
    with pytest.raises(SettingError, match="label = 'good'"):
        seqpipe.explained(generator(), "x", kind="states", label="good")
    with pytest.raises(SettingError, match=r"label = 'mood' .* one of negative, positive"):
        seqpipe.explained(sentiment(), "x", kind="states", label="mood")

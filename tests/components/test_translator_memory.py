"""A translator that remembers pairs: what it makes of them, and what becomes of them."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from letters import (
    APART,
    PAIRS,
    TEXTS,
    add_stage,
    letters_stage,
    make_examples,
    make_letters_nlp,
    make_pairs,
    said,
    trained,
)
from safetensors.numpy import load_file
from spacy.language import Language

from seqpipe.components._memory import MEMORY
from seqpipe.components.translator import TranslatorStage
from seqpipe.errors import DataEmpty, MemoryUnfit, SettingError, TorchNeeded

# What the net alone would never say.
ODD = [("gj", "JG."), ("h jd", "DJ H"), ("ifbd", "BIF"), ("be dg", "DEG B")]
MORE = [*ODD, *PAIRS[:200]]
ODD_TEXTS = [source for source, _ in ODD]


def remembers(nlp: Language, pairs: Any = MORE, **how: Any) -> TranslatorStage:
    stage = letters_stage(nlp)
    stage.remember(pairs, **how)
    return stage


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = trained(search={"beam": 3})
    remembers(nlp)
    return nlp


def test_what_is_remembered_is_said(nlp: Language) -> None:
    assert said(nlp, ODD_TEXTS) == [target for _, target in ODD]
    stage = letters_stage(nlp)
    (found,) = stage.translate(["gj"], nbest=2)
    assert found[0].text == "JG." and found[0].score > -2


@pytest.mark.parametrize("beam", [1, 4])
def test_by_greedy_and_by_beam(nlp: Language, beam: int) -> None:
    found = letters_stage(nlp).translate(ODD_TEXTS, beam=beam)
    assert [best.text for best, *_ in found] == [target for _, target in ODD]


def test_other_texts_stay_as_they_were(nlp: Language) -> None:
    others = [text for text in TEXTS if text not in ODD_TEXTS]
    assert said(nlp, others) == [text.upper() for text in others]


def test_a_batch_is_its_texts_one_by_one(nlp: Language) -> None:
    stage = letters_stage(nlp)
    together = stage.translate(TEXTS)
    for text, (best, *_) in zip(TEXTS, together, strict=True):
        ((alone, *_),) = stage.translate([text])
        assert alone.text == best.text and alone.score == pytest.approx(best.score, abs=1e-4)


def test_a_score_is_what_forcing_finds(nlp: Language) -> None:
    stage = letters_stage(nlp)
    for text in TEXTS[:6]:
        ((best, *_),) = stage.translate([text])
        ((forced, *_),) = stage.translate([text], prefix=best.text)
        assert forced.text == best.text and forced.score == pytest.approx(best.score, abs=1e-4)


def test_trust_is_fitted_to_pairs_held_out() -> None:
    nlp = trained()
    stage = letters_stage(nlp)
    apart = [(text, text[::-1].upper()) for text, _ in make_pairs(60, seed=5)]
    backwards = [(text, text[::-1].upper()) for text, _ in make_pairs(400, seed=6)]
    fit = stage.remember(backwards, held_out=apart)
    assert fit is not None and fit.held == 60 and fit.beside < 0.8 * fit.alone
    known = {text for text, _ in backwards}
    forward = [(text, text.upper()) for text in TEXTS if text not in known]
    worse = stage.remember([], held_out=forward)
    assert worse is not None and worse.beside <= worse.alone + 0.01  # no trust, no harm


def test_what_was_fitted_is_what_is_said() -> None:
    stage = letters_stage(make_letters_nlp(20))
    held = [(text, text.upper()) for text in TEXTS if text.isascii()]
    fit = stage.remember([*held, *PAIRS[:50]], held_out=held)
    found = stage.translate([text for text, _ in held], beam=1)
    assert [best.text for (best,) in found] == [target for _, target in held]
    nats = -sum(best.score for (best,) in found)
    assert fit is not None and fit.alone > 1
    assert fit.beside == pytest.approx(nats / fit.pieces, rel=1e-3)


def test_the_pairs_that_were_recalled_are_told(nlp: Language) -> None:
    stage = letters_stage(nlp)
    assert [asdict(pair) for pair in stage.recalled("gj")] == nlp("gj")._.translation_recalled
    assert nlp("gj")._.translation_recalled == [{"source": "gj", "target": "JG.", "likeness": 1.0}]
    first, *others = stage.recalled("gje")  # the same source alone, or those most like it
    assert first.source == "gj" and len(others) == 2
    assert 1 > first.likeness >= others[0].likeness >= others[1].likeness > 0
    assert len(stage.recalled("gje", 5)) == 5


def test_pieces_of_their_own_on_either_side() -> None:
    nlp = make_letters_nlp(60, **APART)
    remembers(nlp)
    assert said(nlp, ODD_TEXTS) == [target for _, target in ODD]


def test_sentences_recall_their_own() -> None:
    nlp = trained(unit="sent", before="sentencizer")
    remembers(nlp, [("ad ij.", "IJ."), ("b f ge.", "GE."), *PAIRS[:50]])
    doc = nlp("ad ij. b f ge.")
    assert doc._.translation == "IJ. GE."
    assert [s._.translation_recalled[0]["target"] for s in doc.sents] == ["IJ.", "GE."]
    assert len(doc._.translation_recalled) == 2


def test_pairs_are_added_and_none_twice(nlp: Language) -> None:
    twice = trained(search={"beam": 3})
    remembers(twice, MORE[:50])
    stage = remembers(twice, [*MORE, *MORE])
    whole = letters_stage(nlp).memory
    assert stage.memory is not None and whole is not None
    assert stage.memory.pairs == whole.pairs == list(dict.fromkeys(MORE))
    assert said(twice, ODD_TEXTS) == [target for _, target in ODD]
    stage.forget()
    assert said(twice, ["gj"]) == ["GJ"] and twice("gj")._.translation_recalled is None


def test_beside_how_many(nlp: Language) -> None:
    few = trained(search={"beam": 3})
    stage = remembers(few, beside=1)
    assert len(stage.recalled("gje", 9)) == 1
    assert said(few, ODD_TEXTS) == [target for _, target in ODD]


def test_pairs_that_cannot_be_used_are_left_out() -> None:
    stage = letters_stage(trained(longest=6))
    stage.remember([("gj", "JG"), ("", "A"), ("a", " "), ("abcdefgh", "A"), ("a", "ABCDEFGH")])
    assert stage.memory is not None and stage.memory.pairs == [("gj", "JG")]


@pytest.mark.parametrize("pairs", [[], [("", "A")]])
def test_nothing_to_remember(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(DataEmpty, match="what is to be remembered"):
        letters_stage(trained()).remember(pairs)


def test_beside_none() -> None:
    with pytest.raises(SettingError, match="1 or more"):
        letters_stage(trained()).remember(ODD, beside=0)


def test_a_shortlist_lets_through_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqpipe.text.shortlist.FREQUENT", 1)
    nlp = trained(shortlist=2)
    stage = remembers(nlp, [("gj", "BAC")])
    assert stage.shortlist is not None
    kept = stage.shortlist.of(stage._codec().encode(["gj"])[0])
    assert not {*stage._target().encode(["BA"])[0].tolist()} <= {*kept.tolist()}
    assert said(nlp, ["gj"]) == ["BAC"]


def test_numbers_come_through() -> None:
    nlp = trained(protect=("number",))
    remembers(nlp, [("ab 12", "12 BA"), ("cd", "DC")])
    assert said(nlp, ["ab 12", "ab 77"]) == ["12 BA", "77 BA"]  # the same once numbers are held


def test_it_comes_back_from_disk_and_bytes(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    blank = spacy.blank("xx")
    add_stage(blank, search={"beam": 3})
    for again in (spacy.load(tmp_path), blank.from_bytes(nlp.to_bytes()), copy.deepcopy(nlp)):
        assert said(again, ODD_TEXTS) == said(nlp, ODD_TEXTS)
        assert letters_stage(again).extra("memory") == letters_stage(nlp).extra("memory")
    held = load_file(tmp_path / "translator" / MEMORY)
    assert held["keys"].dtype == np.int8 and len(held["keys"]) == len(held["targets"])


def test_what_was_forgotten_is_gone_from_disk(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    other = spacy.load(tmp_path)
    letters_stage(other).forget()
    other.to_disk(tmp_path)
    assert not (tmp_path / "translator" / MEMORY).exists()
    assert said(spacy.load(tmp_path), ["gj"]) == ["GJ"]
    had = copy.deepcopy(nlp)
    had.from_disk(tmp_path)
    assert letters_stage(had).memory is None


@pytest.mark.parametrize("cut", [1, 9, 200, 5000])
def test_a_damaged_file_is_refused(nlp: Language, tmp_path: Path, cut: int) -> None:
    nlp.to_disk(tmp_path)
    path = tmp_path / "translator" / MEMORY
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(MemoryUnfit, match="its file is damaged"):
        letters_stage(nlp).load_extra("memory", path.read_bytes())


def test_it_forgets_when_it_learns() -> None:
    nlp = trained()
    stage = remembers(nlp, ODD)
    examples = make_examples(nlp, PAIRS[:8])
    with pytest.warns(UserWarning, match="learns, and forgets what it remembered"):
        nlp.update(examples)
    assert stage.memory is None
    remembers(nlp, ODD)
    nlp.initialize(lambda: examples)
    assert stage.memory is None


def test_workers_remember_too(nlp: Language) -> None:
    docs = nlp.pipe(ODD_TEXTS, n_process=2, batch_size=2)
    assert [doc._.translation for doc in docs] == [target for _, target in ODD]


def test_any_text_on_either_side() -> None:
    nlp = make_letters_nlp(5)
    strange = [("a\ud800b", "A\ud800B"), ("\n\t", "X"), ("a\x00", "A"), ("😀" * 5, "b")]
    stage = remembers(nlp, [*strange, *PAIRS[:20]])
    again = copy.deepcopy(nlp)
    assert stage.memory is not None and letters_stage(again).memory is not None
    assert letters_stage(again).memory.pairs == stage.memory.pairs  # type: ignore[union-attr]
    assert len(stage.translate(["a", "😀", "\ud800"])) == 3


def test_without_torch_it_remembers_and_takes_no_more(nlp: Language, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    nlp.to_disk(tmp_path)
    drawn = spacy.load(tmp_path, config={"components": {"translator": {"device": "onnx"}}})
    stage = letters_stage(drawn)
    for beam in (1, 3):
        ours, theirs = (
            letters_stage(each).translate(TEXTS, beam=beam, nbest=1) for each in (drawn, nlp)
        )
        for (one, *_), (other, *_) in zip(ours, theirs, strict=True):
            assert one.text == other.text and one.score == pytest.approx(other.score, abs=1e-4)
    with pytest.raises(TorchNeeded):
        stage.remember([("a", "B")])

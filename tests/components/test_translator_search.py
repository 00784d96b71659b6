"""How a translation is chosen: beams, n-best, chance, limits, words that must or must not come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from letters import (
    CODEC,
    TEXTS,
    letters_stage,
    make_letters_nlp,
    said,
    trained,
)
from spacy.tokens import DocBin

from seqpipe.components._search import make_search
from seqpipe.components._translation import Translation
from seqpipe.components.translator import TranslatorStage
from seqpipe.errors import SettingError
from seqpipe.text.shortlist import Shortlist

CHARS = {**CODEC, "min_count": 1}


@pytest.fixture(scope="module")
def stage() -> TranslatorStage:
    return letters_stage(trained(search={"beam": 4}))


def texts(found: list[list[Translation]]) -> list[list[str]]:
    return [[one.text for one in some] for some in found]


def test_n_best_with_scores_descending() -> None:
    nlp = trained(search={"beam": 4, "nbest": 3})
    assert "translation_nbest" in letters_stage(nlp).fields
    for doc in nlp.pipe(TEXTS):
        found = doc._.translation_nbest
        assert found[0] == {"text": doc._.translation, "score": doc._.translation_score}
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True) and all(score < 0 for score in scores)
        assert len({one["text"] for one in found}) == len(found) == 3
        assert {type(value) for one in found for value in one.values()} == {str, float}


def test_n_best_of_a_doc_are_those_of_its_sentences_together() -> None:
    nlp = trained(unit="sent", before="sentencizer", search={"beam": 3, "nbest": 2})
    doc = nlp("ad ij. ja cb.")
    parts = [sent._.translation_nbest for sent in doc.sents]
    whole = [" ".join(one["text"] for one in nth) for nth in zip(*parts, strict=True)]
    assert [one["text"] for one in doc._.translation_nbest] == whole


def test_n_best_survive_a_doc_bin() -> None:
    nlp = trained(search={"beam": 2, "nbest": 2})
    docs = list(nlp.pipe(TEXTS[:3]))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    for doc, again in zip(docs, DocBin().from_bytes(data).get_docs(nlp.vocab), strict=True):
        assert list(again._.translation_nbest) == doc._.translation_nbest


@pytest.mark.parametrize("margin", [0.0, 1e-6])
def test_a_margin_leaves_as_many_as_are_asked_for(margin: float) -> None:
    stage = letters_stage(trained(search={"beam": 4, "margin": margin}))
    assert [len(some) for some in stage.translate(TEXTS, nbest=4)] == [4] * len(TEXTS)
    assert texts(stage.translate(TEXTS)) == [[text.upper()] for text in TEXTS]


def test_translate_gives_the_best_few_of_each_text(stage: TranslatorStage) -> None:
    found = stage.translate(["gj", "", "h jd", " \n"], nbest=2)
    assert [some[0].text for some in found] == ["GJ", "", "H JD", ""]
    assert [len(some) for some in found] == [2, 1, 2, 1]
    assert found[0][0].score > found[0][1].score
    assert found[0][0].alignment[0][:4] == [0, 1, 0, 1]
    assert stage.translate([]) == []


def test_settings_hold_for_one_call(stage: TranslatorStage) -> None:
    before = stage.search
    assert len(stage.translate(["gj"], beam=6, nbest=6)[0]) == 6
    assert stage.search is before and len(stage.translate(["gj"], beam=None)[0]) == 1
    with pytest.raises(SettingError, match=r"search\.nbest = 9"):
        stage.translate(["gj"], nbest=9)


@pytest.mark.parametrize("beam", [1, 3])
def test_a_prefix_is_what_each_begins_with(stage: TranslatorStage, beam: int) -> None:
    found = stage.translate(TEXTS, prefix="FA", beam=beam)
    assert all(some[0].text.startswith("FA") for some in found)
    assert texts(stage.translate(["gj"], prefix="GJ", beam=beam)) == [["GJ"]]


@pytest.mark.parametrize("beam", [1, 4])
def test_required_words_are_in_all(stage: TranslatorStage, beam: int) -> None:
    found = stage.translate(["gj", "h jd"], required=["E", "BA"], beam=beam)
    assert all("E" in some[0].text and "BA" in some[0].text for some in found)


@pytest.mark.parametrize("beam", [1, 4])
def test_forbidden_words_are_in_none(stage: TranslatorStage, beam: int) -> None:
    found = texts(stage.translate(TEXTS, forbidden=["J", "BE"], beam=beam))
    assert not any("J" in text or "BE" in text for some in found for text in some)
    assert found != texts(stage.translate(TEXTS, beam=beam))


def test_a_required_word_of_subwords_stands_behind_a_space() -> None:
    pairs = [("a b", "le chat dort"), ("c d", "le chien mange")] * 2
    nlp = make_letters_nlp(40, pairs=pairs, codec={**CODEC, "unit": "bpe", "min_count": 1})
    stage = letters_stage(nlp)
    assert texts(stage.translate(["a b"])) == [["le chat dort"]]
    ((text,),) = texts(stage.translate(["a b"], required=["mange"], beam=4))
    assert "mange" in text.split()
    for beam in (1, 4):
        ((text,),) = texts(stage.translate(["a b"], forbidden=["chat", "le"], beam=beam))
        assert not {"chat", "le"} & set(text.split())


def test_what_is_drawn_cannot_be_told_what_to_hold(stage: TranslatorStage) -> None:
    with pytest.raises(SettingError, match="none where words are drawn by chance"):
        stage.translate(["gj"], required=["E"], sampling=True)


def test_a_required_word_stands_behind_no_space_where_the_script_has_none() -> None:
    pairs = [("a b", "猫在睡觉。"), ("c d", "狗在吃鱼。")] * 2
    nlp = make_letters_nlp(40, pairs=pairs, codec={**CODEC, "unit": "bpe", "min_count": 1})
    ((text,),) = texts(letters_stage(nlp).translate(["a b"], required=["狗"], beam=4))
    assert "狗" in text and " " not in text


@pytest.mark.parametrize("beam", [1, 3])
def test_the_least_and_the_most_pieces(beam: int) -> None:
    short = trained(search={"beam": beam, "max_length": 2})
    assert said(short, ["ebji", "jbd"]) == ["EB", "JB"]
    long = trained(search={"beam": beam, "min_length": 6})
    assert all(len(text) >= 6 for text in said(long))


def test_without_a_most_it_grows_with_the_text() -> None:
    limits = make_search(max_ratio=0.5, min_length=3).limits
    most = limits(np.array([10, 0])).most
    assert isinstance(most, np.ndarray) and most.tolist() == [10 // 2 + 13, 13]
    assert make_search(max_length=7).limits(np.array([10])).most == 7


def test_no_piece_twice_in_a_row_of_pieces() -> None:
    stage = letters_stage(make_letters_nlp(40, pairs=[("a", "abababab")], codec=CHARS))
    assert texts(stage.translate(["a"])) == [["abababab"]]
    ((text,),) = texts(stage.translate(["a"], no_repeat=2))
    assert max(text.count(text[i : i + 2]) for i in range(len(text) - 1)) == 1
    assert text != "abababab"


def test_a_penalty_on_length_favours_longer_ones() -> None:
    stage = letters_stage(make_letters_nlp(12, pairs=[("a", "bcd"), ("a", "b")], codec=CHARS))
    short, long = (
        stage.translate(["a"], beam=6, nbest=6, length_penalty=penalty)[0][0].text
        for penalty in (0.0, 5.0)
    )
    assert len(long) > len(short)


@pytest.mark.parametrize("how", [{"top_k": 5}, {"top_p": 0.9}, {"typical": 0.9}, {}])
def test_chance_by_seed_is_the_same_in_any_batch(how: dict[str, Any]) -> None:
    hot = {"sampling": True, "temperature": 4.0, **how}
    nlp = trained(search={**hot, "seed": 7}, batches={"rows": 5, "budget": 4096})
    drawn = said(nlp)
    assert drawn == [nlp(text)._.translation for text in TEXTS]
    assert drawn == list(reversed(said(nlp, TEXTS[::-1])))
    assert drawn != said(trained(search={**hot, "seed": 8}))
    assert drawn != said(trained())


def test_several_drawn() -> None:
    stage = letters_stage(trained(search={"sampling": True, "temperature": 6.0, "nbest": 3}))
    ((first, second, third),) = stage.translate(["b f ge."])
    assert len({first.text, second.text, third.text}) == 3
    (alone,) = stage.translate(["b f ge."], nbest=1, seed=1)[0]
    assert alone.text == second.text


def test_cold_chance_is_the_best() -> None:
    assert said(trained(search={"sampling": True, "top_k": 1})) == said(trained())


# Shortlists -------------------------------------------------------------------------------


@pytest.mark.parametrize("beam", [1, 4])
def test_a_shortlist_of_everything_changes_nothing(beam: int) -> None:
    nlp = trained(search={"beam": beam}, shortlist=30)
    stage = letters_stage(nlp)
    pieces = np.arange(len(stage._target()), dtype=np.int32)
    assert stage.shortlist is not None
    stage.shortlist = Shortlist(stage.shortlist.table, pieces)
    for doc, full in zip(nlp.pipe(TEXTS), trained(search={"beam": beam}).pipe(TEXTS), strict=True):
        assert doc._.translation == full._.translation
        assert doc._.translation_score == pytest.approx(full._.translation_score, abs=1e-4)
        assert [line[:4] for line in doc._.alignment] == [line[:4] for line in full._.alignment]


def test_a_shortlist_holds_what_a_text_is_likely_to_become() -> None:
    nlp = trained(shortlist=1)
    stage = letters_stage(nlp)
    assert stage.shortlist is not None
    codec = stage._codec()
    small, capital = (codec.encode([letters])[0] for letters in ("abcj", "ABCJ"))
    assert stage.shortlist.table[small, 0].tolist() == capital.tolist()
    assert said(nlp) == [text.upper() for text in TEXTS]


def narrowed(stage: TranslatorStage, always: str) -> None:
    """With a shortlist of these pieces alone."""
    pieces = stage._codec().encode([always])[0]
    stage.shortlist = Shortlist(np.full((len(stage._codec()), 1), pieces[0], np.int32), pieces)


@pytest.mark.parametrize("beam", [1, 4])
def test_what_is_not_in_it_is_not_written(beam: int) -> None:
    nlp = trained(shortlist=1, search={"beam": beam})
    narrowed(letters_stage(nlp), "GA")
    assert set("".join(said(nlp, ["gj", "gi."]))) <= set("GA")


def test_it_holds_what_must_come_besides() -> None:
    stage = letters_stage(trained(shortlist=1, search={"beam": 4}))
    narrowed(stage, "G")
    ((text,),) = texts(stage.translate(["gj"], required=["BE"]))
    assert "BE" in text
    ((text,),) = texts(stage.translate(["gj"], prefix="JA"))
    assert text.startswith("JA")


def test_protected_numbers_come_through_a_shortlist() -> None:
    nlp = trained(protect=("number",), shortlist=1)
    stage = letters_stage(nlp)
    narrowed(stage, "G")
    assert "1234" in nlp("g 1234")._.translation

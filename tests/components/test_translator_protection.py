"""Numbers, addresses and names that come through as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spacy
from letters import (
    BPE,
    add_stage,
    letters_stage,
    lines_of,
    make_examples,
    make_pairs,
    said,
    trained,
)
from spacy.language import Language
from spacy.tokens import Doc, Span

from seqpipe.components._protection import HOLDERS, Masked, Protection, plain

KINDS = ("number", "url", "NAME")
TEXTS = ["ab 1234 d", "gj 12 h 34.", "2024", "be www.ab.de dg", "ja 0.5", "c a@b.de"]


@pytest.mark.parametrize("beam", [1, 4])
def test_numbers_and_addresses_come_through(beam: int) -> None:
    nlp = trained(protect=KINDS, search={"beam": beam})
    for doc in nlp.pipe(TEXTS):
        for word in doc.text.rstrip(".").split():
            if not word.isalpha():
                assert word in doc._.translation
                assert (word, word) in lines_of(doc)
        assert not set(doc._.translation) & set(HOLDERS)


@pytest.mark.parametrize("beam", [1, 4])
def test_letters_around_them_become_what_they_should(beam: int) -> None:
    nlp = trained(protect=KINDS, search={"beam": beam})
    doc = nlp("ab 1234 d")
    assert doc._.translation == "AB 1234 D"
    words = [doc._.translation[a:b] for a, b, _ in doc._.translation_confidence]
    assert words == ["AB", "1234", "D"]
    assert [line[:4] for line in doc._.alignment][-2:] == [[7, 8, 7, 8], [8, 9, 8, 9]]


@pytest.mark.parametrize("beam", [1, 4])
def test_entities_of_the_labels_named_come_through(beam: int) -> None:
    nlp = trained(protect=KINDS, search={"beam": beam})
    doc = nlp.make_doc("ab Möwe d xyz")
    doc.ents = [Span(doc, 1, 2, "NAME"), Span(doc, 3, 4, "OTHER")]
    doc = letters_stage(nlp)(doc)
    assert "Möwe" in doc._.translation and ("Möwe", "Möwe") in lines_of(doc)
    assert "xyz" not in doc._.translation


def test_each_sentence_holds_its_own() -> None:
    nlp = trained(protect=KINDS, unit="sent", before="sentencizer")
    doc = nlp("gj 12 ad. ad 99 be.")
    first, second = doc.sents
    assert "12" in first._.translation and "99" in second._.translation
    assert ("12", "12") in lines_of(doc) and ("99", "99") in lines_of(doc)


def test_translate_protects_too() -> None:
    stage = letters_stage(trained(protect=KINDS))
    assert [found[0].text for found in stage.translate(["ab 1234 d"])] == ["AB 1234 D"]
    held = stage.translate(["gj 12 h 34."], beam=5, nbest=3)[0]
    assert all("12" in one.text and "34" in one.text for one in held)


def test_without_protection_nothing_is_held() -> None:
    nlp = trained()
    doc = nlp.make_doc("ab 1234 d")
    (source,) = letters_stage(nlp).sources(doc)
    assert source.masked.text == doc.text and source.masked.held == ()
    assert not Protection([])


def masked(protection: Protection, text: str) -> tuple[str, tuple[str, ...]]:
    found = protection.mask_text(text)
    return "".join("#" if c in HOLDERS else c for c in found.text), found.held


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in 2024 or 3.5%", ("in # or #%", ("2024", "3.5"))),
        ("on 12/05/2024, at 10:30.", ("on #, at #.", ("12/05/2024", "10:30"))),
        ("1,234.5 and 7-8", ("# and #", ("1,234.5", "7-8"))),
        ("see https://a.b/c?d=1 now", ("see # now", ("https://a.b/c?d=1",))),
        ("(www.ab.de).", ("(#).", ("www.ab.de",))),
        ("to x.y+z@a-b.co.uk!", ("to #!", ("x.y+z@a-b.co.uk",))),
        ("nothing", ("nothing", ())),
        ("", ("", ())),
        ("花了30元", ("花了#元", ("30",))),
    ],
)
def test_what_is_found(text: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert masked(Protection(["number", "url"]), text) == expected


def test_each_kind_is_a_wish_of_its_own() -> None:
    text = "42 at www.ab.de"
    assert masked(Protection(["number"]), text)[1] == ("42",)
    assert masked(Protection(["url"]), text)[1] == ("www.ab.de",)


def test_origins_are_places_in_the_text_as_it_was() -> None:
    text = "in 2024 or 15."
    found = Protection(["number"]).mask_text(text)
    assert found.origin.tolist() == [0, 1, 2, 3, 7, 8, 9, 10, 11, 13, 14]
    assert len(found.origin) == len(found.text) + 1


def test_more_than_there_are_holders_for() -> None:
    text = " ".join(map(str, range(100, 130)))
    found = Protection(["number"]).mask_text(text)
    assert len(found.held) == len(HOLDERS) and found.text.endswith(" 128 129")


def test_a_text_with_holders_of_its_own_is_left_alone() -> None:
    text = f"{HOLDERS[1]} 12"
    assert Protection(["number"]).mask_text(text).text == text
    assert plain(text).restored(text)[0] == text


def test_what_an_entity_holds_is_held_once(nlp: Language) -> None:
    doc = Doc(nlp.vocab, words=["Apollo", "13", "flew", "11", "days"])
    doc.ents = [Span(doc, 0, 2, "NAME"), Span(doc, 3, 5, "TIME")]
    found = Protection(["number", "NAME"]).masked(doc, doc.text, 0, len(doc.text))
    assert found.held == ("Apollo 13", "11")
    assert Protection(["NAME"]).masked(doc, doc.text, 10, len(doc.text)).held == ()


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("xx")


def lesson(source: str, target: str, *kinds: str) -> list[str]:
    protection = Protection(kinds or ("number", "url"))
    made = protection.lesson(protection.mask_text(source), target)
    return ["".join(str(HOLDERS.index(c)) if c in HOLDERS else c for c in side) for side in made]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("in x 2024", "2024 im x", ["in x 0", "0 im x"]),
        ("7 of 15", "7 von 15", ["0 of 1", "0 von 1"]),
        ("15 have 5", "5 von 15", ["0 have 1", "1 von 0"]),  # not the 5 of 15
        ("5 of", "15 von", ["5 of", "15 von"]),
        ("10,000 men", "10.000 Mann", ["10,000 men", "10.000 Mann"]),
        ("two 2 and 2", "zwei 2", ["two 0 and 2", "zwei 0"]),
        ("see www.a.de", "siehe www.a.de", ["see 0", "siehe 0"]),
    ],
)
def test_lessons_hold_what_stands_on_both_sides(
    source: str, target: str, expected: list[str]
) -> None:
    assert lesson(source, target) == expected


def test_lessons_hold_entities(nlp: Language) -> None:
    doc = Doc(nlp.vocab, words=["Ann", "saw", "Bob"])
    doc.ents = [Span(doc, 0, 1, "NAME"), Span(doc, 2, 3, "NAME")]
    protection = Protection(["NAME"])
    source, target = protection.lesson(
        protection.masked(doc, doc.text, 0, 11), "Anns Freund, Robert"
    )
    assert source == f"{HOLDERS[0]} saw Bob" and target == f"{HOLDERS[0]}s Freund, Robert"


def test_holders_that_stand_for_nothing_vanish() -> None:
    found = Masked(f"a{HOLDERS[0]}", ("12",), np.array([0, 1, 3]))
    text, moved = found.restored(f"x{HOLDERS[0]}y{HOLDERS[3]}z")
    assert text == "x12yz" and moved.tolist() == [0, 1, 3, 4, 4, 5]


@pytest.mark.parametrize("unit", ["bpe", "unigram", "char", "word"])
def test_holders_are_pieces_of_their_own_in_every_unit(unit: str, nlp: Language) -> None:
    codec: dict[str, Any] = {**BPE, "unit": unit}
    stage = add_stage(nlp, protect=["number"], codec=codec)
    nlp.initialize(lambda: make_examples(nlp, make_pairs(40, numbers=True)))
    ids = stage.encode([nlp.make_doc("ab 1234,5 d")])[0].tolist()
    assert [stage._codec().piece(id) for id in ids].count(HOLDERS[0]) == 1
    assert said(nlp, ["ab 77 d"])[0].count("77") >= 1  # untrained, and it is there

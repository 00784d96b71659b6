"""How sure a translation is of each word: what pieces make a word, and whose numbers are small."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from letters import SENTENCES, TEXTS, letters_stage, make_letters_nlp, trained
from spacy.tokens import Doc

from seqpipe.components._certainty import certainties
from seqpipe.search.state import Found
from seqpipe.text.codec import UNK, Codec

BYTES = Codec.train(["abc def"], unit="bpe", size=260)  # no merges: a byte is a piece
SIGNS = Codec.train(["abc def, 北京ก็é"], unit="char")
WORDS = Codec.train(["the cat , the dog"], unit="word")


def words_of(
    codec: Codec, text: str, chances: Sequence[float], unknown: str | None = None
) -> list[tuple[str, float]]:
    """The words of a text whose pieces have these probabilities."""
    ids = codec.encode([text])[0].tolist()
    assert len(ids) == len(chances)
    found = Found(ids, -1.0, True, None, -1.0, np.log(chances).tolist())
    written = codec.spell(ids, None if unknown is None else [unknown] * len(ids))
    return [(written.text[a:b], round(p, 6)) for a, b, p in certainties(written, found)]


@pytest.mark.parametrize("codec", [BYTES, SIGNS])
def test_a_word_has_the_product_of_its_pieces_and_of_the_space_before_it(codec: Codec) -> None:
    found = words_of(codec, "ab cd,", [0.5, 0.9, 0.8, 0.5, 1, 0.25])
    assert found == [("ab", 0.45), ("cd", 0.4), (",", 0.25)]


def test_where_no_spaces_are_set_each_piece_is_a_word() -> None:
    assert words_of(SIGNS, "北京", [0.5, 0.25]) == [("北", 0.5), ("京", 0.25)]
    assert words_of(SIGNS, "a北b", [0.5, 0.25, 1]) == [("a", 0.5), ("北", 0.25), ("b", 1)]


def test_a_mark_belongs_to_its_letter_and_a_character_to_all_its_bytes() -> None:
    assert words_of(BYTES, "aé", [0.5, 0.5, 0.5]) == [("aé", 0.125)]
    assert words_of(BYTES, "北a", [0.5, 0.5, 1, 0.1]) == [("北", 0.25), ("a", 0.1)]
    assert words_of(BYTES, "e\u0301a", [0.5, 1, 0.5, 0.5]) == [("e\u0301a", 0.125)]


def test_whole_words_and_what_is_copied_for_an_unknown_one() -> None:
    assert words_of(WORDS, "the cat,", [0.5, 0.2, 1]) == [("the", 0.5), ("cat", 0.2), (",", 1)]
    assert WORDS.encode(["cow"])[0].tolist() == [UNK]
    assert words_of(WORDS, "the cow", [0.5, 0.2], "Kuh") == [("the", 0.5), ("Kuh", 0.2)]
    assert words_of(WORDS, "cow the", [0.2, 0.5]) == [("the", 0.5)]  # it is left out


def test_nothing_written_has_no_words() -> None:
    assert words_of(SIGNS, "", []) == [] and words_of(SIGNS, "  ", [0.5, 0.5]) == []


def said_of(doc: Doc) -> list[tuple[str, float]]:
    return [(doc._.translation[a:b], chance) for a, b, chance in doc._.translation_confidence]


@pytest.mark.parametrize("beam", [1, 4])
def test_words_and_the_end_make_up_the_score(beam: int) -> None:
    for doc in trained(search={"beam": beam}).pipe(TEXTS):
        assert "".join(word for word, _ in said_of(doc)) == doc._.translation.replace(" ", "")
        whole = sum(math.log(chance) for _, chance in said_of(doc))
        assert doc._.translation_score <= whole + 1e-3 and all(p <= 1 for _, p in said_of(doc))


def test_what_has_two_translations_is_less_certain_than_what_has_one() -> None:
    pairs = [("ab cd", "one two"), ("ab cd", "one six"), ("cd ab", "two one"), ("cd ab", "six one")]
    nlp = make_letters_nlp(60, pairs=pairs, codec={"@misc": "seqpipe.Codec.v1", "min_count": 1})
    found = dict(said_of(nlp("ab cd")))
    assert found.pop("one") > 0.9 and 0.3 < found.popitem()[1] < 0.7


def test_what_it_is_made_to_write_is_less_certain() -> None:
    stage = letters_stage(trained())
    ((own,),), ((forced,),) = (stage.translate(["gj"], prefix=prefix) for prefix in ("", "B"))
    assert own.words[0][2] > 0.5 > 0.05 > forced.words[0][2]


def test_words_of_parts_stand_where_the_whole_has_them() -> None:
    doc = trained(unit="sent", before="sentencizer")(f"{SENTENCES[0]}  {SENTENCES[2]}")
    words = [word for word, _ in said_of(doc)]
    assert words == ["AD", "IJ", ".", "JA", "CB", "."]
    last = list(doc.sents)[-1]
    held = [last._.translation[a:b] for a, b, _ in last._.translation_confidence]
    assert held == words[-len(held) :]


def test_an_empty_text_has_none() -> None:
    assert trained()("")._.translation_confidence == []

"""Where each piece of a translation comes from, and what is copied from there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from letters import (
    BPE,
    TEXTS,
    letters_stage,
    lines_of,
    make_letters_nlp,
    said,
    trained,
)

from seqpipe.components._protection import Masked, plain
from seqpipe.components._translation import spelled
from seqpipe.search.state import Found
from seqpipe.text.codec import UNK, Codec


def found_of(tokens: list[int], looked: list[int], *, places: int) -> Found:
    """As a search gives it whose attention lay where it is said, nine tenths of it."""
    attention = np.full((len(tokens), places), 0.1 / max(places - 1, 1), np.float32)
    attention[np.arange(len(tokens)), looked] = 0.9
    return Found(tokens, -1.0, True, attention, -1.0, [0.0] * len(tokens))


def put_down(codec: Codec, masked: Masked, tokens: list[int], looked: list[int]) -> Any:
    """The text and its alignment as stretches of both sides."""
    offsets = codec.align(masked.text).offsets
    found = found_of(tokens, looked, places=len(offsets) + 1)
    return spelled(codec, masked, offsets, found, copying=True, aligning=True)


@pytest.mark.parametrize("beam", [1, 4])
def test_each_character_comes_from_its_own(beam: int) -> None:
    nlp = trained(search={"beam": beam})
    for doc in nlp.pipe(TEXTS):
        assert lines_of(doc) == [(sign, sign.upper()) for sign in doc.text]
        assert all(0 < line[4] <= 1 for line in doc._.alignment)


def test_the_alignment_may_be_left_out_or_named_otherwise() -> None:
    quiet = trained(alignment="")
    assert quiet("gj")._.translation == "GJ" and quiet("gj")._.alignment is None
    written = ["translation", "translation_score", "translation_confidence"]
    assert letters_stage(quiet).fields == written


@pytest.mark.parametrize("beam", [1, 4])
def test_unknown_signs_are_copied_from_where_attention_lies(beam: int) -> None:
    nlp = trained(search={"beam": beam})
    for text in ("fe溪", "搬if", "d洳."):
        assert UNK in letters_stage(nlp).encode([nlp.make_doc(text)])[0]
        doc = nlp(text)
        assert doc._.translation == text.upper()
        assert ("溪", "溪") in lines_of(doc) or "溪" not in text


def test_unknown_signs_are_left_out_where_copying_is_not_wished() -> None:
    assert said(trained(copy_unknown=False), ["fe溪", "d洳."]) == ["FE", "D."]


def test_copying_needs_no_alignment_to_be_written() -> None:
    assert said(trained(alignment=""), ["fe溪"]) == ["FE溪"]


def test_pieces_of_bytes_are_named_without_their_space() -> None:
    codec = Codec.train(["ab cd"] * 5, unit="bpe", size=300)
    first, second = codec.encode(["ab cd"])[0].tolist()
    one = put_down(codec, plain("ab cd"), [first, second], [0, 1])
    assert one.text == "ab cd"
    assert one.alignment == [[0, 2, 0, 2, 0.9], [3, 5, 3, 5, 0.9]]


def test_a_character_of_several_pieces_has_one_line() -> None:
    codec = Codec.train(["ab"], unit="bpe", size=300)
    ids = codec.encode(["é"])[0].tolist()
    assert len(ids) == 2
    one = put_down(codec, plain("aé"), [codec.encode(["a"])[0][0], *ids], [0, 1, 2])
    assert one.text == "aé" and one.alignment == [[0, 1, 0, 1, 0.9], [1, 2, 1, 2, 0.9]]


def test_the_end_of_the_source_is_no_place_in_it() -> None:
    codec = Codec.train(["ab"], unit="char")
    a, b = codec.encode(["ab"])[0].tolist()
    attention = np.array([[0.1, 0.2, 0.7], [0.3, 0.1, 0.6]], np.float32)
    found = Found([a, b], -1.0, True, attention, -1.0, [0.0, 0.0])
    offsets = codec.align("ab").offsets
    one = spelled(codec, plain("ab"), offsets, found, copying=True, aligning=True)
    assert one.alignment == [[1, 2, 0, 1, 0.2], [0, 1, 1, 2, 0.3]]


def test_unknown_words_are_copied_as_words() -> None:
    codec = Codec.train(["the cat"] * 2, unit="word")
    the, cat = codec.encode(["the cat"])[0].tolist()
    one = put_down(codec, plain("the Wolpertinger cat"), [UNK, cat, the], [1, 2, 0])
    assert one.text == "Wolpertinger cat the"
    assert one.alignment == [[4, 16, 0, 12, 0.9], [17, 20, 13, 16, 0.9], [0, 3, 17, 20, 0.9]]


def test_a_found_without_attention_is_a_text_without_lines() -> None:
    codec = Codec.train(["ab"], unit="char")
    found = Found(codec.encode(["ab"])[0].tolist(), -1.0, True, None, -1.0, [0.0, 0.0])
    offsets = codec.align("ab").offsets
    one = spelled(codec, plain("ab"), offsets, found, copying=True, aligning=True)
    assert (one.text, one.alignment) == ("ab", [])


def test_nothing_found_is_no_text() -> None:
    codec = Codec.train(["ab"], unit="char")
    found = Found([], -1.0, True, np.zeros((0, 3), np.float32), -1.0, [])
    one = spelled(codec, plain("ab"), codec.align("ab").offsets, found, copying=True, aligning=True)
    assert (one.text, one.alignment) == ("", [])


def test_bpe_comes_with_an_alignment_too() -> None:
    pairs = [("the cat sleeps", "die Katze schläft"), ("the dog eats", "der Hund isst")]
    nlp = make_letters_nlp(60, pairs=pairs, codec=BPE)
    doc = nlp("the cat sleeps")
    assert doc._.translation == "die Katze schläft"
    covered = "".join(there for _, there in lines_of(doc))
    assert covered == "".join(["die", "Katze", "schläft"])
    assert all(here == here.strip() != "" for here, _ in lines_of(doc))

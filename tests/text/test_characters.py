"""Characters by kind, and white space as Python sees it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.text.characters import COUNT, Kinds, blank, codes_of, kind_of

ANY = st.text(alphabet=st.characters(), max_size=20)


def test_white_space_is_pythons_own() -> None:
    every = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    python = [chr(code).isspace() for code in every.tolist()]
    assert blank(every).tolist() == python


@given(ANY)
def test_codes_are_code_points(text: str) -> None:
    assert codes_of(text).tolist() == [ord(character) for character in text]


def test_a_lone_surrogate_has_a_code_and_a_kind() -> None:
    assert codes_of("a\ud800").tolist() == [97, 0xD800]
    assert 0 <= kind_of("\ud800") < COUNT


@pytest.mark.parametrize(
    "alike", ["AÉZ", "aéß", "αω", "дя", "中文𠀀", "かの", "カノ", "กข", "09٣", "([{", ")]}", "$€"]
)
def test_what_is_alike_is_of_one_kind(alike: str) -> None:
    assert len({kind_of(character) for character in alike}) == 1


def test_what_is_not_is_of_another() -> None:
    told_apart = "Aaαд中かカกא5(-.)$+ \n😀\u0301"
    assert len({kind_of(character) for character in told_apart}) == len(told_apart)


@given(st.lists(ANY, max_size=5))
def test_the_table_says_what_the_function_says(texts: list[str]) -> None:
    kinds = Kinds()
    for text in texts:
        assert kinds.of(codes_of(text)).tolist() == [kind_of(c) for c in text]


def test_every_kind_is_below_the_count() -> None:
    assert max(kind_of(chr(code)) for code in range(0, sys.maxunicode, 7)) < COUNT

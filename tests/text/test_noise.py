"""Noise takes out what it says, and leaves every sentence an end."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.text.noise import Noise
from seqpipe.text.segments import INSIDE, SENTENCE, TOKEN

SPACE, NEWLINE = 1, 2
TEXT = "ab. c\n\nd"
LABELS = [INSIDE, TOKEN, SENTENCE, INSIDE, SENTENCE, INSIDE, INSIDE, SENTENCE]


def pieces_of(text: str) -> Any:
    return np.array([{" ": SPACE, "\n": NEWLINE}.get(c, ord(c)) for c in text], np.int32)


def left(noise: Noise, text: str = TEXT, labels: list[int] = LABELS) -> tuple[str, list[int]]:
    lost, said = noise.lost(
        pieces_of(text),
        np.array(labels, np.int32),
        space=SPACE,
        newline=NEWLINE,
        chance=np.random.default_rng(0),
    )
    kept = "".join(c for c, gone in zip(text, lost, strict=True) if not gone)
    return kept, said[~lost].tolist()


def test_nothing_is_lost_without_noise() -> None:
    assert left(Noise(0, 0, 0)) == (TEXT, LABELS)
    assert not Noise(0, 0, 0)
    assert Noise(0, 0.1, 0)


def test_final_punctuation_goes_and_the_token_before_ends_the_sentence() -> None:
    kept, labels = left(Noise(1, 0, 0))
    assert kept == "ab c\n\nd"
    assert labels == [INSIDE, SENTENCE, INSIDE, SENTENCE, INSIDE, INSIDE, SENTENCE]


def test_spaces_between_tokens_go() -> None:
    kept, labels = left(Noise(0, 1, 0))
    assert kept == "ab.c\n\nd"
    assert labels == [INSIDE, TOKEN, SENTENCE, SENTENCE, INSIDE, INSIDE, SENTENCE]


def test_a_space_within_a_token_stays() -> None:
    text, labels = "a b", [INSIDE, INSIDE, SENTENCE]
    assert left(Noise(0, 1, 0), text, labels) == (text, labels)


def test_a_paragraphs_end_becomes_a_lines_end() -> None:
    assert left(Noise(0, 0, 1))[0] == "ab. c\nd"


@given(seed=st.integers(0, 999), size=st.integers(1, 20))
def test_something_is_always_left(seed: int, size: int) -> None:
    chance = np.random.default_rng(seed)
    pieces = chance.integers(1, 4, size).astype(np.int32)
    labels = chance.integers(0, 3, size).astype(np.int32)
    lost, said = Noise(1, 1, 1).lost(pieces, labels, space=SPACE, newline=NEWLINE, chance=chance)
    assert not lost.all()
    assert len(said) == size

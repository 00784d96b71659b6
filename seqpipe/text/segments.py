"""Tokens as stretches of a text, and the words and spaces that spaCy wants to hear of.

spaCy's rule: one plain space after a token belongs to it; all other white space between two tokens
is a token of its own, without a space after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.int64]  # (T, 2): where in the text each token begins and ends


@dataclass(frozen=True, slots=True)
class Words:
    """What a Doc is made of; `kept` has the place of each token given among the words."""

    words: list[str]
    spaces: list[bool]
    kept: list[int]


def words_of(text: str, spans: Iterable[Sequence[int]]) -> Words:
    """Tokens in order, none empty, with nothing but white space between them; put together again
    the words and spaces are the text."""
    words: list[str] = []
    spaces: list[bool] = []
    kept: list[int] = []
    end = 0
    for begin, stop in spans:
        _gap(text[end:begin], words, spaces)
        kept.append(len(words))
        words.append(text[begin:stop])
        spaces.append(False)
        end = stop
    _gap(text[end:], words, spaces)
    return Words(words, spaces, kept)


def _gap(gap: str, words: list[str], spaces: list[bool]) -> None:
    if gap and words and gap[0] == " ":
        spaces[-1] = True
        gap = gap[1:]
    if gap:
        words.append(gap)
        spaces.append(False)


def locate_tokens(text: str, tokens: Iterable[str]) -> Spans | None:
    """Where the tokens stand in the text, one after the other with only white space between them;
    None where they do not make up the text."""
    spans: list[tuple[int, int]] = []
    at = 0
    for token in tokens:
        while at < len(text) and text[at].isspace() and not text.startswith(token, at):
            at += 1
        if not token or not text.startswith(token, at):
            return None
        spans.append((at, at + len(token)))
        at += len(token)
    if text[at:].strip():
        return None
    return np.array(spans, np.int64).reshape(-1, 2)

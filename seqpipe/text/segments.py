"""Tokens as stretches of a text, as a label for each character, and as words and spaces of a Doc.

A label stands at the last character of a token. spaCy's rule for spaces: a plain one after a token
belongs to it; all other white space between two tokens is a token of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.text.characters import Codes, blank, codes_of

Spans = NDArray[np.int64]  # (T, 2): where in the text each token begins and ends
Labels = NDArray[np.int32]  # (S,): one a character

INSIDE, TOKEN, SENTENCE = range(3)  # no end, the end of a token, the end of a sentence's last token
EITHER = 3  # in a text whose sentences nobody has marked: the end of a token

_SPACE, _NEWLINE = 0x20, 0x0A
_APART = "\n\n"

_LONG = 3  # stretches: a sentence of more is cut within, or it would be a batch of its own


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The tokens of a text, and which of them begin a sentence, where that is known."""

    spans: Spans
    starts: NDArray[np.bool_] | None  # (T,)

    def sentences(self) -> Spans:
        """From the first token of each sentence to its last; none where they are not known."""
        if self.starts is None or not len(self.spans):
            return np.empty((0, 2), np.int64)
        first = np.flatnonzero(np.append(True, self.starts[1:]))
        last = np.append(first[1:], len(self.spans)) - 1
        return np.stack([self.spans[first, 0], self.spans[last, 1]], axis=1)


def labels_of(length: int, segments: Segments) -> Labels:
    """What a tagger should say of each character of a text of so many."""
    labels = np.full(length, INSIDE, np.int32)
    ends = segments.spans[:, 1] - 1
    labels[ends] = EITHER
    if segments.starts is not None:
        labels[ends] = np.where(np.append(segments.starts[1:], True), SENTENCE, TOKEN)
    return labels


def stretches(segments: Segments, length: int, least: int) -> Iterator[tuple[int, int]]:
    """Parts of a text, from the beginning of a sentence to that of another at least so many
    characters on; to that of a token where none begins for three times as many."""
    starts = segments.starts if segments.starts is not None else np.ones(len(segments.spans), bool)
    first = 0
    for begin, start in zip(segments.spans[:, 0].tolist(), starts.tolist(), strict=True):
        if begin - first >= (least if start else _LONG * least):
            yield first, begin
            first = begin
    if length > first:
        yield first, length


def segments_of(codes: Codes, labels: NDArray[Any], *, spaces: bool) -> Segments:
    """What a tagger has said of each character, made to fit: every character that is not white
    space is in a token, a blank line ends a sentence, and so does the text.

    `spaces` says whether a token may hold a space; more than one, or a line's end, it never holds.
    """
    solid = np.flatnonzero(~blank(codes))  # (N,)
    if not len(solid):
        return Segments(np.empty((0, 2), np.int64), np.empty(0, np.bool_))
    gaps = np.diff(solid, append=len(codes) + 2) - 1  # white space after each
    held = (gaps == 1) & spaces  # white space that a token may hold
    held[:-1] &= codes[solid[:-1] + 1] == _SPACE
    lines = np.cumsum(codes == _NEWLINE)[solid]
    over = (labels[solid] == SENTENCE) | (np.diff(lines, append=lines[-1] + 2) > 1)
    ends = np.flatnonzero((labels[solid] != INSIDE) | ((gaps > 0) & ~held) | over)
    begins = solid[np.append(0, ends[:-1] + 1)]
    spans = np.stack([begins, solid[ends] + 1], axis=1).astype(np.int64)
    return Segments(spans, np.append(True, over[ends[:-1]]))


def segments_of_all(
    texts: Sequence[str], labels: Sequence[NDArray[Any]], *, spaces: bool
) -> list[Segments]:
    """The same for many texts at once: a blank line apart, none of them sees its neighbours."""
    if not texts:
        return []
    apart = np.full(len(_APART), INSIDE, np.int8)
    said = [part for one in labels for part in (one, apart)]
    whole = segments_of(codes_of(_APART.join(texts)), np.concatenate(said), spaces=spaces)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + len(_APART)
    first = np.cumsum(lengths) - lengths
    cuts = [*np.searchsorted(whole.spans[:, 0], first).tolist(), len(whole.spans)]
    starts = np.empty(0, np.bool_) if whole.starts is None else whole.starts
    return [
        Segments(whole.spans[a:b] - begin, starts[a:b])
        for a, b, begin in zip(cuts, cuts[1:], first.tolist(), strict=False)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """What a Doc is made of; `starts` is 1 where a sentence begins, and -1 elsewhere."""

    words: list[str]
    spaces: list[bool]
    starts: NDArray[np.int64]


def words_of_all(texts: Sequence[str], segments: Sequence[Segments]) -> list[Words]:
    """Of each text its tokens and, as words of their own, white space that belongs to none of them:
    put together again the words and spaces are the text."""
    whole = "".join(part for text in texts for part in (text, _APART))
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    last = np.cumsum(lengths + len(_APART)) - len(_APART)  # where each text ends
    first = last - lengths
    counts = np.fromiter((len(one.spans) for one in segments), np.int64, len(segments))
    spans = np.concatenate([np.empty((0, 2), np.int64), *(one.spans for one in segments)])
    begins, stops = (spans + np.repeat(first, counts)[:, None]).T
    spaced = codes_of(whole)[stops] == _SPACE
    # white space before the first token of each text, and behind each token
    following = np.append(begins, len(whole))
    leading = np.minimum(following[np.searchsorted(begins, first)], last)
    white = np.concatenate([first, stops + spaced])
    over = np.concatenate([leading, np.minimum(following[1:], np.repeat(last, counts))])
    odd = over > white
    every = np.concatenate([begins, white[odd]])
    order = np.argsort(every, kind="stable")
    every, ends = every[order], np.concatenate([stops, over[odd]])[order]
    none = np.zeros(len(every) - len(begins), np.bool_)
    said = [_starts(one) for one in segments]
    starts = np.where(np.concatenate([*said, none])[order], 1, -1)
    spaces = np.concatenate([spaced, none])[order].tolist()
    cuts = [*np.searchsorted(every, first).tolist(), len(every)]
    starts[[a for a, b in pairwise(cuts) if a < b]] = 1  # for spaCy, be it white space
    words = [whole[a:b] for a, b in zip(every.tolist(), ends.tolist(), strict=True)]
    return [Words(words[a:b], spaces[a:b], starts[a:b]) for a, b in pairwise(cuts)]


def _starts(segments: Segments) -> NDArray[np.bool_]:
    return np.zeros(len(segments.spans), np.bool_) if segments.starts is None else segments.starts


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

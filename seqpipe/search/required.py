"""Words that a beam must write, each of one or more tokens.

Dynamic beam allocation: a beam has its width whatever it must write, and shares it out among
hypotheses that have written as many of the required tokens (Post and Vilar 2018, "Fast Lexically
Constrained Decoding"), here by taking the best of each such bank in turn (Hu et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqpipe.errors import SettingError
from seqpipe.search import arrays, on_numpy
from seqpipe.search.arrays import CLOSED, Bools, Floats, Held, Ints
from seqpipe.search.state import Columns


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words that rows (N,) must hold, padded."""

    pieces: Ints  # (N, P, L), -1 beyond a word
    lengths: Ints  # (N, P)
    columns: Columns


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """How far hypotheses (M,) have come with the words (P,) of their rows."""

    words: Words
    homes: Ints  # (M,) rows of the batch that began
    met: Bools  # (M, P)
    word: Ints  # (M,) the word that they are in the middle of, or -1
    done: Ints  # (M,) how many of its tokens they have

    def pick(self, places: Ints) -> Progress:
        return Progress(
            self.words, self.homes[places], self.met[places], self.word[places], self.done[places]
        )

    @property
    def asked(self) -> Bools:
        """Which rows must hold any word: (N,)."""
        asked: Bools = np.any(self.words.lengths > 0, axis=1)
        return asked

    @property
    def written(self) -> Ints:
        """How many of the required tokens each has: (M,)."""
        written: Ints = (self.words.lengths[self.homes] * self.met).sum(axis=1) + self.done
        return written

    @property
    def lacking(self) -> Ints:
        """And how many not."""
        lacking: Ints = self.words.lengths[self.homes].sum(axis=1) - self.written
        return lacking

    @property
    def following(self) -> Ints:
        """The tokens that bring each further, each of them once: (M, P), or -1."""
        words = self.words.pieces[self.homes]  # (M, P, L)
        within = self.word[:, None] == np.arange(words.shape[1])
        wanted = np.where(self.word[:, None] < 0, ~self.met, within)
        depth = np.broadcast_to(self.done[:, None], wanted.shape)
        following = np.take_along_axis(words, depth[:, :, None], axis=2)[:, :, 0]
        following = np.where(wanted, following, -1)
        same = following[:, :, None] == following[:, None, :]
        return np.where(np.tril(same, -1).any(axis=2), -1, following)

    def advance(self, tokens: Ints) -> Progress:
        """Past these tokens (M,); a word that is broken off begins anew."""
        words, lengths = self.words.pieces[self.homes], self.words.lengths[self.homes]
        place = np.arange(len(tokens))
        goes = words[place, self.word.clip(min=0), self.done] == tokens
        goes &= self.word >= 0
        starts = (words[:, :, 0] == tokens[:, None]) & ~self.met  # (M, P)
        started = np.where(starts.any(axis=1), starts.argmax(axis=1), -1)
        word = np.where(goes, self.word, started)
        done = np.where(goes, self.done + 1, word >= 0)
        full = (word >= 0) & (done == lengths[place, word.clip(min=0)])
        met = self.met | (full[:, None] & (word[:, None] == np.arange(words.shape[1])))
        word, done = np.where(full, -1, word), np.where(full, 0, done)
        return Progress(self.words, self.homes, met, word, done)

    def banks(self, columns: Ints) -> Ints:
        """How many required tokens each would have after each candidate (M, C)."""
        rows = np.repeat(np.arange(len(columns)), columns.shape[1])
        tokens = self.words.columns.pieces(columns.ravel())
        return self.pick(rows).advance(tokens).written.reshape(columns.shape)

    def without_end(self, scores: Held, end: int) -> Held:
        """The scores (M, V), the end closed for those that lack a word."""
        early = np.where(self.lacking > 0, end, -1)[:, None]
        without: Held = self.words.columns.close(scores, early)
        return without

    def joined(self, best: Floats, columns: Ints, scores: Held) -> tuple[Floats, Ints]:
        """The best of the scores (M, V) and their columns (M, K), those that bring hypotheses
        further beside them."""
        on, more = arrays.of(scores), self.words.columns.of(self.following)  # (M, P)
        there = (more[:, :, None] == columns[:, None, :]).any(axis=2)
        found = on.array(on.at(scores, more.clip(min=0)))
        found = np.where(there | (more < 0), np.float32(CLOSED), found)
        best = np.concatenate([best, found], axis=1)
        return best, np.concatenate([columns, more.clip(min=0)], axis=1)


def before_all(
    words: Sequence[Sequence[Sequence[int]]] | None,
    columns: Columns,
    *,
    rows: int,
) -> Progress | None:
    """Where hypotheses begin whose rows must hold these words; None where nothing is required."""
    if words is None or not any(map(len, words)):
        return None
    if len(words) != rows:
        raise SettingError("required", f"{len(words)} rows", f"one for each of {rows} rows")
    columns.must_have([piece for row in words for word in row for piece in word], "required")
    longest = max(len(word) for row in words for word in row)
    padded = np.full((rows, max(map(len, words)), max(longest, 1)), -1, np.int64)
    for i, row in enumerate(words):
        for j, word in enumerate(row):
            padded[i, j, : len(word)] = word
    lengths: Ints = (padded >= 0).sum(axis=2)
    homes = np.arange(rows)
    none = np.full_like(homes, -1)
    return Progress(Words(padded, lengths, columns), homes, lengths == 0, none, homes * 0)


def in_turn(scores: Floats, banks: Ints, most: int) -> Ints:
    """The places (N, most) of the candidates (N, C) to go on with: the best of each bank in turn,
    the fullest bank first."""
    ordered, order = on_numpy.top(scores, scores.shape[1])
    banks = np.take_along_axis(banks, order, axis=1)
    same = banks[:, :, None] == banks[:, None, :]
    before = np.tril(same, -1).sum(axis=2)  # (N, C) better ones of the same bank
    turn = before * (1 + banks.max()) - banks
    turn = np.where(ordered == CLOSED, np.iinfo(turn.dtype).max, turn)
    return np.take_along_axis(order, turn.argsort(axis=1, kind="stable")[:, :most], axis=1)

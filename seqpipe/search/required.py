"""Words that a beam must write, each of one or more tokens.

Dynamic beam allocation: a beam has its width whatever it must write, and shares it out among
hypotheses that have written as many of the required tokens (Post and Vilar 2018, "Fast Lexically
Constrained Decoding"), here by taking the best of each such bank in turn (Hu et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.search.state import CLOSED, Columns
from seqpipe.search.top import top


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words that rows (N,) must hold, padded."""

    pieces: Tensor  # (N, P, L), -1 beyond a word
    lengths: Tensor  # (N, P)
    columns: Columns


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """How far hypotheses (M,) have come with the words (P,) of their rows."""

    words: Words
    homes: Tensor  # (M,) rows of the batch that began
    met: Tensor  # (M, P)
    word: Tensor  # (M,) the word that they are in the middle of, or -1
    done: Tensor  # (M,) how many of its tokens they have

    def pick(self, places: Tensor) -> Progress:
        return Progress(
            self.words, self.homes[places], self.met[places], self.word[places], self.done[places]
        )

    @property
    def asked(self) -> Tensor:
        """Which rows must hold any word: (N,)."""
        return self.words.lengths.any(dim=1)

    @property
    def written(self) -> Tensor:
        """How many of the required tokens each has: (M,)."""
        return (self.words.lengths[self.homes] * self.met).sum(dim=1) + self.done

    @property
    def lacking(self) -> Tensor:
        """And how many not."""
        return self.words.lengths[self.homes].sum(dim=1) - self.written

    @property
    def following(self) -> Tensor:
        """The tokens that bring each further, each of them once: (M, P), or -1."""
        words = self.words.pieces[self.homes]  # (M, P, L)
        every = torch.arange(words.shape[1], device=words.device)
        within = self.word[:, None] == every
        wanted = torch.where(self.word[:, None] < 0, ~self.met, within)
        depth = self.done[:, None].expand_as(wanted)
        following = words.gather(2, depth[:, :, None]).squeeze(2).masked_fill(~wanted, -1)
        same = following[:, :, None] == following[:, None, :]
        return following.masked_fill(same.tril(-1).any(dim=2), -1)

    def advance(self, tokens: Tensor) -> Progress:
        """Past these tokens (M,); a word that is broken off begins anew."""
        words, lengths = self.words.pieces[self.homes], self.words.lengths[self.homes]
        place = torch.arange(len(tokens), device=tokens.device)
        goes = words[place, self.word.clamp(min=0), self.done] == tokens
        goes &= self.word >= 0
        starts = (words[:, :, 0] == tokens[:, None]) & ~self.met  # (M, P)
        started = starts.int().argmax(dim=1).masked_fill(~starts.any(dim=1), -1)
        word = torch.where(goes, self.word, started)
        done = torch.where(goes, self.done + 1, (word >= 0).long())
        full = (word >= 0) & (done == lengths[place, word.clamp(min=0)])
        every = torch.arange(words.shape[1], device=words.device)
        met = self.met | (full[:, None] & (word[:, None] == every))
        word, done = word.masked_fill(full, -1), done.masked_fill(full, 0)
        return Progress(self.words, self.homes, met, word, done)

    def banks(self, columns: Tensor) -> Tensor:
        """How many required tokens each would have after each candidate (M, C)."""
        count, each = columns.shape
        rows = torch.arange(count, device=columns.device).repeat_interleave(each)
        tokens = self.words.columns.pieces(columns.flatten())
        return self.pick(rows).advance(tokens).written.view(count, each)

    def without_end(self, scores: Tensor, end: int) -> Tensor:
        """The scores (M, V), the end closed for those that lack a word."""
        early = torch.where(self.lacking > 0, end, -1)[:, None]
        return self.words.columns.close(scores, early)

    def joined(self, best: Tensor, columns: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The best of the scores (M, V) and their columns (M, K), those that bring hypotheses
        further beside them."""
        more = self.words.columns.of(self.following)  # (M, P)
        there = (more[:, :, None] == columns[:, None, :]).any(dim=2)
        found = scores.gather(1, more.clamp(min=0)).masked_fill(there | (more < 0), CLOSED)
        return torch.cat([best, found], dim=1), torch.cat([columns, more.clamp(min=0)], dim=1)


def before_all(
    words: Sequence[Sequence[Sequence[int]]] | None,
    columns: Columns,
    *,
    rows: int,
    device: torch.device,
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
    pieces = torch.from_numpy(padded).to(device)
    lengths = (pieces >= 0).sum(dim=2)
    homes = torch.arange(rows, device=device)
    none = torch.full_like(homes, -1)
    return Progress(Words(pieces, lengths, columns), homes, lengths == 0, none, homes * 0)


def in_turn(scores: Tensor, banks: Tensor, most: int) -> Tensor:
    """The places (N, most) of the candidates (N, C) to go on with: the best of each bank in turn,
    the fullest bank first."""
    _, order = top(scores, scores.shape[1])
    banks, closed = banks.gather(1, order), scores.gather(1, order) == CLOSED
    same = banks[:, :, None] == banks[:, None, :]
    before = same.tril(-1).sum(dim=2)  # (N, C) better ones of the same bank
    turn = before * (1 + banks.max()) - banks
    turn = turn.masked_fill(closed, torch.iinfo(turn.dtype).max)
    return order.gather(1, turn.sort(dim=1, stable=True).indices[:, :most])

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
from seqpipe.search.logits import CLOSED
from seqpipe.search.state import Columns
from seqpipe.search.top import top


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """How far hypotheses (M,) have come with the words (P,) of their rows."""

    homes: Tensor  # (M,) the rows of the batch that began
    met: Tensor  # (M, P)
    word: Tensor  # (M,) the word that they are in the middle of, or -1
    done: Tensor  # (M,) how many of its tokens they have

    def pick(self, places: Tensor) -> Progress:
        return Progress(self.homes[places], self.met[places], self.word[places], self.done[places])


class Required:
    """The words of each row, padded: (N, P, L)."""

    def __init__(
        self,
        words: Sequence[Sequence[Sequence[int]]],
        columns: Columns,
        rows: int,
        device: torch.device,
    ) -> None:
        if len(words) != rows:
            raise SettingError("required", f"{len(words)} rows", f"one for each of {rows} rows")
        columns.must_have([piece for row in words for word in row for piece in word], "required")
        count = max((len(row) for row in words), default=0)
        longest = max((len(word) for row in words for word in row), default=0)
        padded = np.full((len(words), max(count, 1), max(longest, 1)), -1, np.int64)
        for i, row in enumerate(words):
            for j, word in enumerate(row):
                padded[i, j, : len(word)] = word
        self._words = torch.from_numpy(padded).to(device)
        self._lengths = (self._words >= 0).sum(dim=2)  # (N, P)
        self._columns = columns

    def begin(self) -> Progress:
        rows = torch.arange(len(self._words), device=self._words.device)
        return Progress(rows, self._lengths == 0, torch.full_like(rows, -1), torch.zeros_like(rows))

    def written(self, progress: Progress) -> Tensor:
        """How many of the required tokens hypotheses have: (M,)."""
        lengths = self._lengths[progress.homes]
        return (lengths * progress.met).sum(dim=1) + progress.done

    def lacking(self, progress: Progress) -> Tensor:
        """And how many they have not."""
        return self._lengths[progress.homes].sum(dim=1) - self.written(progress)

    def following(self, progress: Progress) -> Tensor:
        """The tokens that bring each hypothesis on, each once: (M, P), or -1."""
        words = self._words[progress.homes]  # (M, P, L)
        every = torch.arange(words.shape[1], device=words.device)
        within = progress.word[:, None] == every
        wanted = torch.where(progress.word[:, None] < 0, ~progress.met, within)
        depth = progress.done[:, None].expand_as(wanted)
        following = words.gather(2, depth[:, :, None]).squeeze(2).masked_fill(~wanted, -1)
        same = following[:, :, None] == following[:, None, :]
        return following.masked_fill(same.tril(-1).any(dim=2), -1)

    def advance(self, progress: Progress, tokens: Tensor) -> Progress:
        """Past these tokens (M,); a word that is broken off begins anew."""
        words, lengths = self._words[progress.homes], self._lengths[progress.homes]
        place = torch.arange(len(tokens), device=tokens.device)
        word = progress.word.clamp(min=0)
        goes = (progress.word >= 0) & (words[place, word, progress.done] == tokens)
        starts = (words[:, :, 0] == tokens[:, None]) & ~progress.met  # (M, P)
        started = torch.where(starts.any(dim=1), starts.int().argmax(dim=1), -1)
        word = torch.where(goes, word, started)
        done = torch.where(goes, progress.done + 1, (word >= 0).long())
        full = (word >= 0) & (done == lengths[place, word.clamp(min=0)])
        every = torch.arange(words.shape[1], device=words.device)
        met = progress.met | (full[:, None] & (word[:, None] == every))
        return Progress(progress.homes, met, word.masked_fill(full, -1), done.masked_fill(full, 0))

    def banks(self, progress: Progress, tokens: Tensor) -> Tensor:
        """How many required tokens each hypothesis would have after each candidate (M, C)."""
        count, each = tokens.shape
        rows = torch.arange(count, device=tokens.device).repeat_interleave(each)
        after = self.advance(progress.pick(rows), tokens.flatten())
        return self.written(after).view(count, each)

    def closed(self, scores: Tensor, progress: Progress, end: int) -> Tensor:
        """No end (M, V) for those who lack a word."""
        column = self._columns.of(torch.tensor(end, device=scores.device))
        scores = scores.clone()
        scores[:, column] = scores[:, column].masked_fill(self.lacking(progress) > 0, CLOSED)
        return scores

    def joined(
        self, values: Tensor, columns: Tensor, scores: Tensor, progress: Progress
    ) -> tuple[Tensor, Tensor]:
        """The best columns and their values (M, K) with those that bring hypotheses on, picked
        from the scores (M, V)."""
        more = self._columns.of(self.following(progress))  # (M, P)
        there = (more[:, :, None] == columns[:, None, :]).any(dim=2)
        found = scores.gather(1, more.clamp(min=0)).masked_fill(there | (more < 0), CLOSED)
        return torch.cat([values, found], dim=1), torch.cat([columns, more.clamp(min=0)], dim=1)


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

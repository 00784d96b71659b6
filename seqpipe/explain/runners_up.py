"""What else a translator might have written at each word, and how likely each is.

A word is told piece by piece, and another one may part from it at any of them. So at every piece
the likeliest others are gone on with to the end of their words, each step by the likeliest piece.
The probability of a word is that of its pieces and of nothing going on with it, so that those of
all words that might stand in one place add up to one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqpipe.explain.foretelling import Other
from seqpipe.search import arrays
from seqpipe.search.state import Columns, Net, State
from seqpipe.text.codec import BOS, EOS, PAD, UNK, Codec
from seqpipe.text.units import SPACELESS

_MOST = 3  # runners-up of a word
_LONGEST = 16  # pieces of one: what a net goes on with for longer is no word
_BROKEN = "\ufffd"  # what a part of a character reads as


@dataclass(frozen=True, slots=True)
class Told:
    """A word that was written, from its first piece to before the last."""

    first: int
    last: int
    probability: float
    others: list[Other]


@dataclass(frozen=True, slots=True)
class _Try:
    pieces: list[int]
    score: float


def joins(character: str) -> bool:
    """Whether it is one word with such a character beside it."""
    return character.isalnum() and not SPACELESS.match(character)


def words_in(text: str, stretches: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Which pieces of a text are one word, from the first to before the last; pieces of no length
    are parts of the character that the next one ends."""
    starts: list[int] = []
    for at, (begin, end) in enumerate(stretches):
        part = text[begin:end]
        begin += len(part) - len(part.lstrip()) if part.strip() else 0
        before = stretches[at - 1] if at else (0, 0)
        open_character = at and before[0] == before[1] == begin
        inside = 0 < begin < len(text) and joins(text[begin - 1]) and joins(text[begin])
        if not (at and (open_character or inside or begin == len(text))):
            starts.append(at)
    return [*zip(starts, [*starts[1:], len(stretches)], strict=True)]


class Speller:
    """Which pieces go on with a word."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        texts = [codec.spell([id]).text for id in range(len(codec))]
        self.pieces = len(texts)
        words = codec.unit == "word"
        self._none = torch.zeros(len(texts), dtype=torch.bool)
        self._letters = torch.tensor([not words and joins(text[:1]) for text in texts])
        self._broken = torch.tensor([text[:1] == _BROKEN for text in texts])
        self.text = lru_cache(4096)(self._text)

    def _text(self, pieces: tuple[int, ...]) -> str:
        return self._codec.decode(pieces).strip()

    def goes_on(self, pieces: Sequence[int]) -> Tensor:
        """Which pieces (V,) would be a part of the word that ends these."""
        end = self._codec.decode(pieces[-_LONGEST:])[-1:]
        if end == _BROKEN:
            return self._broken
        return self._letters if end and joins(end) else self._none


@lru_cache(maxsize=4)
def speller_of(codec: Codec) -> Speller:
    """Kept for the next text: all pieces are spelled for it, which takes longer than a sentence."""
    return Speller(codec)


class RunnersUp:
    """Leads a net along what it has written, and looks aside at every step."""

    def __init__(self, net: Net[Any], speller: Speller, begun: State) -> None:
        """`begun` is what writing of one row began with."""
        self._net, self._speller, self._begun = net, speller, begun
        self._columns = Columns(begun.pieces)
        every = np.arange(speller.pieces) if begun.pieces is None else begun.pieces
        self._pieces = torch.from_numpy(every)  # (V',)
        self._never = torch.isin(self._pieces, torch.tensor([PAD, UNK, BOS]))

    @torch.inference_mode()
    def of(
        self, tokens: Sequence[int], words: Sequence[tuple[int, int]], texts: Sequence[str]
    ) -> list[Told]:
        """Each of the words that the pieces make up, which read as these texts."""
        steps = [*self._along(tokens)]
        return [
            self._told(tokens, first, last, steps, text)
            for (first, last), text in zip(words, texts, strict=True)
        ]

    def _along(self, tokens: Sequence[int]) -> Iterator[tuple[Tensor, Any]]:
        """Before each piece and behind the last the log-probabilities (V',) of what may follow."""
        state: Any = self._begun
        for token in [BOS, *tokens]:
            chances, state = self._step([token], state)
            yield chances[0], state

    def _step(self, tokens: Sequence[int], state: Any) -> tuple[Tensor, Any]:
        """The log-probabilities (R, V') behind these pieces (R,)."""
        step = self._net.step(np.array(tokens), state)
        return torch.from_numpy(arrays.array(step.scores)), step.state

    def _on(self, pieces: Sequence[int]) -> Tensor:
        return self._speller.goes_on(pieces)[self._pieces]

    def _told(
        self,
        tokens: Sequence[int],
        first: int,
        last: int,
        steps: Sequence[tuple[Tensor, Any]],
        text: str,
    ) -> Told:
        tries: list[_Try] = []
        score = 0.0
        for at in range(first, last + 1):
            (chances, state), stem = steps[at], [*tokens[first:at]]
            on = self._on(tokens[:at])
            if at > first:
                tries.append(_Try(stem, score + _rest(chances, on)))
            # the first piece begins a word, all others go on with it
            barred = self._never | (on if at == first else ~on)
            if at < last:
                barred = barred | (self._pieces == tokens[at])
            tries += self._parted(chances.masked_fill(barred, -torch.inf), state, stem, score)
            if at < last:
                (column,) = self._columns.of(np.array([tokens[at]]))
                score += float(chances[column])
        own = next(one for one in tries if one.pieces == [*tokens[first:last]])
        return Told(first, last, _chance(own.score), self._best(tries, text))

    def _parted(self, chances: Tensor, state: Any, stem: list[int], score: float) -> Iterator[_Try]:
        """The likeliest of these pieces, each gone on with to the end of its word."""
        best = chances.topk(min(_MOST, len(chances)))
        likely = zip(self._pieces[best.indices].tolist(), best.values.tolist(), strict=True)
        begun = [_Try([*stem, piece], score + one) for piece, one in likely if one > -math.inf]
        yield from (one for one in begun if one.pieces[-1] == EOS)
        live = [one for one in begun if one.pieces[-1] != EOS]
        rows, kept = state, [0] * len(live)
        for _ in range(_LONGEST):
            if not live:
                return
            each, rows = self._step([one.pieces[-1] for one in live], rows.pick(np.array(kept)))
            after, kept = [], []
            for row, (one, chances) in enumerate(zip(live, each, strict=True)):
                on = self._on(one.pieces)
                ends = _rest(chances, on)
                goes, column = chances.masked_fill(~on, -torch.inf).max(dim=0)
                if float(goes) <= ends:
                    yield _Try(one.pieces, one.score + ends)
                    continue
                piece = int(self._pieces[column])
                after.append(_Try([*one.pieces, piece], one.score + float(goes)))
                kept.append(row)
            live = after

    def _best(self, tries: Sequence[_Try], own: str) -> list[Other]:
        """The likeliest, each text once, and what was written itself never."""
        seen, found = {own.strip()}, []
        for one in sorted(tries, key=lambda one: -one.score):
            text = self._speller.text((*one.pieces,))
            if text not in seen:
                seen.add(text)
                found.append(Other(text, _chance(one.score)))
        return found[:_MOST]


def _rest(chances: Tensor, on: Tensor) -> float:
    """The log-probability that nothing goes on with a word."""
    going = float(chances.exp()[on].sum())
    return math.log(max(1 - going, 1e-12))


def _chance(score: float) -> float:
    return round(math.exp(score), 4)

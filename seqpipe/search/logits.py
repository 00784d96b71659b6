"""What bends the scores of a step before one of them is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.search.state import CLOSED, Columns

# So many columns often hold the mass asked for, and are found sooner than all are sorted.
_FEW = (64, 1024)


class Transform(Protocol):
    """From the log-probabilities (R, V) that follow what was written so far (R, T) to others, none
    of them above zero; gives a new tensor, and asks `columns` where a piece stands."""

    # Whether it looks at what was written, and may for that close any number of columns.
    looks_back: ClassVar[bool]

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Temperature:
    """Sharper below one, flatter above (Ackley et al. 1985)."""

    looks_back: ClassVar[bool] = False

    temperature: float

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise SettingError("temperature", self.temperature, "a number above 0")

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        return scores / self.temperature


@dataclass(frozen=True, slots=True)
class TopK:
    """The k best and their equals (Fan et al. 2018, "Hierarchical Neural Story Generation")."""

    looks_back: ClassVar[bool] = False

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise SettingError("top_k", self.k, "a whole number from 1 on")

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        best = scores.topk(min(self.k, scores.shape[1]), dim=1).values
        return scores.masked_fill(scores < best[:, -1:], CLOSED)


@dataclass(frozen=True, slots=True)
class TopP:
    """The fewest best that hold so much of the mass, and their equals (Holtzman et al. 2020, "The
    Curious Case of Neural Text Degeneration")."""

    looks_back: ClassVar[bool] = False

    p: float

    def __post_init__(self) -> None:
        _check_share("top_p", self.p)

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        chances = scores.softmax(dim=1)
        return _with_mass(scores, chances, chances, self.p)


@dataclass(frozen=True, slots=True)
class Typical:
    """Those that tell about as much as is to be expected: the fewest that hold so much of the mass,
    and their equals (Meister et al. 2023, "Locally Typical Sampling")."""

    looks_back: ClassVar[bool] = False

    mass: float

    def __post_init__(self) -> None:
        _check_share("typical", self.mass)

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        told = -scores.log_softmax(dim=1)
        chances = (-told).exp()
        entropy = (chances * told).masked_fill(chances == 0, 0).sum(dim=1, keepdim=True)
        return _with_mass(scores, -(told - entropy).abs(), chances, self.mass)


def _check_share(setting: str, value: float) -> None:
    if not 0 < value <= 1:
        raise SettingError(setting, value, "a number above 0, at most 1")


def _with_mass(scores: Tensor, by: Tensor, chances: Tensor, mass: float) -> Tensor:
    """The highest `by` (R, V), down to the one that completes the mass."""
    width = scores.shape[1]
    for count in (*(few for few in _FEW if few * 4 < width), width):
        highest, order = by.topk(count, dim=1)
        held = chances.gather(1, order).cumsum(dim=1)
        if count == width or bool((held[:, -1] >= mass).all()):
            break
    last = (held < mass).sum(dim=1, keepdim=True).clamp(max=count - 1)
    return scores.masked_fill(by < highest.gather(1, last), CLOSED)


@dataclass(frozen=True, slots=True)
class RepetitionPenalty:
    """What was written already costs so many times its log-probability (Keskar et al. 2019, "CTRL",
    there on scores, which makes it hang on where their zero is)."""

    looks_back: ClassVar[bool] = True

    penalty: float

    def __post_init__(self) -> None:
        if not self.penalty > 0:
            raise SettingError("repetition_penalty", self.penalty, "a number above 0")

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        dearer = columns.value(scores, so_far) * self.penalty
        return columns.put(scores, so_far, dearer)


@dataclass(frozen=True, slots=True)
class NoRepeat:
    """No run of n tokens twice (Paulus et al. 2018, "A Deep Reinforced Model for Abstractive
    Summarization")."""

    looks_back: ClassVar[bool] = True

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise SettingError("no_repeat", self.n, "a whole number from 1 on")

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        if so_far.shape[1] < self.n:
            return scores
        runs = so_far.unfold(1, self.n, 1)  # (R, T - n + 1, n)
        last = so_far[:, so_far.shape[1] - self.n + 1 :]  # (R, n - 1)
        same = (runs[:, :, :-1] == last[:, None]).all(dim=2)
        return columns.close(scores, runs[:, :, -1].masked_fill(~same, -1))


class Forbidden:
    """Words of one or more tokens that are never completed."""

    looks_back: ClassVar[bool] = True

    def __init__(self, words: Sequence[Sequence[int]]) -> None:
        if not all(words):
            raise SettingError("forbidden", "", "words of one token or more")
        self._longest = max(map(len, words), default=1) - 1
        heads = [[-1] * (self._longest + 1 - len(word)) + [*word[:-1]] for word in words]
        self._heads = torch.tensor(heads).view(len(words), self._longest)  # (W, L)
        self._last = torch.tensor([word[-1] for word in words], dtype=torch.long)  # (W,)

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        heads, last = self._heads.to(so_far.device), self._last.to(so_far.device)
        tail = so_far[:, max(so_far.shape[1] - self._longest, 0) :]
        # what is too short for a word is filled up with what is no token of any
        tail = torch.nn.functional.pad(tail, (self._longest - tail.shape[1], 0), value=-2)
        there = ((heads == tail[:, None]) | (heads == -1)).all(dim=2)  # (R, W)
        return columns.close(scores, torch.where(there, last, -1))


@dataclass(frozen=True, slots=True)
class AtLeast:
    """No end before a row has so many tokens."""

    looks_back: ClassVar[bool] = True

    least: int
    end: int

    def __call__(self, scores: Tensor, so_far: Tensor, columns: Columns) -> Tensor:
        if so_far.shape[1] >= self.least:
            return scores
        return columns.close(scores, so_far.new_full((len(scores), 1), self.end))


class Bend:
    """All transforms of a search, one after the other; false when there are none."""

    def __init__(
        self, transforms: Sequence[Transform], columns: Columns, *, least: int, end: int
    ) -> None:
        # the first of all: what others pick out must not be an end that is closed
        shortest = [AtLeast(least, end)] if least else []
        self._transforms = [*shortest, *transforms]
        self._columns = columns
        self._end = columns.end(end)
        self.looks_back = any(transform.looks_back for transform in self._transforms)

    def __bool__(self) -> bool:
        return bool(self._transforms)

    def __call__(self, scores: Tensor, so_far: Tensor) -> Tensor:
        bent = scores
        for transform in self._transforms:
            bent = transform(bent, so_far, self._columns)
        if not self.looks_back:
            return bent
        stuck = (bent.amax(dim=1) == CLOSED).nonzero().squeeze(1)
        if len(stuck):  # nothing is left to say but the end
            bent = bent.clone()
            bent[stuck, self._end] = scores[stuck, self._end]
        return bent

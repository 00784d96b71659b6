"""What bends the scores of a step before one of them is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqpipe.errors import SettingError
from seqpipe.search import arrays
from seqpipe.search.arrays import CLOSED, Ints
from seqpipe.search.state import Columns

# So many columns often hold the mass asked for, and are found sooner than all are sorted.
_FEW = (64, 1024)


class Transform(Protocol):
    """From the log-probabilities (R, V) that follow what was written so far (R, T) to others, none
    of them above zero, which it leaves as they are; asks `columns` where a piece stands."""

    # Whether it looks at what was written, and may for that close any number of columns.
    looks_back: ClassVar[bool]

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any: ...


@dataclass(frozen=True, slots=True)
class Temperature:
    """Sharper below one, flatter above (Ackley et al. 1985)."""

    looks_back: ClassVar[bool] = False

    temperature: float

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise SettingError("temperature", self.temperature, "a number above 0")

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
        return scores / self.temperature


@dataclass(frozen=True, slots=True)
class TopK:
    """The k best and their equals (Fan et al. 2018, "Hierarchical Neural Story Generation")."""

    looks_back: ClassVar[bool] = False

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise SettingError("top_k", self.k, "a whole number from 1 on")

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
        on = arrays.of(scores)
        best, _ = on.highest(scores, min(self.k, scores.shape[1]))
        return on.closed(scores, scores < best[:, -1:])


@dataclass(frozen=True, slots=True)
class TopP:
    """The fewest best that hold so much of the mass, and their equals (Holtzman et al. 2020, "The
    Curious Case of Neural Text Degeneration")."""

    looks_back: ClassVar[bool] = False

    p: float

    def __post_init__(self) -> None:
        _check_share("top_p", self.p)

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
        chances = arrays.of(scores).softmax(scores)
        return _with_mass(scores, chances, chances, self.p)


@dataclass(frozen=True, slots=True)
class Typical:
    """Those that tell about as much as is to be expected: the fewest that hold so much of the mass,
    and their equals (Meister et al. 2023, "Locally Typical Sampling")."""

    looks_back: ClassVar[bool] = False

    mass: float

    def __post_init__(self) -> None:
        _check_share("typical", self.mass)

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
        on = arrays.of(scores)
        told = -on.log_softmax(scores)
        chances = on.exp(-told)
        tells = on.copy(told)
        tells[chances == 0] = 0
        entropy = (chances * tells).sum(1)[:, None]
        return _with_mass(scores, -abs(told - entropy), chances, self.mass)


def _check_share(setting: str, value: float) -> None:
    if not 0 < value <= 1:
        raise SettingError(setting, value, "a number above 0, at most 1")


def _with_mass(scores: Any, by: Any, chances: Any, mass: float) -> Any:
    """The highest `by` (R, V), down to the one that completes the mass."""
    on, width = arrays.of(scores), scores.shape[1]
    for count in (*(few for few in _FEW if few * 4 < width), width):
        highest, order = on.highest(by, count)
        held = on.at(chances, order).cumsum(1)
        if count == width or bool((held[:, -1] >= mass).all()):
            break
    last = (held < mass).sum(1)[:, None].clip(max=count - 1)
    return on.closed(scores, by < on.at(highest, last))


@dataclass(frozen=True, slots=True)
class RepetitionPenalty:
    """What was written already costs so many times its log-probability (Keskar et al. 2019, "CTRL",
    there on scores, which makes it hang on where their zero is)."""

    looks_back: ClassVar[bool] = True

    penalty: float

    def __post_init__(self) -> None:
        if not self.penalty > 0:
            raise SettingError("repetition_penalty", self.penalty, "a number above 0")

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
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

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
        if so_far.shape[1] < self.n:
            return scores
        runs = sliding_window_view(so_far, self.n, axis=1)  # (R, T - n + 1, n)
        last = so_far[:, so_far.shape[1] - self.n + 1 :]  # (R, n - 1)
        same = (runs[:, :, :-1] == last[:, None]).all(axis=2)
        return columns.close(scores, np.where(same, runs[:, :, -1], -1))


class Forbidden:
    """Words of one or more tokens that are never completed."""

    looks_back: ClassVar[bool] = True

    def __init__(self, words: Sequence[Sequence[int]]) -> None:
        if not all(words):
            raise SettingError("forbidden", "", "words of one token or more")
        self._longest = max(map(len, words), default=1) - 1
        heads = [[-1] * (self._longest + 1 - len(word)) + [*word[:-1]] for word in words]
        self._heads = np.array(heads, np.int64).reshape(len(words), self._longest)  # (W, L)
        self._last = np.array([word[-1] for word in words], np.int64)  # (W,)

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
        tail = so_far[:, max(so_far.shape[1] - self._longest, 0) :]
        # what is too short for a word is filled up with what is no token of any
        short = self._longest - tail.shape[1]
        tail = np.pad(tail, ((0, 0), (short, 0)), constant_values=-2)
        there = ((self._heads == tail[:, None]) | (self._heads == -1)).all(axis=2)  # (R, W)
        return columns.close(scores, np.where(there, self._last, -1))


@dataclass(frozen=True, slots=True)
class AtLeast:
    """No end before a row has so many tokens."""

    looks_back: ClassVar[bool] = True

    least: int
    end: int

    def __call__(self, scores: Any, so_far: Ints, columns: Columns) -> Any:
        if so_far.shape[1] >= self.least:
            return scores
        return columns.close(scores, np.full((len(scores), 1), self.end))


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

    def __call__(self, scores: Any, so_far: Ints) -> Any:
        bent = scores
        for transform in self._transforms:
            bent = transform(bent, so_far, self._columns)
        if not self.looks_back:
            return bent
        (stuck,) = (~arrays.array((bent > CLOSED).any(1))).nonzero()
        if len(stuck):  # nothing is left to say but the end
            bent = arrays.of(bent).copy(bent)
            bent[stuck, self._end] = scores[stuck, self._end]
        return bent

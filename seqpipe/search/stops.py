"""When a row is cut, whatever the net would say next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seqpipe.errors import SettingError
from seqpipe.search.arrays import Bools, Ints


@dataclass(frozen=True, slots=True)
class StopAt:
    """Cuts a row once `reached` says so of the last tokens it wrote, at most `reach` of them; a
    prefix is not shown."""

    reached: Callable[[Sequence[int]], bool]
    reach: int


def stop_after(sequences: Sequence[Sequence[int]]) -> StopAt:
    """Cuts a row that ends in one of these; they stay in the result."""
    ends = [list(sequence) for sequence in sequences]
    reach = max(map(len, ends), default=0)
    return StopAt(lambda tokens: any(tokens[-len(end) :] == end for end in ends if end), reach)


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """How many tokens a row may and must have, the end not counted, a prefix counted."""

    most: int | Ints  # (N,)
    least: int = 0
    stop: StopAt | None = None

    def __post_init__(self) -> None:
        lowest = self.most if isinstance(self.most, int) else min(self.most.tolist(), default=1)
        if lowest < 1:
            raise SettingError("most", lowest, "a number of tokens from 1 on")

    def longest(self, places: Ints) -> int | Ints:
        """How many tokens these rows (R,) may have."""
        return self.most if isinstance(self.most, int) else self.most[places]

    def reached(
        self,
        places: Ints,
        so_far: Ints,
        length: int,
        prefix: Sequence[int],
        ended: Bools,
    ) -> Bools:
        """Which of these rows (R,), of so many tokens now, go no further, besides those that have
        ended (R,); so_far (R, T), and the lengths of all rows' prefixes."""
        longest = self.longest(places)
        if not isinstance(longest, int):
            ended = ended | (longest <= length)
        elif longest <= length:
            return np.ones_like(ended)
        stop = self.stop
        return ended if stop is None else ended | self._stopped(stop, places, so_far, prefix)

    def _stopped(self, stop: StopAt, places: Ints, so_far: Ints, prefix: Sequence[int]) -> Bools:
        length = so_far.shape[1]
        tails = so_far[:, max(length - stop.reach, 0) :].tolist()
        own = [length - prefix[place] for place in places.tolist()]
        answers = [n > 0 and stop.reached(t[-n:]) for t, n in zip(tails, own, strict=True)]
        return np.array(answers, np.bool_)

"""What ends compare by, and which of them are the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqpipe.errors import SettingError
from seqpipe.search.arrays import CLOSED, Bools, Floats, Ints
from seqpipe.search.state import Found, found_of
from seqpipe.search.trace import Trace

# No score makes up for a word that is lacking.
LACKING = 1e6


@dataclass(frozen=True, slots=True)
class Penalties:
    """Length and coverage as in Wu et al. 2016, "Google's Neural Machine Translation System"."""

    length: float = 0.0
    coverage: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("length_penalty", self.length), ("coverage_penalty", self.coverage)):
            if value < 0:
                raise SettingError(name, value, "a number from 0 on")

    def rank(self, total: Floats, length: int, covered: Floats | None) -> Floats:
        """From sums of log-probabilities (M,) of so many tokens, the end counted, and all the
        attention (M, S) that each place of the source has got."""
        ranks: Floats = total / ((5 + length) / 6) ** self.length
        if not self.coverage or covered is None:
            return ranks
        # beyond a row its attention is zero throughout: such places need no cover
        uncovered = np.log(np.where(covered == 0, 1, covered.clip(max=1)))
        ranks += self.coverage * uncovered.sum(axis=1)
        return ranks

    def attainable(self, total: Floats, longest: int | Ints) -> Floats:
        """No end of these (M,) can rank higher, if rows have so many tokens (M,) at most."""
        highest: Floats = total / ((5 + longest) / 6) ** self.length
        return highest.astype(total.dtype)  # rounded as ranks are, which may be equal


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Some choices (M,) of one step that are the last of their hypotheses."""

    step: int
    homes: Ints  # whose they are
    slots: Ints  # below the width of the beam, and different for those of one row
    choices: Ints  # where the trace has them
    ranks: Floats
    scores: Floats
    ended: Bools


class Ranking:
    """All ends that rows (N,) have come to."""

    def __init__(self, rows: int, *, beam: int, best: int) -> None:
        self._beam = beam
        self._ends: list[Ends] = []
        self._best = np.full((rows, best), CLOSED)
        self.counts = np.zeros(rows, np.int64)

    @property
    def bar(self) -> Floats:
        """What an end must rank above to be among the best of its row: (N,)."""
        return self._best[:, 0]

    def add(self, ends: Ends) -> None:
        self._ends.append(ends)
        fresh = np.full((len(self._best), self._beam), CLOSED)
        fresh[ends.homes, ends.slots] = ends.ranks
        both = np.concatenate([self._best, fresh], axis=1)
        both.sort(axis=1)
        self._best = both[:, self._beam :]
        self.counts += np.bincount(ends.homes, minlength=len(self.counts))

    def found(self, trace: Trace, end: int) -> list[list[Found]]:
        """The best of each row, best first, of equals the one that ended first."""
        parts = [
            (e.homes, e.ranks, e.scores, e.ended, e.choices, np.full_like(e.choices, e.step))
            for e in self._ends
        ]
        homes, ranks, scores, ended, choices, steps = map(np.concatenate, zip(*parts, strict=True))
        order = np.argsort(-ranks, kind="stable")
        order = order[np.argsort(homes[order], kind="stable")]
        held = homes[order]
        before = np.arange(len(order)) - np.searchsorted(held, held)
        won = order[before < self._best.shape[1]]
        traced = trace.back(steps[won], choices[won], end)
        found = found_of(
            traced.tokens,
            end,
            each=traced.scores,
            scores=scores[won],
            ended=ended[won],
            attention=traced.attention,
            ranks=ranks[won],
        )
        results: list[list[Found]] = [[] for _ in self.counts]
        for home, one in zip(homes[won].tolist(), found, strict=True):
            results[home].append(one)
        return results

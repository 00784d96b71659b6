"""What ends compare by, and which of them are the best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqpipe.errors import SettingError
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

    def rank(self, total: Tensor, length: int, covered: Tensor | None) -> Tensor:
        """From sums of log-probabilities (M,) of so many tokens, the end counted, and all the
        attention (M, S) that each place of the source has got."""
        ranks: Tensor = total / ((5 + length) / 6) ** self.length
        if not self.coverage or covered is None:
            return ranks
        # beyond a row its attention is zero throughout: such places need no cover
        uncovered = covered.clamp(max=1).log().masked_fill(covered == 0, 0)
        return ranks + self.coverage * uncovered.sum(dim=1)

    def attainable(self, total: Tensor, longest: int | Tensor) -> Tensor:
        """No end of these (M,) can rank higher, if rows have so many tokens (M,) at most."""
        highest: Tensor = total / ((5 + longest) / 6) ** self.length
        return highest


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Some choices (M,) of one step that are the last of their hypotheses."""

    step: int
    homes: Tensor  # whose they are
    slots: Tensor  # below the width of the beam, and different for those of one row
    choices: Tensor  # where the trace has them
    ranks: Tensor
    scores: Tensor
    ended: Tensor


class Ranking:
    """All ends that rows (N,) have come to."""

    def __init__(self, rows: int, *, beam: int, best: int, device: torch.device) -> None:
        self._beam = beam
        self._ends: list[Ends] = []
        self._best = torch.full((rows, best), -torch.inf, device=device)
        self.counts = torch.zeros(rows, dtype=torch.long, device=device)

    @property
    def bar(self) -> Tensor:
        """What an end must rank above to be among the best of its row: (N,)."""
        return self._best[:, -1]

    def add(self, ends: Ends) -> None:
        self._ends.append(ends)
        fresh = self._best.new_full((len(self._best), self._beam), -torch.inf)
        fresh[ends.homes, ends.slots] = ends.ranks
        both = torch.cat([self._best, fresh], dim=1)
        self._best = both.topk(self._best.shape[1], dim=1).values
        self.counts += torch.bincount(ends.homes, minlength=len(self.counts))

    def found(self, trace: Trace, end: int) -> list[list[Found]]:
        """The best of each row, best first, of equals the one that ended first."""
        parts = [
            (e.homes, e.ranks, e.scores, e.ended, e.choices, torch.full_like(e.choices, e.step))
            for e in self._ends
        ]
        homes, ranks, scores, ended, choices, steps = map(torch.cat, zip(*parts, strict=True))
        order = ranks.sort(descending=True, stable=True).indices
        order = order[homes[order].sort(stable=True).indices]
        held = homes[order]
        before = torch.arange(len(order), device=order.device) - torch.searchsorted(held, held)
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

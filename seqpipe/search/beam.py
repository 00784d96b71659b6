"""Several hypotheses a row side by side, the best of which are gone on with.

A hypothesis that ends keeps its place in the beam, as in Bahdanau et al. 2015, so that a beam of
one is greedy search; and one that can rank no higher than what has ended leaves the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.search.logits import Bend, Transform
from seqpipe.search.ranking import LACKING, Ends, Penalties, Ranking
from seqpipe.search.required import Progress, before_all, in_turn
from seqpipe.search.state import CLOSED, Columns, Found, History, Net, Prefix, S, first_tokens
from seqpipe.search.stops import Limits
from seqpipe.search.top import top
from seqpipe.search.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """What rows have come to, several for each: (R,)."""

    homes: Tensor  # their rows in the batch that began, ascending
    slots: Tensor  # their places among those of one row
    tokens: Tensor  # the last of each
    totals: Tensor  # what they are chosen by
    scores: Tensor  # float64, the net's own
    covered: Tensor | None  # (R, S) the attention that each place of the source has got
    progress: Progress | None

    def pick(self, places: Tensor) -> Hypotheses:
        return Hypotheses(
            self.homes[places],
            self.slots[places],
            self.tokens[places],
            self.totals[places],
            self.scores[places],
            None if self.covered is None else self.covered[places],
            None if self.progress is None else self.progress.pick(places),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What hypotheses may go on with: (R, C)."""

    columns: Tensor
    totals: Tensor  # -inf for what is none
    scores: Tensor  # the net's own log-probabilities


@torch.inference_mode()
def beam(
    net: Net[S],
    state: S,
    *,
    rows: int,
    beam: int,
    begin: int | Tensor,
    end: int,
    limits: Limits,
    transforms: Sequence[Transform] = (),
    prefix: Sequence[Sequence[int]] | None = None,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    required: Sequence[Sequence[Sequence[int]]] | None = None,
    nbest: int = 1,
    margin: float = math.inf,
) -> list[list[Found]]:
    """The `nbest` continuations of each row, best first; what is more than `margin` below the best
    candidate of its row is not gone on with (Freitag and Al-Onaizan 2017)."""
    if not 1 <= nbest <= beam:
        raise SettingError("nbest", nbest, f"a number from 1 to the width of the beam, {beam}")
    if not rows:
        return []
    search = _Search(
        begin=first_tokens(begin, rows),
        columns=Columns(state.pieces),
        width=beam,
        nbest=nbest,
        end=end,
        limits=limits,
        transforms=transforms,
        prefix=prefix,
        penalties=Penalties(length_penalty, coverage_penalty),
        required=required,
        margin=margin,
    )
    while len(search.live.tokens):
        step = net.step(search.live.tokens, state)
        parents = search.advance(step.scores, step.attention)
        stayed = torch.equal(parents, torch.arange(len(step.scores), device=parents.device))
        state = step.state if stayed or not len(parents) else step.state.pick(parents)
    return search.ranking.found(search.trace, end)


class _Search:
    """What lies beside the net: the hypotheses alive, the ends, and how one becomes the other."""

    def __init__(
        self,
        *,
        begin: Tensor,
        columns: Columns,
        width: int,
        nbest: int,
        end: int,
        limits: Limits,
        transforms: Sequence[Transform],
        prefix: Sequence[Sequence[int]] | None,
        penalties: Penalties,
        required: Sequence[Sequence[Sequence[int]]] | None,
        margin: float,
    ) -> None:
        rows, device = len(begin), begin.device
        self.columns, self.width, self.end, self.limits = columns, width, end, limits
        self.penalties, self.margin = penalties, margin
        self.bend = Bend(transforms, columns, least=limits.least, end=end)
        self.forced = Prefix(prefix, columns, rows=rows, device=device)
        self.history = History(rows, device, kept=self.bend.looks_back or limits.stop is not None)
        self.trace = Trace()
        self.ranking = Ranking(rows, beam=width, best=nbest, device=device)
        self.length = 0
        zeros = torch.zeros(rows, device=device)
        progress = before_all(required, columns, rows=rows, device=device)
        homes = torch.arange(rows, device=device)
        self.live = Hypotheses(
            homes, zeros.long(), begin, zeros, zeros.double(), covered=None, progress=progress
        )

    def advance(self, scores: Tensor, attention: Tensor | None) -> Tensor:
        """By one token; gives the rows of the step (R, V) that are gone on with (R',)."""
        self.length += 1
        candidates = self._candidates(scores.log_softmax(dim=1, dtype=torch.float32))
        parents, chosen = self._chosen(candidates, self._covered(attention))
        self.history.pick(parents)
        self.history.add(chosen.tokens)
        kept = self._settled(chosen)
        gained = chosen.scores - self.live.scores[parents]
        self.trace.add(parents, chosen.tokens, gained, attention, kept)
        self.history.pick(kept)
        self.live = chosen.pick(kept)
        return parents[kept]

    def _candidates(self, given: Tensor) -> Candidates:
        """From the net's log-probabilities (R, V)."""
        progress = self.live.progress
        bent = given if progress is None else progress.without_end(given, self.end)
        bent = self.bend(bent, self.history.so_far) if self.bend else bent
        totals, columns = top(bent, self.width)
        if progress is not None:
            totals, columns = progress.joined(totals, columns, bent)
        if self.length <= self.forced.longest:
            must = self.forced.at(self.live.homes, self.length - 1)[:, None]
            totals = totals.masked_fill(must >= 0, CLOSED)
            columns[:, :1] = torch.where(must < 0, columns[:, :1], must)
            totals[:, :1] = torch.where(must < 0, totals[:, :1], given.gather(1, columns[:, :1]))
        totals = totals + self.live.totals[:, None]
        return Candidates(columns, totals, given.gather(1, columns))

    def _chosen(self, candidates: Candidates, covered: Tensor | None) -> tuple[Tensor, Hypotheses]:
        """The best of all that each row could go on with, and the rows of the step that they
        continue (M,)."""
        progress = self.live.progress
        homes, slots, parents, which = self._places(candidates)
        tokens = self.columns.pieces(candidates.columns[parents, which])
        chosen = Hypotheses(
            homes,
            slots,
            tokens,
            candidates.totals[parents, which],
            self.live.scores[parents] + candidates.scores[parents, which],
            None if covered is None else covered[parents],
            progress if progress is None else progress.pick(parents).advance(tokens),
        )
        return parents, chosen

    def _places(self, candidates: Candidates) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Row, place in its beam, hypothesis and candidate (M,) of all that is gone on with."""
        live, (count, each) = self.live, candidates.totals.shape
        rows = len(self.ranking.counts)
        places = live.homes * self.width + live.slots

        def beside(values: Tensor, fill: float) -> Tensor:
            """(R, C) to (N, K * C): what belongs to one row side by side."""
            grid = values.new_full((rows * self.width, each), fill)
            return grid.index_copy_(0, places, values).view(rows, -1)

        totals = beside(candidates.totals, CLOSED)
        free = self.width - self.ranking.counts
        if live.progress is None:
            best, picked = top(totals, self.width)
            lowest = best[:, :1] - self.margin
        else:
            picked = in_turn(totals, beside(live.progress.banks(candidates.columns), 0), self.width)
            best = totals.gather(1, picked)
            # those that met all words first would fill the beam with their ends
            free = torch.where(live.progress.asked, self.width * (free > 0), free)
            lowest = best.amax(dim=1, keepdim=True) - self.margin
            lowest = lowest.masked_fill(live.progress.asked[:, None], CLOSED)
        rank = torch.arange(best.shape[1], device=best.device)
        goes = (best > CLOSED) & (best >= lowest) & (rank < free[:, None])
        homes, slots = goes.nonzero(as_tuple=True)
        picked = picked[homes, slots]
        holders = torch.zeros(rows * self.width, dtype=torch.long, device=best.device)
        holders[places] = torch.arange(count, device=best.device)
        return homes, slots, holders[homes * self.width + picked // each], picked % each

    def _covered(self, attention: Tensor | None) -> Tensor | None:
        """All attention of the hypotheses (R, S), that of this step with it."""
        if not self.penalties.coverage:
            return None
        if attention is None:
            raise SettingError(
                "coverage_penalty", self.penalties.coverage, "0 for a net without attention"
            )
        before = self.live.covered
        now = attention.float()
        return now if before is None else now + before[:, : now.shape[1]]

    def _settled(self, chosen: Hypotheses) -> Tensor:
        """The ends among the chosen are ranked; gives the places (R',) of those that go on."""
        homes = chosen.homes
        ended = chosen.tokens == self.end
        last = self.limits.reached(
            homes, self.history.so_far, self.length, self.forced.lengths, ended
        )
        places = last.nonzero().squeeze(1)
        if len(places):
            ends = chosen.pick(places)
            self.ranking.add(
                Ends(
                    step=self.length - 1,
                    homes=ends.homes,
                    slots=ends.slots,
                    choices=places,
                    ranks=self._ranks(ends),
                    scores=ends.scores,
                    ended=ended[places],
                )
            )
        attainable = self.penalties.attainable(chosen.totals, self.limits.longest(homes))
        goes = (attainable > self.ranking.bar[homes]) & (self.ranking.counts[homes] < self.width)
        return (goes & ~last).nonzero().squeeze(1)

    def _ranks(self, ends: Hypotheses) -> Tensor:
        ranks = self.penalties.rank(ends.totals, self.length, ends.covered)
        return ranks if ends.progress is None else ranks - LACKING * ends.progress.lacking

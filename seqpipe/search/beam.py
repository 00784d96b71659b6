"""Several hypotheses a row side by side, the best of which are gone on with.

A hypothesis that ends keeps its place in the beam, as in Bahdanau et al. 2015, so that a beam of
one is greedy search; and one that can rank no higher than what has ended leaves the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.search import arrays, on_numpy
from seqpipe.search.arrays import CLOSED, Floats, Held, Ints
from seqpipe.search.logits import Bend, Transform
from seqpipe.search.ranking import LACKING, Ends, Penalties, Ranking
from seqpipe.search.required import Progress, before_all, in_turn
from seqpipe.search.state import Columns, Found, History, Net, Prefix, S, first_tokens
from seqpipe.search.stops import Limits
from seqpipe.search.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """What rows have come to, several for each: (R,)."""

    homes: Ints  # their rows in the batch that began, ascending
    slots: Ints  # their places among those of one row
    tokens: Ints  # the last of each
    totals: Floats  # what they are chosen by
    scores: Floats  # float64, the net's own
    covered: Floats | None  # (R, S) the attention that each place of the source has got
    progress: Progress | None

    def pick(self, places: Ints) -> Hypotheses:
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

    columns: Ints
    totals: Floats  # -inf for what is none
    scores: Floats  # the net's own log-probabilities


def beam(
    net: Net[S],
    state: S,
    *,
    rows: int,
    beam: int,
    begin: int | Ints,
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
        stayed = np.array_equal(parents, np.arange(len(step.scores)))
        state = step.state if stayed or not len(parents) else step.state.pick(parents)
    return search.ranking.found(search.trace, end)


class _Search:
    """What lies beside the net: the hypotheses alive, the ends, and how one becomes the other."""

    def __init__(
        self,
        *,
        begin: Ints,
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
        rows = len(begin)
        self.columns, self.width, self.end, self.limits = columns, width, end, limits
        self.penalties, self.margin = penalties, margin
        self.bend = Bend(transforms, columns, least=limits.least, end=end)
        self.forced = Prefix(prefix, columns, rows=rows)
        self.history = History(rows, kept=self.bend.looks_back or limits.stop is not None)
        self.trace = Trace()
        self.ranking = Ranking(rows, beam=width, best=nbest)
        self.length = 0
        zeros = np.zeros(rows, np.int64)
        progress = before_all(required, columns, rows=rows)
        totals = np.zeros(rows, np.float32)
        self.live = Hypotheses(
            np.arange(rows), zeros, begin, totals, np.zeros(rows), covered=None, progress=progress
        )

    def advance(self, given: Held, attention: Held | None) -> Ints:
        """By one token; gives the rows of the step (R, V) that are gone on with (R',)."""
        self.length += 1
        candidates = self._candidates(given)
        parents, chosen = self._chosen(candidates, self._covered(attention))
        self.history.pick(parents)
        self.history.add(chosen.tokens)
        kept = self._settled(chosen)
        gained = chosen.scores - self.live.scores[parents]
        self.trace.add(parents, chosen.tokens, gained, attention, kept)
        self.history.pick(kept)
        self.live = chosen.pick(kept)
        return parents[kept]

    def _candidates(self, given: Held) -> Candidates:
        """From the net's log-probabilities (R, V)."""
        progress, on = self.live.progress, arrays.of(given)
        bent = given if progress is None else progress.without_end(given, self.end)
        bent = self.bend(bent, self.history.so_far) if self.bend else bent
        totals, columns = on.top(bent, self.width)
        if progress is not None:
            totals, columns = progress.joined(totals, columns, bent)
        if self.length <= self.forced.longest:
            must = self.forced.at(self.live.homes, self.length - 1)[:, None]
            columns[:, :1] = np.where(must < 0, columns[:, :1], must)
            first = np.where(must < 0, totals[:, :1], on.array(on.at(given, columns[:, :1])))
            totals = np.where(must < 0, totals, np.float32(CLOSED))
            totals[:, :1] = first
        totals = totals + self.live.totals[:, None]
        return Candidates(columns, totals, on.array(on.at(given, columns)))

    def _chosen(self, candidates: Candidates, covered: Floats | None) -> tuple[Ints, Hypotheses]:
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

    def _places(self, candidates: Candidates) -> tuple[Ints, Ints, Ints, Ints]:
        """Row, place in its beam, hypothesis and candidate (M,) of all that is gone on with."""
        live, (count, each) = self.live, candidates.totals.shape
        rows = len(self.ranking.counts)
        places = live.homes * self.width + live.slots

        def beside(values: NDArray[Any], fill: float) -> NDArray[Any]:
            """(R, C) to (N, K * C): what belongs to one row side by side."""
            grid = np.full((rows * self.width, each), fill, values.dtype)
            grid[places] = values
            return grid.reshape(rows, -1)

        totals = beside(candidates.totals, CLOSED)
        free = self.width - self.ranking.counts
        if live.progress is None:
            best, picked = on_numpy.top(totals, self.width)
            lowest = best[:, :1] - self.margin
        else:
            picked = in_turn(totals, beside(live.progress.banks(candidates.columns), 0), self.width)
            best = np.take_along_axis(totals, picked, axis=1)
            # those that met all words first would fill the beam with their ends
            free = np.where(live.progress.asked, self.width * (free > 0), free)
            lowest = best.max(axis=1, keepdims=True) - self.margin
            lowest = np.where(live.progress.asked[:, None], CLOSED, lowest)
        rank = np.arange(best.shape[1])
        goes = (best > CLOSED) & (best >= lowest) & (rank < free[:, None])
        homes, slots = goes.nonzero()
        picked = picked[homes, slots]
        holders = np.zeros(rows * self.width, np.int64)
        holders[places] = np.arange(count)
        return homes, slots, holders[homes * self.width + picked // each], picked % each

    def _covered(self, attention: Held | None) -> Floats | None:
        """All attention of the hypotheses (R, S), that of this step with it."""
        if not self.penalties.coverage:
            return None
        if attention is None:
            raise SettingError(
                "coverage_penalty", self.penalties.coverage, "0 for a net without attention"
            )
        before = self.live.covered
        now = arrays.array(attention).astype(np.float32)
        return now if before is None else now + before[:, : now.shape[1]]

    def _settled(self, chosen: Hypotheses) -> Ints:
        """The ends among the chosen are ranked; gives the places (R',) of those that go on."""
        homes = chosen.homes
        ended = chosen.tokens == self.end
        last = self.limits.reached(
            homes, self.history.so_far, self.length, self.forced.lengths, ended
        )
        (places,) = last.nonzero()
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
        return (goes & ~last).nonzero()[0]

    def _ranks(self, ends: Hypotheses) -> Floats:
        ranks = self.penalties.rank(ends.totals, self.length, ends.covered)
        return ranks if ends.progress is None else ranks - LACKING * ends.progress.lacking

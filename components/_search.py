"""`seqpipe.Search.v1`: how a stage that writes chooses what to write."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, List, Optional

import numpy as np
from spacy.util import registry

from seqpipe.errors import SettingError
from seqpipe.search.arrays import Ints
from seqpipe.search.beam import beam
from seqpipe.search.greedy import choose_best, greedy
from seqpipe.search.logits import (
    Forbidden,
    NoRepeat,
    RepetitionPenalty,
    Temperature,
    TopK,
    TopP,
    Transform,
    Typical,
)
from seqpipe.search.sampling import Draw, sample
from seqpipe.search.solo import Scores, solo
from seqpipe.search.state import Found
from seqpipe.search.stops import Limits, StopAt
from seqpipe.search.walk import walk
from seqpipe.text.codec import BOS, EOS

_EXTRA = 10  # pieces that a short text may grow by, whatever the ratio
_FEWEST = 4  # hypotheses where words are required: each number of them met holds a place


@dataclass(frozen=True)
class SearchRecipe:
    """Greedy with a beam of one, beam search with more, and chance where `sampling` says so."""

    beam: int
    nbest: int
    sampling: bool
    seed: int
    temperature: float
    top_k: int
    top_p: float
    typical: float
    length_penalty: float
    coverage_penalty: float
    margin: float
    repetition_penalty: float
    no_repeat: int
    min_length: int
    max_length: int
    max_ratio: float

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise SettingError("search.beam", self.beam, "1 or more")
        if self.nbest < 1:
            raise SettingError("search.nbest", self.nbest, "1 or more")
        if not self.sampling and self.nbest > self.beam:
            raise SettingError("search.nbest", self.nbest, f"from 1 to the beam, {self.beam}")
        if self.margin < 0:
            raise SettingError("search.margin", self.margin, "0 for none, or more")
        if self.max_length < 0 or (not self.max_length and self.max_ratio <= 0):
            raise SettingError(
                "search.max_length", self.max_length, "0 or more, 0 with a max_ratio"
            )
        self._transforms(())  # each knows what it takes

    def changed(self, **settings: Any) -> "SearchRecipe":
        """The same with some settings changed; None leaves one as it is."""
        return replace(self, **{name: v for name, v in settings.items() if v is not None})

    def fit_for(self, required: Sequence[str]) -> "SearchRecipe":
        """Itself, where it can write what is required."""
        if required and self.sampling:
            raise SettingError("required", list(required), "none where words are drawn by chance")
        return self

    def limits(self, lengths: Ints, stop: Optional[StopAt] = None) -> Limits:
        """Of what is written for texts of so many pieces."""
        if self.max_length:
            return Limits(self.max_length, self.min_length, stop)
        most = (lengths * self.max_ratio).astype(np.int64) + _EXTRA + self.min_length
        return Limits(most, self.min_length, stop)

    def run(
        self,
        net: Any,
        state: Any,
        *,
        lengths: Ints,
        prefix: Optional[Sequence[Sequence[int]]] = None,
        required: Optional[Sequence[Sequence[Sequence[int]]]] = None,
        forbidden: Sequence[Sequence[int]] = (),
        begin: Optional[Ints] = None,
        seeds: Optional[Sequence[int]] = None,
        stop: Optional[StopAt] = None,
    ) -> List[List[Found]]:
        """What is found for each row, best first, by a net and its state as `seqpipe.search.state`
        has them; `begin` (N,) are the pieces before the first, and `seeds` what sets the chance of
        one row apart from that of another."""
        shared: Any = {
            "rows": len(lengths),
            "begin": BOS if begin is None else begin,
            "end": EOS,
            "limits": self.limits(lengths, stop),
            "transforms": self._transforms(forbidden),
            "prefix": prefix,
        }
        if self.sampling:
            # each row by a chance of its own, whatever batch it is in
            own = seeds or [0] * len(lengths)
            draws = [
                sample(net, state, seeds=[self.seed + n + one for one in own], **shared)
                for n in range(self.nbest)
            ]
            return [list(found) for found in zip(*draws, strict=True)]
        wanted = required if required is not None and any(required) else None
        if self.beam == 1 and wanted is None:
            return [[found] for found in greedy(net, state, **shared)]
        return beam(
            net,
            state,
            beam=self.beam if wanted is None else max(self.beam, _FEWEST),
            length_penalty=self.length_penalty,
            coverage_penalty=self.coverage_penalty,
            # several are asked for, and the others may lie far behind
            margin=self.margin if self.margin and self.nbest == 1 else math.inf,
            required=wanted,
            nbest=self.nbest,
            **shared,
        )

    def walk(
        self,
        net: Any,
        state: Any,
        *,
        begin: Ints,
        alone: Optional[Callable[[int], Scores]] = None,
        seed: int = 0,
        stop: Optional[StopAt] = None,
    ) -> Iterator[int]:
        """The pieces that go on with one text, drawn or each the best, as they are written; `alone`
        is the step of a net that can go on with one row by itself."""
        limits = self.limits(np.zeros(1, np.int64), stop)
        shared: Any = {"limits": limits, "transforms": self._transforms(()), "end": EOS}
        own = self.seed + seed if self.sampling else None
        if alone is not None:
            yield from solo(alone, begin=int(begin[0]), seed=own, **shared)
            return
        choose = choose_best if own is None else Draw([own])
        for step in walk(net, state, choose, rows=1, begin=begin, **shared):
            yield from (piece for piece in step.tokens.tolist() if piece != EOS)

    def _transforms(self, forbidden: Sequence[Sequence[int]]) -> List[Transform]:
        found: List[Transform] = []
        if forbidden:
            found.append(Forbidden(forbidden))
        if self.no_repeat:
            found.append(NoRepeat(self.no_repeat))
        if self.repetition_penalty != 1.0:
            found.append(RepetitionPenalty(self.repetition_penalty))
        if not self.sampling:
            return found
        if self.temperature != 1.0:
            found.append(Temperature(self.temperature))
        if self.top_k:
            found.append(TopK(self.top_k))
        if self.top_p < 1.0:
            found.append(TopP(self.top_p))
        if self.typical < 1.0:
            found.append(Typical(self.typical))
        return found


@registry.misc("seqpipe.Search.v1")
def make_search(
    beam: int = 1,
    nbest: int = 1,
    sampling: bool = False,
    seed: int = 0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    typical: float = 1.0,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    margin: float = 0.0,
    repetition_penalty: float = 1.0,
    no_repeat: int = 0,
    min_length: int = 0,
    max_length: int = 0,
    max_ratio: float = 2.0,
) -> SearchRecipe:
    """Greedy, beam search or sampling, with what is to be favoured or avoided."""
    return SearchRecipe(
        beam=beam,
        nbest=nbest,
        sampling=sampling,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        typical=typical,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
        margin=margin,
        repetition_penalty=repetition_penalty,
        no_repeat=no_repeat,
        min_length=min_length,
        max_length=max_length,
        max_ratio=max_ratio,
    )

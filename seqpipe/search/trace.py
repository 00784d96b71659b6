"""What a beam chose step by step, from which the winners are read when all is over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqpipe.search import arrays
from seqpipe.search.arrays import Floats, Held, Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Choices:
    parents: Ints  # (M,) the rows of the step that were gone on with
    tokens: Ints  # (M,) what they were given
    scores: Floats  # (M,) the net's own log-probability of that
    attention: Held | None  # (R, S) of the rows
    kept: Ints  # (R',) the choices that are the rows of the next step


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """What some hypotheses have written."""

    tokens: Ints  # (W, T), filled up with the end
    scores: Floats  # (W, T) the net's own log-probability of each
    attention: Floats | None  # (W, T, S)


class Trace:
    """Back-pointers; nobody's tokens are copied before it has won."""

    def __init__(self) -> None:
        self._steps: list[_Choices] = []

    def add(
        self,
        parents: Ints,
        tokens: Ints,
        scores: Floats,
        attention: Held | None,
        kept: Ints,
    ) -> None:
        self._steps.append(_Choices(parents, tokens, scores, attention, kept))

    def back(self, steps: Ints, choices: Ints, end: int) -> Traced:
        """Of those that were chosen last at these steps (W,), in these places (W,)."""
        length = int(steps.max()) + 1
        tokens = np.full((len(steps), length), end)
        scores = np.zeros(tokens.shape)
        first = self._steps[0].attention  # the widest of all
        looked = None if first is None else np.zeros((*tokens.shape, first.shape[1]), np.float32)
        at = np.zeros_like(choices)  # where each stands among the rows of the step after
        for i in range(length - 1, -1, -1):
            step = self._steps[i]
            (there,) = (steps >= i).nonzero()
            picked = choices[there]
            going = steps[there] > i
            picked[going] = step.kept[at[there[going]]]
            tokens[there, i] = step.tokens[picked]
            scores[there, i] = step.scores[picked]
            at[there] = step.parents[picked]
            if looked is not None and step.attention is not None:
                seen = arrays.array(step.attention[at[there]])
                looked[there, i, : seen.shape[1]] = seen
        return Traced(tokens, scores, looked)

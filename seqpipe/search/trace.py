"""What a beam chose step by step, from which the winners are read when all is over."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Choices:
    parents: Tensor  # (M,) the rows of the step that were gone on with
    tokens: Tensor  # (M,) what they were given
    scores: Tensor  # (M,) the net's own log-probability of that
    attention: Tensor | None  # (R, S) of the rows
    kept: Tensor  # (R',) the choices that are the rows of the next step


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """What some hypotheses have written."""

    tokens: Tensor  # (W, T), filled up with the end
    scores: Tensor  # (W, T) the net's own log-probability of each
    attention: Tensor | None  # (W, T, S)


class Trace:
    """Back-pointers; nobody's tokens are copied before it has won."""

    def __init__(self) -> None:
        self._steps: list[_Choices] = []

    def add(
        self,
        parents: Tensor,
        tokens: Tensor,
        scores: Tensor,
        attention: Tensor | None,
        kept: Tensor,
    ) -> None:
        self._steps.append(_Choices(parents, tokens, scores, attention, kept))

    def back(self, steps: Tensor, choices: Tensor, end: int) -> Traced:
        """Of those that were chosen last at these steps (W,), in these places (W,)."""
        length = int(steps.max()) + 1
        tokens = torch.full((len(steps), length), end, device=steps.device)
        scores = torch.zeros(tokens.shape, dtype=torch.float64, device=steps.device)
        first = self._steps[0].attention  # the widest of all
        looked = None if first is None else first.new_zeros(*tokens.shape, first.shape[1])
        at = torch.zeros_like(choices)  # where each stands among the rows of the step after
        for i in range(length - 1, -1, -1):
            step = self._steps[i]
            there = (steps >= i).nonzero().squeeze(1)
            picked = choices[there]
            going = steps[there] > i
            picked[going] = step.kept[at[there[going]]]
            tokens[there, i] = step.tokens[picked]
            scores[there, i] = step.scores[picked]
            at[there] = step.parents[picked]
            if looked is not None and step.attention is not None:
                looked[there, i, : step.attention.shape[1]] = step.attention[at[there]]
        return Traced(tokens, scores, looked)

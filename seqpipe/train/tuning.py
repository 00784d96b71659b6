"""How what a net has learned before is tuned: layer by layer (Howard and Ruder 2018)."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from seqpipe.errors import SettingError
from seqpipe.train.learner import Learner


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Each lower layer learns more slowly, and joins later; as it stands here, neither."""

    layer_decay: float = 1.0  # what the rate is divided by for each layer below the head
    unfreeze: float = 0.0  # the share of a run between two layers that join

    def __post_init__(self) -> None:
        if not self.layer_decay >= 1:
            allowed = "1 or more, what the rate is divided by for each layer down"
            raise SettingError("seqpipe.layer_decay", self.layer_decay, allowed)
        if not 0 <= self.unfreeze <= 1:
            allowed = "a share of the run from 0 to 1"
            raise SettingError("seqpipe.unfreeze", self.unfreeze, allowed)

    def check(self, learner: Learner) -> None:
        """Refuses to tell layers apart where a net does not tell them."""
        if learner.layers == 1 and self != Tuning():
            layers = "this stage tells no layers apart"
            if self.layer_decay != 1:
                raise SettingError("seqpipe.layer_decay", self.layer_decay, f"1, for {layers}")
            raise SettingError("seqpipe.unfreeze", self.unfreeze, f"0, for {layers}")

    def depth(self, step: int, steps: int) -> int:
        """How many layers below the head learn at this step of so many."""
        if not self.unfreeze:
            return sys.maxsize
        return step // max(1, round(self.unfreeze * steps))

"""Lessons in other pieces each time they are learned from."""

from collections.abc import Sequence
from typing import Dict, List

import numpy as np

from seqpipe.components._stage import Lessons
from seqpipe.text.bpe_dropout import BpeDropout
from seqpipe.text.codec import Codec, Ids


class Recut:
    """BPE dropout on both sides of a lesson; without a rate all stays as it is."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._droppers: Dict[Codec, BpeDropout] = {}  # made when they are first wanted

    def of(self, lessons: Lessons, source: Codec, target: Codec) -> Lessons:
        """The same texts, cut anew."""
        if not self.rate:
            return lessons
        import torch

        # drawn from torch's own chance, which a checkpoint keeps
        chance = np.random.default_rng(int(torch.randint(2**31, ())))
        return Lessons(
            self._again(lessons.rows, source, chance), self._again(lessons.answers, target, chance)
        )

    def _again(self, rows: Sequence[Ids], codec: Codec, chance: np.random.Generator) -> List[Ids]:
        if codec not in self._droppers:
            self._droppers[codec] = BpeDropout(codec, self.rate, seed=0)
        return [self._droppers[codec].again(ids, chance) for ids in rows]

"""What real text lacks and edited text has, taken out of rows of characters while training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqpipe.text.segments import INSIDE, SENTENCE, TOKEN, Labels


@dataclass(frozen=True, slots=True)
class Noise:
    """How often a thing is missing; 0 where it never is."""

    punctuation: float  # the last character of a sentence, where it is a token by itself
    spaces: float  # a single space between two tokens
    paragraphs: float  # a line's end between two sentences, beside another one

    def __bool__(self) -> bool:
        return bool(self.punctuation or self.spaces or self.paragraphs)

    def lost(
        self,
        pieces: NDArray[np.int32],
        labels: Labels,
        *,
        space: int,
        newline: int,
        chance: np.random.Generator,
    ) -> tuple[NDArray[np.bool_], Labels]:
        """Which characters go, never all of them, and the labels of the row as it was, so that
        what is left of a sentence has its end."""
        drawn = chance.random(len(pieces))
        before = np.append(INSIDE, labels[:-1])
        after = np.append(pieces[1:], -1)
        lone = (labels == SENTENCE) & (before == TOKEN) & (drawn < self.punctuation)
        single = (pieces == space) & (before != INSIDE) & (after != space) & (after != newline)
        doubled = (pieces == newline) & (after == newline)
        lost = lone | (single & (drawn < self.spaces)) | (doubled & (drawn < self.paragraphs))
        labels = labels.copy()
        labels[np.flatnonzero(lone) - 1] = SENTENCE
        return lost & ~lost.all(), labels

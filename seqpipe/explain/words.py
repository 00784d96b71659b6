"""The words of a doc, and what its pieces carry, added up over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from seqpipe.explain.path import Numbers
from seqpipe.text.characters import blank, codes_of
from seqpipe.text.units import SPACELESS

Places = NDArray[np.int64]

_UNCUT = 4  # letters of a script without spaces in one token: with more, nobody has cut it


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A text as words that come one after the other, and the pieces that a net has read of it.

    What stands before the first word or after another belongs to it, so that nothing is left over.
    """

    text: str
    begins: Places  # (W,), the first 0
    ends: Places  # (W,), where what is visible of each ends
    pieces: Places  # (S, 2), in characters

    def summed(self, carried: Numbers) -> Numbers:
        """From a number a piece (S,) to one a word (W,), with the same sum: each piece is spread
        over its visible characters, or over all of them where none is."""
        visible = ~blank(codes_of(self.text))
        share = np.zeros(len(self.text))
        if not len(share):
            return np.zeros(len(self.begins))
        for (begin, end), value in zip(self.pieces.tolist(), carried.tolist(), strict=True):
            begin = min(begin, len(share) - 1)
            end = max(end, begin + 1)
            seen = visible[begin:end]
            weights = seen if seen.any() else np.ones(len(seen))
            share[begin:end] += value * weights / weights.sum()
        ranges = np.append(0, np.cumsum(share))
        found: Numbers = np.diff(ranges[np.append(self.begins, len(share))])
        return found

    def word_of_piece(self) -> Places:
        """The word in which each piece shows first: (S,)."""
        visible = ~blank(codes_of(self.text))
        shows = [
            begin + int(np.argmax(visible[begin:end])) if end > begin else begin
            for begin, end in self.pieces.tolist()
        ]
        found = np.searchsorted(self.begins, np.array(shows, np.int64), side="right") - 1
        return found.astype(np.int64)

    def spans(self) -> list[tuple[int, int]]:
        """Where each begins and ends, without the white space behind it."""
        return [*zip(self.begins.tolist(), self.ends.tolist(), strict=True)]


def cut(doc: Doc, pieces: Places) -> Cut:
    """A word a token; a token that holds a sentence, as where no tokenizer knows of words, falls
    into the pieces that were read of it."""
    found: list[tuple[int, int]] = []
    for token in doc:
        begin, end = token.idx, token.idx + len(token)
        if len(SPACELESS.findall(token.text)) <= _UNCUT:
            found.append((begin, end))
            continue
        inside = pieces[(pieces[:, 0] > begin) & (pieces[:, 0] < end), 0]
        starts = [begin, *np.unique(inside).tolist()]
        found += zip(starts, [*starts[1:], end], strict=True)
    places = np.array(found, np.int64).reshape(-1, 2)
    return Cut(doc.text, places[:, 0].copy(), places[:, 1].copy(), pieces)

"""Which target pieces a source piece is likely to become, so that few scores need be computed.

From a corpus of pairs by the first translation model of Brown et al. (1993); to choose among such
pieces alone is the vocabulary selection of Jean et al. (2015) and Mi et al. (2016).
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import CodecError, SettingError
from seqpipe.text.codec import Ids

FREQUENT = 200  # of the target, always there
ROUNDS = 4  # of estimation: later ones change the order of few


class Shortlist:
    """A row of target pieces for each source piece, and those that are always there."""

    def __init__(self, table: Ids, always: Ids) -> None:
        self.table = table  # (V, N), filled up with the first of `always`
        self.always = always

    @classmethod
    def learn(
        cls, sources: Sequence[Ids], targets: Sequence[Ids], *, size: int, best: int
    ) -> Shortlist:
        """From pairs of rows; `size` is that of the source vocabulary."""
        if best < 1:
            raise SettingError("shortlist", best, "0 for none, or a number of pieces from 1 on")
        counts = np.bincount(np.concatenate([*targets, np.zeros(0, np.int32)]))
        often = np.argsort(-counts, kind="stable")[:FREQUENT].astype(np.int32)
        always = np.unique(often[counts[often] > 0])
        table = np.full((size, best), always[0] if len(always) else 0, np.int32)
        for piece, others in _likely(sources, targets, best):
            table[piece, : len(others)] = others
        return cls(table, always)

    def after(self, earlier: Shortlist) -> Shortlist:
        """The same, with what an earlier one has for pieces that none of these pairs showed."""
        table = self.table.copy()
        rows, best = np.minimum(table.shape, earlier.table.shape)
        unseen = (table[:rows] == table[0, 0]).all(axis=1)  # no pair shows the padding
        table[:rows, :best][unseen] = earlier.table[:rows, :best][unseen]
        return Shortlist(table, np.union1d(self.always, earlier.always))

    def of(self, sources: Ids, *, besides: Sequence[int] = ()) -> NDArray[np.int64]:
        """The pieces, ascending, for a batch of these source pieces."""
        found = self.table[np.unique(sources)].ravel()
        every = np.concatenate([found, self.always, np.array(besides, np.int32)])
        return np.unique(every).astype(np.int64)

    def to_bytes(self) -> bytes:
        held = io.BytesIO()
        np.save(held, np.concatenate([self.table.ravel(), self.always]), allow_pickle=False)
        np.save(held, np.array(self.table.shape), allow_pickle=False)
        return held.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Shortlist:
        held = io.BytesIO(data)
        try:
            flat = np.load(held, allow_pickle=False)
            rows, best = np.load(held, allow_pickle=False).tolist()
            return cls(flat[: rows * best].reshape(rows, best), flat[rows * best :])
        except (ValueError, TypeError, EOFError, OSError) as error:
            raise CodecError("the shortlist", f"it is damaged ({error})") from error


def _likely(
    sources: Sequence[Ids], targets: Sequence[Ids], best: int
) -> list[tuple[int, NDArray[np.int64]]]:
    """The target pieces that each source piece most probably becomes."""
    if not any(len(s) and len(t) for s, t in zip(sources, targets, strict=True)):
        return []
    left = np.concatenate([np.repeat(s, len(t)) for s, t in zip(sources, targets, strict=True)])
    right = np.concatenate([np.tile(t, len(s)) for s, t in zip(sources, targets, strict=True)])
    # each target place of each pair shares one count among the source places of its pair
    sizes = [(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]
    first = np.cumsum([0] + [t for _, t in sizes[:-1]])
    place = np.concatenate(
        [np.tile(np.arange(at, at + t), s) for at, (s, t) in zip(first, sizes, strict=True)]
    )
    width = int(right.max(initial=0)) + 1
    keys, which = np.unique(left.astype(np.int64) * width + right, return_inverse=True)
    source, target = keys // width, keys % width
    odds = np.ones(len(keys))
    for _ in range(ROUNDS):
        each = odds[which]
        each /= np.bincount(place, weights=each)[place]
        expected = np.bincount(which, weights=each, minlength=len(keys))
        odds = expected / np.bincount(source, weights=expected)[source]
    order = np.lexsort((target, -odds, source))
    cuts = np.flatnonzero(np.diff(source[order])) + 1
    return [(int(source[g[0]]), target[g[:best]]) for g in np.split(order, cuts)]

"""Rare kinds of rows more often: which rows an epoch takes, and how often each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STREAM = 1  # the order of an epoch draws from (seed, epoch), this from numbers of its own


class Oversampling:
    """Every row once, and those of rare kinds again.

    `share` is how much of the way it goes from the frequencies that the data has, at 0, to equal
    ones, at 1; rows of the most frequent kind always come once.
    """

    def __init__(self, kinds: NDArray[np.int64], *, share: float, seed: int) -> None:
        self._places = [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]
        counts = np.array([len(places) for places in self._places])
        own = counts / max(counts.sum(), 1)
        times = ((1 - share) * own + share / max(len(counts), 1)) / own
        self._wanted = np.rint(counts * times / times.min(initial=np.inf)).astype(np.int64)
        self._seed = seed

    def rows(self, epoch: int) -> NDArray[np.int64]:
        """Those of one epoch: each as often as the others of its kind, or once more by chance."""
        chance = np.random.default_rng((self._seed, epoch, _STREAM))
        drawn = [np.zeros(0, np.int64)]
        for places, wanted in zip(self._places, self._wanted.tolist(), strict=True):
            whole, more = divmod(wanted, len(places))
            drawn += [np.repeat(places, whole), chance.choice(places, more, replace=False)]
        return np.sort(np.concatenate(drawn))

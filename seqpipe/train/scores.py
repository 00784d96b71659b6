"""Scores that spaCy's own scorer does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def calibration_error(confidences: NDArray[Any], right: NDArray[Any], *, bins: int = 15) -> float:
    """The expected calibration error of Guo et al. (2017), over bins of equal width."""
    places = np.clip((confidences * bins).astype(int), 0, bins - 1)
    sizes = np.bincount(places, minlength=bins)
    sure = np.bincount(places, weights=confidences, minlength=bins)
    hits = np.bincount(places, weights=np.asarray(right, dtype=float), minlength=bins)
    return float(np.abs(sure - hits).sum() / max(1, sizes.sum()))


@dataclass(slots=True)
class SpanCounts:
    """Spans that two sides share, of how many on each."""

    gold: int = 0
    said: int = 0
    shared: int = 0

    def add(self, gold: NDArray[np.int64], said: NDArray[np.int64]) -> None:
        """Spans (N, 2) and (M, 2) of one text; those that begin and end together are shared."""
        self.gold += len(gold)
        self.said += len(said)
        self.shared += len(set(map(tuple, gold.tolist())) & set(map(tuple, said.tolist())))

    def scores(self, name: str) -> dict[str, float | None]:
        """Precision, recall and F; nothing where no text had such spans."""
        if not self.gold:
            return dict.fromkeys([f"{name}_p", f"{name}_r", f"{name}_f"])
        return {
            f"{name}_p": self.shared / max(self.said, 1),
            f"{name}_r": self.shared / self.gold,
            f"{name}_f": 2 * self.shared / (self.gold + self.said),
        }

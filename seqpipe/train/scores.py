"""Scores that spaCy's own scorer does not know."""

from __future__ import annotations

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

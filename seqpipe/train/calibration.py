"""How far what a stage says of its own sureness can be believed, and what mends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# Beyond these it is no longer the sureness of a net that is corrected.
COOLEST, HOTTEST = 0.05, 20.0

_HALVINGS = 50  # of the stretch between them: as fine as a double


@dataclass(frozen=True, slots=True)
class Reliability:
    """A diagram of how often a stage is right that is so sure; bins of equal width, lowest first.

    Where no answer falls into a bin, its means are None.
    """

    edges: list[float]  # one more than there are bins
    mean_confidence: list[float | None]
    accuracy: list[float | None]
    count: list[int]
    ece: float  # the expected calibration error

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def reliability(confidences: NDArray[Any], right: NDArray[Any], bins: int = 10) -> Reliability:
    """Of answers with a confidence (N,) between 0 and 1 each, some of them right (N,); the error is
    that of Guo et al. (2017), and 0 where there is no answer."""
    sure = np.asarray(confidences, dtype=np.float64)
    places = np.clip((sure * bins).astype(int), 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    weight = np.bincount(places, weights=sure, minlength=bins)
    hits = np.bincount(places, weights=np.asarray(right, dtype=np.float64), minlength=bins)
    return Reliability(
        edges=np.linspace(0.0, 1.0, bins + 1).tolist(),
        mean_confidence=_means(weight, counts),
        accuracy=_means(hits, counts),
        count=counts.tolist(),
        ece=float(np.abs(weight - hits).sum() / max(1, counts.sum())),
    )


def fit_temperature(logits: NDArray[Any], gold: NDArray[Any]) -> float:
    """What logits (N, C) are to be divided by for the least cross-entropy with probabilities (N, C)
    after a softmax (Guo et al. 2017); for a yes or no, the logit and a zero are the two.

    As many rows that are all right make nothing certain: by Laplace's rule of succession each class
    is thought to come once more. The loss is convex in 1 / T, so that its slope, which is halved
    in upon, is zero once.
    """
    rows, classes = gold.shape
    scores = np.asarray(logits, dtype=np.float64)
    if not np.ptp(scores, axis=1).any():
        return 1.0  # nothing is said that could be said more or less surely
    wanted = (np.asarray(gold, dtype=np.float64) * rows + 1) / (rows + classes)

    def slope(share: float) -> float:
        return float(((softmax(share * scores) - wanted) * scores).sum())

    low, high = np.log(1 / HOTTEST), np.log(1 / COOLEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(np.exp(middle)) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def best_threshold(said: NDArray[Any], gold: NDArray[Any], *, usual: float) -> float:
    """From which probability (N,) a yes has the best F against the answers (N,).

    Tried are the usual one and the middles between neighbours; of those equally good it is the one
    nearest to the usual, which stands where no answer is a yes.
    """
    said, yes = np.asarray(said, dtype=np.float64), np.asarray(gold, dtype=bool)
    if not yes.any():
        return usual
    values = np.unique(said)
    below = np.append(0.0, values[:-1])
    middles = (below + values) / 2
    # between neighbours that are next to each other there is none
    tried = np.append(usual, np.where(middles > below, middles, values))
    order = np.argsort(said)
    above = len(said) - np.searchsorted(said[order], tried)  # so many are a yes
    hits = np.append(np.cumsum(yes[order][::-1])[::-1], 0)[len(said) - above]
    scores = 2 * hits / (above + yes.sum())
    best = tried[scores == scores.max()]
    return float(best[np.argmin(np.abs(best - usual))])


def softmax(scores: Numbers) -> Numbers:
    """Of each row (N, C)."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Numbers = raised / raised.sum(axis=1, keepdims=True)
    return found


def _means(sums: NDArray[Any], counts: NDArray[np.int64]) -> list[float | None]:
    return [float(s / n) if n else None for s, n in zip(sums, counts, strict=True)]

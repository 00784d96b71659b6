"""How right somebody is, by one measure for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise


def accuracy(said: Sequence[str], gold: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(said, gold, strict=True)) / len(gold)


def macro_f(said: Sequence[str], gold: Sequence[str]) -> float:
    """The mean F of the labels that there are."""
    labels = sorted({*gold})
    return sum(_f_of(label, said, gold) for label in labels) / len(labels)


def _f_of(label: str, said: Sequence[str], gold: Sequence[str]) -> float:
    both = sum(a == b == label for a, b in zip(said, gold, strict=True))
    return 2 * both / max(1, [*said].count(label) + [*gold].count(label))


def span_f(said: Sequence[Iterable[str]], gold: Sequence[Iterable[str]]) -> float:
    """The F of pieces of texts: equal are those of the same characters, spaces not counted."""
    pairs = [(_spans(a), _spans(b)) for a, b in zip(said, gold, strict=True)]
    return 2 * sum(len(a & b) for a, b in pairs) / sum(len(a) + len(b) for a, b in pairs)


def _spans(pieces: Iterable[str]) -> set[tuple[int, int]]:
    lengths = (len("".join(piece.split())) for piece in pieces)
    return set(pairwise(accumulate((length for length in lengths if length), initial=0)))


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """By which power of the one the other grows: the slope through their logarithms."""
    import numpy as np

    across, upward = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(across, upward, 1)[0])

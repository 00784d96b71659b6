"""Which hidden units are tied to what a reader knows of a text: brackets, quotes, places.

Of many units one always seems tied to anything. So units are found in one half of the text, or of
the texts, and how much is left of it in the other half is told beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from seqpipe.explain.path import Numbers

_FEWEST = 12  # pieces in a half: with fewer, chance ties anything to anything

_OPENED, _CLOSED = "([{（［｛【〔", ")]}）］｝】〕"
_QUOTED, _UNQUOTED = "“„«「『", "”»」』"
_END = re.compile(r"[.!?]+\s+|[。！？]+|\n\n+")

Features = dict[str, Numbers]


@dataclass(frozen=True, slots=True)
class Tie:
    """Pearson's correlation of a unit and a feature, in the half in which it was found as the
    highest of all, and in the other, if the feature changes there at all."""

    feature: str
    found: float
    held_out: float | None


@dataclass(frozen=True, slots=True)
class Unit:
    """One number of the state, and what it is tied to, if anything."""

    layer: int  # from 1
    way: str  # "onward" or "backward"
    unit: int
    ties: list[Tie]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The states of a net at each piece of one text, and features of those pieces."""

    states: NDArray[np.float32]  # (S, U)
    features: Mapping[str, Numbers]  # (S,) each


def features_of(doc: Doc) -> Features:
    """What is known of each character."""
    text = doc.text
    count = np.arange(len(text))
    starts = {0, *(match.end() for match in _END.finditer(text))}
    if doc.has_annotation("SENT_START"):
        starts = {sent.start_char for sent in doc.sents}
    after_line = {0, *(at + 1 for at, sign in enumerate(text) if sign == "\n")}
    in_word = np.array([sign.isalnum() for sign in text], np.bool_)
    begun = {0, *(np.flatnonzero(~in_word) + 1).tolist()}
    return {
        "brackets": _depth(text, _OPENED, _CLOSED),
        "quotes": _depth(text, _QUOTED, _UNQUOTED) + _between(text, '"'),
        "place in the word": _since(len(text), begun) * in_word,
        "place in the sentence": _since(len(text), starts),
        "place in the text": count.astype(np.float64),
        "place in the line": _since(len(text), after_line),
    }


def tied(traces: Sequence[Trace]) -> dict[int, list[Tie]]:
    """The best unit for each feature that changes, by the place of the unit among all."""
    parts = _halves(traces)
    if min((len(part.states) for part in parts), default=0) < _FEWEST:
        return {}
    found, held = parts
    best: dict[int, list[Tie]] = {}
    seen: list[Numbers] = []
    for name, values in found.features.items():
        if values.std() == 0 or any(np.array_equal(values, other) for other in seen):
            continue  # a text of one line has no places in it besides those in the text
        seen.append(values)
        each = correlations(found.states, values)
        unit = int(np.abs(each).argmax())
        other = held.features[name]
        left = None
        if other.std() > 0 and held.states[:, unit].std() > 0:
            left = round(float(correlations(held.states[:, [unit]], other)[0]), 3)
        best.setdefault(unit, []).append(Tie(name, round(float(each[unit]), 3), left))
    return best


def correlations(states: NDArray[np.float32], feature: Numbers) -> Numbers:
    """Pearson's, of each column (S, U) with a feature (S,); 0 for a column that never changes."""
    x = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
    y = feature - feature.mean()
    size = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    found: Numbers = np.divide(y @ x, size, out=np.zeros(x.shape[1]), where=size > 1e-12)
    return found


def _halves(traces: Sequence[Trace]) -> list[Trace]:
    """Every other text and the rest, or half of the one text and its rest."""
    if len(traces) > 1:
        return [_joined(traces[::2]), _joined(traces[1::2])]
    halves = []
    for trace in traces:
        middle = len(trace.states) // 2
        for part in (slice(middle), slice(middle, None)):
            features = {name: values[part] for name, values in trace.features.items()}
            halves.append(Trace(trace.states[part], features))
    return halves


def _joined(traces: Sequence[Trace]) -> Trace:
    features = {
        name: np.concatenate([trace.features[name] for trace in traces])
        for name in traces[0].features
    }
    return Trace(np.concatenate([trace.states for trace in traces]), features)


def _depth(text: str, opening: str, closing: str) -> Numbers:
    """How many are open at each character, those that open and close with it."""
    depth, found = 0, []
    for sign in text:
        depth += sign in opening
        found.append(depth)
        depth = max(depth - (sign in closing), 0)
    return np.array(found, np.float64)


def _between(text: str, quote: str) -> Numbers:
    """1 from every other quote to the next."""
    is_quote = np.array([sign == quote for sign in text], np.float64)
    open_ = np.cumsum(is_quote) % 2
    found: Numbers = np.maximum(open_, is_quote)
    return found


def _since(length: int, starts: set[int]) -> Numbers:
    """How many characters ago the last of these places was."""
    places = np.array(sorted(starts | {0}))
    at = np.arange(length)
    found: Numbers = (at - places[np.searchsorted(places, at, side="right") - 1]).astype(np.float64)
    return found

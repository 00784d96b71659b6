"""What a net remembers at each piece of a text: the hidden units that say most of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.explain.explained import Explained
from seqpipe.explain.foretelling import pieces_of
from seqpipe.explain.path import Numbers
from seqpipe.explain.reader import Reader
from seqpipe.explain.stages import BOUNDARIES, LABEL, STATES, SURPRISAL
from seqpipe.explain.units import Trace, Unit, features_of, tied
from seqpipe.nets.cells import Recurrent
from seqpipe.nets.classifier import Classifier
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.tagger import Tagger
from seqpipe.text.codec import Ids

_SHOWN = 8  # units at least, where there are so many

States = NDArray[np.float32]  # (S, U)
Name = tuple[int, str, int]  # of a unit: layer, way, place in it


@dataclass(frozen=True, slots=True)
class Moment:
    """The state when a piece has been read."""

    text: str
    start: int  # in characters
    end: int
    moved: float  # how far all units have moved by it, the root of the mean square
    values: list[float]  # of the units shown, in their order


@dataclass(frozen=True, slots=True)
class StateMap(Explained):
    """Some units over all of a text."""

    stage: str
    of: int  # units that there are
    units: list[Unit]
    words: list[Moment]
    ranked: list[int]  # the places of the pieces, those first that moved the state most
    kind: str = STATES


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    spans: Sequence[tuple[int, int]]
    trace: Trace


class StatesExplainer:
    """Shows the states of one stage; holds for the weights that it was made from."""

    def __init__(self, kind: str, stage: Any, *, label: str | None = None) -> None:
        """`kind` is what the stage is explained as; `label` the one whose words count, else the
        likeliest of the first text."""
        if label is not None and (kind != LABEL or label not in stage.labels):
            allowed = f"one of {', '.join(stage.labels)}" if kind == LABEL else "none: it has none"
            raise SettingError("label", label, allowed)
        self._kind, self._stage, self._label = kind, stage, label
        self._reader = Reader(stage.shim.net, stage.temperatures) if kind == LABEL else None

    def explain(self, doc: Doc) -> StateMap:
        """The units of one doc: found in its first half, checked in the other."""
        return self.explain_all([doc])[0]

    def explain_all(self, docs: Sequence[Doc]) -> list[StateMap]:
        """The same units of all docs: found in half of them, checked in the others."""
        read = [self._read(doc) for doc in docs]
        traces = [one.trace for one in read if len(one.trace.states)]
        best = tied(traces)
        names = self._names()
        places = [*best]
        if traces:
            lively = np.concatenate([trace.states for trace in traces]).std(axis=0)
            others = [at for at in np.argsort(-lively, kind="stable").tolist() if at not in best]
            places += others[: max(_SHOWN - len(places), 0)]
        units = [Unit(*names[place], best.get(place, [])) for place in places]
        return [self._map(doc, one, units, places) for doc, one in zip(docs, read, strict=True)]

    def _map(self, doc: Doc, read: _Read, units: list[Unit], places: Sequence[int]) -> StateMap:
        text, states = doc.text, read.trace.states
        moved = np.sqrt((np.diff(states, axis=0, prepend=0) ** 2).mean(axis=1)).tolist()
        values = states[:, places].astype(np.float64).round(3).tolist()
        words = [
            Moment(text[begin:end], begin, end, round(far, 4), own)
            for (begin, end), far, own in zip(read.spans, moved, values, strict=True)
        ]
        visible = [at for at, word in enumerate(words) if word.text.strip()]
        ranked = sorted(visible, key=lambda at: -words[at].moved)
        return StateMap(self._stage.name, len(self._names()), units, words, ranked)

    def _read(self, doc: Doc) -> _Read:
        ids, spans = self._pieces(doc)
        states = self._states(ids)
        known = features_of(doc)
        last = len(doc.text) - 1
        ends = [max(min(end - 1, last), 0) for _, end in spans]
        features = {name: values[ends] if ends else np.zeros(0) for name, values in known.items()}
        if self._reader is not None:
            odds = self._reader.odds([ids])[0]
            labels = self._stage.labels
            self._label = self._label or labels[int(odds.argmax())]
            shares: Numbers = self._reader.saliency(ids, labels.index(self._label)).shares
            features[f"what it adds to {self._label}"] = shares
        return _Read(spans, Trace(states, features))

    def _pieces(self, doc: Doc) -> tuple[Ids, Sequence[tuple[int, int]]]:
        if self._kind == SURPRISAL:
            return pieces_of(self._stage.codec, doc.text)
        ids: Ids = self._stage.encode([doc])[0]
        if self._kind == BOUNDARIES:
            return ids, [(at, at + 1) for at in range(len(ids))]
        if self._stage.reads == "tokens":
            return ids, [(token.idx, token.idx + len(token)) for token in doc]
        return ids, [(int(a), int(b)) for a, b in self._stage.codec.align(doc.text).offsets]

    def _states(self, ids: Ids) -> States:
        """Of all layers and ways, side by side."""
        if not len(ids):
            return np.zeros((0, len(self._names())), np.float32)
        net = self._stage.shim.net
        if self._kind == SURPRISAL:
            return (2 * torch.stack([*_read(net, ids)])).float().cpu().numpy()
        row = torch.from_numpy(ids.astype(np.int64))[None].to(self._stage.shim.device)
        with torch.inference_mode():
            return _layers(net, row).float().cpu().numpy()

    def _names(self) -> list[Name]:
        """Of each unit, in the order of the states."""
        net = self._stage.shim.net
        if self._kind == SURPRISAL:
            cells = [(layer, "onward", cell) for layer, cell in enumerate(net.layers, 1)]
        else:
            ways = (("onward", net.encoder.onward), ("backward", net.encoder.backward_))
            cells = [(i, way, cell) for way, own in ways for i, cell in enumerate(own, 1)]
            cells.sort(key=lambda one: one[0])  # the ways of one layer side by side
        return [
            (layer, way, unit)
            for layer, way, cell in cells
            for unit in range(cast(Recurrent, cell).hidden_size)
        ]


def _layers(net: Classifier | Tagger, ids: Tensor) -> Tensor:
    """From one row (1, S) to the states of all layers (S, U); the row is read as a whole."""
    encoder: Encoder = net.encoder
    x: Tensor = net.embedding(ids)
    if isinstance(net, Tagger) and net.conv is not None:
        x = net.conv(x)
    found: list[Tensor] = []
    for layer, onward in enumerate(encoder.onward):
        ways = [onward(x)[0]]
        ways += [back(x.flip(1))[0].flip(1) for back in encoder.backward_[layer : layer + 1]]
        x = torch.cat(ways, dim=-1)
        found.append(x[0])
    return torch.cat(found, dim=-1)


def _read(net: Any, ids: Ids) -> Iterator[Tensor]:
    """Half the states of all layers behind each piece, side by side."""
    teller, carry = net.teller(), net.begin()
    following = torch.from_numpy(ids.astype(np.int64)).to(net.device)
    with torch.inference_mode():
        _, _, carry = teller.step(carry.last, carry)  # what comes before any piece
        for piece in following.split(1):
            _, _, carry = teller.step(piece, carry)
            yield carry.halves[:, 0].flatten()

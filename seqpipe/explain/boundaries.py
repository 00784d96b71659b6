"""Where a tokenizer ends tokens and sentences, and how sure it is of each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from torch import Tensor

from seqpipe.explain.explained import Explained
from seqpipe.explain.stages import BOUNDARIES
from seqpipe.held import HeldNet
from seqpipe.nets.tagger import Tagger
from seqpipe.text.batches import restore
from seqpipe.text.characters import blank, codes_of
from seqpipe.text.codec import Ids
from seqpipe.text.segments import INSIDE, SENTENCE, TOKEN, Segments, segments_of
from seqpipe.text.stream import Windows

_CONCEIVABLE = 0.01  # a token that might have ended with so much is worth a place

Chances = NDArray[np.float64]  # (S, 3): of each class at each character

SAID = {INSIDE: "inside", TOKEN: "token", SENTENCE: "sentence"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the text up to a place where a token ends, or might have ended."""

    text: str
    start: int  # in characters
    end: int
    said: str  # what ends here: inside (a token goes on), token, or sentence
    token: float  # the probability that a token ends here, a sentence's last one or not
    sentence: float  # that a sentence does
    sure: float  # the probability of what was said; of what rules have said, 1


@dataclass(frozen=True, slots=True)
class Boundaries(Explained):
    """The stretches make up all of the text that is not white space."""

    stage: str
    words: list[Stretch]
    ranked: list[int]  # the places of the stretches, the least sure end first
    kind: str = BOUNDARIES


class Cutter(Protocol):
    """What is needed of a stage that finds tokens."""

    name: str
    windows: Windows
    buckets: Any
    cfg: dict[str, Any]

    @property
    def shim(self) -> HeldNet: ...
    def encode(self, docs: Sequence[Doc]) -> list[Ids]: ...


def boundaries_of(stage: Cutter, doc: Doc) -> Boundaries:
    """What the stage makes of the text of a doc, whatever tokens it has."""
    text, spaces = doc.text, bool(stage.cfg["spaces"])
    chances, codes = _chances(stage, stage.encode([doc])), codes_of(doc.text)
    said = _said(len(codes), segments_of(codes, chances.argmax(axis=1), spaces=spaces))
    if not stage.cfg["sentences"]:  # of which nobody has told it
        said = np.minimum(said, TOKEN)
        chances = np.stack([chances[:, INSIDE], 1 - chances[:, INSIDE], 0 * said], axis=1)
    solid = np.flatnonzero(~blank(codes))
    worth = (said[solid] != INSIDE) | (1 - chances[solid, INSIDE] >= _CONCEIVABLE)
    places = solid[worth].tolist()
    # after each place the next character that is no white space
    after = np.append(solid[1:], len(codes))[worth].tolist()
    words = []
    for begin, place, end in zip([*solid[:1].tolist(), *after], places, after, strict=False):
        what, chance = int(said[place]), chances[place].tolist()
        sure = 1.0 if end == len(codes) else _sure(chance, what, text[place + 1 : end], spaces)
        words.append(
            Stretch(
                text=text[begin : place + 1],
                start=begin,
                end=place + 1,
                said=SAID[what],
                token=round(1 - chance[INSIDE], 4),
                sentence=round(chance[SENTENCE], 4),
                sure=round(sure, 4),
            )
        )
    return Boundaries(stage.name, words, sorted(range(len(words)), key=lambda n: words[n].sure))


def _chances(stage: Cutter, rows: Sequence[Ids]) -> Chances:
    """Of the one row that there is, in the windows in which the stage reads it."""

    def read(net: Tagger, ids: Tensor, lengths: Tensor, _: Any) -> list[NDArray[Any]]:
        return list(net(ids, lengths).double().softmax(dim=-1).cpu().numpy())

    def predict(parts: Sequence[Ids]) -> list[NDArray[Any]]:
        found = stage.shim.predict_rows(
            parts, budget=stage.buckets.budget, rows=stage.buckets.rows, predict=read
        )
        return restore(found, len(parts))

    (chances,) = stage.windows.joined(rows, predict)
    return chances.astype(np.float64)


def _said(length: int, found: Segments) -> NDArray[np.int64]:
    """The class of each character, after rules have had their say."""
    said = np.full(length, INSIDE)
    said[found.spans[:, 1] - 1] = TOKEN
    if len(found.spans) and found.starts is not None:
        last = np.append(found.starts[1:], True)
        said[found.spans[last, 1] - 1] = SENTENCE
    return said


def _sure(chance: Sequence[float], said: int, gap: str, spaces: bool) -> float:
    """Of what was said at a character with this white space behind it."""
    if gap.count("\n") > 1:
        return 1.0  # a blank line ends a sentence, whatever the net would say
    if said == SENTENCE:
        return chance[SENTENCE]
    if gap and not (spaces and gap == " "):
        return 1 - chance[SENTENCE]  # a token ends anyway: what is asked is whether a sentence does
    return chance[said]

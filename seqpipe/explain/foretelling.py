"""What a generator thinks comes next, at each piece of a text that it reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
from spacy.tokens import Doc
from torch import Tensor

from seqpipe.explain.explained import Explained
from seqpipe.explain.path import Numbers
from seqpipe.explain.stages import SURPRISAL
from seqpipe.held import HeldNet
from seqpipe.nets.language_model import LanguageModel
from seqpipe.search import arrays
from seqpipe.text.codec import Codec, Ids

_MOST = 3  # others that might have come


@dataclass(frozen=True, slots=True)
class Other:
    """What might have stood in that place; nothing but the empty string is the end of a text."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Piece:
    """What one piece costs after those before it, and what was to be expected there."""

    text: str
    start: int  # in characters
    end: int
    bits: float
    others: list[Other]  # the likeliest first


@dataclass(frozen=True, slots=True)
class Foretelling(Explained):
    """Of the model as it is: what it would have learned on the way is left out."""

    stage: str
    bits: float  # of all pieces
    words: list[Piece]
    ranked: list[int]  # the places of the visible pieces, the least expected first
    kind: str = SURPRISAL


class Teller(Protocol):
    """What is needed of a stage that measures texts."""

    name: str
    codec: Codec

    @property
    def shim(self) -> HeldNet: ...
    def begun(self, net: Any, rows: int = 1) -> Any: ...
    def told(self, model: Any, ids: Any, lengths: Any, carry: Any) -> tuple[Any, Any]: ...
    def seen(self, teller: Any, carry: Any) -> tuple[Any, Any]: ...


def foretold(stage: Teller, doc: Doc) -> Foretelling:
    """What the stage makes of the text of a doc."""
    text = doc.text
    ids, offsets = pieces_of(stage.codec, text)
    spelled = cache(lambda piece: stage.codec.spell([piece]).text)
    words = []
    read = zip(ids.tolist(), offsets, _nats(stage, ids), _walked(stage, ids), strict=False)
    for piece, (start, end), nats, chances in read:
        best = chances.topk(min(_MOST + 1, len(chances)))
        likely = zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
        others = [
            Other(spelled(other), round(chance, 4)) for other, chance in likely if other != piece
        ]
        bits = round(nats / math.log(2), 3)
        words.append(Piece(text[start:end], start, end, bits, others[:_MOST]))
    ranked = [at for at, word in enumerate(words) if word.text.strip()]
    ranked.sort(key=lambda at: -words[at].bits)
    return Foretelling(stage.name, round(sum(w.bits for w in words), 3), words, ranked)


def pieces_of(codec: Codec, text: str) -> tuple[Ids, Sequence[tuple[int, int]]]:
    """The pieces of a text and where in it each stands."""
    if codec.unit == "char":
        return codec.encode([text])[0], [(at, at + 1) for at in range(len(text))]
    found = codec.align(text)
    return found.ids, [(int(a), int(b)) for a, b in found.offsets.tolist()]


def _walked(stage: Teller, ids: Ids) -> Iterator[Tensor]:
    """Before each piece, and behind the last, the log-probabilities of what may follow (V,)."""
    net: LanguageModel = stage.shim.net
    carry = stage.begun(net)
    seen, state = stage.seen(net.teller(), carry)
    for now in [*arrays.array(carry.last).tolist(), *ids.tolist()]:
        step = seen.step(np.array([now]), state)
        state = step.state
        yield torch.from_numpy(arrays.array(step.scores)[0])


def _nats(stage: Teller, ids: Ids) -> list[float]:
    """What each piece costs, unknown ones too."""
    net: LanguageModel = stage.shim.net
    row = torch.from_numpy(ids.astype(np.int64))[None].to(net.device)
    with torch.inference_mode():
        costs, _ = stage.told(net, row, row.new_tensor([len(ids)]), stage.begun(net))
    found: Numbers = arrays.array(costs)[0]
    return found.tolist()  # type: ignore[no-any-return]

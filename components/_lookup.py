"""The ids of docs, looked up by the hashes that spaCy has of their tokens: no text is made."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Dict, List

import numpy as np
from spacy.attrs import ORTH, SPACY  # type: ignore[import-not-found]
from spacy.tokens import Doc

from seqpipe.text.codec import Codec, Ids

FEWEST_TOKENS = 400  # below it texts are made sooner than arrays are looked at

_ATTRIBUTES = [ORTH, SPACY]
_ODD = 0x9E3779B97F4A7C15  # spreads the hashes of tokens that stand together (Knuth's golden ratio)
_KEPT = 64  # characters; what is longer hardly comes twice
_MOST = 1 << 16  # remembered before starting over


class Lookup:
    """What a codec makes of each stretch of tokens without a space between them, which is looked
    at once; or, `apart`, of each token."""

    def __init__(self, codec: Codec, *, apart: bool) -> None:
        self.codec = codec
        self._apart = apart
        self._known: Dict[int, bytes] = {}

    def encode(self, docs: Sequence[Doc]) -> List[Ids]:
        """The same as of their texts, or of the words that their tokens are."""
        tables = [doc.to_array(_ATTRIBUTES) for doc in docs]
        lengths = np.fromiter(map(len, tables), np.int64, len(tables))
        orths, spaced = np.concatenate([np.empty((0, 2), np.uint64), *tables]).T
        ends = np.cumsum(lengths)  # where each doc ends, counted in tokens
        last = np.full(len(orths), True) if self._apart else spaced > 0
        last[ends[lengths > 0] - 1] = True
        stops = np.flatnonzero(last) + 1
        starts = np.append(0, stops)[:-1]
        names, which = np.unique(_hashed(orths, starts, stops), return_inverse=True)
        found = list(map(self._known.get, names.tolist()))
        lacking = np.array([one is None for one in found], np.bool_)
        some = np.zeros(len(names), np.int64)
        some[which] = np.arange(len(which))  # for each name a stretch that bears it
        at = some[lacking]
        texts = _texts(docs, ends, orths, starts[at], stops[at])
        new = iter(self._learned(names[lacking].tolist(), texts))
        rows = [next(new) if one is None else one for one in found]
        return _gathered(rows, which, np.searchsorted(stops, ends, side="right"))

    def _learned(self, names: Sequence[int], texts: Sequence[str]) -> List[bytes]:
        codec = self.codec
        rows = codec.encode_words([[t] for t in texts]) if self._apart else codec.encode(texts)
        made = [ids.tobytes() for ids in rows]
        if len(self._known) + len(made) > _MOST:
            self._known.clear()
        kept = zip(names, texts, made, strict=True)
        self._known.update((name, ids) for name, text, ids in kept if len(text) <= _KEPT)
        return made


def _hashed(orths: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """One hash a stretch; that of a lone token is its own."""
    if not len(stops):
        return np.empty(0, np.uint64)
    sizes = stops - starts
    powers = np.full(int(sizes.max()), _ODD, np.uint64)
    powers[0] = 1
    np.multiply.accumulate(powers, out=powers)
    places = np.arange(len(orths)) - np.repeat(starts, sizes)
    return np.asarray(np.add.reduceat(orths * powers[places], starts))


def _texts(
    docs: Sequence[Doc], ends: np.ndarray, orths: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> List[str]:
    owners = np.searchsorted(ends, starts, side="right").tolist()
    texts = []
    for owner, start, stop in zip(owners, starts.tolist(), stops.tolist(), strict=True):
        strings = docs[owner].vocab.strings
        texts.append("".join(strings[orth] for orth in orths[start:stop].tolist()))
    return texts


def _gathered(found: Sequence[bytes], which: np.ndarray, cuts: np.ndarray) -> List[Ids]:
    """The ids of all stretches in a row, cut where so many stretches of them are through."""
    known = np.frombuffer(b"".join(found), np.int32)
    sizes = np.fromiter(map(len, found), np.int64, len(found)) // known.itemsize
    begins = np.cumsum(sizes) - sizes
    each = sizes[which]
    ends = np.append(0, np.cumsum(each))
    ids = known[np.arange(ends[-1]) + np.repeat(begins[which] - ends[:-1], each)]
    return [ids[a:b] for a, b in pairwise([0, *ends[cuts].tolist()])]

"""BPE dropout: a text in other pieces each time it is learned from (Provilkov et al. 2020)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

import numpy as np

from seqpipe.errors import SettingError
from seqpipe.text.codec import Codec, Ids
from seqpipe.text.units import SPECIALS, well_formed

VARIANTS = 32  # of a word: each is drawn once, so that later epochs look it up
_MOST = 1 << 18  # variants remembered before starting over: some 50 MB


class BpeDropout:
    """Encodes with merges left out by chance; `tokenizers` has this too, but takes no seed."""

    def __init__(self, codec: Codec, rate: float, *, seed: int) -> None:
        if codec.unit != "bpe":
            raise SettingError("bpe_dropout", rate, f"0 for the unit {codec.unit!r}")
        if not 0 <= rate < 1:
            raise SettingError("bpe_dropout", rate, "0 or more and less than 1")
        self._codec = codec
        self._splitter = codec.tokenizer.pre_tokenizer
        model = json.loads(codec.tokenizer.to_str())["model"]
        self._vocab: dict[str, int] = model["vocab"]
        self._ranks = {tuple(merge): rank for rank, merge in enumerate(model["merges"])}
        # those that were reserved are no product of merges
        added = (one.content for one in codec.tokenizer.get_added_tokens_decoder().values())
        self._own = {content for content in added if content not in SPECIALS}
        inner = "|".join(map(re.escape, sorted(self._own)))
        self._reserved = re.compile(f"({inner})") if inner else None
        self._vocab |= {one: codec.tokenizer.token_to_id(one) for one in self._own}
        self._rate = rate
        self._seed = seed
        self._known: dict[tuple[str, int], Ids] = {}

    def again(self, ids: Ids, chance: np.random.Generator) -> Ids:
        """The text of ids that end in EOS, cut anew."""
        return np.append(self.encode(self._codec.decode(ids), chance), ids[-1:])

    def encode(self, text: str, chance: np.random.Generator) -> Ids:
        """The ids of one text, cut as chance has it."""
        words = list(self._words(well_formed(text)))
        if not words:
            return np.zeros(0, np.int32)
        which = chance.integers(VARIANTS, size=len(words)).tolist()
        return np.concatenate([self._variant(w, i) for w, i in zip(words, which, strict=True)])

    def _words(self, text: str) -> Iterator[str]:
        for part in self._reserved.split(text) if self._reserved else [text]:
            if part in self._own:
                yield part
            else:
                yield from (word for word, _ in self._splitter.pre_tokenize_str(part))

    def _variant(self, word: str, which: int) -> Ids:
        """Each by a chance of its own: in whatever order words come, they get the same."""
        found = self._known.get((word, which))
        if found is None:
            chance = np.random.default_rng([self._seed, crc32(word.encode()), which])
            found = self._cut(word, chance)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[word, which] = found
        return found

    def _cut(self, word: str, chance: np.random.Generator) -> Ids:
        pieces = [word] if word in self._own else list(word)
        while len(pieces) > 1:
            dropped = chance.random(len(pieces) - 1) < self._rate
            pairs = enumerate(pairwise(pieces))
            open_ = [
                (self._ranks[pair], at)
                for at, pair in pairs
                if not dropped[at] and pair in self._ranks
            ]
            if not open_:
                break
            _, at = min(open_)
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        return np.array([self._vocab[piece] for piece in pieces], np.int32)

"""By which data is known again, in whatever order and by whatever path it was read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from spacy.training import Example

from seqpipe.components._stage import Stage
from seqpipe.components.tokenizer import Tokenizer

_BYTES = 16


class Fingerprint:
    """The sum of the hashes of all texts, each with what is to be said of it."""

    def __init__(self, stage: Stage) -> None:
        self._tokens = isinstance(stage, Tokenizer) or stage.learns_from_tokens
        self._sum = 0

    def seen(self, examples: Iterable[Example]) -> Iterator[Example]:
        """The same examples, each counted as it goes by."""
        for example in examples:
            told = blake2b(self._told(example).encode("utf-8", "replace"), digest_size=_BYTES)
            self._sum = (self._sum + int.from_bytes(told.digest(), "big")) % 2 ** (8 * _BYTES)
            yield example

    def __str__(self) -> str:
        return f"{self._sum:0{2 * _BYTES}x}"

    def _told(self, example: Example) -> str:
        doc = example.reference
        own = [(str(k), v) for k, v in doc.user_data.items() if isinstance(v, str)]
        tokens = [(t.text, bool(t.is_sent_start)) for t in doc] if self._tokens else []
        return json.dumps([doc.text, sorted(doc.cats.items()), sorted(own), tokens])

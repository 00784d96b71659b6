"""The texts that a generator remembers, and the vectors that stood before each of their pieces."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Tuple

import numpy as np
from safetensors import numpy as safetensors

from seqpipe.components._memory import Room, opened
from seqpipe.search.recalling import Remembered, Trust
from seqpipe.text.codec import EOS
from seqpipe.text.rows import Rows

_BITS = 62  # of the number that a context is written as
_LONGEST = 8  # pieces of a context, at most


@dataclass(frozen=True)
class TextMemory:
    """Texts by their pieces, and a vector before each of them."""

    texts: Rows
    keys: np.ndarray  # (all pieces, D) of 8 bits
    room: Room
    trust: Trust
    beside: int  # places that each piece is told beside
    pieces: int  # that there are

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def _bits(self) -> int:
        return max(1, (self.pieces - 1).bit_length())

    @property
    def context(self) -> int:
        """How many pieces before are looked at."""
        return min(_LONGEST, _BITS // self._bits)

    @cached_property
    def _sorted(self) -> Tuple[np.ndarray, np.ndarray]:
        """All contexts by what stands nearest to their ends, and the place behind each."""
        ids, offsets = self.texts.ids.astype(np.int64), self.texts.offsets
        begins = np.repeat(offsets[:-1], self.texts.lengths)  # of the text that each stands in
        place = np.arange(len(ids))
        numbers = np.zeros(len(ids), np.int64)
        for back in range(1, self.context + 1):
            before = ids[np.maximum(place - back, 0)]
            numbers = (numbers << self._bits) + np.where(place - back < begins, EOS, before)
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order

    def within(self, vectors: np.ndarray) -> np.ndarray:
        return self.room.within(vectors)

    def of(self, contexts: np.ndarray) -> Remembered:
        """The places with the longest ends in common with these contexts (R, G)."""
        numbers, order = self._sorted
        asked = np.zeros(len(contexts), np.int64)
        for back in range(1, self.context + 1):
            asked = (asked << self._bits) + contexts[:, -back]
        low, high = (np.searchsorted(numbers, asked, side=side) for side in ("left", "right"))
        count = min(self.beside, len(numbers))
        each = np.arange(count)
        first = ((low + high - count) // 2).clip(0, len(numbers) - count)
        at = first[:, None] + each
        many = high - low > count  # of more that are equal, some from all over
        at[many] = low[many, None] + each * (high - low)[many, None] // count
        common = numbers[at] ^ asked[:, None]
        shared = np.zeros(at.shape, np.float32)
        for back in range(self.context):
            shared += common >> self._bits * back == 0
        places = order[at]
        pieces = np.where(shared > 0, self.texts.ids[places], -1)
        keys = self.keys[places] * np.float32(self.room.step)
        return Remembered(keys, pieces, shared / np.float32(self.context))

    def to_bytes(self) -> bytes:
        held = {
            "texts": self.texts.ids,
            "texts.offsets": self.texts.offsets,
            "keys": self.keys,
            "mean": self.room.mean,
            "basis": self.room.basis,
        }
        told = {"step": self.room.step, "trust": asdict(self.trust)}
        told |= {"beside": self.beside, "pieces": self.pieces}
        made: bytes = safetensors.save(held, {"seqpipe": json.dumps(told)})
        return made

    @classmethod
    def from_bytes(cls, data: bytes) -> "TextMemory":
        with opened(data) as (held, told):
            return cls(
                Rows(held["texts"], held["texts.offsets"]),
                held["keys"],
                Room(held["mean"], held["basis"], told["step"]),
                Trust(**told["trust"]),
                told["beside"],
                told["pieces"],
            )

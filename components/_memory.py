"""The pairs that a translator remembers, and the vectors that stood before each of their pieces."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Dict, List, Tuple

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from seqpipe.errors import MemoryUnfit
from seqpipe.search.recalling import Remembered, Trust
from seqpipe.text.codec import Ids
from seqpipe.text.likeness import Likeness
from seqpipe.text.rows import Rows

MEMORY = "memory.safetensors"
_NOTED = 8192  # sources whose pairs are found again without a search
_SAME = 1 - 1e-9
_STEPS = 127  # of what 8 bits hold, to each side of zero


@dataclass(frozen=True)
class Recalled:
    """A remembered pair, and how alike its source is: 1 for the same."""

    source: str
    target: str
    likeness: float


@dataclass(frozen=True)
class Room:
    """Where the vectors of a net are compared: their most telling directions, in such a unit that
    two of them lie 1 apart, squared, on average."""

    mean: np.ndarray  # (D',)
    basis: np.ndarray  # (D', D)
    step: float  # of the 8 bits that each number is kept in

    def within(self, vectors: np.ndarray) -> np.ndarray:
        """(R, D') to (R, D)"""
        found: np.ndarray = (vectors.astype(np.float32, copy=False) - self.mean) @ self.basis
        return found

    def kept(self, vectors: np.ndarray) -> np.ndarray:
        """(R, D') to (R, D) of 8 bits."""
        rounded = np.rint(self.within(vectors) / self.step)
        return rounded.clip(-_STEPS, _STEPS).astype(np.int8)


@dataclass(frozen=True)
class PairMemory:
    """Pairs by their texts, the pieces of both sides, and a vector before each of the target's."""

    pairs: List[Tuple[str, str]]
    sources: Rows
    targets: Rows  # ids
    keys: np.ndarray  # (all ids of the targets, D) of 8 bits
    room: Room
    trust: Trust
    beside: int  # pairs that a source is translated beside
    _noted: Dict[bytes, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def _index(self) -> Likeness:
        return Likeness(self.sources)

    def within(self, vectors: np.ndarray) -> np.ndarray:
        return self.room.within(vectors)

    def nearest(self, row: Ids) -> Tuple[np.ndarray, np.ndarray]:
        """The places of the pairs that a source is translated beside, and how alike they are: those
        of the same source alone, where there are such."""
        key = row.tobytes()
        found = self._noted.get(key)
        if found is None:
            if len(self._noted) >= _NOTED:
                self._noted.clear()
            places, alike = self._index.nearest(row, self.beside)
            same = alike > _SAME if len(alike) and alike[0] > _SAME else alike > 0
            found = self._noted[key] = places[same], np.where(alike > _SAME, 1, alike)[same]
        return found

    def of(self, rows: Sequence[Ids]) -> Remembered:
        """What is remembered beside each of these sources."""
        nearest = [self.nearest(row) for row in rows]
        found = [self._places(pairs) for pairs, _ in nearest]
        pieces = np.full((len(found), max(1, *map(len, found))), -1, np.int64)
        keys = np.zeros((*pieces.shape, self.keys.shape[1]), np.float32)
        alike = np.zeros(pieces.shape, np.float32)
        for i, (places, (pairs, likeness)) in enumerate(zip(found, nearest, strict=True)):
            own = slice(len(places))
            pieces[i, own] = self.targets.ids[places]
            keys[i, own] = self.keys[places] * np.float32(self.room.step)
            alike[i, own] = np.repeat(likeness, self.targets.lengths[pairs])
        return Remembered(keys, pieces, alike)

    def _places(self, pairs: np.ndarray) -> np.ndarray:
        """Where the pieces of their targets stand."""
        offsets = self.targets.offsets
        return np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(offsets[i], offsets[i + 1]) for i in pairs)]
        )

    def to_bytes(self) -> bytes:
        texts = [text.encode("utf-8", "surrogatepass") for pair in self.pairs for text in pair]
        held = {
            "texts": np.frombuffer(b"".join(texts), np.uint8),
            "ends": np.cumsum([0, *map(len, texts)]),
            "sources": self.sources.ids,
            "sources.offsets": self.sources.offsets,
            "targets": self.targets.ids,
            "targets.offsets": self.targets.offsets,
            "keys": self.keys,
            "mean": self.room.mean,
            "basis": self.room.basis,
        }
        told = {"step": self.room.step, "trust": asdict(self.trust), "beside": self.beside}
        made: bytes = safetensors.save(held, {"seqpipe": json.dumps(told)})
        return made

    @classmethod
    def from_bytes(cls, data: bytes) -> "PairMemory":
        with opened(data) as (held, told):
            texts, ends = held["texts"].tobytes(), held["ends"].tolist()
            every = [texts[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)]
            return cls(
                list(zip(every[::2], every[1::2], strict=True)),
                Rows(held["sources"], held["sources.offsets"]),
                Rows(held["targets"], held["targets.offsets"]),
                held["keys"],
                Room(held["mean"], held["basis"], told["step"]),
                Trust(**told["trust"]),
                told["beside"],
            )


@contextmanager
def opened(data: bytes) -> Iterator[Tuple[Dict[str, np.ndarray], Dict[str, Any]]]:
    """The tensors of a memory's file, and what is told beside them; what is lacking is damage."""
    try:
        held = safetensors.load(data)
        size = int.from_bytes(data[:8], "little")
        told: Dict[str, Any] = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["seqpipe"])
        yield held, told
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise MemoryUnfit(f"its file is damaged ({error})") from error

"""A text without end: its state can be copied, kept in a file, and gone on from."""

import copy
import json
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Protocol, Tuple, Union

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from seqpipe.components._surprisal import Costs
from seqpipe.errors import CheckpointError
from seqpipe.files import written
from seqpipe.search import arrays
from seqpipe.text.codec import Ids

if TYPE_CHECKING:
    from seqpipe.nets.carry import Carry

_MOST = 4096  # characters of one kind in a row, which might all be one word: longer ones are cut


@dataclass(frozen=True)
class Told:
    """A piece of the text, where it stands in characters from the beginning, and its bits."""

    start: int
    end: int
    bits: float


class Reader(Protocol):
    """A stage that goes on from what was read before."""

    @property
    def codec_unit(self) -> str: ...
    @property
    def mark(self) -> int:
        """Sets this model apart from others."""

    def begin(self) -> "Carry": ...
    def read_on(self, text: str, carry: "Carry") -> "Tuple[Ids, Costs, Carry]": ...
    def follow(self, carry: "Carry", seed: int, /, **settings: Any) -> Iterator[str]: ...


class TextStream:
    """What a generator knows of a text that comes bit by bit, however it is cut.

    Pieces of more than one character are told as soon as nothing that may follow can change them;
    what is held back until then is told by `finish`.
    """

    def __init__(self, stage: Reader) -> None:
        self._stage = stage
        self._carry = stage.begin()
        self._held = ""
        self._seed = 0
        self.characters = 0  # that were told
        self.bits = 0.0  # of them all

    @property
    def bits_per_char(self) -> Optional[float]:
        """None before the first character."""
        return self.bits / self.characters if self.characters else None

    def feed(self, text: str) -> List[Told]:
        """What is known of the text now, after a bit more of it."""
        told: List[Told] = []
        for at in range(0, len(text), _MOST):
            self._held += text[at : at + _MOST]
            while sure := self._settled():
                told += self._tell(sure)
        return told

    def _settled(self) -> int:
        return len(self._held) if self._stage.codec_unit == "char" else _settled(self._held)

    def finish(self) -> List[Told]:
        """The same, if nothing follows."""
        return self._tell(len(self._held))

    def _tell(self, sure: int) -> List[Told]:
        text, self._held = self._held[:sure], self._held[sure:]
        if not text:
            return []
        ids, costs, self._carry = self._stage.read_on(text, self._carry)
        self._seed = seed_of(ids, self._seed)
        spans = (costs.offsets + self.characters).tolist()
        self.characters += len(text)
        self.bits += costs.total
        return [Told(a, b, bits) for (a, b), bits in zip(spans, costs.bits.tolist(), strict=True)]

    def write(self, **settings: Any) -> Iterator[str]:
        """What may follow, bit by bit; the stream stays where it is. Settings as of
        `Generator.write`."""
        stream = self.copy()
        stream.finish()
        return self._stage.follow(stream._carry, stream._seed, **settings)

    def copy(self) -> "TextStream":
        """Another one that has read the same."""
        return copy.copy(self)

    def to_bytes(self) -> bytes:
        """A safetensors file."""
        facts = {
            "held": self._held,
            "seed": self._seed,
            "characters": self.characters,
            "bits": self.bits,
            "mark": self._stage.mark,
        }
        held = self._carry.tensors().items()
        tensors = {name: np.ascontiguousarray(arrays.array(t)) for name, t in held}
        return save(tensors, metadata={"stream": json.dumps(facts)})

    def save(self, path: Union[str, Path]) -> None:
        """Under a temporary name, then renamed."""
        with written(Path(path)) as beside:
            beside.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, stage: Reader, path: Union[str, Path]) -> "TextStream":
        """Goes on where another one of the same model was saved."""
        stream = cls(stage)
        try:
            with safe_open(path, framework="np") as file:
                facts = json.loads(file.metadata()["stream"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            carry = stream._carry.like(tensors)
            stream._held, stream._seed = str(facts["held"]), int(facts["seed"])
            stream.characters, stream.bits = int(facts["characters"]), float(facts["bits"])
            mark = int(facts["mark"])
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise CheckpointError(path, f"it holds no state of a text ({error})") from error
        if mark != stage.mark:
            raise CheckpointError(path, "it is of another model")
        stream._carry = carry
        return stream


def seed_of(ids: Ids, before: int = 0) -> int:
    """Of one text alone, whatever others are in its batch, and however it was cut."""
    return zlib.crc32(np.ascontiguousarray(ids, "<i4").tobytes(), before)


def _settled(text: str) -> int:
    """Up to where the pieces of a text stay as they are, whatever follows it: behind a run of
    letters or of digits, and before white space; or behind the most that is held, if that has
    no such place, so that a text is cut where it would be in bits of any other size."""
    for at in range(min(len(text) - 1, _MOST), 0, -1):
        before, here = text[at - 1], text[at]
        kind, after = unicodedata.category(before)[0], unicodedata.category(here)
        if here in " \n\t\r" and not before.isspace():
            return at
        # what this Python does not know yet may be a letter to the tokenizer
        if kind in "LN" and after[0] != kind and after != "Cn":
            return at
    return _MOST if len(text) >= _MOST else 0

"""What is to come through a translation as it is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import List, Tuple

import numpy as np
from spacy.tokens import Doc

from seqpipe.errors import SettingError
from seqpipe.text.codec import UNK, Codec

# A private character stands for what is protected; no more of them fit into one text.
HOLDERS = [chr(0xE000 + i) for i in range(16)]
_HELD = frozenset(HOLDERS)

_PATTERNS = {
    "number": r"\d+(?:[.,:/\-]\d+)*",
    "url": r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:!?)\]]|[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+",
}


@dataclass(frozen=True)
class Masked:
    """A text in which holders stand for what is protected."""

    text: str
    held: Tuple[str, ...]  # what each holder stands for
    origin: np.ndarray  # (len(text) + 1,) where each character stands in the text as it was

    def restored(self, text: str) -> Tuple[str, np.ndarray]:
        """A text, such as a net made of this one, with what its holders stand for, and where each
        character has moved to."""
        values = dict(zip(HOLDERS, self.held, strict=False))
        # a net may write one that stands for nothing
        parts = [values.get(c, c if c in self.text else "") if c in _HELD else c for c in text]
        return "".join(parts), np.cumsum([0, *map(len, parts)])


def holder_ids(codec: Codec) -> List[int]:
    """The piece of each holder."""
    found = codec.encode(HOLDERS)
    if any(len(ids) != 1 or ids[0] == UNK for ids in found):
        raise SettingError("tokenizer", "a file", "none where `protect` wants pieces of its own")
    return [int(ids[0]) for ids in found]


def plain(text: str) -> Masked:
    return Masked(text, (), np.arange(len(text) + 1))


class Protection:
    """Which parts of a text are to come through a translation as they are."""

    def __init__(self, kinds: Sequence[str]) -> None:
        patterns = [_PATTERNS[kind] for kind in ("url", "number") if kind in kinds]
        self._pattern = re.compile("|".join(patterns)) if patterns else None
        self._labels = {kind for kind in kinds if kind not in _PATTERNS}

    def __bool__(self) -> bool:
        return bool(self._pattern or self._labels)

    def masked(self, doc: Doc, text: str, start: int, end: int) -> Masked:
        """A stretch of the doc, whose text this is, with holders in it."""
        return self.mask_text(text[start:end], [*self._entities(doc, start, end)])

    def mask_text(self, text: str, entities: Sequence[Tuple[int, int]] = ()) -> Masked:
        """The same of a text whose entities stand there."""
        if not self or any(holder in text for holder in HOLDERS):
            return plain(text)
        found = _apart(sorted([*self._matches(text), *entities]))
        return _mask(text, found[: len(HOLDERS)])

    def _matches(self, text: str) -> List[Tuple[int, int]]:
        return [match.span() for match in self._pattern.finditer(text)] if self._pattern else []

    def _entities(self, doc: Doc, start: int, end: int) -> Iterator[Tuple[int, int]]:
        for ent in doc.ents if self._labels else ():
            if ent.label_ in self._labels and start <= ent.start_char and ent.end_char <= end:
                yield ent.start_char - start, ent.end_char - start

    def lesson(self, source: Masked, target: str) -> Tuple[str, str]:
        """A pair to learn from: holders only for what stands on both sides alike."""
        text = source.text
        for holder, value in zip(HOLDERS, source.held, strict=False):
            at = self._place(value, target)
            if at < 0:
                text = text.replace(holder, value)
            else:
                target = f"{target[:at]}{holder}{target[at + len(value) :]}"
        return text, target

    def _place(self, value: str, target: str) -> int:
        """Where a value stands as a whole, which the 5 of 15 does not; -1: nowhere."""
        if (0, len(value)) not in self._matches(value):
            return target.find(value)
        return next((a for a, b in self._matches(target) if target[a:b] == value), -1)


def _apart(spans: Sequence[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """The first of those that overlap."""
    kept: List[Tuple[int, int]] = []
    for start, end in spans:
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


def _mask(text: str, spans: Sequence[Tuple[int, int]]) -> Masked:
    parts, origin, at = [], [], 0
    for holder, (start, end) in zip(HOLDERS, spans, strict=False):
        parts += [text[at:start], holder]
        origin += [*range(at, start), start]
        at = end
    origin += range(at, len(text) + 1)
    held = tuple(text[start:end] for start, end in spans)
    return Masked("".join([*parts, text[at:]]), held, np.array(origin))

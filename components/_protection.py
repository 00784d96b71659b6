"""What is to come through a translation as it is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import List, Tuple

import numpy as np
from spacy.tokens import Doc

# A private character stands for what is protected; no more of them fit into one text.
HOLDERS = [chr(0xE000 + i) for i in range(16)]

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

    def masked(self, doc: Doc, start: int, end: int) -> Masked:
        """A stretch of the doc with holders in it."""
        text = doc.text[start:end]
        if not self or any(holder in text for holder in HOLDERS):
            return plain(text)
        spans = _apart(sorted(self._found(doc, start, end)))[: len(HOLDERS)]
        return _mask(text, spans)

    def _found(self, doc: Doc, start: int, end: int) -> Iterator[Tuple[int, int]]:
        if self._pattern:
            yield from (match.span() for match in self._pattern.finditer(doc.text[start:end]))
        if not self._labels:
            return
        for ent in doc.ents:
            if ent.label_ in self._labels and start <= ent.start_char and ent.end_char <= end:
                yield ent.start_char - start, ent.end_char - start

    @staticmethod
    def lesson(source: Masked, target: str) -> Tuple[str, str]:
        """A pair to learn from: holders only for what stands on both sides alike."""
        text = source.text
        for holder, value in zip(HOLDERS, source.held, strict=False):
            if value in target:
                target = target.replace(value, holder, 1)
            else:
                text = text.replace(holder, value)
        return text, target


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

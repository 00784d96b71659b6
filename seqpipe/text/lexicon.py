"""Known words as marks on the characters of a text: where one begins, ends, passes, and which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SourceMissing, SourceUnreadable

_LONGEST = 5  # parts of a word, characters or syllables, that are told apart; more are as many
_PER_SIDE = _LONGEST + 1

MARKS = 2 * _PER_SIDE * _PER_SIDE  # passed over or not, by the longest ending, by the longest begun

NO_LETTER, APART, ALONE = range(3)

_MOST_CHARACTERS = 40
_RUN = re.compile(r"[^\W\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\U0003ffff]+")
_WORD = "\0"  # in the tree of words: here one ends, and how often it was counted


class Lexicon:
    """Words of two parts and more, with how often each was counted.

    A part is a syllable between spaces, or a character of a script that sets no spaces; in all
    other scripts the words are set apart already, and the lexicon has nothing to say of them.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = {w: n for w, n in counts.items() if _speaks(w)}
        self.longest = max(map(len, self.counts), default=0)
        self._tree: dict[str, Any] = {}
        for word, count in self.counts.items():
            node = self._tree
            for character in word:
                node = node.setdefault(character, {})
            node[_WORD] = (count, min(_parts(word), _LONGEST))

    def __len__(self) -> int:
        return len(self.counts)

    def marks(self, text: str, *, own: Mapping[str, int] | None = None) -> NDArray[np.int32]:
        """A mark below MARKS for each character. `own` are the words of a text that the lexicon
        was counted from: what no other text holds is not known there, or it would be known better
        than in any text to come."""
        if not self._tree:
            return np.zeros(len(text), np.int32)
        sorts = list(map(_SORTS.__getitem__, text))
        begun, ended, passed = [0] * len(text), [0] * len(text), [0] * (len(text) + 1)
        tree, before = self._tree, NO_LETTER
        for start, sort in enumerate(sorts):
            if sort == ALONE or (sort and before != APART):
                node = tree.get(text[start])
                at = start
                while node is not None:
                    found = node.get(_WORD)
                    if found is not None and _closes(sorts, at):
                        count, parts = found
                        if own is None or count > own.get(text[start : at + 1], 0):
                            begun[start] = max(begun[start], parts)
                            ended[at] = max(ended[at], parts)
                            passed[start + 1] += 1
                            passed[at] -= 1
                    at += 1
                    node = node.get(text[at]) if at < len(text) else None
            before = sort
        over = np.cumsum(passed[:-1]) > 0
        sides = np.array(ended, np.int32) * _PER_SIDE + np.array(begun, np.int32)
        return (over * np.int32(_PER_SIDE * _PER_SIDE) + sides).astype(np.int32)

    def to_bytes(self) -> bytes:
        return _lines(self.counts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Lexicon:
        return cls(dict(_pairs(data.decode("utf-8"), "the bytes given")))

    @classmethod
    def load(cls, path: str | Path) -> Lexicon:
        """A file with a word a line, and if it likes a tab and a count."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise SourceMissing(str(path)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise SourceUnreadable(str(path), str(error)) from error
        return cls(dict(_pairs(text, str(path))))


class Runs:
    """Letters in a row that were seen more than once, as a number on each of their characters: what
    stands between spaces is known as a whole. Letters that stand alone belong to no run."""

    def __init__(self, counts: Mapping[str, int], most: int | None = None) -> None:
        often = sorted((w for w, n in counts.items() if n > 1), key=lambda w: (-counts[w], w))
        self.counts = {word: counts[word] for word in often[:most]}
        self.longest = max(map(len, self.counts), default=0)
        self._numbers = {word: number for number, word in enumerate(self.counts, 1)}

    def __len__(self) -> int:
        return len(self.counts)

    def extended(self, counts: Mapping[str, int], most: int) -> Runs:
        """With those of more text, up to so many in all; none that was known is lost."""
        new = {word: n for word, n in counts.items() if word not in self.counts}
        room = max(most - len(self), 0)
        known = {word: n + counts.get(word, 0) for word, n in self.counts.items()}
        return Runs({**known, **Runs(new, room).counts})

    def marks(self, text: str) -> NDArray[np.int32]:
        """0 where a character is in no known run: (S,)."""
        marks = np.zeros(len(text), np.int32)
        if self._numbers:
            for found in _RUN.finditer(text):
                if number := self._numbers.get(found[0].lower()):
                    marks[found.start() : found.end()] = number
        return marks

    def to_bytes(self) -> bytes:
        return _lines(self.counts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Runs:
        return cls(dict(_pairs(data.decode("utf-8"), "the bytes given")))


def runs_of(text: str) -> list[str]:
    """The runs of a text as they are counted."""
    return _RUN.findall(text.lower())


def _lines(counts: Mapping[str, int]) -> bytes:
    """A word and its count a line, in the order of words."""
    return "".join(f"{word}\t{counts[word]}\n" for word in sorted(counts)).encode()


def _pairs(text: str, source: str) -> Iterable[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), 1):
        word, _, count = line.partition("\t")
        if count and not count.strip().isdecimal():
            raise SourceUnreadable(source, f"line {number} has no whole number after its tab")
        if word.strip():
            yield word.strip(), int(count or 1)


class _Sorts(dict[str, int]):
    """What a character is to words: none of a letter, one among others, or one that stands alone,
    a letter of a script without case: in most of them words are not set apart."""

    def __missing__(self, character: str) -> int:
        sort = NO_LETTER
        if character.isalnum():
            sort = ALONE if category(character) == "Lo" else APART
        self[character] = sort
        return sort


_SORTS = _Sorts()


def _speaks(word: str) -> bool:
    plain = _WORD not in word and " ".join(word.split()) == word  # and so has a line to itself
    return plain and 1 < len(word) <= _MOST_CHARACTERS and _parts(word) > 1


def _parts(word: str) -> int:
    return word.count(" ") + 1 if " " in word else sum(_SORTS[c] == ALONE for c in word)


def _closes(sorts: list[int], at: int) -> bool:
    """Whether a word could end here."""
    return sorts[at] == ALONE or at + 1 == len(sorts) or sorts[at + 1] != APART

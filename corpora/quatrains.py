"""Chinese verse: four lines of five characters or of seven, with no character twice.

A line of five is said in one of some forms, such as a place, who is there and what it does; one of
seven has two characters before that. The second line and the fourth rhyme, mostly with the first;
the third ends in a falling tone, and neighbours are often of one form, as parallels are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

FALLING = ""  # in the list of rhymes: what ends a line that does not rhyme

_PARALLEL = 0.5
_OPENING = ("scene", "small", "mood")  # of the first two lines
_CLOSING = ("small", "mood", "act", "act", "ask")
_ASKED = ("何", "几时")


@dataclass(kw_only=True)
class Quatrain:
    """Writes one poem."""

    random: Random
    words: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    def poem(self) -> str:
        """Two couplets, each on a line; nothing where words run out."""
        size = self.random.choice([5, 7])
        rhyme = self.random.choice([name for name in self.words["rhymes"] if name])
        first = rhyme if self.random.random() < 0.6 else FALLING
        ends = [first, rhyme, FALLING, rhyme]
        forms = [*self.forms(_OPENING), *self.forms(_CLOSING)]
        lines = [self.line(form, end, size) for form, end in zip(forms, ends, strict=True)]
        if not all(lines):
            return ""
        return "\n".join(f"{a}，{b}{_mark(b)}" for a, b in (lines[:2], lines[2:]))

    def forms(self, known: Sequence[str]) -> list[str]:
        one, other = self.random.choices(known, k=2)
        return [one, one if self.random.random() < _PARALLEL else other]

    def line(self, form: str, end: str, size: int) -> str:
        """The last words first: they are the fewest that fit."""
        known = self.words["forms"][form]
        ways = ((way, self.fitting(way[-1], end)) for way in self.random.sample(known, len(known)))
        way, lasts = next((found for found in ways if found[1]), ([], []))
        last = self.taken(lasts)
        before = [self.words["before"][form]] * (size == 7)
        found = [self.taken(self.fitting(slot)) for slot in [*before, *way[:-1]]]
        return "".join([*found, last]) if last and all(found) else ""

    def fitting(self, slot: str, end: str | None = None) -> list[str]:
        """The words of a list, or those named, that hold no character used before."""
        listed = self.words["lists"][slot[1:]] if slot.startswith("@") else slot
        ends = "" if end is None else self.words["rhymes"][end]
        return [word for word in words_ending(listed, ends) if self.used.isdisjoint(word)]

    def taken(self, words: Sequence[str]) -> str:
        if not words:
            return ""
        word = self.random.choice(words)
        self.used |= {*word}
        return word


@cache
def words_ending(listed: str, ends: str) -> list[str]:
    """Those of a list whose last character is one of these; all, where none are named."""
    return [word for word in listed.split() if not ends or word[-1] in ends]


def _mark(line: str) -> str:
    return "？" if any(asked in line for asked in _ASKED) else "。"

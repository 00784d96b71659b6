"""English verse: iambs of four feet in couplets or crossed rhymes, or of four and three in turn.

Everything in the list of words is a measure long: `two` are nouns of two syllables, stressed on the
first, `one` are nouns of one, and every end of a line is two feet that end in the rhyme.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

# The rhymes of the four lines of a stanza, and the feet of the second and the fourth.
_FORMS = {"couplets": ("aabb", 4), "crossed": ("abab", 4), "ballad": ("abab", 3)}


@dataclass(kw_only=True)
class Balladeer:
    """Writes one poem; what it has named it does not name again."""

    random: Random
    words: Mapping[str, Any]
    used: set[str] = field(default_factory=set)
    kind: str = ""  # of what is spoken of: its verbs are those that fit
    heard: str = ""  # the kind that the next noun has to be of
    moves: bool = False  # whether the last verb is one of going somewhere

    def poem(self) -> str:
        """Two stanzas of one form, of four different rhymes; nothing where words run out."""
        rhymes, feet = _FORMS[self.random.choice([*_FORMS])]
        names = self.random.sample([*self.words["rhymes"]], 4)
        stanzas = [self.stanza(names[:2], rhymes, feet), self.stanza(names[2:], rhymes, feet)]
        return "\n\n".join(stanzas) if all(stanzas) else ""

    def stanza(self, names: Sequence[str], rhymes: str, feet: int) -> str:
        ends = [names["ab".index(letter)] for letter in rhymes]
        lines = [*self.sentence(ends[:2], feet), *self.sentence(ends[2:], feet)]
        return "\n".join(line[0].upper() + line[1:] for line in lines) if len(lines) == 4 else ""

    def sentence(self, ends: Sequence[str], feet: int) -> list[str]:
        """Two lines; a pattern holds the first, and the second in four feet and in three."""
        for first, long, short in self.random.choices(self.words["sentences"], k=20):
            before = {*self.used}
            lines = [self.line(first, ends[0]), self.line(long if feet == 4 else short, ends[1])]
            if all(lines):
                return lines
            self.used = before
        return []

    def line(self, pattern: str, rhyme: str) -> str:
        """The pattern filled; nothing where the rhyme has no word for it that is not used."""
        self.heard = ""
        if "{asked}" in pattern:  # first, for the verb before it is one of its own
            pattern = pattern.replace("{asked}", self.asked(rhyme) or "{none}")
        parts = re.split(r"\{(\w+)\}", pattern)
        parts[1::2] = [self.filled(slot, rhyme) for slot in parts[1::2]]
        return "".join(parts) if all(parts[1::2]) else ""

    def filled(self, slot: str, rhyme: str) -> str:
        match slot:
            case "two" | "one" | "twos" | "ones":
                return self.noun(slot)
            case "go" | "goes":
                return self.verb(slot)
            case "stands":
                noun, does = self.noun("one"), self.verb("goes")
                return f"{does} the {noun}" if noun and does else ""
            case "end":
                return self.end(rhyme, ["any", "move"] if self.moves else ["any"])
            case "is" | "are":
                have = "has" if slot == "is" else "have"
                return self.end(rhyme, ["be"]).replace("{is}", slot).replace("{has}", have)
            case "I":
                self.kind = "person"
                return self.random.choice(["I", "we"])
            case "hear":
                verb: str = self.random.choice([*self.words["hear"]])
                self.heard = self.random.choice(self.words["hear"][verb].split(", "))
                return verb
        return self.drawn(self.words["how"]) if slot == "how" else ""

    def asked(self, rhyme: str) -> str:
        noun = self.drawn(self.words["rhymes"][rhyme].get("asked", ""))
        kinds = self.words["kinds"].items()
        self.kind = next((k for k, of in kinds if noun in of["one"].split(", ")), "person")
        return noun

    def noun(self, slot: str) -> str:
        """One of any kind, or of the kind that was just heard."""
        size, several = slot[:3], slot.endswith("s")
        self.kind = self.heard or self.random.choice([*self.words["kinds"]])
        self.heard, self.moves = "", False
        of = self.words["kinds"][self.kind]
        alone = of.get("alone", "").split(", ") if several else []
        noun = self.drawn(", ".join(n for n in of[size].split(", ") if n not in alone))
        return plural(noun) if several and noun else noun

    def verb(self, slot: str) -> str:
        of = self.words["kinds"][self.kind]
        self.moves = bool(of["move"]) and self.random.random() < 0.5
        verb = self.drawn(of["move" if self.moves else "rest"])
        return plural(verb) if slot == "goes" and verb else verb

    def end(self, rhyme: str, names: Sequence[str]) -> str:
        """Two feet whose last word does not yet stand at the end of a line."""
        every = ", ".join(self.words["rhymes"][rhyme][name] for name in names).split(", ")
        fresh = [end for end in every if end.split()[-1] not in self.used]
        if not fresh:
            return ""
        end = self.random.choice(fresh)
        self.used.add(end.split()[-1])
        return end.replace("{hue}", self.drawn(self.words["hue"])) if "{hue}" in end else end

    def drawn(self, listed: str) -> str:
        fresh = [word for word in listed.split(", ") if word and word not in self.used]
        if not fresh:
            return ""
        word = self.random.choice(fresh)
        self.used.add(word)
        return word


def plural(word: str) -> str:
    """Of a noun; a verb takes the same ending in the third person."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "s"

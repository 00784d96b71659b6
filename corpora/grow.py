"""Writes the bundled corpora from lists of words and sentence patterns, the same for a seed.

    python -m seqpipe.corpora.grow FOLDER

The running text is written by `seqpipe.corpora.sentences`, the phrases with their translations by
`seqpipe.corpora.phrases`, the poems by `seqpipe.corpora.verse`, the reviews here. A review is
about one thing (a hotel, a phone ...) and says one or two things of its parts; in a contrast the
last clause decides. What begins with `*` in the lists, and one in five pairs of a part and an
adjective, is kept for the validation part: each of its reviews holds some of that.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from seqpipe.corpora.bundled import BUNDLED
from seqpipe.corpora.languages import LANGUAGES, Language, Said
from seqpipe.corpora.phrases import PHRASES, grow_phrases
from seqpipe.corpora.picking import NEW, Picker
from seqpipe.corpora.sentences import TONGUES, Row, grow_sentences
from seqpipe.corpora.verse import VERSE, grow_verse

SEED = 20
ROWS = {"train": 2200, "validation": 400}
NAMES = {True: "positive", False: "negative"}


@dataclass(kw_only=True)
class Author(Picker):
    """Writes one review; `new` tells whether it holds anything kept from training."""

    words: Mapping[str, Any]
    language: Language
    kept: frozenset[str]
    used: set[str] = field(default_factory=set)
    domain: str = ""
    voice: Mapping[str, str] = field(default_factory=dict)

    def review(self, good: bool) -> str:
        self.domain = self.pick(list(self.words["domains"]))
        self.voice = self.language.voice(self.random)
        say, tail = self.random.choices(
            [(self.say_one, 0.6), (self.say_and, 0.4), (self.say_but, 0.35)], [35, 35, 30]
        )[0]
        sentences = [self.fill(self.pick(self.topic["open"]))] * (self.random.random() < 0.4)
        sentences.append(say(good))
        if self.random.random() < tail:
            general, special = self.words[f"close_{_side(good)}"], self.topic[_side(good)]
            sentences.append(self.fill(self.pick(self.random.choice([general, special]))))
        return self.language.finish(sentences)

    @property
    def topic(self) -> Mapping[str, Any]:
        domains: Mapping[str, Mapping[str, Any]] = self.words["domains"]
        return domains.get(self.domain) or domains[f"*{self.domain}"]

    def say_one(self, good: bool) -> str:
        kinds = ["plain", "negated", "turned", f"only_{_side(good)}"]
        return self.clause(good, self.weighed(kinds, [55, 25, 10, 10]))

    def say_and(self, good: bool) -> str:
        first = self.clause(good, self.weighed(["plain", "negated"], [75, 25]))
        return self.join("and", first, self.say_one(good))

    def say_but(self, good: bool) -> str:
        first = self.clause(not good, self.weighed(["plain", "negated", "event"], [60, 15, 25]))
        if self.random.random() < 0.2:
            pattern = self.pick(self.words[f"but_{_side(good)}"])
            return self.fill(pattern, {"1": first, **self.said(pattern, good)})
        kinds = ["plain", "negated", "event", f"only_{_side(good)}"]
        return self.join("but", first, self.clause(good, self.weighed(kinds, [50, 20, 15, 15])))

    def join(self, kind: str, first: str, second: str) -> str:
        return self.fill(self.pick(self.words[kind]), {"1": first, "2": second})

    def clause(self, good: bool, kind: str) -> str:
        if kind == "event":
            return self.fill(self.pick(self.topic[_side(good)]))
        pattern = self.pick(self.words[kind])
        return self.fill(pattern, self.said(pattern, good))

    def said(self, pattern: str, good: bool) -> Mapping[str, str]:
        """A part not spoken of yet, with the words for it that the pattern asks for."""
        nouns = [noun for noun in self.topic["aspects"] if noun not in self.used]
        noun = self.random.choice(nouns)
        self.used.add(noun)
        number, praise, blame = self.topic["aspects"][noun]
        ours, theirs = (praise, blame) if good else (blame, praise)
        word, also = self.adjectives(noun, ours.split(", "), pattern, "w")
        opposite, opposite_also = self.adjectives(noun, theirs.split(", "), pattern, "v")
        said = Said(noun, number, word, also, opposite, opposite_also)
        return self.language.fields(said, self.voice)

    def adjectives(
        self, noun: str, words: Sequence[str], pattern: str, slot: str
    ) -> tuple[str, str]:
        """Up to two different ones, and none that the pattern has no place for."""
        first = self.adjective(noun, words) if re.search(rf"{{\w*{slot}}}", pattern) else ""
        left = [word for word in words if word.lstrip("*") != first]
        return first, self.adjective(noun, left) if f"{{{slot}2}}" in pattern else ""

    def adjective(self, noun: str, words: Sequence[str]) -> str:
        """One that the part was never seen with, where it may be; else a known one."""
        fresh = [word for word in words if f"{self.domain}/{noun}/{word}" in self.kept]
        known = [word for word in words if word not in fresh]
        if fresh and (not known or (self.held and self.random.random() < NEW)):
            self.new = True
            return self.random.choice(fresh).lstrip("*")
        return self.random.choice(known)

    def weighed(self, kinds: Sequence[str], weights: Sequence[int]) -> str:
        return self.random.choices(kinds, weights)[0]

    def fill(self, pattern: str, values: Mapping[str, str] | None = None) -> str:
        known = {**self.voice, **(values or {})}
        return re.sub(r"\{(\w+)\}", lambda m: known.get(m[1]) or self.filler(m[1]), pattern)

    def filler(self, name: str) -> str:
        """A number, month, person ... not named in this review before."""
        options = self.words["fill"][name]
        if name == "very":
            return self.pick(options)
        word = self.pick([option for option in options if option not in self.used])
        self.used.add(word)
        return word


def grow(name: str, folder: Path, *, seed: int = SEED) -> None:
    """Writes `train` and `validation` of one bundled corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "jsonl" if name in LANGUAGES else "jsonl.gz"
    grown = next(grower for names, grower in _GROWERS if name in names)
    for split, rows in grown(name, seed).items():
        _write(folder / f"{split}.{suffix}", rows)


def grow_reviews(name: str, seed: int) -> dict[str, list[Row]]:
    language = LANGUAGES[name]
    words = json.loads((Path(__file__).parent / "data" / language.words).read_text("utf-8"))
    random, kept, seen = Random(seed), kept_pairs(words), set[str]()
    parts: dict[str, list[Row]] = {}
    for split, count in ROWS.items():
        rows = parts[split] = []
        while len(rows) < count:
            author = Author(
                words=words, language=language, random=random, held=split != "train", kept=kept
            )
            good = len(rows) % 2 == 0
            text = author.review(good)
            if author.new == author.held and text not in seen and language.fits(text):
                seen.add(text)
                rows.append({"text": language.written(text, random), "label": NAMES[good]})
        random.shuffle(rows)
    return parts


_GROWERS: Sequence[tuple[Mapping[str, Any], Callable[[str, int], dict[str, list[Row]]]]] = (
    (LANGUAGES, grow_reviews),
    (TONGUES, grow_sentences),
    (PHRASES, grow_phrases),
    (VERSE, grow_verse),
)


def _write(target: Path, rows: Sequence[Row]) -> None:
    """Packed where the name says so, with no time and no name inside: the same bytes every time."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    content = text.encode("utf-8")
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(gzip.compress(content, mtime=0) if target.suffix == ".gz" else content)
    partial.replace(target)


def _side(good: bool) -> str:
    return "good" if good else "bad"


def kept_pairs(words: Mapping[str, Any]) -> frozenset[str]:
    """Parts with an adjective that training never shows together, chosen by a checksum.

    The adjective itself is shown, with other parts: only those with a `*` are new altogether.
    """
    pairs = [
        (f"{domain.lstrip('*')}/{noun}/{word}", word)
        for domain, topic in words["domains"].items()
        for noun, (_, *sides) in topic["aspects"].items()
        for word in ", ".join(sides).split(", ")
    ]
    spread = Counter(word for _, word in pairs)
    return frozenset(
        pair
        for pair, word in pairs
        if word.startswith("*") or (spread[word] > 2 and crc32(pair.encode()) % 5 == 0)
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data"
    for name in BUNDLED:
        grow(name, folder / name)


if __name__ == "__main__":
    main()

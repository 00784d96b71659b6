"""Writes the bundled running text: documents of paragraphs of sentences, with their tokens.

In the lists of words `|` parts two tokens that touch, a space two that do not, and `{name}` is
filled in. A document keeps to one topic, and to the names under `kept`; a sentence of validation
never stands in training. What makes it hard is meant: abbreviations before and at the end of
sentences, quotations within them, headings without a full stop, characters that belong to one
word here and to another there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from seqpipe.corpora.picking import Picker

Row: TypeAlias = dict[str, Any]

ROWS = {"train": 1500, "validation": 300}
REPEATS = {"train": 3, "validation": 1}  # how often a sentence may come: the plainest often do


@dataclass(frozen=True, slots=True)
class Tongue:
    """What a language has besides its list of words."""

    words: str
    stop: str
    spaced: bool
    phone: str
    hanzi: str = "一二三四五六七八九十"


TONGUES = {
    "sentences_en": Tongue("sentences_en.json", ".", True, "555-01{:02}"),
    "sentences_zh": Tongue("sentences_zh.json", "。", False, "010-555501{:02}"),
}

_NUMBERS: Mapping[str, Callable[[Random, Tongue], str]] = {
    "n1": lambda random, _: str(random.randint(2, 9)),
    "n2": lambda random, _: str(random.choice([*range(12, 18), *range(19, 61)])),  # a 12, no an 18
    "n3": lambda random, _: str(random.randint(12, 79) * 10),
    "year": lambda random, _: str(random.randint(1901, 2024)),
    "decade": lambda random, _: f"{random.randint(190, 199)}0s",
    "date": lambda random, _: str(random.randint(1, 28)),
    "month": lambda random, _: str(random.randint(1, 12)),
    "time": lambda random, _: f"{random.randint(1, 12)}:{random.randint(0, 11) * 5:02}",
    "thousand": lambda random, _: f"{random.randint(1, 60)},{random.randint(1, 99):02}0",
    "percent": lambda random, _: random.choice(["{n1}|%", "{n1}.{n1}|%", "{n1} percent"]),
    "money": lambda random, _: random.choice("$$$€£") + random.choice(["|{n2}", "|{n1}.{n1}0"]),
    "phone": lambda random, tongue: tongue.phone.format(random.randint(0, 99)),
    "hanzi": lambda random, tongue: random.choice(tongue.hanzi),
    "mail": lambda random, _: f"service{random.randint(1, 99)}@example.com",
}


@dataclass(kw_only=True)
class Writer(Picker):
    """Writes one document."""

    words: Mapping[str, Any]
    tongue: Tongue
    seen: Counter[str]
    repeats: int
    kept: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def document(self) -> list[list[str]]:
        """Paragraphs of sentences that still have their marks; headings are paragraphs too."""
        topic = self.words["topics"][self.random.choice(list(self.words["topics"]))]
        found = [self.paragraph(topic) for _ in range(self.random.randint(1, 3))]
        if self.random.random() < 0.5:
            found.insert(0, [self.fill(self.pick(topic["head"]))])
        if "foot" in topic and self.random.random() < 0.7:
            found.append([self.fill(self.pick(topic["foot"]))])
        return [sentences for sentences in found if sentences]

    def paragraph(self, topic: Mapping[str, Any]) -> list[str]:
        found = [self.sentence(topic["say"]) for _ in range(self.random.randint(2, 6))]
        sentences = [sentence for sentence in found if sentence]
        if sentences and topic.get("loose"):
            sentences[-1] = self.loosened(sentences[-1])
        return sentences

    def sentence(self, patterns: list[str]) -> str:
        """One that was not said too often, and whose pattern is new here; nothing if none is."""
        for _ in range(20):
            pattern = self.pick(patterns)
            said = self.fill(pattern)
            if pattern not in self.used and self.seen[said] < self.repeats:
                self.used.add(pattern)
                self.seen[said] += 1
                return said
        return ""

    def loosened(self, sentence: str) -> str:
        """As people end their lines: without a full stop, or with a face."""
        if self.random.random() < 0.3:
            sentence = sentence.removesuffix(f"|{self.tongue.stop}")
        if "smile" in self.words["fill"] and self.random.random() < 0.2:
            sentence += " " + self.fill("{smile}")
        return sentence

    def fill(self, pattern: str) -> str:
        """Nothing is named twice in a sentence, and one full stop is enough: "in the U.S."."""
        named: set[str] = set()
        while found := re.search(r"\{(\w+)\}", pattern):
            word = self.filler(found[1])
            for _ in range(9):
                if word in named:
                    word = self.filler(found[1])
            named.add(word)
            pattern = pattern[: found.start()] + word + pattern[found.end() :]
        return re.sub(r"(?<=[A-Za-z]\.)\|\.(?=$|\|)", "", pattern)

    def filler(self, name: str) -> str:
        if name in self.kept:
            return self.kept[name]
        options = self.words["fill"].get(name)
        word = self.pick(options) if options else _NUMBERS[name](self.random, self.tongue)
        if name in self.words["kept"]:
            self.kept[name] = word
        return word


def grow_sentences(name: str, seed: int) -> dict[str, list[Row]]:
    """The rows of both parts, in the order of their documents."""
    tongue = TONGUES[name]
    words = json.loads((Path(__file__).parent / "data" / tongue.words).read_text("utf-8"))
    random, seen = Random(seed), Counter[str]()
    parts: dict[str, list[Row]] = {}
    for split, count in ROWS.items():
        rows = parts[split] = []
        while len(rows) < count:
            said = seen.copy()
            writer = Writer(
                random=random,
                held=split != "train",
                words=words,
                tongue=tongue,
                seen=said,
                repeats=REPEATS[split],
            )
            document = writer.document()
            if document and writer.new == writer.held:
                seen = said
                rows += _rows(document, f"{split}-{len(rows)}", spaced=tongue.spaced)
    return parts


def _rows(document: list[list[str]], doc_id: str, *, spaced: bool) -> list[Row]:
    return [
        {**parted(sentence, spaced=spaced), "newpar": place == 0, "doc_id": doc_id}
        for paragraph in document
        for place, sentence in enumerate(paragraph)
    ]


def parted(marked: str, *, spaced: bool) -> Row:
    """The text, tokens and spaces of a sentence with marks."""
    pieces = re.split(r"\|?( )|\|", marked)
    tokens, spaces = pieces[::2], [gap == " " for gap in pieces[1::2]] + [spaced]
    text = "".join(token + " " * gap for token, gap in zip(tokens, spaces, strict=True))
    return {"text": text.rstrip(" "), "tokens": tokens, "space_after": spaces}

"""Writes the bundled verse: ballads in English, quatrains in Chinese.

Each poem is said by a grammar of ours, `ballads` or `quatrains`, from a list of words. No line of
the validation part stands in training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from seqpipe.corpora.ballads import Balladeer
from seqpipe.corpora.phrases import words_of
from seqpipe.corpora.quatrains import Quatrain
from seqpipe.corpora.sentences import Row


@dataclass(frozen=True, slots=True)
class Verse:
    """Who writes it, from which list of words, and how many poems there are."""

    words: str
    poet: Callable[..., Balladeer | Quatrain]
    rows: Mapping[str, int]


VERSE = {
    "verse_en": Verse("verse_en.json", Balladeer, {"train": 1000, "validation": 80}),
    "verse_zh": Verse("verse_zh.json", Quatrain, {"train": 2200, "validation": 200}),
}


def grow_verse(name: str, seed: int) -> dict[str, list[Row]]:
    """The rows of both parts: a poem each, and none of them twice."""
    verse = VERSE[name]
    words = json.loads((Path(__file__).parent / "data" / verse.words).read_text("utf-8"))
    random, known = Random(f"{seed}/{name}"), set[str]()
    parts: dict[str, list[Row]] = {}
    for split, count in verse.rows.items():
        poems: dict[str, None] = {}
        while len(poems) < count:
            poem = verse.poet(random=random, words=words).poem()
            if poem and fits(poem, words) and not known & {*lines_of(poem)}:
                poems[poem] = None
        known |= {line for poem in poems for line in lines_of(poem)}
        parts[split] = [{"text": poem} for poem in poems]
    return parts


def lines_of(poem: str) -> list[str]:
    return [line for line in poem.split("\n") if line]


def fits(poem: str, words: Mapping[str, Any]) -> bool:
    """No snow in June, and no stars at noon: of words that are kept apart, those of one side."""
    said = {*words_of(poem)}
    return not any(
        said & {*words_of(one)} and said & {*words_of(other)} for one, other in words["apart"]
    )

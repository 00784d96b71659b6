"""Writes the bundled phrases: everyday sentences in English, each with its translation.

A meaning is drawn and said by each language on its own (`english`, `german`, `chinese`), so that
what agrees in one and stands elsewhere in the other has to be learned. A share of the pairs of
words, such as a verb with what it is done to, is kept for the validation part: each of its phrases
holds one, made of words that training shows in other pairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import TypeAlias
from zlib import crc32

from seqpipe.corpora.chinese import chinese
from seqpipe.corpora.english import english
from seqpipe.corpora.german import german
from seqpipe.corpora.meanings import Meaning
from seqpipe.corpora.sentences import Row
from seqpipe.corpora.speaker import Unsayable
from seqpipe.corpora.talker import Talker

Say: TypeAlias = Callable[[Meaning], str]

ROWS = {"train": 5000, "validation": 300}
KEPT = 12  # one in so many pairs of words is kept from training
MOST = 6  # phrases of validation that show the same of these

PHRASES: Mapping[str, Mapping[str, Say]] = {
    "phrases_en_de": {"en": english, "de": german},
    "phrases_en_zh": {"en": english, "zh": chinese},
}


def grow_phrases(name: str, seed: int) -> dict[str, list[Row]]:
    """The rows of both parts: no sentence stands twice, and validation shows no new word."""
    random, shown = Random(f"{seed}/{name}"), Counter[str]()
    seen, known = set[str](), set[str]()
    parts: dict[str, list[Row]] = {}
    for split, count in ROWS.items():
        rows = parts[split] = []
        while len(rows) < count:
            talker = Talker(random)
            try:
                meaning = talker.meaning()
            except Unsayable:
                continue
            row = {language: say(meaning) for language, say in PHRASES[name].items()}
            words = {word for text in row.values() for word in words_of(text)}
            held = [pair for pair in talker.pairs if is_kept(pair)]
            if bool(held) == (split == "train") or seen & {*row.values()}:
                continue
            if held and (any(shown[pair] >= MOST for pair in held) or words - known):
                continue
            shown.update(held)
            known |= words
            seen |= {*row.values()}
            rows.append(row)
    return parts


def is_kept(pair: str) -> bool:
    """By a checksum, so that it is the same in every run."""
    return crc32(pair.encode()) % KEPT == 0


def words_of(text: str) -> list[str]:
    """Chinese is taken character by character."""
    return re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text)

"""The small corpora that travel with the library, written by `seqpipe.corpora.grow`."""

from __future__ import annotations

from pathlib import Path

from seqpipe.errors import SourceMissing

PREFIX = "bundled:"
BUNDLED = (
    "reviews_en",
    "reviews_zh",
    "sentences_en",
    "sentences_zh",
    "phrases_en_de",
    "phrases_en_zh",
    "verse_en",
    "verse_zh",
)


def bundled(name: str) -> Path:
    """The folder of a bundled corpus, with its parts `train` and `validation`."""
    name = name.removeprefix(PREFIX)
    if name not in BUNDLED:
        raise SourceMissing(PREFIX + name, near=[PREFIX + known for known in BUNDLED])
    return Path(__file__).parent / "data" / name

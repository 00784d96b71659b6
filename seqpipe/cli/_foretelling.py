"""How well a generator foretells texts: any number of them, of any length."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from seqpipe.components.generator import Generator

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from seqpipe.corpora.cuts import Part
    from seqpipe.explain.report.page import Findings

_AT_ONCE = 1_000_000  # characters in memory, or one text where it is longer


def foretellers(nlp: Language) -> list[Generator]:
    """The generators that put down what a text costs."""
    pipes = (pipe for _, pipe in nlp.pipeline)
    return [pipe for pipe in pipes if isinstance(pipe, Generator) and pipe.names.bits_per_char]


def measure_texts(
    nlp: Language,
    data: str,
    *,
    text: str | None,
    split: str,
    limit: int,
    findings: Findings | None = None,
) -> tuple[int, dict[str, Any]]:
    """How many texts there were, and the scores of the first generator on all of them; `findings`
    see each.

    A text is measured as a whole, up to what spaCy makes a doc of. Column and line ends are those
    of its training, where nothing else is said.
    """
    from spacy.training import Example

    from seqpipe.cli._pipeline import learned_from
    from seqpipe.corpora.texts import open_texts

    learned = learned_from(nlp)
    if learned.get("@readers") != "seqpipe.RunningText.v1":
        learned = {}
    clock = Clock()
    parts = open_texts(
        data,
        split=split,
        text=text or learned.get("text", "text"),
        limit=limit,
        join=learned.get("join", "auto"),
        longest=min(nlp.max_length, _AT_ONCE),
    )

    def examples() -> Iterator[Example]:
        for doc in clock.timed(nlp, parts):
            example = Example(doc, doc)
            if findings is not None:
                findings.add(example)
            yield example

    scores = foretellers(nlp)[0].score(examples())
    seconds = max(clock.seconds, 1e-9)
    speed = {
        "words_per_second": clock.words / seconds,
        "characters_per_second": clock.characters / seconds,
    }
    return clock.texts, {**scores, **speed}


class Clock:
    """Counts what a pipeline reads, and for how long."""

    def __init__(self) -> None:
        self.texts = self.words = self.characters = 0
        self.seconds = 0.0

    def timed(self, nlp: Language, parts: Iterable[Part]) -> Iterator[Doc]:
        for some in _together(parts):
            start = time.perf_counter()
            docs = list(nlp.pipe((part.text for part in some), batch_size=len(some)))
            self.seconds += time.perf_counter() - start
            self.texts += sum(not part.continues for part in some)
            self.words += sum(map(len, docs))
            self.characters += sum(len(part.text) for part in some)
            yield from docs


def _together(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """As many as memory is to hold at once."""
    held: list[Part] = []
    size = 0
    for part in parts:
        if held and size + len(part.text) > _AT_ONCE:
            yield held
            held, size = [], 0
        held.append(part)
        size += len(part.text)
    if held:
        yield held

"""The tokens and sentences of a Doc as stretches of its text, and how many of them are right."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Dict

import numpy as np
from spacy.attrs import IDX, LENGTH, SENT_START  # type: ignore[import-not-found]
from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.text.characters import blank, codes_of
from seqpipe.text.lexicon import runs_of
from seqpipe.text.segments import Segments
from seqpipe.train.scores import SpanCounts


def score_tokens(examples: Iterable[Example], **_: Any) -> Dict[str, Any]:
    """Precision, recall and F of tokens and sentences as the CoNLL 2018 shared task counts them."""
    examples = list(examples)
    tokens, sentences = SpanCounts(), SpanCounts()
    known = any(marked(example.reference) for example in examples)
    for example in examples:
        gold, said = segments_in(example.reference), segments_in(example.predicted)
        solid = [_solid(doc) for doc in (example.reference, example.predicted)]
        tokens.add(solid[0][gold.spans], solid[1][said.spans])
        if known and gold.starts is not None and said.starts is not None:
            sentences.add(solid[0][gold.sentences()], solid[1][said.sentences()])
    found = {**tokens.scores("token"), **sentences.scores("sents")}
    return {"token_acc": found["token_p"], **found}  # the name that spaCy's own scorer has for it


def _solid(doc: Doc) -> np.ndarray:
    """How many characters that are not white space stand before each place."""
    return np.append(0, np.cumsum(~blank(codes_of(doc.text))))


def marked(doc: Doc) -> bool:
    """Whether anybody said where sentences begin: a lone token begins one by spaCy's own word."""
    return len(doc) > 1 and bool(doc.has_annotation("SENT_START"))


def segments_in(doc: Doc) -> Segments:
    """The tokens of a doc that are not white space."""
    if not len(doc):
        return Segments(np.empty((0, 2), np.int64), np.empty(0, np.bool_))
    first, length, start = doc.to_array([IDX, LENGTH, SENT_START]).astype(np.int64).T
    started = np.cumsum(start == 1)  # a start that is white space is that of the token after it
    solid = _solid(doc)
    kept = solid[first + length] > solid[first]
    spans = np.stack([first, first + length], axis=1)[kept]
    if not doc.has_annotation("SENT_START"):
        return Segments(spans, None)
    return Segments(spans, np.diff(started[kept], prepend=0) > 0)


def words_in(text: str, segments: Segments) -> "Counter[str]":
    """How often a text has each of its tokens."""
    return Counter(text[a:b] for a, b in segments.spans.tolist())


@dataclass
class Seen:
    """What one walk over a corpus tells."""

    words: "Counter[str]" = field(default_factory=Counter)
    runs: "Counter[str]" = field(default_factory=Counter)
    sentences: bool = False

    def look(self, example: Example) -> None:
        segments = segments_in(example.reference)
        text = example.reference.text
        self.words.update(words_in(text, segments))
        self.runs.update(runs_of(text))
        self.sentences = self.sentences or marked(example.reference)

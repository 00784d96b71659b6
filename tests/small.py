"""A sentiment pipeline that is built, and learns, in a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from seqpipe.components.sentiment import Sentiment

TEXTS = [
    ("a good film , warm and clever", "positive"),
    ("good fun from start to end", "positive"),
    ("warm , clever and good", "positive"),
    ("the end is good", "positive"),
    ("a bad film , cold and dull", "negative"),
    ("bad from start to end", "negative"),
    ("dull , cold and bad", "negative"),
    ("the start is bad", "negative"),
]
LABELS = ("negative", "positive")
MODEL: dict[str, Any] = {
    "@architectures": "seqpipe.Classifier.v1",
    "cell": "lstm",
    "embedding": 8,
    "width": 6,
    "layers": 1,
    "bidirectional": True,
    "pooling": ["attention", "max"],
    "word_dropout": 0.0,
    "label_smoothing": 0.0,
    "chunk": 2048,
}


def make_examples(
    nlp: Language, texts: Sequence[tuple[str, str]] = TEXTS, labels: Sequence[str] = LABELS
) -> list[Example]:
    return [
        Example.from_dict(nlp.make_doc(text), {"cats": {n: float(n == label) for n in labels}})
        for text, label in texts
    ]


def add_stage(
    nlp: Language, name: str = "sentiment", *, model: dict[str, Any] | None = None, **config: Any
) -> Sentiment:
    codec = {"@misc": "seqpipe.Codec.v1", "min_count": 1}
    model = {**MODEL, **(model or {})}
    settings = {"codec": codec, "model": model, "device": "cpu", **config}
    stage = nlp.add_pipe("seqpipe_sentiment", name=name, config=settings)
    assert isinstance(stage, Sentiment)
    return stage


def make_nlp(
    steps: int = 0, *, seed: int = 0, model: dict[str, Any] | None = None, **config: Any
) -> Language:
    """An English pipeline with one stage, initialized and taken so many steps."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    add_stage(nlp, model=model, **config)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


def stage_of(nlp: Language, name: str = "sentiment") -> Sentiment:
    stage = nlp.get_pipe(name)
    assert isinstance(stage, Sentiment)
    return stage


def cats_of(docs: Iterable[Doc]) -> list[dict[str, float]]:
    return [dict(doc.cats) for doc in docs]


def texts_of() -> list[str]:
    return [text for text, _ in TEXTS]

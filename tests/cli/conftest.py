"""A small trained pipeline, and data that it fits."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import spacy
from commands import LABELS, write_lines
from letters import make_pairs
from letters import trained as trained_translator
from spacy.training import Example
from verses import trained as trained_generator

from seqpipe.cli.train import train
from seqpipe.corpora.labelled import labelled_rows

NAMES = ["Ann", "Bob", "Dr. Lee", "Mrs. Day"]
DEEDS = ["saw the sea", "isn't here", "took 3-4 boxes", "paid $5", "came at 10:30"]
MARK = re.compile(r"Dr\.|Mrs\.|\d+:\d+|is(?=n't)|n't|\w+|\S")
QUICK = {
    "training.max_steps": 80,
    "training.optimizer.learn_rate.rate": 0.02,
    "components.tokenizer.model.width": 12,
    "components.tokenizer.model.embedding": 12,
    "components.tokenizer.stretch": 40,
}

TINY = {
    "@architectures": "seqpipe.Classifier.v1",
    "cell": "gru",
    "embedding": 8,
    "width": 8,
    "pooling": ["max"],
}


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few steps on bundled reviews: enough to have weights and an opinion."""
    rows = list(labelled_rows("bundled:reviews_en", split="train", limit=48))
    nlp = spacy.blank("en")
    nlp.add_pipe("seqpipe_sentiment", name="sentiment", config={"model": TINY})
    examples = [
        Example.from_dict(
            nlp.make_doc(row.text), {"cats": {name: float(name in row.labels) for name in LABELS}}
        )
        for row in rows
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    folder = tmp_path_factory.mktemp("trained") / "pipeline"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a training, a validation and a test part."""
    folder = tmp_path_factory.mktemp("data") / "reviews"
    chance = random.Random(0)
    words = ["the", "room", "was", "very", "good", "bad", "and", "we", "liked", "it", "not"]
    for part, count in (("train", 60), ("validation", 20), ("test", 12)):
        texts = (" ".join(chance.choices(words, k=chance.randint(3, 9))) for _ in range(count))
        rows = [{"id": i, "text": t, "label": LABELS[i % 2]} for i, t in enumerate(texts)]
        write_lines(folder / f"{part}.jsonl", rows)
    return folder


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of running text: sentences with their tokens, ten a document."""
    folder = tmp_path_factory.mktemp("data") / "sentences"
    chance = random.Random(0)
    for part, count in (("train", 120), ("validation", 30), ("test", 20)):
        texts = (f"{chance.choice(NAMES)} {chance.choice(DEEDS)}." for _ in range(count))
        rows = [
            {"text": text, "tokens": MARK.findall(text), "doc_id": f"{part}-{i // 10}"}
            for i, text in enumerate(texts)
        ]
        write_lines(folder / f"{part}.jsonl", rows)
    return folder


@pytest.fixture(scope="session")
def tokenizer(sentences: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough steps to find the tokens and sentences of such a text."""
    output = tmp_path_factory.mktemp("trained") / "tokenizer"
    return train("tokenizer", str(sentences), output=output, overrides=QUICK).best


@pytest.fixture(scope="session")
def both(tokenizer: Path, pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokenizer, and the sentiment stage after it."""
    nlp = spacy.load(tokenizer)
    nlp.add_pipe("sentiment", source=spacy.load(pipeline))
    folder = tmp_path_factory.mktemp("trained") / "both"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of texts with what they become."""
    folder = tmp_path_factory.mktemp("data") / "pairs"
    for seed, (part, count) in enumerate([("train", 120), ("validation", 20), ("test", 30)]):
        found = make_pairs(count, seed=seed)
        write_lines(
            folder / f"{part}.jsonl", [{"source": source, "target": t} for source, t in found]
        )
    return folder


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that has learned to make capitals of small letters."""
    folder = tmp_path_factory.mktemp("trained") / "translator"
    trained_translator(search={"beam": 3}).to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that has learned some poems by heart, and writes what it is surest of."""
    folder = tmp_path_factory.mktemp("trained") / "generator"
    trained_generator().to_disk(folder)
    return folder

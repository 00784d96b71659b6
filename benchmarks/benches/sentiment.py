"""Sentiment beside spaCy's classifiers, flair, a loop out of a tutorial, and a small BERT."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch

from benchmarks.bench import OURS, Bench, Source
from benchmarks.peers.textcat import train_textcat
from benchmarks.plain_nets import Classifier, Encoder, Plain
from benchmarks.scores import accuracy, macro_f
from seqpipe.corpora.labelled import labelled_rows

SEEDS = 5
LEAST = 30_000  # words, or four times as many characters, that one turn reads at least
QUICK_LEAST = 5000
# Reviews of hotels are long, and an epoch of all of them takes some peers minutes.
QUICK_ROWS = {"train": 1500, "validation": 200}
QUICK_EPOCHS = 5
TUTORIAL = {"embedding": 100, "width": 64, "batch": 32}

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Task:
    """Two parts of a data set, and what its texts are counted in."""

    source: Source
    train: Rows
    dev: Rows
    unit: str
    lang: str
    settings: Mapping[str, Any]  # of our training

    def texts(self, least: int) -> list[str]:
        """Those of the second part, over and over until there are enough."""
        own = [text for text, _ in self.dev]
        enough = least * (1 if self.unit == "words" else 4)
        return own * max(1, -(-enough // self.count(own)))

    @property
    def gold(self) -> list[str]:
        return [label for _, label in self.dev]

    def count(self, texts: Sequence[str]) -> int:
        if self.unit == "words":
            return sum(len(text.split()) for text in texts)
        return sum(map(len, texts))


def english(bench: Bench) -> None:
    source = bench.source("sst2", "reviews_en", text="sentence")
    _compared(bench, _task(source, "words", "en", {}))


def chinese(bench: Bench) -> None:
    source = bench.source("chnsenticorp_htl", "reviews_zh")
    limits = QUICK_ROWS if bench.quick else {}
    if limits:
        bench.remark("Of each part the first rows, {train:,} and {validation:,}.".format(**limits))
    _compared(bench, _task(source, "characters", "zh", limits))


def _task(source: Source, unit: str, lang: str, limits: Mapping[str, int]) -> Task:
    def rows(split: str) -> Rows:
        found = labelled_rows(source.path, split=split, **source.columns)
        labelled = ((row.text, row.labels[0]) for row in found if row.labels)
        return list(islice(labelled, limits.get(split)))

    corpora = {"train": "train", "validation": "dev"}
    settings = {f"corpora.{corpora[split]}.limit": count for split, count in limits.items()}
    settings |= {"training.max_epochs": QUICK_EPOCHS} if limits else {}
    return Task(source, rows("train"), rows("validation"), unit, lang, settings)


def _compared(bench: Bench, task: Task) -> None:
    seconds = _ours(bench, task)
    model = bench.trained("sentiment", task.source, settings=task.settings).path
    ours = spacy.load(model)
    textcat = {
        "spaCy textcat, ensemble": timed(
            lambda: train_textcat(task.train, lang=task.lang, seconds=seconds)
        ),
        "spaCy textcat, bag of words": timed(
            lambda: train_textcat(task.train, lang=task.lang, seconds=seconds, bag=True)
        ),
    }
    tutorial, taken = timed(lambda: Tutorial(task.train, seconds))
    bench.remark(
        "Tutorial: a bidirectional LSTM in plain torch, packed batches of 32 rows as they come, "
        "words by a regular expression."
    )
    texts = task.texts(QUICK_LEAST if bench.quick else LEAST)
    found: dict[str, list[str]] = {}

    def by(who: str, said: Callable[[], list[str]]) -> Callable[[], None]:
        return lambda: found.update({who: said()})

    runs: dict[str, Any] = {OURS: by(OURS, lambda: _said(ours, texts))}
    for who, (nlp, passed) in textcat.items():
        runs[who] = by(who, lambda nlp=nlp: _said(nlp, texts))
        bench.figure(who, "training, s", "seconds", passed)
    runs["tutorial"] = by("tutorial", lambda: tutorial(texts))
    bench.figure("tutorial", "training, s", "seconds", taken)
    told = {
        "train": [text for text, _ in task.train],
        # in the quick form nobody waits for an epoch of flair's
        "labels": [] if bench.quick else [label for _, label in task.train],
        "texts": texts,
        **_size(ours),
    }
    with (
        bench.peer("flair BiLSTM", "flair", "flair_peer", told, f"--seconds={seconds}") as flair,
        bench.peer("small BERT", "transformers", "transformers_peer", told) as bert,
    ):
        runs |= {who: one for who, one in (("flair BiLSTM", flair), ("small BERT", bert)) if one}
        bench.compare(runs, task.count(texts), task.unit)
        if flair and not bench.quick:
            found["flair BiLSTM"] = flair.found()
    for who, said in found.items():
        if who != OURS:
            _scored(bench, who, [said[: len(task.gold)]], task.gold)


def _ours(bench: Bench, task: Task) -> float:
    """Trains a seed at least; gives the seconds of one."""
    runs = [
        bench.trained("sentiment", task.source, seed=seed, settings=task.settings)
        for seed in range(1 if bench.quick else SEEDS)
    ]
    own = [text for text, _ in task.dev]
    _scored(bench, OURS, [_said(spacy.load(run.path), own) for run in runs], task.gold)
    times = [run.seconds for run in runs if run.seconds is not None]
    if times:
        bench.figure(OURS, "training, s", "seconds", *times)
    files = [file for file in Path(runs[0].path).rglob("*") if file.is_file()]
    bench.figure(OURS, "MB on disk", "MB", sum(file.stat().st_size for file in files) / 1e6)
    return bench.patience(max(times, default=30.0))


def _scored(bench: Bench, who: str, every: Sequence[Sequence[str]], gold: Sequence[str]) -> None:
    bench.figure(who, "accuracy", "share", *(accuracy(said, gold) for said in every))
    bench.figure(who, "macro F", "share", *(macro_f(said, gold) for said in every))


def _said(nlp: Any, texts: Sequence[str]) -> list[str]:
    return [max(doc.cats, key=doc.cats.__getitem__) for doc in nlp.pipe(texts)]


def _size(nlp: Any) -> dict[str, int]:
    stage = nlp.get_pipe("sentiment")
    weights = sum(weight.numel() for weight in stage.shim.net.parameters())
    return {"weights": weights, "pieces": len(stage.codec)}


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """With the seconds that this one thread had of the processor."""
    began = time.process_time()
    return make(), time.process_time() - began


class Tutorial:
    """What a tutorial has one write: words by spaces, a vocabulary, batches as they come."""

    def __init__(self, rows: Rows, seconds: float) -> None:
        torch.manual_seed(0)
        words = sorted({word for text, _ in rows for word in _words(text)})
        self._ids = {word: number for number, word in enumerate(words, 2)}
        self._labels = sorted({label for _, label in rows})
        core = Encoder(len(words) + 2, TUTORIAL["embedding"], TUTORIAL["width"], 1, 2)
        self.net = Classifier(core, len(self._labels))
        encoded = [self._encoded(text) for text, _ in rows]
        answers = [np.array(self._labels.index(label)) for _, label in rows]
        steps = Plain(self.net, encoded, answers, TUTORIAL["batch"])
        began = time.process_time()
        while time.process_time() - began < seconds:
            steps(10)
        self.net.eval()

    def _encoded(self, text: str) -> Any:
        return np.array([self._ids.get(word, 1) for word in _words(text)] or [1], np.int64)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> list[str]:
        said: list[str] = []
        for at in range(0, len(texts), TUTORIAL["batch"]):
            rows = [torch.from_numpy(self._encoded(t)) for t in texts[at : at + TUTORIAL["batch"]]]
            ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
            scores = self.net(ids, torch.tensor([len(row) for row in rows]))
            said += [self._labels[best] for best in scores.argmax(dim=1).tolist()]
        return said


def _words(text: str) -> list[str]:
    """Words, or characters where no spaces set words apart."""
    return re.findall(r"[一-鿿]|\w+|[^\w\s]", text.lower())

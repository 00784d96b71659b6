"""Writing and judging text beside a loop over torch's own layers, as most people write it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import spacy
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.bench import OURS, Bench
from benchmarks.generation import RUNS
from benchmarks.plain_nets import Encoder, LanguageModel, Plain
from seqpipe.corpora.sources import open_split
from seqpipe.text.codec import EOS

WRITTEN = 300  # characters of a stream
SCORED = 40_000  # characters
WINDOW = 64
PLAIN = "plain loop"
SHORT = RUNS["short"].settings
QUICK = {**SHORT, "training.max_steps": 300, "training.eval_frequency": 300}


def generation(bench: Bench) -> None:
    source = bench.source("tiny_shakespeare", "verse_en")
    trained = bench.trained("generator", source, settings=QUICK if bench.quick else SHORT)
    train, dev = (_text(source.path, part) for part in ("train", "validation"))
    stage: Any = spacy.load(trained.path).get_pipe("generator")
    stream = stage.stream(dev)
    stream.finish()
    bench.figure(OURS, "bits per character", "bits", stream.bits / stream.characters)
    if trained.seconds is not None:
        bench.figure(OURS, "training, s", "seconds", trained.seconds)
    plain = Characters(train)
    plain.learn(bench.patience(trained.seconds or 60.0))
    bench.figure(PLAIN, "bits per character", "bits", plain.bits(dev))
    bench.figure(PLAIN, "training, s", "seconds", plain.seconds)
    bench.remark(
        "Plain loop: an LSTM of 256 over characters in plain torch, with windows of 64 characters. "
        "In the columns of speed seqpipe has a net of the same sizes over the same characters."
    )
    _speeds(bench, plain, train)


def _text(path: str, part: str) -> str:
    rows: Sequence[str] = open_split(path, split=part)["text"]
    return "\n".join(rows)


def _speeds(bench: Bench, plain: Characters, text: str) -> None:
    nlp = spacy.blank("xx")
    nlp.max_length = len(text) + 1
    nlp.add_pipe("seqpipe_generator", name="generator", config={"generated": ""})
    nlp.initialize(lambda: [spacy.training.Example(*[nlp.make_doc(text[:200_000])] * 2)])
    stage: Any = nlp.get_pipe("generator")
    net, search = stage.shim.net, stage.search.changed(max_length=WRITTEN)
    with torch.no_grad():
        net.bias[EOS] = -1e9  # a stream that goes on
    carry = net.begin(1)
    (ids,) = stage.codec.encode([text[:SCORED]])

    def write() -> None:
        for _ in search.walk(net.teller(), carry):
            pass

    for what, amount, runs in (
        ("characters written", WRITTEN, {OURS: write, PLAIN: plain.write}),
        (
            "characters judged",
            SCORED,
            {OURS: lambda: stage.examine([ids]), PLAIN: partial(plain.bits, text[:SCORED])},
        ),
    ):
        bench.compare(runs, amount, what)


class Characters:
    """The usual net over characters, and the usual loops around it."""

    def __init__(self, text: str, width: int = 256) -> None:
        torch.manual_seed(0)
        self._ids = {character: i for i, character in enumerate(sorted({*text}), 3)}
        self.net = LanguageModel(
            Encoder(len(self._ids) + 3, width, width, 1, 1), len(self._ids) + 3
        )
        self._text = self._encoded(text)
        self.seconds = 0.0

    def _encoded(self, text: str) -> np.ndarray:
        return np.array([self._ids.get(character, 1) for character in text], np.int64)

    def learn(self, seconds: float) -> None:
        cuts = range(0, len(self._text) - WINDOW, WINDOW)
        rows = [self._text[at : at + WINDOW] for at in cuts]
        steps = Plain(self.net, rows, rows, 32)
        while self.seconds < seconds:
            self.seconds += steps(10)[1]
        self.net.eval()

    def _step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        states, state = self.net.encoder.lstm(self.net.encoder.embedding(tokens), state)
        return self.net.output(states), state

    @torch.inference_mode()
    def write(self) -> None:
        tokens, state = torch.full((1, 1), 5), None
        for _ in range(WRITTEN):
            scores, state = self._step(tokens, state)
            tokens = torch.multinomial(torch.softmax(scores[:, -1] / 0.8, dim=-1), 1)
            tokens.tolist()

    @torch.inference_mode()
    def bits(self, text: str) -> float:
        """A character, its state carried from window to window."""
        ids = torch.from_numpy(self._encoded(text))
        read = F.pad(ids[:-1], (1, 0), value=2)
        state, total = None, 0.0
        for given, wanted in zip(read.split(WINDOW), ids.split(WINDOW), strict=True):
            scores, state = self._step(given[None], state)
            total += float(F.cross_entropy(scores[0], wanted, reduction="sum"))
        return total / len(ids) / math.log(2)

"""Writing and judging text beside a loop over torch's own layers, as most people write it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import spacy
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.bench import OURS, Bench
from benchmarks.generation import RUNS, STREAMS, WIDTH, WRITTEN, Fresh, text_of
from benchmarks.plain_nets import Encoder, LanguageModel, Plain

KNOWN = 200_000  # characters of the net that is compared in speed
JUDGED = 256  # texts, as many characters in all
WINDOW = 64
PLAIN = "plain loop"
SHORT = RUNS["short"].settings
QUICK = {**SHORT, "training.max_steps": 300, "training.eval_frequency": 300}


def generation(bench: Bench) -> None:
    source = bench.source("tiny_shakespeare", "verse_en")
    trained = bench.trained("generator", source, settings=QUICK if bench.quick else SHORT)
    train, dev = (text_of(source.path, part) for part in ("train", "validation"))
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
        f"Plain loop: an LSTM of {WIDTH} over characters in plain torch, with windows of {WINDOW} "
        "characters. In the columns of speed both have the same weights, drawn at random, over "
        f"characters: {JUDGED} texts are judged side by side."
    )
    _speeds(bench, Fresh(train[:KNOWN]))


def _speeds(bench: Bench, fresh: Fresh) -> None:
    for what, streams in (("writing one text", 1), (f"writing {STREAMS}", STREAMS)):
        runs = {
            OURS: partial(fresh.write, streams),
            PLAIN: partial(fresh.write_plainly, streams),
        }
        bench.compare(runs, WRITTEN * streams, "characters", what)
    rows = fresh.rows(JUDGED)
    runs = {OURS: partial(fresh.score, rows), PLAIN: partial(fresh.score_plainly, rows)}
    bench.compare(runs, sum(map(len, rows)), "characters", "judging")


class Characters:
    """The usual net over characters, and the usual loops around it."""

    def __init__(self, text: str, width: int = WIDTH) -> None:
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
    def bits(self, text: str) -> float:
        """A character, its state carried from window to window."""
        ids = torch.from_numpy(self._encoded(text))
        read = F.pad(ids[:-1], (1, 0), value=2)
        state, total = None, 0.0
        for given, wanted in zip(read.split(WINDOW), ids.split(WINDOW), strict=True):
            scores, state = self._step(given[None], state)
            total += float(F.cross_entropy(scores[0], wanted, reduction="sum"))
        return total / len(ids) / math.log(2)

"""samples.jsonl: what a run says, at each validation, of the same few rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from pathlib import Path

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.cli._steps import StepLog
from seqpipe.components._stage import Stage
from seqpipe.components.generator import Generator
from seqpipe.components.sentiment import Sentiment
from seqpipe.components.tokenizer import Tokenizer
from seqpipe.components.translator import TranslatorStage

_LONGEST = 500  # characters of a text
_PROMPT = 40  # characters that a generator goes on from
_WRITTEN = 120  # characters that it writes

Pairs = Sequence[tuple[Doc, Doc]]  # what was made of a doc, and what it should be
Sample = dict[str, str]


def samples_file(output: Path) -> Path:
    return output / "samples.jsonl"


class SampleLog:
    """A line a validation; which rows they are hangs on the seed alone."""

    def __init__(
        self, output: Path, stage: Stage, dev: Sequence[Example], *, count: int, seed: int
    ) -> None:
        chance = np.random.default_rng(seed)
        self._rows = sorted(chance.permutation(len(dev))[:count].tolist())
        self._stage = stage
        self._dev = dev
        self._log = StepLog(samples_file(output))

    def add(self, step: int, docs: Sequence[Doc]) -> None:
        """What became of the docs at this step."""
        pairs = [(docs[row], self._dev[row].reference) for row in self._rows]
        samples = [
            {name: text[:_LONGEST] for name, text in sample.items()}
            for sample in samples_of(self._stage, pairs)
        ]
        self._log.add({"step": step, "samples": samples})


@singledispatch
def samples_of(stage: Stage, pairs: Pairs) -> Iterator[Sample]:
    """What a stage makes of some docs, in words."""
    yield from ()


@samples_of.register
def _(stage: Sentiment, pairs: Pairs) -> Iterator[Sample]:
    for doc, gold in pairs:
        likely = {name: value for name, value in gold.cats.items() if value >= 0.5}
        said = sorted(doc.cats.items(), key=lambda each: -each[1])
        said = said if stage.cfg["multi_label"] else said[:1]
        told = ", ".join(f"{name}: {value:.2f}" for name, value in said)
        yield {"text": gold.text, "truth": ", ".join(likely), "said": told}


@samples_of.register
def _(stage: Tokenizer, pairs: Pairs) -> Iterator[Sample]:
    for doc, gold in pairs:
        yield {"text": gold.text, "truth": _cut(gold), "said": _cut(doc)}


@samples_of.register
def _(stage: TranslatorStage, pairs: Pairs) -> Iterator[Sample]:
    for doc, gold in pairs:
        truth, said = (one._.get(stage.extension) or "" for one in (gold, doc))
        yield {"text": gold.text, "truth": truth, "said": said}


@samples_of.register
def _(stage: Generator, pairs: Pairs) -> Iterator[Sample]:
    prompts = [_beginning(gold.text) for _, gold in pairs]
    written = stage.generate(prompts, characters=_WRITTEN)
    for prompt, (_, gold), found in zip(prompts, pairs, written, strict=True):
        truth = gold.text[len(prompt) : len(prompt) + _WRITTEN]
        yield {"text": prompt, "truth": truth, "said": found[0] if found else ""}


def _cut(doc: Doc) -> str:
    """With bars between tokens and double ones between sentences, as far as anybody will read."""
    told: list[str] = []
    for token in doc[:_LONGEST]:
        if not token.is_space:
            told.append("‖ " if token.is_sent_start and told else "| " if told else "")
            told.append(f"{token.text} ")
    return "".join(told).rstrip()


def _beginning(text: str) -> str:
    """Of a text, up to a space where there is one."""
    part = text[:_PROMPT]
    at_space = part.rfind(" ")
    return part if at_space <= 0 or len(text) <= _PROMPT else part[:at_space]

"""The benches by their names, and what the page says of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.bench import Bench


@dataclass(frozen=True)
class Entry:
    """A bench: its function is imported only where it is run."""

    title: str
    about: str
    where: str
    gpu: bool = False  # whether it has something to say of one

    def load(self) -> Callable[[Bench], None]:
        module, _, name = self.where.partition(":")
        run: Callable[[Bench], None] = getattr(import_module(f"benchmarks.benches.{module}"), name)
        return run


BENCHES = {
    "sentiment": Entry(
        "Sentiment",
        "Each learns from the train part; accuracy is that on the validation part. Words are "
        "counted by the spaces between them, and read from text to a decision.",
        "sentiment:english",
    ),
    "sentiment-zh": Entry(
        "Sentiment, Chinese",
        "The same for reviews without spaces between words: speed is in characters.",
        "sentiment:chinese",
    ),
    "tokenizer": Entry(
        "Tokens and sentences",
        "Running text to tokens and sentences. F is that of spans, as in the CoNLL 2018 shared "
        "task; the rules follow other conventions than a treebank, so that their scores say less "
        "than their speed.",
        "tokenizer:english",
    ),
    "tokenizer-zh": Entry(
        "Words, Chinese",
        "Where no space sets words apart.",
        "tokenizer:chinese",
    ),
    "pipeline": Entry(
        "Tokens, sentences and sentiment in one pipeline",
        "From text to a decision by way of tokens and sentences of one's own.",
        "together:together",
    ),
    "translation": Entry(
        "Translating",
        "Sentences a second from text to text, and BLEU without case on the validation part, by "
        "sacrebleu. JoeyNMT's net is that of its own recurrent examples.",
        "translation:translation",
    ),
    "generation": Entry(
        "Writing and judging text",
        "Bits per character are those of the validation part, read from its beginning to its end.",
        "generation:generation",
    ),
    "annotate": Entry(
        "Annotating files",
        "Whole commands in processes of their own, one thread each.",
        "annotate:annotate",
    ),
    "training": Entry(
        "Learning",
        "Steps of `seqpipe train` against those of the same net in a plain torch loop, with packed "
        "batches of rows in any order; pieces that the net reads a second. A generator's rows are "
        "windows of one running text, all of one length, or documents of their own.",
        "training:training",
    ),
    "limits": Entry(
        "Beside what the machine could do at most",
        "The share of the speed of a large matrix product that each stage reaches within "
        "`nlp.pipe`; that speed is measured in the same turns.",
        "limits:limits",
        gpu=True,
    ),
    "profile": Entry(
        "Where the time goes",
        "By part of each stage.",
        "profile:profile",
    ),
    "scale": Entry(
        "How cost grows",
        "Nets that have learned nothing, with the sizes of the defaults, over texts that were "
        "drawn; n^1 is linear growth.",
        "scale:scale",
    ),
}

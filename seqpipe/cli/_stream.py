"""The training corpus of a config as a stream: a sample to begin with, then stretch by stretch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config, minibatch, resolve_dot_names
from spacy.vocab import Vocab

from seqpipe.components._stage import Stage
from seqpipe.corpora.walk import in_portions
from seqpipe.errors import LabelUnknown, SampleLacking, SettingError
from seqpipe.text.codec import Ids
from seqpipe.text.course import Course
from seqpipe.text.portions import Place, Portion
from seqpipe.text.rows import Rows
from seqpipe.text.streamed import Streamed, Stretch
from seqpipe.text.units import well_formed

_AT_ONCE = 1000  # examples held while encoding
_PASSED = "such rows are not learned from"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How a stream is read, by the block `[seqpipe]`."""

    buffer: int  # rows that are held and shuffled among each other
    sample: int  # rows that labels and vocabulary are learned from

    def __post_init__(self) -> None:
        for name in ("buffer", "sample"):
            if getattr(self, name) < 1:
                allowed = "a number of rows from 1 on"
                raise SettingError(f"seqpipe.{name}", getattr(self, name), allowed)


def stream_of(config: Mapping[str, Any], own: Mapping[str, Any]) -> ExampleStream | None:
    """What a run reads as it comes, where its block `[seqpipe]` says so."""
    if not own["streaming"]:
        return None
    if not config["training"]["max_steps"]:
        allowed = "a number of steps, for nobody knows where a stream ends"
        raise SettingError("training.max_steps", config["training"]["max_steps"], allowed)
    return ExampleStream(config, Streaming(buffer=own["buffer"], sample=own["sample"]))


@runtime_checkable
class Seekable(Protocol):
    """A corpus that finds a place again without making examples of all that lies before."""

    def portions(
        self, nlp: Language, *, epoch: int, size: int, at: Place
    ) -> Iterator[Portion[Example]]: ...


class WholeText:
    """Makes a text one token, for who learns from texts: looking for more takes its time."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        return Doc(self.vocab, words=[well_formed(text)], spaces=[False])


class ExampleStream:
    """The examples of the training part, read by a pipeline of their own."""

    def __init__(self, config: Mapping[str, Any], how: Streaming) -> None:
        self._how = how
        self._reader = load_model_from_config(dict(config), auto_fill=True)
        filled = self._reader.config.interpolate()
        self.data = str(filled.get("paths", {}).get("train") or "train")
        (self._corpus,) = resolve_dot_names(filled, [filled["training"]["train_corpus"]])
        self._calls = 0
        self._told = False

    def sample(self) -> Iterator[Example]:
        """The first of all, the same whenever it is asked for where the corpus can be sought in."""
        portions = self._portions(0, Place())
        return islice(chain.from_iterable(p.items for p in portions), self._how.sample)

    def course(self, stage: Stage, make: Callable[[Rows, Rows], Course]) -> Streamed:
        """The way of a training through it, each stretch as `make` has it."""
        if isinstance(self._corpus, Seekable) and not stage.learns_from_tokens:
            self._reader.tokenizer = WholeText(self._reader.vocab)

        def read(epoch: int, at: Place) -> Iterator[Stretch]:
            portions = self._portions(epoch, at)
            while (stretch := self._next(stage, portions)) is not None:
                yield stretch

        return Streamed(read, make, data=self.data)

    def _portions(self, epoch: int, at: Place) -> Iterator[Portion[Example]]:
        size = self._how.buffer
        if isinstance(self._corpus, Seekable):
            return self._corpus.portions(self._reader, epoch=epoch, size=size, at=at)
        for _ in range(self._calls, epoch):
            self._corpus(self._reader)  # each call is the next epoch
        self._calls = epoch + 1
        return in_portions(iter(self._corpus(self._reader)), size=size, at=at)

    def _next(self, stage: Stage, portions: Iterator[Portion[Example]]) -> Stretch | None:
        """Encoded; the strings of its texts are forgotten, or they would be held for ever."""
        with self._zone():
            portion = next(portions, None)
            return None if portion is None else self._encoded(stage, portion)

    def _zone(self) -> AbstractContextManager[object]:
        # another corpus may hold docs from one portion to the next
        return self._reader.memory_zone() if isinstance(self._corpus, Seekable) else nullcontext()

    def _encoded(self, stage: Stage, portion: Portion[Example]) -> Stretch:
        rows: list[Ids] = []
        answers: list[NDArray[Any]] = []
        try:
            for some in minibatch(portion.items, _AT_ONCE):
                lessons = stage.lessons(some)
                rows += lessons.rows
                answers += lessons.answers
        except LabelUnknown as error:
            raise SampleLacking(str(error), self._how.sample, stage.name) from error
        if stage.skipped and not self._told:
            self._told = True
            told = f"{stage.skipped:,} of {stage.skipped + len(rows):,} rows are longer than "
            warnings.warn(f"{told}{stage.longest} pieces: {_PASSED}", stacklevel=2)
        return Stretch(Rows.of(rows), Rows.of(answers, dtype=stage.answers), portion.end)

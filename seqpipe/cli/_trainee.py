"""A stage with its data, as the loop wants to see it."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.util import combine_score_weights, load_model_from_config, registry, resolve_dot_names
from torch import Tensor

from seqpipe.cli._fingerprint import Fingerprint
from seqpipe.cli._gradients import GradientLog
from seqpipe.cli._samples import SampleLog
from seqpipe.components._confidence import Calibrated
from seqpipe.components._stage import Buckets, Lessons, Stage
from seqpipe.errors import DataEmpty, UsageError, listed
from seqpipe.explain.report.curves import thinned
from seqpipe.files import written_folder
from seqpipe.text.course import Part, Parts, Way
from seqpipe.text.rows import Rows
from seqpipe.text.streamed import Streamed
from seqpipe.train.gradients import look
from seqpipe.train.learner import Learner, Taken
from seqpipe.train.loop import Validation
from seqpipe.train.tuning import Tuning

_STREAM = "stream"  # among what is carried on, where a stream is


def only_stage(nlp: Language) -> tuple[str, Stage]:
    """The one stage that this pipeline trains; several learn together under `spacy train`."""
    frozen = nlp.config["training"]["frozen_components"]
    trained = {
        name: pipe
        for name, pipe in nlp.pipeline
        if getattr(pipe, "is_trainable", False) and name not in frozen
    }
    if len(trained) != 1 or not isinstance(next(iter(trained.values())), Stage):
        raise UsageError(
            f"seqpipe train trains one stage of its own at a time and this config trains "
            f"{listed(trained)}: freeze the others, or use spacy train."
        )
    return next((name, pipe) for name, pipe in trained.items() if isinstance(pipe, Stage))


def whole_bucket(rows: int) -> Buckets:
    """All side by side: the loop has made them alike in length."""
    return Buckets(rows=rows, budget=sys.maxsize)


class StageTrainee:
    """A course through the rows, gradients and steps by the stage, validation on the dev part."""

    def __init__(
        self,
        nlp: Language,
        course: Way,
        output: Path,
        *,
        tuning: Tuning,
        steps: int,
        seed: int,
        gradients: bool,
        samples: int,
    ) -> None:
        self.nlp = nlp
        self.name, self.stage = only_stage(nlp)
        self.output = output
        self._course = course
        self._tuning = tuning
        self._steps = steps
        self._taken = 0
        self._lessons: Lessons | None = None  # those learned last
        self._gradients = GradientLog(output) if gradients else None
        self._thaw()
        config = nlp.config.interpolate()
        training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
        self._optimizer = training["optimizer"]
        self._weights = combine_score_weights(
            [nlp.get_pipe_meta(n).default_score_weights or {} for n in nlp.pipe_names],
            training["score_weights"],
        )
        rate = training["dropout"]
        self._dropout = repeat(rate) if isinstance(rate, int | float) else iter(rate)
        self._drop = next(self._dropout)
        self._examined = False  # since the last step, so that the stage knows how sure it may be
        self._dev = self._examples(config, training["dev_corpus"])
        self._encoded = Rows.of(self.stage.encode([eg.predicted for eg in self._dev]))
        self._samples = (
            SampleLog(output, self.stage, self._dev, count=samples, seed=seed) if samples else None
        )

    def _examples(self, config: Any, corpus: str) -> list[Example]:
        """Read with a second pipeline, so that the texts stay out of the one that is saved."""
        reader = load_model_from_config(self.nlp.config.copy(), auto_fill=True)
        (read,) = resolve_dot_names(config, [corpus])
        examples = list(read(reader))
        if not examples:
            raise DataEmpty(corpus, "document to measure on")
        return examples

    @property
    def learner(self) -> Learner:
        learner: Learner = self.stage.shim.learner
        return learner

    @property
    def learn_rate(self) -> float:
        return float(self._optimizer.learn_rate)

    def parts(self, epoch: int) -> Parts:
        return self._course.parts(epoch)

    def learn(self, part: Part) -> None:
        rows, answers = self._course.take(part)
        self._lessons = Lessons(rows, answers, part.follows)
        self._learn(self._lessons)

    def _learn(self, lessons: Lessons) -> None:
        self.stage.learn(lessons, drop=self._drop, buckets=whole_bucket(len(lessons.rows)))

    def carried(self) -> Mapping[str, Tensor]:
        if not isinstance(self._course, Streamed):
            return self.stage.carried()
        return {**self.stage.carried(), _STREAM: torch.tensor(self._course.place())}

    def step(self) -> Taken:
        decay = self._tuning.layer_decay
        self._examined = False
        taken: Taken = self.stage.shim.finish_update(self._optimizer, layer_decay=decay)
        self._advance()
        return taken

    def catch_up(self, steps: int, carried: Mapping[str, Tensor]) -> None:
        """Moves the schedules to where a checkpoint stood, and takes up what it carried on."""
        if isinstance(self._course, Streamed):
            self._course.go_to(carried[_STREAM].tolist())
        self.stage.carry_on({name: t for name, t in carried.items() if name != _STREAM})
        for _ in range(steps):
            self._advance()

    def _advance(self) -> None:
        self._optimizer.step_schedules()
        self._drop = next(self._dropout)
        self._taken += 1
        self._thaw()

    def _thaw(self) -> None:
        self.learner.thaw(self._tuning.depth(self._taken, self._steps))

    def _look(self, log: GradientLog, lessons: Lessons) -> None:
        """At the gradients of what was learned last, as the weights are now."""
        carried = self.stage.carried()
        steps = max(1, min(map(len, lessons.rows)))  # beyond them there is padding
        log.add(look(self.learner, lambda: self._learn(lessons), step=self._taken, steps=steps))
        self.stage.carry_on(carried)

    def validate(self) -> tuple[float, Mapping[str, float]]:
        if self._gradients is not None and self._lessons is not None:
            self._look(self._gradients, self._lessons)
        with self.learner.averaged():
            found = self._examine()
            docs = self.stage.written([example.predicted for example in self._dev], found)
            if self._samples is not None:
                self._samples.add(self._taken, docs)
        examples = [Example(d, eg.reference) for d, eg in zip(docs, self._dev, strict=True)]
        scores = self.stage.score(examples)
        weights = {n: w for n, w in self._weights.items() if w and scores.get(n) is not None}
        score = sum(float(scores[n]) * w for n, w in weights.items())
        return score, {n: v for n, v in scores.items() if v is not None}

    def _examine(self) -> Any:
        """What the stage makes of the dev part, as sure as that itself shows it may be."""
        self._examined = True
        if isinstance(self.stage, Calibrated) and self.stage.calibrates:
            return self.stage.calibrate(self._dev, self._encoded)
        return self.stage.examine(self._encoded)

    def examined(self, model: Path, *, most: int) -> list[Example]:
        """What a pipeline that was saved says of what is measured on; of more than so many rows, as
        many evenly spread. Nothing is learned any more afterwards."""
        self.stage.from_disk(model / self.name, exclude=["vocab"])
        some = thinned(self._dev, most)
        docs = [example.predicted for example in some]
        docs = list(self.stage.written(docs, self.stage.examine(self.stage.encode(docs))))
        return [Example(doc, eg.reference) for doc, eg in zip(docs, some, strict=True)]

    def fingerprint(self) -> str:
        """Of what is measured on."""
        mark = Fingerprint(self.stage)
        deque(mark.seen(self._dev), maxlen=0)
        return str(mark)

    def save(self, name: str, validation: Validation | None) -> None:
        if validation is not None:
            self.nlp.meta["performance"] = dict(validation.scores)
            self.nlp.meta["seqpipe"] = {
                **self.nlp.meta["seqpipe"],
                "epoch": validation.epoch,
                "step": validation.step,
                "score": validation.score,
            }
        with written_folder(self.output / name) as beside, self.learner.averaged():
            if isinstance(self.stage, Calibrated) and not self._examined:
                self._examine()  # other weights than those that were measured last
            self.nlp.to_disk(beside)

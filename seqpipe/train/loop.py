"""Epochs over length buckets, validations, checkpoints: a run that can be stopped at any step.

The order of an epoch's parts is a function of seed and epoch alone, so a position is two numbers,
and a run that was killed goes on from its last checkpoint to the same bytes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from torch import Tensor

from seqpipe.errors import TrainingDiverged
from seqpipe.files import written
from seqpipe.text.course import Part, Parts
from seqpipe.train.checkpoint import Position, load_checkpoint, save_checkpoint
from seqpipe.train.energy import Meter
from seqpipe.train.learner import Learner, Taken
from seqpipe.train.team import Team


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, in what portions, and how often to look."""

    seed: int
    epochs: int  # 0: until `steps`
    steps: int  # 0: until `epochs`
    rows: int
    budget: int
    accumulate: int
    eval_frequency: int
    patience: int  # steps without a better score; 0: never mind
    checkpoint_seconds: float
    most_skipped: int  # steps in a row, before the run gives up
    mean_of_last: int  # validations, whose weights are averaged at the end; 0: none


@dataclass(frozen=True, slots=True)
class Validation:
    """A line of log.jsonl."""

    epoch: int
    step: int
    loss: float
    score: float
    scores: Mapping[str, float]
    learn_rate: float
    gradient_norm: float
    padding: float  # share of the cells of all batches since the last validation
    words: int
    seconds: float
    words_per_second: float
    skipped: int = 0  # steps of the run whose loss or gradient was not finite

    def line(self) -> str:
        facts = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({k: None if _odd(v) else v for k, v in facts.items()}) + "\n"


class Trainee(Protocol):
    """What learns: a stage with its data, or anything else that has them in parts."""

    @property
    def learner(self) -> Learner: ...
    @property
    def learn_rate(self) -> float: ...
    def parts(self, epoch: int) -> Parts: ...
    def learn(self, part: Part) -> None:
        """Adds the gradients of a part of the epoch asked for last."""

    def carried(self) -> Mapping[str, Tensor]:
        """What goes on from one part to the next besides weights, to be kept in checkpoints."""

    def step(self) -> Taken: ...
    def validate(self) -> tuple[float, Mapping[str, float]]:
        """The score to maximize, and all scores, with averaged weights."""

    def save(self, name: str, validation: Validation | None) -> None:
        """Writes a pipeline, with averaged weights and the scores of the last validation, under
        this name."""


class Watcher(Protocol):
    """Who is told how it goes, and may ask to stop after the step at hand."""

    @property
    def stopping(self) -> bool: ...
    def begin(self, total: int, done: int) -> None:
        """How many steps the run has, and how many of them are taken."""

    def stepped(self, position: Position, words_per_second: float) -> None: ...
    def validated(self, validation: Validation, *, best: bool) -> None: ...


class Loop:
    """One sitting of a run."""

    def __init__(
        self,
        trainee: Trainee,
        plan: Plan,
        *,
        log: Path,
        checkpoint: Path,
        watcher: Watcher,
        position: Position | None = None,
    ) -> None:
        self.trainee = trainee
        self.team: Team = trainee.learner.team
        self.plan = plan
        self.log = log
        self.checkpoint = checkpoint
        self.watcher = watcher
        self.at = position or Position()
        self.last: Validation | None = None
        self._counted = time.perf_counter()  # up to here `at.seconds` holds the time
        self._meter = Meter()
        self._stretch = time.perf_counter()  # where the words of the speed begin to count
        self._words = 0

    def run(self) -> bool:
        """True when the run came to its end, False when it was asked to stop before."""
        if self.team.leads:
            self.last = _keep_lines(self.log, self.at.validations)
        while not self._over():
            parts = self.trainee.parts(self.at.epoch)
            while not self._over() and not self._walked(parts):
                group = parts[self.at.batch : self.at.batch + self.plan.accumulate]
                self._step(group)
                if not self._goes_on(ending=self._ends(parts)):
                    return False
            if not self._over():
                self.at.epoch += 1
                self.at.batch = 0
        if self.plan.mean_of_last and not self.at.settled:
            self._settle()
        return True

    def _walked(self, parts: Parts) -> bool:
        """Whether the epoch has no more of them."""
        return not parts[self.at.batch : self.at.batch + 1]

    def _over(self) -> bool:
        at, plan = self.at, self.plan
        return (
            bool(plan.epochs and at.epoch >= plan.epochs)
            or bool(plan.steps and at.step >= plan.steps)
            or bool(plan.patience and at.validations and at.step - at.best_step >= plan.patience)
        )

    def _ends(self, parts: Parts) -> bool:
        """Whether this was the last step of all."""
        at, plan = self.at, self.plan
        if plan.steps and at.step >= plan.steps:
            return True
        return at.epoch + 1 == plan.epochs and self._walked(parts)

    def _step(self, group: Sequence[Part]) -> None:
        at = self.at
        shares = [self.team.shares(part) for part in group]
        for own in filter(len, [share[self.team.rank] for share in shares]):
            self.trainee.learn(own)
        taken = self.trainee.step()
        if math.isfinite(taken.loss):  # the mean of the others is worth knowing
            at.loss += taken.loss
            at.answers += taken.answers
        lengths = [own.lengths for share in shares for own in share if len(own)]
        words = sum(int(some.sum()) for some in lengths)
        at.words += words
        at.padding += sum(int(some.max(axis=0).sum()) * len(some) for some in lengths) - words
        self._words += words
        at.batch += len(group)
        at.step += 1
        at.norm = taken.norm
        at.failing = at.failing + 1 if taken.skipped else 0
        if at.failing >= self.plan.most_skipped:
            self._give_up()

    def _goes_on(self, *, ending: bool) -> bool:
        """False when any of the team was asked to stop; validates and keeps where it is time."""
        self.watcher.stepped(self.at, self._speed())
        due = ending or self.at.step % self.plan.eval_frequency == 0
        if due:
            self._validate()
        passed = time.perf_counter() - self._counted if self.team.leads else 0.0
        stopping, seconds = self.team.total([self.watcher.stopping, passed])
        if stopping or (not due and seconds >= self.plan.checkpoint_seconds):
            self.keep()
        return not stopping

    def _settle(self) -> None:
        """Ends with the mean of the weights of the last validations, and measures that too."""
        self.trainee.learner.settle()
        self.at.settled = True
        self._validate()

    def _validate(self) -> None:
        self._check_weights()
        at = self.at
        speed = self._speed()
        score, scores = self.trainee.validate() if self.team.leads else (0.0, {})
        score = self.team.leaders(score)
        self._count_time()
        self.last = Validation(
            epoch=at.epoch,
            step=at.step,
            loss=self._mean_loss(),
            score=score,
            scores=scores,
            learn_rate=self.trainee.learn_rate,
            gradient_norm=at.norm,
            padding=at.padding / max(1, at.padding + at.words),
            words=at.words,
            seconds=round(at.seconds, 3),
            words_per_second=round(speed, 1),
            skipped=self.trainee.learner.skipped,
        )
        best = score > at.best or at.validations == 0
        if best:
            at.best, at.best_step = score, at.step
        if self.team.leads:
            self._write(self.last, best=best)
        at.validations += 1
        at.loss, at.answers, at.words, at.padding = 0.0, 0, 0, 0
        if self.plan.mean_of_last and not at.settled:
            self.trainee.learner.mark(self.plan.mean_of_last)
        self.keep()
        self._words, self._stretch = 0, time.perf_counter()
        self.watcher.validated(self.last, best=best)

    def _mean_loss(self) -> float:
        """Since the last validation; where nothing was learned since, up to that."""
        if not self.at.answers and self.last is not None:
            return self.last.loss
        return self.at.loss / max(1, self.at.answers)

    def _write(self, validation: Validation, *, best: bool) -> None:
        if best:
            self.trainee.save("model-best", validation)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(validation.line())

    def keep(self) -> None:
        """Writes the checkpoint from which `--resume` goes on."""
        self._check_weights()
        self._count_time()
        save_checkpoint(self.checkpoint, self.trainee.learner, self.at, self.trainee.carried())

    def _check_weights(self) -> None:
        """Nothing is made of weights that are not finite, so that the last ones kept are."""
        if not self.trainee.learner.finite:
            self._give_up()

    def _give_up(self) -> NoReturn:
        """Ends the run with the last good weights as model-last: those before the first of the
        skipped steps, which changed nothing, or else those of the last checkpoint."""
        learner, good = self.trainee.learner, self.at.step - self.at.failing
        if not learner.finite and self.checkpoint.exists():
            good = load_checkpoint(self.checkpoint, learner)[0].step
        if learner.finite and self.team.leads:
            self.trainee.save("model-last", self.last)
        raise TrainingDiverged(self.at.step, self.at.failing, good if learner.finite else None)

    def _count_time(self) -> None:
        now = time.perf_counter()
        self.at.seconds += now - self._counted
        self._counted = now
        spent = self._meter.read()
        self.at.cpu_seconds += spent.cpu_seconds
        self.at.joules += spent.joules

    def _speed(self) -> float:
        return self._words / max(1e-9, time.perf_counter() - self._stretch)


def _keep_lines(log: Path, count: int) -> Validation | None:
    """Drops what a killed sitting wrote after its last checkpoint; gives the last line left."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
    with written(log) as beside:
        beside.write_text("".join(lines[:count]), encoding="utf-8")
    return Validation(**json.loads(lines[count - 1])) if count else None


def _odd(value: Any) -> bool:
    """What JSON has no number for."""
    return isinstance(value, float) and not math.isfinite(value)

"""The trials of a study: who does which, how far each has come, and what they have come to.

Optuna keeps them in a journal, one line after the other. A trial is held by a lock that goes when
its process does, so whoever comes later takes up what others have left, at its last checkpoint.
"""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seqpipe.cli._search import FILE, combinations, read_search
from seqpipe.cli._space import Range
from seqpipe.cli.train import train
from seqpipe.errors import ExtraMissing, ScoreMissing, SettingError, TrainingDiverged, reason_of
from seqpipe.files import alone, held

if TYPE_CHECKING:
    from seqpipe.train.checkpoint import Position
    from seqpipe.train.loop import Validation

JOURNAL = "study.log"
TRIALS = "trials"
_NAME = "tune"
_BEFORE_PRUNING = 5  # trials that a median is taken of, at least
_QUIET = {"seqpipe.report": False, "seqpipe.samples": 0}  # nobody looks at so many
_FIRST_LOOK = 2  # no trial is given up at its first validation


def need_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ExtraMissing("Optuna", "tune") from error
    return optuna


@dataclass(frozen=True, slots=True)
class Tried:
    """What is known of a trial."""

    number: int
    state: str  # done, pruned, failed, or open where it has not come to its end
    score: float | None  # the best one of the run
    step: int
    seconds: float  # of training and validation
    settings: Mapping[str, Any]
    reason: str  # why it has failed

    def line(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__}) + "\n"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A trial that is ours until the lock is given back."""

    trial: Any  # of Optuna
    settings: Mapping[str, Any]
    lock: ExitStack

    @property
    def number(self) -> int:
        return int(self.trial.number)


class Study:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.search = read_search(folder)
        self.parts = self.search.parts
        self._optuna = need_optuna()
        with alone(folder / JOURNAL):
            _mend(folder / JOURNAL)
        verbosity = self._optuna.logging.get_verbosity()
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        try:
            self._study = self._opened()
        finally:
            self._optuna.logging.set_verbosity(verbosity)

    def _opened(self) -> Any:
        journal = self._optuna.storages.journal
        file = str(self.folder / JOURNAL)
        backend = journal.JournalFileBackend(file, lock_obj=_Turns(self.folder / JOURNAL))
        return self._optuna.create_study(
            study_name=_NAME,
            storage=self._optuna.storages.JournalStorage(backend),
            direction="maximize",
            load_if_exists=True,
            pruner=self._pruner(),
        )

    def tried(self) -> list[Tried]:
        """Every trial that has begun, by its number."""
        states = self._optuna.trial.TrialState
        frozen = self._study.get_trials(deepcopy=False)
        return [self._tried(trial) for trial in frozen if trial.state != states.WAITING]

    def work(self, trials: int, stopping: Callable[[], bool]) -> Iterator[int]:
        """Does trials until there are so many, or until asked to stop; gives their numbers."""
        while not stopping() and (claimed := self._claim(trials)) is not None:
            try:
                ended = self._attempt(claimed, stopping)
            finally:
                with alone(self.folder / FILE):  # else somebody takes it who knows not how it ended
                    claimed.lock.close()
            if ended:
                yield claimed.number

    # Which one -------------------------------------------------------------------------------

    def _claim(self, trials: int) -> Claimed | None:
        """A trial whose process is gone, else a new one while there are fewer."""
        states = self._optuna.trial.TrialState
        with alone(self.folder / FILE):
            frozen = self._study.get_trials(deepcopy=False)
            for left in frozen:
                if left.state == states.RUNNING and (lock := self._lock(left.number)):
                    self._study.sampler = self._sampler(left.number)
                    trial = self._optuna.trial.Trial(self._study, left._trial_id)
                    return self._claimed(trial, lock)
            waiting = [trial.number for trial in frozen if trial.state == states.WAITING]
            if not waiting and len(frozen) >= trials:
                return None
            if not waiting:
                self._line_up(len(frozen))
            self._study.sampler = self._sampler(waiting[0] if waiting else len(frozen))
            trial = self._study.ask()
            lock = self._lock(trial.number)
            return None if lock is None else self._claimed(trial, lock)

    def _claimed(self, trial: Any, lock: ExitStack) -> Claimed:
        with _calm(self._optuna):
            coded = {name: self._suggested(trial, name) for name in self.parts}
        settings = {name: self.parts[name].decoded(value) for name, value in coded.items()}
        return Claimed(trial, settings, lock)

    def _suggested(self, trial: Any, name: str) -> Any:
        """What it has been given before, or what the sampler thinks of."""
        part = self.parts[name]
        if not isinstance(part, Range):
            return trial.suggest_categorical(name, [part.coded(value) for value in part.values])
        if part.whole:
            step = 1 if part.step is None else int(part.step)
            return trial.suggest_int(name, part.low, part.high, step=step, log=part.log)
        return trial.suggest_float(name, part.low, part.high, step=part.step, log=part.log)

    def _line_up(self, number: int) -> None:
        """What comes next where that is settled."""
        settled: Mapping[str, Any] | None = None
        if self.search.sampler == "grid":
            settled = combinations(self.search)[number]
        elif number == 0:
            settled = self.search.begin
        if settled is not None:
            coded = {name: self.parts[name].coded(value) for name, value in settled.items()}
            self._study.enqueue_trial(coded)

    def _lock(self, number: int) -> ExitStack | None:
        """Given back with its file gone, so that only what is under way has one."""
        (self.folder / TRIALS).mkdir(exist_ok=True)
        path = self.folder / TRIALS / f"{number:03}.lock"
        with ExitStack() as stack:
            if not stack.enter_context(held(path)):
                return None
            stack.callback(path.unlink, missing_ok=True)
            return stack.pop_all()

    def _sampler(self, number: int) -> Any:
        """A new one for each trial: what it draws depends on its number, not on who draws."""
        seed = int(np.random.SeedSequence([self.search.seed, number]).generate_state(1)[0])
        samplers = self._optuna.samplers
        with _calm(self._optuna):
            if self.search.sampler == "tpe":
                return samplers.TPESampler(seed=seed, constant_liar=True)
            return samplers.RandomSampler(seed=seed)

    def _pruner(self) -> Any:
        pruners = self._optuna.pruners
        if self.search.pruner == "median":
            return pruners.MedianPruner(
                n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=_FIRST_LOOK
            )
        hyperband = self.search.pruner == "hyperband"
        return pruners.HyperbandPruner() if hyperband else pruners.NopPruner()

    # One of them -----------------------------------------------------------------------------

    def _attempt(self, claimed: Claimed, stopping: Callable[[], bool]) -> bool:
        """Whether it has come to an end, be it a bad one."""
        states = self._optuna.trial.TrialState
        folder = self.folder / TRIALS / f"{claimed.number:03}"
        curve = Curve(claimed.trial, folder, self.search.metric, stopping, self._optuna.TrialPruned)
        state, reason = states.COMPLETE, ""
        try:
            trained = train(
                self.search.stage,
                self.search.data,
                output=folder,
                columns=self.search.columns,
                overrides={**_QUIET, **self.search.overrides, **claimed.settings},
                resume=True,
                watcher=curve,
            )
            if trained.stopped:
                return False
        except self._optuna.TrialPruned:
            state = states.PRUNED
        except (TrainingDiverged, SettingError, torch.cuda.OutOfMemoryError) as error:
            state, reason = states.PRUNED, reason_of(error)
        self._tell(claimed, state, reason, read_curve(folder))
        self._tidy(folder)
        return True

    def _tell(self, claimed: Claimed, state: Any, reason: str, curve: list[Any]) -> None:
        """One that has failed counts as given up, so that the sampler keeps away from there."""
        states = self._optuna.trial.TrialState
        scores = [line["score"] for line in curve if line["score"] is not None]
        if state == states.COMPLETE and not scores:
            state, reason = states.PRUNED, "its score was never a number"
        last = curve[-1] if curve else {"step": 0, "seconds": 0.0}
        best = max(scores, default=None)
        facts = {"reason": reason, "score": best, "step": last["step"], "seconds": last["seconds"]}
        for name, fact in facts.items():
            claimed.trial.set_user_attr(name, fact)
        value = best if state == states.COMPLETE else None
        self._study.tell(claimed.number, value, state=state)

    def _tidy(self, folder: Path) -> None:
        """The curve stays, and the models where they are asked for."""
        left = ["run"] if self.search.keep_models else ["run", "model-best", "model-last"]
        for name in left:
            shutil.rmtree(folder / name, ignore_errors=True)

    def _tried(self, trial: Any) -> Tried:
        facts = trial.user_attrs
        coded = {name: trial.params[name] for name in self.parts if name in trial.params}
        score = facts.get("score")
        return Tried(
            number=trial.number,
            state=self._state(trial),
            score=None if score is None else score * self.search.sign,
            step=facts.get("step", 0),
            seconds=facts.get("seconds", 0.0),
            settings={name: self.parts[name].decoded(value) for name, value in coded.items()},
            reason=facts.get("reason", ""),
        )

    def _state(self, trial: Any) -> str:
        if trial.user_attrs.get("reason"):
            return "failed"
        names = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}
        return names.get(trial.state.name, "open")


class Curve:
    """Watches the run of a trial, and ends it when its curve is hopeless."""

    def __init__(
        self,
        trial: Any,
        folder: Path,
        metric: str | None,
        stopping: Callable[[], bool],
        pruned: type[Exception],
    ) -> None:
        self._trial, self._folder, self._metric = trial, folder, metric
        self._stopping, self._pruned = stopping, pruned
        self._seen = self._total = 0

    @property
    def stopping(self) -> bool:
        return self._stopping()

    def begin(self, total: int, done: int) -> None:
        """What an earlier sitting has written down is looked at first, as it was then."""
        self._total = total
        for line in read_curve(self._folder) if done else []:
            if line["step"] <= done:
                self._look(line["step"], line["score"])

    def stepped(self, position: Position, words_per_second: float) -> None: ...

    def validated(self, validation: Validation, *, best: bool) -> None:
        if self._metric is not None and self._metric not in validation.scores:
            scores = [n for n, v in validation.scores.items() if isinstance(v, float)]
            raise ScoreMissing(self._metric, scores)
        self._look(validation.step, validation.score)

    def _look(self, step: int, score: float | None) -> None:
        """By the number of validations: a step is not the same where other things vary."""
        self._seen += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of one that was reported before
            self._trial.report(math.nan if score is None else score, self._seen)
        if step < self._total and self._trial.should_prune():
            raise self._pruned


def read_curve(folder: Path) -> list[Any]:
    """The lines of a trial's log.jsonl."""
    log = folder / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


class _Turns:
    """The lock of Optuna's journal, as one that does not outlive its process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()

    def acquire(self) -> bool:
        self._stack.enter_context(alone(self._path))
        return True

    def release(self) -> None:
        self._stack.close()


def _mend(journal: Path) -> None:
    """A process that was killed while it wrote has left half a line."""
    text = journal.read_bytes()
    if not text.endswith(b"\n"):
        with journal.open("r+b") as file:
            file.truncate(text.rfind(b"\n") + 1)


@contextmanager
def _calm(optuna: Any) -> Iterator[None]:
    """What its older versions call experimental is what we mean."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield

"""Who shows a run to others while it goes on: TensorBoard, Weights & Biases, MLflow.

Each is told what a line of log.jsonl says. Where it keeps that is its own affair, and said to it by
variables of the environment, such as WANDB_PROJECT or MLFLOW_TRACKING_URI.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from seqpipe.errors import ExtraMissing, SettingError, TrackerFailed, listed, reason_of
from seqpipe.train.checkpoint import Position
from seqpipe.train.loop import Validation, Watcher

Setting = bool | int | float | str

_SHOWN = (
    "epoch",
    "loss",
    "score",
    "learn_rate",
    "gradient_norm",
    "padding",
    "words_per_second",
    "skipped",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a tracker begins with, or goes on with."""

    output: Path
    settings: Mapping[str, Setting]  # by their dotted names
    known: str | None = None  # its own name for the run, if it was begun before


class Tracker(Protocol):
    """One that draws curves; it is told the settings of a run once, when that begins."""

    @property
    def run(self) -> str:
        """Its own name for the run."""

    def log(self, values: Mapping[str, float], step: int) -> None: ...
    def close(self, *, ended: bool) -> None: ...


class TensorBoard:
    """Files in the folder of the run: `tensorboard --logdir DIR` shows them."""

    module = "torch.utils.tensorboard"
    run = "tensorboard"

    def __init__(self, opening: Opening) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(opening.output / self.run))
        if opening.known is None:
            self._writer.add_hparams(dict(opening.settings), {}, run_name=".")

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # else a kill would cost what was told in two minutes

    def close(self, *, ended: bool) -> None:
        self._writer.close()


class Wandb:
    """Weights & Biases."""

    module = "wandb"

    def __init__(self, opening: Opening) -> None:
        import wandb

        self._run = wandb.init(
            id=opening.known,
            resume="allow",
            name=str(opening.output),
            config=dict(opening.settings),
        )
        self.run: str = self._run.id

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self, *, ended: bool) -> None:
        self._run.finish(exit_code=0 if ended else 1)


class MLflow:
    """As the server of MLflow, or its folder, wants to have it."""

    module = "mlflow"
    _AT_ONCE = 100  # parameters that a server takes
    _LONGEST = 6000  # characters of one

    def __init__(self, opening: Opening) -> None:
        import mlflow

        self._mlflow = mlflow
        run = mlflow.start_run(run_id=opening.known, run_name=str(opening.output))
        self.run: str = run.info.run_id
        if opening.known is None:
            told = [(name, str(v)[: self._LONGEST]) for name, v in opening.settings.items()]
            for at in range(0, len(told), self._AT_ONCE):
                mlflow.log_params(dict(told[at : at + self._AT_ONCE]))

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._mlflow.log_metrics(dict(values), step=step)

    def close(self, *, ended: bool) -> None:
        self._mlflow.end_run("FINISHED" if ended else "KILLED")


TRACKERS: dict[str, type[MLflow | TensorBoard | Wandb]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "wandb": Wandb,
}


def check_trackers(kinds: Sequence[str]) -> None:
    """Before a long run begins: whether there are such trackers, and whether they are installed."""
    if isinstance(kinds, str) or not set(kinds) <= set(TRACKERS):
        raise SettingError("seqpipe.track", kinds, f"a list of some of {listed(TRACKERS)}")
    for kind in kinds:
        try:
            import_module(TRACKERS[kind].module)
        except ImportError as error:
            raise ExtraMissing(kind, kind) from error


class Tracked:
    """Whoever watches a run, and trackers beside."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._trackers: dict[str, Tracker] = {}

    def open(self, kind: str, opening: Opening) -> None:
        try:
            self._trackers[kind] = TRACKERS[kind](opening)
        except Exception as error:  # each fails in its own way
            raise TrackerFailed(kind, reason_of(error)) from error

    @property
    def runs(self) -> dict[str, str]:
        """By which each tracker finds the run again."""
        return {kind: tracker.run for kind, tracker in self._trackers.items()}

    @property
    def stopping(self) -> bool:
        return self._watcher.stopping

    def begin(self, total: int, done: int) -> None:
        self._watcher.begin(total, done)

    def stepped(self, position: Position, words_per_second: float) -> None:
        self._watcher.stepped(position, words_per_second)

    def validated(self, validation: Validation, *, best: bool) -> None:
        """The checkpoint is written by now: whatever happens, no step is told twice."""
        self._watcher.validated(validation, best=best)
        for kind, tracker in [*self._trackers.items()]:
            try:
                tracker.log(_values(validation), validation.step)
            except Exception as error:  # a server that is down at night must not end a training
                del self._trackers[kind]
                told = f"{kind} is told no more of this run, which goes on: {reason_of(error)}"
                warnings.warn(told, stacklevel=2)

    def close(self, *, ended: bool) -> None:
        for tracker in self._trackers.values():
            tracker.close(ended=ended)


@contextmanager
def tracked(
    watcher: Watcher, output: Path, settings: Mapping[str, Any], runs: Mapping[str, str | None]
) -> Iterator[Tracked]:
    """A watcher with trackers beside, which go on with the `runs` that have a name already."""
    plain = {name.replace("@", ""): _plain(value) for name, value in settings.items()}
    both = Tracked(watcher)
    ended = False
    try:
        for kind, known in runs.items():
            both.open(kind, Opening(output=output, settings=plain, known=known))
        yield both
        ended = not watcher.stopping
    finally:
        both.close(ended=ended)


def _plain(value: Any) -> Setting:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _values(validation: Validation) -> dict[str, float]:
    """What there is a curve of."""
    scores = {f"scores/{name}": score for name, score in validation.scores.items()}
    told = {**{name: getattr(validation, name) for name in _SHOWN}, **scores}
    return {name: value for name, value in told.items() if isinstance(value, int | float)}

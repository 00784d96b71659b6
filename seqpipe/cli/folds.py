"""Several runs of one training: each fold held out in turn, on all rows or on more and more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, Protocol

import numpy as np
from confection import Config
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_model_from_config, registry

from seqpipe.cli._config import READ, config_for
from seqpipe.cli._run import Run
from seqpipe.cli.train import Silent, check_asked
from seqpipe.corpora.picked import fold_numbers, strata_of
from seqpipe.errors import OutputInUse, SizeTooLarge, UsageError
from seqpipe.files import claim_folder, written
from seqpipe.train.loop import Watcher

Size = int | Literal["all"]


class FoldsWatcher(Watcher, Protocol):
    """Who is told besides which run begins."""

    def entered(self, run: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Spread:
    """What several runs say of one score."""

    mean: float
    deviation: float  # standard deviation of a sample; 0 of a single run


@dataclass(frozen=True, slots=True)
class FoldRun:
    """One of the runs."""

    folder: Path
    fold: int  # held out and measured on; 0: measured on the part that is there for it
    rows: int  # learned from
    step: int
    scores: Mapping[str, float]  # of model-best, which was chosen by them
    last: Mapping[str, float]  # of the net as the run ended


@dataclass(frozen=True, slots=True)
class Point:
    """The runs on so many rows."""

    size: Size
    runs: Sequence[FoldRun]

    def scores(self) -> dict[str, Spread]:
        return _spreads([run.scores for run in self.runs])

    def last(self) -> dict[str, Spread]:
        return _spreads([run.last for run in self.runs])


@dataclass(frozen=True, slots=True)
class Folds:
    """What all runs have come to, one point a size; one for all rows where none is named."""

    folds: int
    seed: int
    rows: int  # that there are to learn from and, with folds, to measure on
    points: Sequence[Point]
    stopped: bool = False  # asked to stop before the end


def train_folds(
    what: str,
    data: str | None = None,
    *,
    output: Path | str,
    folds: int = 0,
    sizes: Sequence[Size] = (),
    columns: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    init_from: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    watcher: FoldsWatcher | None = None,
) -> Folds:
    """Trains once for each fold and size, each in a folder of its own.

    With `folds` the rows of the training part are measured on in turn; `sizes` are how many of
    the first rows of a shuffle are learned from. The rest is as in `train`.
    """
    columns = columns or {}
    check_asked(what, data, columns)
    _check(folds, sizes, columns)
    config = config_for(what, data, columns=columns, overrides=overrides or {}, init_from=init_from)
    plan = _Plan.of(config, folds=folds, sizes=sizes or ["all"])
    told = Path(output) / ("sizes.json" if sizes else "folds.json")
    _claim(told, resume=resume, overwrite=overwrite)
    watcher = watcher or Silent()
    found: list[FoldRun] = []
    if not told.exists():
        _tell(told, plan.outcome(found), by_size=bool(sizes))
    for one in plan.runs(Path(output), by_size=bool(sizes)):
        watcher.entered(str(one.folder.relative_to(output)))
        run = Run(one.folder)
        run.claim(resume=resume, overwrite=overwrite)
        trained = run.train(one.config, watcher)
        if trained.stopped:
            return plan.outcome(found, stopped=True)
        shutil.rmtree(trained.last, ignore_errors=True)  # nobody asks for so many
        last = json.loads(run.log.read_text(encoding="utf-8").splitlines()[-1])["scores"]
        scores = _numbers(trained.scores), _numbers(last)
        found.append(FoldRun(one.folder, one.fold, one.rows, trained.step, *scores))
        _tell(told, plan.outcome(found), by_size=bool(sizes))
    return plan.outcome(found)


def _check(folds: int, sizes: Sequence[Size], columns: Mapping[str, Any]) -> None:
    if folds == 1 or folds < 0:
        raise UsageError(f"--folds {folds} is too few: a fold is held out of 2 at least.")
    if not folds and not sizes:
        raise UsageError("Say how many folds, which sizes, or both.")
    if columns.get("streaming"):
        raise UsageError("--streaming reads rows as they come, and for folds and sizes they count.")
    for size in sizes:
        if size != "all" and (not isinstance(size, int) or size < 1):
            raise UsageError(f"--sizes takes numbers of rows and 'all', and not {size!r}.")
    named = [name for name in ("dev", "dev_split") if name in columns]
    if folds and named:
        option = f"--{named[0].replace('_', '-')}"
        raise UsageError(f"{option} names what to measure on, and with --folds each fold is that.")


# What is run ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Planned:
    folder: Path
    config: Config
    fold: int
    rows: int


@dataclass(frozen=True, slots=True)
class _Plan:
    config: Config
    folds: int
    sizes: Sequence[Size]
    seed: int
    held: Sequence[int]  # rows of each fold
    rows: int

    @classmethod
    def of(cls, config: Config, *, folds: int, sizes: Sequence[Size]) -> _Plan:
        """Counts the rows, and makes sure that there are enough."""
        corpus = _block(config, "train_corpus", folds=folds)
        nlp = load_model_from_config(config.copy(), auto_fill=True)
        filled = nlp.config.interpolate()
        seed = filled["training"]["seed"] or 0
        strata = strata_of(_opened(config, corpus)(nlp))
        numbers = fold_numbers(strata, folds=max(folds, 1), seed=seed)
        held = np.bincount(numbers)[1:].tolist() if folds else [0]
        least = len(strata) - max(held)
        for size in sizes:
            if size != "all" and size > least:
                raise SizeTooLarge(size, least)
        return cls(config, folds, list(dict.fromkeys(sizes)), seed, held, len(strata))

    def runs(self, output: Path, *, by_size: bool) -> Iterator[_Planned]:
        for size in self.sizes:
            above = output / f"size-{size}" if by_size else output
            for fold, held in enumerate(self.held, 1 if self.folds else 0):
                folder = above / f"fold-{fold}" if fold else above
                rows = self.rows - held if size == "all" else int(size)
                yield _Planned(folder, self._config(size, fold), fold, rows)

    def _config(self, size: Size, fold: int) -> Config:
        """That of one run, which says by itself what it learns from and is measured on."""
        config = self.config.copy()
        train = _block(config, "train_corpus", folds=self.folds)
        pick = {
            "@readers": "seqpipe.Picked.v1",
            "folds": self.folds,
            "fold": fold,
            "seed": self.seed,
        }
        first = 0 if size == "all" else size
        blocks = config["corpora"]
        name, dev_name = (_name(config, key) for key in ("train_corpus", "dev_corpus"))
        blocks[name] = {**pick, "held": False, "first": first, "shuffle": True, "corpus": train}
        if fold:
            measured = {**train, **_as_measured(blocks.get(dev_name, {}))}
            blocks[dev_name] = {**pick, "held": True, "first": 0, "shuffle": False}
            blocks[dev_name]["corpus"] = measured
        return config

    def outcome(self, found: Sequence[FoldRun], *, stopped: bool = False) -> Folds:
        each = len(self.held)
        points = [
            Point(size, runs)
            for at, size in enumerate(self.sizes)
            if (runs := found[at * each : (at + 1) * each])
        ]
        return Folds(self.folds, self.seed, self.rows, points, stopped)


def _name(config: Config, key: str) -> str:
    """Which block of the corpora this is."""
    names = {"train_corpus": "corpora.train", "dev_corpus": "corpora.dev", **config["training"]}
    return str(names[key]).partition(".")[2]


def _block(config: Config, key: str, *, folds: int) -> dict[str, Any]:
    """The corpus in the order it always has; with folds nothing of it is kept for measuring."""
    name = _name(config, key)
    block = dict(config.get("corpora", {}).get(name, {}))
    if not block:
        raise UsageError(f"The config has no block [corpora.{name}]: name the data.")
    if block.get("@readers") in READ:
        block["shuffle"] = False
    if folds:
        block.pop("without", None)
    return block


def _opened(config: Config, block: Mapping[str, Any]) -> Callable[[Language], Iterable[Example]]:
    name = _name(config, "train_corpus")
    asked = Config({**config, "corpora": {**config["corpora"], name: block}}).interpolate()
    read: Callable[[Language], Iterable[Example]] = registry.resolve(asked["corpora"])[name]
    return read


def _as_measured(dev: Mapping[str, Any]) -> dict[str, Any]:
    """Long texts are measured in shorter parts than they are learned in."""
    running = dev.get("@readers") == "seqpipe.RunningText.v1"
    return {"longest": dev["longest"]} if running and "longest" in dev else {}


# What is left ---------------------------------------------------------------------------------


def _claim(told: Path, *, resume: bool, overwrite: bool) -> None:
    """Makes sure that the folder is ours; what is to be replaced goes."""
    output = told.parent
    if output.exists() and not output.is_dir():
        raise OutputInUse(output, "a folder")
    ours = told.exists()
    if output.is_dir() and any(output.iterdir()) and not (ours and (resume or overwrite)):
        ways = "--overwrite or --resume" if ours else f"another one: it holds no {told.name}"
        raise OutputInUse(output, ways)
    claim_folder(output)
    if overwrite:
        told.unlink(missing_ok=True)
        for folder in [*output.glob("fold-*"), *output.glob("size-*")]:
            if any(folder.rglob("log.jsonl")):
                shutil.rmtree(folder)


def _tell(told: Path, outcome: Folds, *, by_size: bool) -> None:
    facts: dict[str, Any] = {
        "folds": outcome.folds,
        "seed": outcome.seed,
        "rows": outcome.rows,
    }
    points = [_plain(point, told.parent) for point in outcome.points]
    if by_size:
        facts["sizes"] = points
    else:
        facts |= {name: value for point in points for name, value in point.items()}
    with written(told) as beside:
        beside.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(point: Point, output: Path) -> dict[str, Any]:
    return {
        "size": point.size,
        "scores": {name: asdict(spread) for name, spread in point.scores().items()},
        "last": {name: asdict(spread) for name, spread in point.last().items()},
        "runs": [
            {**asdict(run), "folder": run.folder.relative_to(output).as_posix()}
            for run in point.runs
        ],
    }


def _spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Of the scores that every run has."""
    names = [name for name in (runs[0] if runs else {}) if all(name in run for run in runs)]
    values = {name: [run[name] for run in runs] for name in names}
    return {n: Spread(fmean(v), stdev(v) if len(v) > 1 else 0.0) for n, v in values.items()}


def _numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items() if isinstance(value, Real)}

"""`seqpipe tune`: many runs of one stage, in search of the settings that score best."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.cli.train import STAGES, column_arguments, columns_of, reporting
from seqpipe.errors import OutputInUse, TrialsDie, TrialsFruitless, UsageError, listed, nearest

if TYPE_CHECKING:
    from seqpipe.cli._search import Search
    from seqpipe.cli._study import Study, Tried

DOTTED = True

_TRIALS = 20
_LOOK = 0.3  # seconds between two looks at what the workers have done
_SHOWN = 10  # lines of the table
_OWN = ("study.json", "study.log", "trials.jsonl", "trials", "best.cfg")

_EXAMPLE = """examples:
  python -m seqpipe tune sentiment reviews.csv --label stars --trials 30 --output search
  python -m seqpipe tune sentiment reviews.csv --label stars --trials 60 --output search --resume
  python -m seqpipe tune tokenizer en_ewt/ --timeout 3600 --workers 4 --output search
  python -m seqpipe tune translator pairs.csv --source en --target de --space mine.cfg --output s
  python -m seqpipe tune generator poems.jsonl --vary training.dropout=0..0.4 --output search
  python -m seqpipe tune sentiment reviews.csv --sampler grid --space grid.json --output search

Ctrl-C keeps what is done, and --resume goes on. Settings given as --dotted.name VALUE are the same
in every trial. The best settings are in best.cfg, which `python -m seqpipe train` takes."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Search for the settings of a stage that score best on a data set."
    parser.epilog = _EXAMPLE
    parser.add_argument("stage", metavar="STAGE", help=listed(STAGES))
    parser.add_argument("data", metavar="DATA", help="data set on the hub, folder, file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the study")
    column_arguments(parser)
    search = parser.add_argument_group("search")
    trials = f"trials in all ({_TRIALS}; a grid has as many as it has)"
    search.add_argument("--trials", type=int, metavar="N", help=trials)
    search.add_argument("--timeout", type=float, metavar="S", help="seconds that it may take")
    search.add_argument("--space", type=Path, metavar="FILE", help="what to vary: .json or .cfg")
    varied = "one more setting, or another range: NAME=LOW..HIGH, NAME='LOW..HIGH log', NAME=[A, B]"
    search.add_argument("--vary", action="append", default=[], metavar="NAME=...", help=varied)
    search.add_argument("--sampler", default="tpe", metavar="NAME", help="tpe, random, grid (tpe)")
    pruners = "who ends hopeless trials: median, hyperband, none (median)"
    search.add_argument("--pruner", default="median", metavar="NAME", help=pruners)
    search.add_argument("--metric", metavar="SCORE", help="what is best (the score of the run)")
    search.add_argument("--seed", type=int, default=0, help="of the search and of each run (0)")
    search.add_argument("--workers", type=int, default=1, metavar="N", help="trials at once (1)")
    search.add_argument("--keep-models", action="store_true", help="those of every trial")
    settings = parser.add_argument_group("settings (any other as --dotted.name VALUE)")
    settings.add_argument("--epochs", type=int, metavar="N")
    settings.add_argument("--lang", help="language code of the pipeline (xx: any)")
    settings.add_argument("--device", help="auto, cpu, cuda or cuda:1")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on, up to --trials in all")
    again.add_argument("--overwrite", action="store_true", help="replace what the folder holds")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> int:
    from seqpipe.cli._overrides import parse_overrides
    from seqpipe.cli._space import read_space, spoken

    short = {
        "components.*.device": args.device,
        "training.max_epochs": args.epochs,
        "nlp.lang": args.lang,
    }
    given = {name: value for name, value in short.items() if value is not None}
    with reporting() as reporter:
        tuned = tune(
            args.stage,
            args.data,
            output=args.output,
            trials=args.trials,
            timeout=args.timeout,
            columns=columns_of(args),
            overrides={**given, **parse_overrides(overrides)},
            space=None if args.space is None else read_space(args.space),
            vary=spoken(args.vary),
            sampler=args.sampler,
            pruner=args.pruner,
            metric=args.metric,
            seed=args.seed,
            workers=args.workers,
            keep_models=args.keep_models,
            resume=args.resume,
            overwrite=args.overwrite,
            stopping=lambda: reporter.stopping,
            told=_tell,
        )
    return _speak(tuned)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study has come to."""

    output: Path
    trials: Sequence[Tried]
    best: Tried | None  # None only where it was stopped before
    config: Path  # that trains with the best settings
    stopped: bool  # asked to stop before its end


def tune(
    stage: str,
    data: str,
    *,
    output: Path | str,
    trials: int | None = None,
    timeout: float | None = None,
    columns: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    vary: Mapping[str, Any] | None = None,
    sampler: str = "tpe",
    pruner: str = "median",
    metric: str | None = None,
    seed: int = 0,
    workers: int = 1,
    keep_models: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    told: Callable[[Tried], None] = lambda tried: None,
) -> Tuned:
    """Searches in `output`: trials, trials.jsonl and best.cfg, which `train` takes.

    `space` says what is varied, by the dotted names of settings: `{"low": 0.1, "high": 0.5}`,
    with `log` or `step` where wanted, or a list of choices; without it, it is the stage's own.
    `vary` adds to it, and `overrides` are the settings that all trials share. `told` hears of each
    trial that has come to its end.
    """
    from seqpipe.cli._search import make_search
    from seqpipe.cli._spaces import SPACES
    from seqpipe.cli._study import need_optuna

    _check(stage, trials=trials, timeout=timeout, workers=workers)
    need_optuna()
    search = make_search(
        stage,
        data,
        columns=columns or {},
        overrides=overrides or {},
        usual=SPACES[stage] if space is None else {},
        asked={**(space or {}), **(vary or {})},
        sampler=sampler,
        pruner=pruner,
        metric=metric,
        seed=seed,
        keep_models=keep_models,
    )
    folder = Path(output)
    sitting = _Sitting(_claimed(folder, search, resume=resume, overwrite=overwrite), told)
    until = time.time() + (float("inf") if timeout is None else timeout)
    sitting.sit(_count(search, trials), workers=workers, until=until, stopping=stopping)
    return sitting.outcome(stopped=stopping())


def _check(stage: str, *, trials: int | None, timeout: float | None, workers: int) -> None:
    if stage not in STAGES:
        message = f"There is no stage {stage!r}: there are {listed(STAGES)}."
        raise UsageError(message + nearest(stage, STAGES))
    for name, value in (("trials", trials), ("workers", workers)):
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value} is too few: give 1 or more.")
    if timeout is not None and timeout <= 0:
        raise UsageError(f"--timeout {timeout:g} is too short: give seconds above 0.")
    if workers > 1 and os.name != "posix":
        raise UsageError("--workers needs a system with file locks that end with their process.")


def _count(search: Search, trials: int | None) -> int:
    from seqpipe.cli._search import combinations

    if search.sampler != "grid":
        return trials or _TRIALS
    there = len(combinations(search))
    return min(trials or there, there)


def _claimed(folder: Path, search: Search, *, resume: bool, overwrite: bool) -> Study:
    """The study in a folder that is ours to write to."""
    from seqpipe.cli._run import compare
    from seqpipe.cli._search import FILE, read_search
    from seqpipe.cli._study import Study
    from seqpipe.files import claim_folder

    if folder.exists() and not folder.is_dir():
        raise OutputInUse(folder, "a folder")
    ours = (folder / FILE).exists()
    if folder.is_dir() and any(folder.iterdir()) and not (ours and (resume or overwrite)):
        ways = "--overwrite or --resume" if ours else "another one: it holds no study of seqpipe"
        raise OutputInUse(folder, ways)
    if overwrite and _at_work(folder):
        raise OutputInUse(folder, "--resume: somebody is at work there")
    claim_folder(folder)
    if ours and resume:
        compare(folder, asdict(read_search(folder)), asdict(search))
    else:
        _clear(folder)
        search.write(folder)
    return Study(folder)


def _at_work(folder: Path) -> bool:
    from seqpipe.files import held

    for lock in (folder / "trials").glob("*.lock"):
        with held(lock) as free:
            if not free:
                return True
    return False


def _clear(folder: Path) -> None:
    for name in _OWN:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


class _Sitting:
    """One call of the command."""

    def __init__(self, study: Study, told: Callable[[Tried], None]) -> None:
        self._study = study
        self._told = told
        before = study.tried()
        self._known = {tried.number for tried in before if tried.state != "open"}
        self._fresh = not before

    def sit(self, trials: int, *, workers: int, until: float, stopping: Callable[[], bool]) -> None:
        try:
            if workers == 1:
                for _ in self._study.work(trials, lambda: stopping() or time.time() >= until):
                    self._look()
            else:
                self._lead(trials, workers, until, stopping)
        except TrialsDie:
            raise
        except Exception:
            nothing = all(tried.state == "open" for tried in self._study.tried())
            if self._fresh and nothing and not _at_work(self._study.folder):
                _clear(self._study.folder)
            raise

    def _lead(self, trials: int, workers: int, until: float, stopping: Callable[[], bool]) -> None:
        from seqpipe.cli._tuner import Crew

        with Crew(self._study.folder, workers=workers, trials=trials, until=until) as crew:
            while crew.working:
                if stopping():
                    crew.stop()
                time.sleep(_LOOK)
                self._look()
                crew.check()
            self._look()
            crew.check()

    def _look(self) -> None:
        """Tells what has ended since, and writes it down."""
        tried = self._study.tried()
        new = [t for t in tried if t.state != "open" and t.number not in self._known]
        for one in new:
            self._known.add(one.number)
            self._told(one)
        if new:
            self._write(tried)

    def _write(self, tried: Sequence[Tried]) -> None:
        from seqpipe.files import written

        with written(self._study.folder / "trials.jsonl") as beside:
            lines = (one.line() for one in tried if one.state != "open")
            beside.write_text("".join(lines), encoding="utf-8")

    def outcome(self, *, stopped: bool) -> Tuned:
        tried = self._study.tried()
        self._write(tried)
        folder = self._study.folder
        done = [one for one in tried if one.state == "done"]
        best = min(done, key=self._rank, default=None)
        if best is not None:
            _write_config(folder / "best.cfg", self._study.search, best)
        elif not stopped:
            reasons = [one.reason.rstrip(".") for one in tried if one.reason]
            late = "the time was over before; --resume goes on"
            raise TrialsFruitless(folder, reasons[0] if reasons else late)
        ranked = [*sorted(done, key=self._rank), *(t for t in tried if t.state != "done")]
        return Tuned(folder, ranked, best, folder / "best.cfg", stopped)

    def _rank(self, tried: Tried) -> tuple[float, int]:
        """Best first, and of equal ones the earliest."""
        return -self._study.search.sign * (tried.score or 0.0), tried.number


def _write_config(path: Path, search: Search, best: Tried) -> None:
    from seqpipe.cli._config import config_for
    from seqpipe.cli.init_config import filled_config, in_order
    from seqpipe.files import written

    config = config_for(
        search.stage,
        search.data,
        columns=search.columns,
        overrides={**search.overrides, **best.settings},
    )
    with written(path) as beside:
        beside.write_text(in_order(filled_config(config).to_str()) + "\n", encoding="utf-8")


def _tell(tried: Tried) -> None:
    score = "" if tried.score is None else f"  score {tried.score:.4f}"
    reason = f"  {tried.reason}" if tried.reason else ""
    line = f"trial {tried.number:>3}  {tried.state:<6}{score}  {tried.seconds:.0f} s{reason}"
    print(line, file=sys.stderr, flush=True)


def _speak(tuned: Tuned) -> int:
    if tuned.trials:
        print(_table(tuned))
    if tuned.best is not None:
        command = f"python -m seqpipe train {shlex.quote(str(tuned.config))} --output MODEL"
        print(f"\nbest: trial {tuned.best.number}, score {tuned.best.score:.4f}\n{command}")
    if tuned.stopped:
        print("Stopped; --resume goes on.", file=sys.stderr)
        return 130
    return 0


def _table(tuned: Tuned) -> str:
    from seqpipe.cli._table import table

    names = list(tuned.trials[0].settings)
    short = [name.removeprefix("training.").removeprefix("seqpipe.") for name in names]
    short = [name.split(".", 3)[-1] if name.startswith("components.") else name for name in short]
    short = [name.removeprefix("optimizer.").removesuffix(".rate") for name in short]
    rows = [
        [one.number, _shown(one.score), one.state, one.step, f"{one.seconds:.0f} s"]
        + [_shown(one.settings.get(name)) for name in names]
        for one in tuned.trials[:_SHOWN]
    ]
    lines = table(
        [["trial", "score", "", "steps", "time", *short], *rows], right=range(len(rows[0]))
    )
    left = len(tuned.trials) - len(rows)
    return f"{lines}\n({left} more in {tuned.output / 'trials.jsonl'})" if left else lines


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "+".join(map(str, value))
    return "" if value is None else str(value)

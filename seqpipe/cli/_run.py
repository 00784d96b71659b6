"""A training run and its folder: model-best, model-last, log.jsonl, and `run` while it goes on.

`run` holds what a killed run needs to go on: the pipeline as it was before the first step, the
encoded rows, and the last checkpoint. It is gone when the run has come to its end.
"""

from __future__ import annotations

import json
import platform
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import spacy
import torch
from confection import Config
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.util import (
    get_sourced_components,
    load_config,
    load_model_from_config,
    registry,
    resolve_dot_names,
)
from thinc.api import fix_random_seed

from seqpipe.cli._trainee import StageTrainee, only_stage
from seqpipe.components._stage import Stage
from seqpipe.errors import CheckpointError, DataEmpty, OutputInUse, SettingError, listed
from seqpipe.files import sweep, written, written_folder
from seqpipe.text.course import Course
from seqpipe.text.rows import Rows, RowsWriter
from seqpipe.train.checkpoint import load_checkpoint
from seqpipe.train.loop import Loop, Plan, Validation, Watcher
from seqpipe.train.team import ALONE, Team
from seqpipe.train.trackers import TensorBoard, check_trackers, tracked
from seqpipe.train.tuning import Tuning

_AT_ONCE = 1000  # examples held while encoding
# The few scores that a person looks at first.
SHOWN = (
    "cats_acc",
    "cats_macro_f",
    "cats_ece",
    "cats_ce",
    "token_f",
    "sents_f",
    "bleu",
    "chrf",
    "bits_per_char",
)
_OWN = {
    "rows": 32,
    "budget": 4096,
    "threads": 1,
    "checkpoint_seconds": 30,
    "most_skipped": 20,  # steps in a row that are not finite: chance alone does not do that
    "track": (),  # who else is shown the run
    # how long a run is that says nothing of it: the .cfg of each stage has its measured numbers
    "epochs": 4,
    "least_steps": 1000,
    "most_steps": 0,
    # how what a net brings along is tuned
    "layer_decay": 1.0,
    "unfreeze": 0.0,
}


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run has come to."""

    best: Path
    last: Path
    step: int
    scores: Mapping[str, Any]  # of model-best
    stopped: bool  # asked to stop before its end

    def shown(self) -> dict[str, float]:
        """The few scores that a person looks at first."""
        return {n: self.scores[n] for n in SHOWN if isinstance(self.scores.get(n), float)}


class Run:
    def __init__(self, output: Path, team: Team = ALONE) -> None:
        self.output = output
        self.team = team
        self.log = output / "log.jsonl"
        self.folder = output / "run"
        self.facts = output / "run.json"
        self.start = self.folder / "start"
        self.rows = self.folder / "rows"
        self.answers = self.folder / "answers"
        self.checkpoint = self.folder / "checkpoint.safetensors"
        self._resumed = False

    def claim(self, *, resume: bool, overwrite: bool) -> None:
        """Makes sure that the folder is ours to write to."""
        self._resumed = resume
        if not self.team.leads:
            return
        if self.output.exists() and not self.output.is_dir():
            raise OutputInUse(self.output, "a folder")
        used = self.output.is_dir() and any(self.output.iterdir())
        ours = any(path.exists() for path in (self.facts, self.log, self.folder, *self._models()))
        if used and not (ours and (resume or overwrite)):
            ways = "--overwrite or --resume" if ours else "another one: it holds no run of seqpipe"
            raise OutputInUse(self.output, ways)
        self.output.mkdir(parents=True, exist_ok=True)
        for path in (*self._models(), self.facts, self.log):
            sweep(path)

    def train(self, config: Config, watcher: Watcher) -> Trained:
        """Begins, or goes on, and tells how it ended."""
        facts = None
        if self._resumed and self.facts.exists():
            facts = self._read_facts()
            compare(self.output, facts["config"], _plain(config))
            if "finished" in facts:
                done = facts["finished"]
                return self._trained(done["step"], done["scores"], stopped=False)
            if facts["processes"] != self.team.size:
                told = f"it was begun by {facts['processes']} processes and not {self.team.size}"
                raise CheckpointError(self.output, told)
        check_trackers(_own(config)["track"])
        begun = facts is not None and self.start.exists()
        self.team.wait()  # nothing is changed while another still looks
        if not begun and self.team.leads:
            self._begin(config)
        self.team.wait()
        facts = self._read_facts()
        with _threads(_own(config)["threads"]), self._tracked(facts, watcher) as watching:
            return self._sit(facts, watching)

    def _begin(self, config: Config) -> None:
        """What an earlier run has left goes only when the new one is ready to take its place."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        try:
            self._prepare(config)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        for path in (self.facts, self.log):
            path.unlink(missing_ok=True)
        for folder in (*self._models(), self.output / TensorBoard.run):
            shutil.rmtree(folder, ignore_errors=True)
        self._write_facts({"config": _plain(config), "processes": self.team.size})

    def _models(self) -> list[Path]:
        return [self.output / "model-best", self.output / "model-last"]

    def _read_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.facts.read_text(encoding="utf-8"))
        return {"processes": 1, **facts}

    def _write_facts(self, facts: Mapping[str, Any]) -> None:
        with written(self.facts) as beside:
            beside.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")

    # Before the first step ------------------------------------------------------------------

    def _prepare(self, config: Config) -> None:
        """Labels, vocabulary and fresh weights; every row encoded once.

        Docs are made by a second pipeline: the first one's strings are saved with it, and the
        training texts have no business there.
        """
        reader = load_model_from_config(config.copy(), auto_fill=True)
        filled = reader.config.interpolate()
        training = registry.resolve(filled["training"], schema=ConfigSchemaTraining)
        names = [training["train_corpus"], training["dev_corpus"]]
        corpora = resolve_dot_names(filled, names)
        nlp = _initialized(config, lambda: corpora[0](reader))
        _, stage = only_stage(nlp)
        _tuning(filled).check(stage.shim.learner)
        with (
            RowsWriter(self.rows) as encoded,
            RowsWriter(self.answers, dtype=stage.answers) as answers,
        ):
            for some in _portions(corpora[0](reader)):
                lessons = stage.lessons(some)
                for row, answer in zip(lessons.rows, lessons.answers, strict=True):
                    encoded.add(row)
                    answers.add(answer)
        rows = Rows.open(self.rows)
        if not len(rows):
            raise DataEmpty(str(filled["paths"].get("train") or "train"), "labelled row")
        if stage.skipped:
            told = f"{stage.skipped:,} of {stage.skipped + len(rows):,} rows are longer than "
            warnings.warn(f"{told}{stage.longest} pieces: they are not learned from", stacklevel=2)
        plan = _plan(nlp.config.interpolate())
        course = self._course(stage, plan)
        _fit_length(nlp, course)
        _fit_schedule(nlp, _plan(nlp.config.interpolate()), course)
        nlp.meta["seqpipe"] = _facts(nlp, rows)
        with written_folder(self.start) as beside:
            nlp.to_disk(beside)

    def _course(self, stage: Stage, plan: Plan) -> Course:
        """Its parts are for all processes together: each takes its share of every one."""
        rows, answers, size = Rows.open(self.rows), Rows.open(self.answers), self.team.size
        return stage.course(
            rows,
            answers,
            side_by_side=plan.rows * size,
            budget=plan.budget * size,
            seed=plan.seed,
        )

    # One sitting ----------------------------------------------------------------------------

    def _sit(self, facts: dict[str, Any], watcher: Watcher) -> Trained:
        nlp = spacy.load(self.start)
        config = nlp.config.interpolate()
        plan = _plan(config)
        torch.manual_seed(plan.seed + self.team.rank)
        course = self._course(only_stage(nlp)[1], plan)
        steps = _steps(plan, course)
        trainee = StageTrainee(nlp, course, self.output, tuning=_tuning(config), steps=steps)
        trainee.learner.team = self.team
        position = None
        if self.checkpoint.exists():
            position, carried = load_checkpoint(self.checkpoint, trainee.learner)
            trainee.catch_up(position.step, carried)
        watcher.begin(steps, position.step if position else 0)
        loop = Loop(
            trainee,
            plan,
            log=self.log,
            checkpoint=self.checkpoint,
            watcher=watcher,
            position=position,
        )
        ended = loop.run()
        best = self._best(loop)
        scores = dict(best.scores) if best else {}
        if self.team.leads:
            if loop.last is not None:
                trainee.save("model-last", loop.last)
            if ended:
                self._write_facts({**facts, "finished": {"step": loop.at.step, "scores": scores}})
                shutil.rmtree(self.folder)
        self.team.wait()
        return self._trained(loop.at.step, scores, stopped=not ended)

    @contextmanager
    def _tracked(self, facts: dict[str, Any], watcher: Watcher) -> Iterator[Watcher]:
        """Whoever watches, and the trackers of the config beside, in the runs they began."""
        if not self.team.leads:
            yield watcher
            return
        config = load_config(self.start / "config.cfg", interpolate=True)
        known = facts.get("tracked", {})
        runs = {kind: known.get(kind) for kind in _own(config)["track"]}
        with tracked(watcher, self.output, dict(_flat(config)), runs) as watching:
            if runs:
                facts["tracked"] = watching.runs
                self._write_facts(facts)
            yield watching

    def _trained(self, step: int, scores: Mapping[str, Any], *, stopped: bool) -> Trained:
        best, last = self._models()
        return Trained(best=best, last=last, step=step, scores=scores, stopped=stopped)

    def _best(self, loop: Loop) -> Validation | None:
        lines = [Validation(**json.loads(line)) for line in self.log.read_text().splitlines()]
        return next((v for v in lines if v.step == loop.at.best_step), None)


def _initialized(config: Config, examples: Callable[[], Iterable[Example]]) -> Language:
    """As `spacy train` does it: what is frozen or comes from another pipeline stays as it is."""
    nlp = load_model_from_config(config.copy(), auto_fill=True)
    training = nlp.config.interpolate()["training"]
    fix_random_seed(training["seed"] or 0)
    settled = {*training["frozen_components"], *get_sourced_components(config)}
    with nlp.select_pipes(disable=sorted(settled)):
        nlp.initialize(examples)
    return nlp


def _portions(examples: Iterable[Example]) -> Iterator[list[Example]]:
    walk = iter(examples)
    while some := list(islice(walk, _AT_ONCE)):
        yield some


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    """The block `[seqpipe]`."""
    own = {**_OWN, **config.get("seqpipe", {})}
    unknown = set(own) - set(_OWN)
    if unknown:
        raise SettingError("[seqpipe]", listed(sorted(unknown)), f"some of {listed(_OWN)}")
    return own


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    """So many threads for torch; 0 leaves it its own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _plan(config: Mapping[str, Any]) -> Plan:
    training = config["training"]
    own = _own(config)
    if training["max_epochs"] < 0:
        raise SettingError("training.max_epochs", training["max_epochs"], "0 or more")
    if own["most_skipped"] < 1:
        raise SettingError("seqpipe.most_skipped", own["most_skipped"], "1 step or more")
    return Plan(
        seed=training["seed"] or 0,
        epochs=training["max_epochs"],
        steps=training["max_steps"],
        accumulate=training["accumulate_gradient"],
        eval_frequency=training["eval_frequency"],
        patience=training["patience"],
        rows=own["rows"],
        budget=own["budget"],
        checkpoint_seconds=own["checkpoint_seconds"],
        most_skipped=own["most_skipped"],
    )


def _tuning(config: Mapping[str, Any]) -> Tuning:
    own = _own(config)
    return Tuning(layer_decay=own["layer_decay"], unfreeze=own["unfreeze"])


def _steps(plan: Plan, course: Course) -> int:
    """How many steps a run has that nothing stops before."""
    steps = plan.epochs * -(-len(course.parts(0)) // plan.accumulate)
    return min(n for n in (steps, plan.steps) if n)


def _fit_length(nlp: Language, course: Course) -> None:
    """Where no length is asked for: so many epochs, more of a small corpus, fewer of a large."""
    training = nlp.config["training"]
    if training["max_epochs"] or training["max_steps"]:
        return
    config = nlp.config.interpolate()
    own, each = _own(config), _steps(replace(_plan(config), epochs=1), course)
    training["max_epochs"] = max(own["epochs"], -(-own["least_steps"] // each))
    if own["most_steps"] and training["max_epochs"] * each > own["most_steps"]:
        training["max_steps"] = own["most_steps"]


def _fit_schedule(nlp: Language, plan: Plan, course: Course) -> None:
    """A schedule that leaves its end open ends with the run."""
    rate = nlp.config["training"]["optimizer"].get("learn_rate")
    if isinstance(rate, dict) and rate.get("total_steps") == 0:
        rate["total_steps"] = _steps(plan, course)
        rate["warmup_steps"] = min(rate["warmup_steps"], rate["total_steps"] // 4)


def _facts(nlp: Language, rows: Rows) -> dict[str, Any]:
    """What a person wants to know of a model that comes along years later."""
    config = nlp.config.interpolate()
    return {
        "trained_on": {
            "corpora": config["corpora"],
            "rows": len(rows),
            "pieces": int(rows.lengths.sum()),
        },
        "seed": config["training"]["seed"],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("seqpipe", "spacy", "torch", "tokenizers")},
        },
    }


def _plain(config: Config) -> dict[str, Any]:
    """A config as JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(config))
    return plain


def compare(output: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to go on with other settings than the run began with."""
    old, new = dict(_flat(before)), dict(_flat(now))
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if changed:
        told = [f"{n} was {old.get(n)!r} and is {new.get(n)!r}" for n in sorted(changed)]
        raise CheckpointError(output, listed(told, most=3))


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value

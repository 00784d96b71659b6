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
from dataclasses import dataclass
from functools import partial
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

from seqpipe.cli._fingerprint import Fingerprint
from seqpipe.cli._gradients import gradient_files
from seqpipe.cli._report import Ending, report_file, report_run
from seqpipe.cli._samples import samples_file
from seqpipe.cli._settings import (
    fit_length,
    fit_schedule,
    flat,
    own_settings,
    plan_of,
    steps_of,
    tuning_of,
)
from seqpipe.cli._stream import stream_of
from seqpipe.cli._trainee import StageTrainee, only_stage
from seqpipe.components._stage import Stage
from seqpipe.errors import CheckpointError, DataEmpty, OutputInUse, listed
from seqpipe.files import sweep, written, written_folder
from seqpipe.nets.recompute import set_recompute
from seqpipe.text.course import Course, Way
from seqpipe.text.rows import Rows, RowsWriter
from seqpipe.train.checkpoint import load_checkpoint
from seqpipe.train.loop import Loop, Plan, Validation, Watcher
from seqpipe.train.team import ALONE, Team
from seqpipe.train.trackers import TensorBoard, check_trackers, tracked

_AT_ONCE = 1000  # examples held while encoding
# The few scores that a person looks at first.
SHOWN = (
    "cats_acc",
    "cats_macro_f",
    "cats_ece",
    "cats_ece_raw",
    "cats_answered",
    "cats_acc_answered",
    "cats_ce",
    "token_f",
    "sents_f",
    "bleu",
    "chrf",
    "bits_per_char",
)


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
        for path in (*self._models(), self.facts, self.log, report_file(self.output)):
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
        check_trackers(own_settings(config)["track"])
        begun = facts is not None and self.start.exists()
        self.team.wait()  # nothing is changed while another still looks
        if not begun and self.team.leads:
            self._begin(config)
        self.team.wait()
        facts = self._read_facts()
        with _threads(own_settings(config)["threads"]), self._tracked(facts, watcher) as watching:
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
        told = (*gradient_files(self.output), samples_file(self.output), report_file(self.output))
        for path in (self.facts, self.log, *told):
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
        stream = stream_of(filled, own_settings(filled))
        nlp = _initialized(config, stream.sample if stream else lambda: corpora[0](reader))
        _, stage = only_stage(nlp)
        tuning_of(filled).check(stage.shim.learner)
        stage.shim.learner.compute_in(own_settings(filled)["precision"])
        known: dict[str, int | str] = {}  # of a stream nobody knows how many rows it has
        if stream is None:
            mark = Fingerprint(stage)
            rows = self._encode(stage, mark.seen(corpora[0](reader)))
            if not len(rows):
                raise DataEmpty(str(filled["paths"].get("train") or "train"), "labelled row")
            sizes = {"rows": len(rows), "pieces": int(rows.lengths.sum())}
            known = {**sizes, "fingerprint": str(mark)}
            plan = self._plan(filled)
            course = _course(stage, rows, Rows.open(self.answers), plan)
            fit_length(nlp, course, plan)
            fit_schedule(nlp, steps_of(self._plan(nlp.config.interpolate()), course))
        else:
            fit_schedule(nlp, self._plan(filled).steps)
        nlp.meta["seqpipe"] = _facts(nlp, known)
        with written_folder(self.start) as beside:
            nlp.to_disk(beside)

    def _encode(self, stage: Stage, examples: Iterable[Example]) -> Rows:
        with (
            RowsWriter(self.rows) as encoded,
            RowsWriter(self.answers, dtype=stage.answers) as answers,
        ):
            for some in _portions(examples):
                lessons = stage.lessons(some)
                for row, answer in zip(lessons.rows, lessons.answers, strict=True):
                    encoded.add(row)
                    answers.add(answer)
        rows = Rows.open(self.rows)
        if stage.skipped:
            told = f"{stage.skipped:,} of {stage.skipped + len(rows):,} rows are longer than "
            warnings.warn(f"{told}{stage.longest} pieces: they are not learned from", stacklevel=2)
        return rows

    def _plan(self, config: Mapping[str, Any]) -> Plan:
        return plan_of(config, processes=self.team.size)

    def _way(self, nlp: Language, plan: Plan) -> tuple[Way, int]:
        """Where a training goes along, and how many steps it has that nothing stops before."""
        _, stage = only_stage(nlp)
        config = nlp.config.interpolate()
        if stream := stream_of(config, own_settings(config)):
            return stream.course(stage, partial(_course, stage, plan=plan)), plan.steps
        course = _course(stage, Rows.open(self.rows), Rows.open(self.answers), plan)
        return course, steps_of(plan, course)

    # One sitting ----------------------------------------------------------------------------

    def _sit(self, facts: dict[str, Any], watcher: Watcher) -> Trained:
        nlp = spacy.load(self.start)
        config = nlp.config.interpolate()
        plan, own = self._plan(config), own_settings(config)
        torch.manual_seed(plan.seed + self.team.rank)
        way, steps = self._way(nlp, plan)
        watched = {name: own[name] for name in ("gradients", "samples")}
        how: Any = {"tuning": tuning_of(config), "seed": plan.seed, **watched}
        trainee = StageTrainee(nlp, way, self.output, steps=steps, **how)
        trainee.learner.team = self.team
        trainee.learner.compute_in(own["precision"])
        set_recompute(trainee.learner.net, own["recompute"])
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
            if own["report"]:
                processes = self.team.size
                ending = Ending(at=loop.at, best=best, ended=ended, processes=processes)
                report_run(self.output, trainee, ending)
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
        runs = {kind: known.get(kind) for kind in own_settings(config)["track"]}
        with tracked(watcher, self.output, dict(flat(config)), runs) as watching:
            if runs:
                facts["tracked"] = watching.runs
                self._write_facts(facts)
            yield watching

    def _trained(self, step: int, scores: Mapping[str, Any], *, stopped: bool) -> Trained:
        best, last = self._models()
        return Trained(best=best, last=last, step=step, scores=scores, stopped=stopped)

    def _best(self, loop: Loop) -> Validation | None:
        at = loop.at  # a mean of weights is measured at the step of the last of them
        lines = [Validation(**json.loads(line)) for line in self.log.read_text().splitlines()]
        return next((v for v in lines if v.step == at.best_step and v.score == at.best), None)


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


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    """So many threads for torch; 0 leaves it its own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _course(stage: Stage, rows: Rows, answers: Rows, plan: Plan) -> Course:
    return stage.course(rows, answers, side_by_side=plan.rows, budget=plan.budget, seed=plan.seed)


def _facts(nlp: Language, known: Mapping[str, int | str]) -> dict[str, Any]:
    """What a person wants to know of a model that comes along years later."""
    config = nlp.config.interpolate()
    return {
        "trained_on": {"corpora": config["corpora"], **known},
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
    old, new = dict(flat(before)), dict(flat(now))
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if changed:
        told = [f"{n} was {old.get(n)!r} and is {new.get(n)!r}" for n in sorted(changed)]
        raise CheckpointError(output, listed(told, most=3))

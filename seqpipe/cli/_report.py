"""report.html: what a run came to, or what was measured of a pipeline."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.pipeline import MultiLabel_TextCategorizer

from seqpipe.cli._foretelling import foretellers
from seqpipe.cli._gradients import GradientLog
from seqpipe.cli._pipeline import translates
from seqpipe.cli._samples import samples_file
from seqpipe.cli._scores_told import told_labels, told_scores
from seqpipe.cli._settings import flat
from seqpipe.cli._steps import StepLog
from seqpipe.cli.info import corpus_told
from seqpipe.components._confidence import thresholds
from seqpipe.components._stage import Stage
from seqpipe.components.generator import Generator
from seqpipe.components.sentiment import Sentiment
from seqpipe.components.tokenizer import Tokenizer
from seqpipe.components.translator import TranslatorStage
from seqpipe.errors import reason_of
from seqpipe.explain.html import section, shown, table
from seqpipe.explain.report.boundaries import BoundaryFindings
from seqpipe.explain.report.costs import CostFindings
from seqpipe.explain.report.kept import Room
from seqpipe.explain.report.labels import LabelFindings
from seqpipe.explain.report.page import Findings, report
from seqpipe.explain.report.parts import facts
from seqpipe.explain.report.training import Spent, Training
from seqpipe.explain.report.translations import TranslationFindings
from seqpipe.files import written

if TYPE_CHECKING:
    from spacy.language import Language

    from seqpipe.cli._trainee import StageTrainee
    from seqpipe.cli.evaluate import Evaluation
    from seqpipe.train.checkpoint import Position
    from seqpipe.train.loop import Validation

MOST = 20_000  # docs that are looked at; of more, so many evenly spread


def report_file(output: Path) -> Path:
    return output / "report.html"


# What there is to find ------------------------------------------------------------------------


@singledispatch
def findings_of(stage: Stage) -> Findings:
    """In what a stage of this kind has made of docs."""
    raise NotImplementedError(type(stage).__name__)


@findings_of.register
def _(stage: Sentiment) -> Findings:
    return label_findings([stage], fitted=stage.calibrates)


@findings_of.register
def _(stage: Tokenizer) -> Findings:
    return BoundaryFindings()


@findings_of.register
def _(stage: TranslatorStage) -> Findings:
    return TranslationFindings(stage.extension)


@findings_of.register
def _(stage: Generator) -> Findings:
    names = stage.names
    return CostFindings(bits_per_char=names.bits_per_char, surprisal=names.surprisal)


def findings_in(nlp: Language, what: str) -> Findings:
    """In what a pipeline makes of docs, as `evaluate` has it."""
    if what == "cats":
        pipes = [
            pipe for name, pipe in nlp.pipeline if "doc.cats" in nlp.get_pipe_meta(name).assigns
        ]
        return label_findings([pipe for pipe in pipes if hasattr(pipe, "labels")])
    if what == "texts":
        return TranslationFindings(str(translates(nlp)))
    if what == "tokens":
        return BoundaryFindings()
    return findings_of(foretellers(nlp)[0])


def label_findings(pipes: Sequence[Any], *, fitted: bool = False) -> LabelFindings:
    """Of all that write labels, ours or another maker's."""
    labels = [label for pipe in pipes for label in pipe.labels]
    least = {label: value for pipe in pipes for label, value in _thresholds(pipe).items()}
    multi_label = len(pipes) > 1 or any(map(_multi_label, pipes))
    return LabelFindings(labels, multi_label=multi_label, thresholds=least, fitted=fitted)


def _multi_label(pipe: Any) -> bool:
    return bool(getattr(pipe, "cfg", {}).get("multi_label")) or isinstance(
        pipe, MultiLabel_TextCategorizer
    )


def _thresholds(pipe: Any) -> dict[str, float]:
    if isinstance(pipe, Sentiment):
        return dict(zip(pipe.labels, thresholds(pipe.cfg).tolist(), strict=True))
    usual = getattr(pipe, "cfg", {}).get("threshold") or 0.5
    return {label: float(usual) for label in pipe.labels}


# Of a run -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Where a run stands when its report is drawn."""

    at: Position
    best: Validation | None
    ended: bool  # else it was asked to stop before
    processes: int


def report_run(output: Path, trainee: StageTrainee, ending: Ending) -> None:
    """Draws what a run came to; whatever fails, the models are there."""
    try:
        _write(report_file(output), _of_run(output, trainee, ending))
    except Exception as error:
        told = f"no report was drawn ({type(error).__name__}: {reason_of(error)}); the models"
        warnings.warn(f"{told} are there", stacklevel=2)


def _of_run(output: Path, trainee: StageTrainee, ending: Ending) -> str:
    found = findings_of(trainee.stage)
    if ending.best is not None:
        for example in trainee.examined(output / "model-best", most=MOST):
            found.add(example)
    training = _training(output, trainee, ending)

    def sections(room: Room) -> Iterator[str]:
        yield from training.begin()
        yield from found.sections(room)
        yield from training.end(room)

    return report(f"What {trainee.name} has learned", sections, lang="en")


def _training(output: Path, trainee: StageTrainee, ending: Ending) -> Training:
    at, best, meta = ending.at, ending.best, trainee.nlp.meta["seqpipe"]
    config = trainee.nlp.config.interpolate()
    lines = (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return Training(
        outcome=_outcome(ending),
        scores=told_scores(best.scores) if best else [],
        lines=[json.loads(line) for line in lines],
        best=best.step if best else None,
        gradients=GradientLog(output).panels(),
        samples=StepLog(samples_file(output)).read(),
        data=[*_data(meta["trained_on"], trainee.fingerprint())],
        versions=[("seed", str(meta["seed"])), *meta["versions"].items()],
        settings=[(name, _plain(value)) for name, value in flat(config)],
        spent=Spent(
            seconds=at.seconds,
            cpu_seconds=at.cpu_seconds,
            joules=at.joules,
            processes=ending.processes,
        ),
    )


def _outcome(ending: Ending) -> str:
    at, best = ending.at, ending.best
    how = f"It ended after step {at.step:,}" if ending.ended else f"Stopped after step {at.step:,}"
    if best is None:
        return f"{how}, before anything was measured."
    return (
        f"{how}. What follows is of model-best, from step {best.step:,}, and of the part that was "
        "measured on."
    )


def _data(trained_on: Mapping[str, Any], measured: str) -> Iterator[tuple[str, str]]:
    corpora = trained_on["corpora"]
    yield "trained on", corpus_told(corpora.get("train"))
    for name in ("rows", "pieces"):
        if name in trained_on:
            yield name, f"{trained_on[name]:,}"
    yield "fingerprint", trained_on.get("fingerprint", "none: a stream is not known as a whole")
    yield "measured on", corpus_told(corpora.get("dev"))
    yield "its fingerprint", measured


# Of a measurement -----------------------------------------------------------------------------


def report_evaluation(
    path: Path, nlp: Language, found: Evaluation, findings: Findings, *, data: str
) -> None:
    """The page of `evaluate`."""
    name = f"{nlp.meta['lang']}_{nlp.meta['name']}"
    told = f"{name} on {found.documents:,} documents of {data} ({found.split})."
    scores = [facts(told_scores(found.scores))]
    if found.labels:
        head, *rows = told_labels(found)
        scores.append(table("", head, rows))
    if found.signatures:
        scores.append(facts(found.signatures.items()))

    def sections(room: Room) -> Iterator[str]:
        yield section("Scores", shown(told), scores)
        yield from findings.sections(room)

    _write(path, report(f"How right {name} is", sections, lang="en"))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _write(path: Path, page: str) -> None:
    with written(path) as beside:
        beside.write_text(page, encoding="utf-8", errors="replace")

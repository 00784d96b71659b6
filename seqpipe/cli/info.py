"""`seqpipe info`: what a pipeline is made of, and where it comes from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

_EXAMPLE = """examples:
  python -m seqpipe info reviews/model-best
  python -m seqpipe info reviews/model-best --json

What a pipeline does not tell, because another program trained it, is called unknown."""

_UNKNOWN = "unknown"
# Of many more in the JSON.
_FIRST = (
    *("cats_acc", "cats_macro_f", "cats_macro_auc", "cats_ece", "cats_ece_raw"),
    *("token_f", "sents_f"),
    *("bits_per_char", "perplexity", "word_perplexity"),
)
_VERSIONS = ("seqpipe", "spacy", "torch", "onnxruntime", "tokenizers")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Tell what a pipeline is made of and how it was trained."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    found = info(args.model)
    told = json.dumps(asdict(found), indent=2, ensure_ascii=False) if args.json else _told(found)
    print(told)


@dataclass(frozen=True, slots=True)
class StageInfo:
    """One stage of a pipeline; what does not apply to it is None."""

    name: str
    factory: str
    size: int  # bytes on disk
    labels: list[str]
    parameters: int | None
    codec: dict[str, Any] | None  # unit, pieces
    net: dict[str, Any] | None  # the settings of its architecture
    confidence: dict[str, Any] | None  # temperature and thresholds, as they were fitted
    remembers: int | None  # pairs or texts


@dataclass(frozen=True, slots=True)
class Info:
    """Facts about a pipeline; what is not known is None."""

    path: str
    name: str
    version: str
    lang: str
    size: int  # bytes on disk
    stages: list[StageInfo]
    trained_on: dict[str, Any] | None
    seed: int | None
    versions: dict[str, str] | None  # of the day it was trained
    here: dict[str, str]
    scores: dict[str, float] | None


def info(model: str | Path) -> Info:
    """Loads a pipeline and asks it."""
    from seqpipe.pipelines import load_pipeline, versions_of

    nlp = load_pipeline(model)
    config = nlp.config.interpolate()
    ours = nlp.meta.get("seqpipe", {})
    trained_on = ours.get("trained_on") or _corpora(config)
    return Info(
        path=str(nlp.path),
        name=f"{nlp.meta['lang']}_{nlp.meta['name']}",
        version=str(nlp.meta["version"]),
        lang=str(nlp.meta["lang"]),
        size=_size(nlp.path),
        stages=[_stage(nlp, name) for name in nlp.component_names],
        trained_on=trained_on,
        seed=ours.get("seed", config["training"].get("seed")) if trained_on else None,
        versions=ours.get("versions"),
        here=versions_of(*_VERSIONS),
        scores=dict(_numbers(ours.get("scores") or nlp.meta.get("performance", {}))) or None,
    )


def _corpora(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `spacy train` leaves behind: the corpora as its config names them."""
    from seqpipe.cli._pipeline import within

    corpora = config.get("corpora") or {}
    named = {name: corpus for name, corpus in corpora.items() if within(corpus).get("path")}
    return {"corpora": named} if named else None


def _numbers(scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in scores.items():
        if isinstance(value, (int, float)):
            yield name, float(value)


def _stage(nlp: Language, name: str) -> StageInfo:
    pipe: Any = nlp.get_pipe(name)
    codec = getattr(pipe, "codec", None)
    model = nlp.config["components"][name].get("model")
    net = {k: v for k, v in model.items() if not isinstance(v, dict)} if model else None
    return StageInfo(
        name=name,
        factory=nlp.get_pipe_meta(name).factory,
        size=_size(nlp.path / name) if nlp.path else 0,
        labels=[] if getattr(pipe, "hide_labels", False) else list(getattr(pipe, "labels", ())),
        parameters=_parameters(getattr(pipe, "model", None)),
        codec={"unit": codec.unit, "pieces": len(codec)} if codec is not None else None,
        net=net,
        confidence=_confidence(getattr(pipe, "cfg", {})),
        remembers=len(memory) if (memory := getattr(pipe, "memory", None)) is not None else None,
    )


def _confidence(cfg: Mapping[str, Any]) -> dict[str, Any] | None:
    found = {name: cfg[name] for name in ("temperature", "thresholds") if cfg.get(name)}
    return found or None


def _parameters(model: Any) -> int | None:
    """All numbers a thinc model learns, in its own nodes and in torch nets beneath them."""
    if not hasattr(model, "walk"):
        return None
    own = 0
    for node in model.walk():
        own += sum(node.get_param(name).size for name in node.param_names if node.has_param(name))
        for shim in node.shims:
            parameters = getattr(getattr(shim, "_model", None), "parameters", None)
            own += sum(weight.numel() for weight in parameters()) if parameters else 0
    return own


def _size(path: Path | None) -> int:
    if path is None:
        return 0
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _told(found: Info) -> str:
    from seqpipe.cli._table import table

    parts = [table(_pipeline_facts(found))]
    parts += [table(_stage_facts(stage)) for stage in found.stages]
    parts.append(table(_training_facts(found)))
    return "\n\n".join(parts)


def _pipeline_facts(found: Info) -> Iterator[tuple[str, str]]:
    yield "pipeline", f"{found.name} {found.version}"
    yield "folder", found.path
    yield "language", found.lang
    yield "stages", ", ".join(stage.name for stage in found.stages) or "none"
    yield "size", _bytes(found.size)


def _stage_facts(stage: StageInfo) -> Iterator[tuple[str, str]]:
    yield "stage", f"{stage.name} ({stage.factory})"
    if stage.labels:
        yield "labels", _listed(stage.labels)
    if stage.codec is not None:
        yield "codec", f"{stage.codec['unit']}, {stage.codec['pieces']:,} pieces"
    if stage.net is not None:
        for name, value in stage.net.items():
            yield "architecture" if name == "@architectures" else name, _plain(value)
    for name, value in (stage.confidence or {}).items():
        yield name, _by_name(value)
    if stage.remembers is not None:
        yield "remembers", f"{stage.remembers:,}"
    if stage.parameters is not None:
        yield "parameters", f"{stage.parameters:,}"
    yield "size", _bytes(stage.size)


def _training_facts(found: Info) -> Iterator[tuple[str, str]]:
    trained = found.trained_on
    corpora = (trained or {}).get("corpora", {})
    yield "trained on", corpus_told(corpora.get("train"))
    yield "measured on", corpus_told(corpora.get("dev"))
    for name, value in (trained or {}).items():
        if name != "corpora":
            yield name, f"{value:,}" if isinstance(value, int) else str(value)
    yield "seed", _UNKNOWN if found.seed is None else str(found.seed)
    yield "trained with", _versions(found.versions)
    yield "here", _versions(found.here)
    yield "scores", _scores(found.scores)


def corpus_told(corpus: Mapping[str, Any] | None) -> str:
    if corpus is None:
        return _UNKNOWN
    from seqpipe.cli._pipeline import within

    picked, corpus = corpus, within(corpus)
    facts = [corpus["split"]] if corpus.get("split") else []
    if picked.get("folds"):
        fold = f"fold {picked['fold']} of {picked['folds']}"
        facts.append(fold if picked["held"] else f"all but {fold}")
    if picked.get("first"):
        facts.append(f"{picked['first']:,} rows")
    if corpus.get("without"):
        facts.append(f"all but {corpus['without']:.0%}")
    if corpus.get("only"):
        facts.append(f"the {corpus['only']:.0%} held out")
    part = f" ({', '.join(facts)})" if facts else ""
    columns = [f"{key} {corpus[key]!r}" for key in ("text", "label", "tokens") if corpus.get(key)]
    return ", ".join([f"{corpus.get('path')}{part}", *columns])


def _versions(versions: Mapping[str, str] | None) -> str:
    if not versions:
        return _UNKNOWN
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _scores(scores: Mapping[str, float] | None) -> str:
    if scores is None:
        return _UNKNOWN
    first = {name: scores[name] for name in _FIRST if name in scores}
    return ", ".join(f"{name} {value:.3f}" for name, value in (first or scores).items())


def _listed(labels: Iterable[str]) -> str:
    from seqpipe.errors import listed

    return listed(labels)


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _by_name(value: float | Mapping[str, float]) -> str:
    if not isinstance(value, Mapping):
        return f"{value:.3f}"
    return _listed([f"{name} {number:.3f}" for name, number in value.items()])


def _bytes(size: int) -> str:
    units = ("bytes", "kB", "MB", "GB")
    place = 0
    number = float(size)
    while number >= 1000 and place + 1 < len(units):
        number, place = number / 1000, place + 1
    return f"{number:,.1f} {units[place]}" if place else f"{size} bytes"

"""The page of a model on the hub, filled with what training knows and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from seqpipe.errors import listed
from seqpipe.hub.corpus import corpus_of

Meta = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is said of every stage of a factory."""

    task: str
    does: str
    meant: str
    limits: str


# What a pipeline is for is what its first stage in this order is for.
KINDS = {
    "seqpipe_sentiment": Kind(
        "text-classification",
        "puts labels on a whole text",
        "sorting texts of the kind that it has learned from, with somebody to look at the doubtful "
        "ones",
        "It knows its labels alone, and gives one of them to any text, nonsense too. Irony, other "
        "languages and other kinds of text than it has learned from are where it errs.",
    ),
    "seqpipe_translator": Kind(
        "translation",
        "makes one text of another",
        "texts of the kind that it has learned from, to be read by somebody who can judge them",
        "It may leave something out or add something, above all in long sentences and with words "
        "that it has not seen, and says so nowhere.",
    ),
    "seqpipe_generator": Kind(
        "text-generation",
        "goes on with a text, and tells how surprising one is",
        "play, and measuring how unusual a text is",
        "What it writes is likely, and not true. It may repeat what it has learned from, word for "
        "word, with whatever stood there.",
    ),
    "seqpipe_tokenizer": Kind(
        "token-classification",
        "finds the tokens and sentences of raw text",
        "cutting texts before other stages read them",
        "Other languages and other kinds of text than it has learned from are where it errs.",
    ),
}


@dataclass(frozen=True, slots=True)
class Score:
    """How a score of ours is known on the hub."""

    type: str
    name: str
    times: int = 1  # the hub has some of them as percents


SCORES = {
    "cats_acc": Score("accuracy", "accuracy"),
    "cats_macro_f": Score("f1", "macro F"),
    "cats_ece": Score("ece", "calibration error"),
    "token_f": Score("f1", "token F"),
    "sents_f": Score("f1", "sentence F"),
    "bleu": Score("bleu", "BLEU", 100),
    "chrf": Score("chrf", "chrF", 100),
    "bits_per_char": Score("bits_per_char", "bits per character"),
    "perplexity": Score("perplexity", "perplexity a piece"),
}

# To try a model on, where the hub runs it.
_EXAMPLES = {
    "zh": ["房间很干净，服务员非常热情。", "今天天气怎么样？"],
    "de": ["Das Zimmer war sauber und ruhig.", "Wie wird das Wetter heute?"],
    "en": ["The room was clean and the staff were kind.", "What is the weather like today?"],
}


def card_of(
    meta: Meta, config: Mapping[str, Any], *, repository: str, license: str | None = None
) -> ModelCard:
    """From the meta.json and the config of a pipeline; `repository` is where it is to be found."""
    stages = _stages(config)
    kinds = [KINDS[factory] for factory in KINDS if factory in stages.values()]
    tried = corpus_of(config, "dev")
    task = kinds[0].task if kinds else None
    scores = list(_scores(meta))
    data = ModelCardData(
        language=_languages(meta, config),
        license=license or meta.get("license") or None,
        library_name="seqpipe",
        tags=["spacy", "seqpipe", *sorted({kind.task for kind in kinds})],
        datasets=[corpus.id for corpus in [corpus_of(config, "train")] if corpus and corpus.id],
        metrics=list(dict.fromkeys(score.type for score, _ in scores)),
        pipeline_tag=task,
        model_name=f"{meta['lang']}_{meta['name']}",
        eval_results=[
            EvalResult(
                task_type=task,
                dataset_type=tried.id or tried.name,
                dataset_name=tried.name,
                dataset_config=tried.subset,
                dataset_split=tried.split,
                dataset_revision=tried.revision,
                metric_type=score.type,
                metric_name=score.name,
                metric_value=value,
            )
            for score, value in scores
        ]
        if tried and task and scores
        else None,
        widget=[{"text": text} for text in _examples(meta)] if task else None,
    )
    parts = [f"---\n{data.to_yaml()}\n---", *_told(meta, config, repository, license)]
    return ModelCard("\n\n".join(parts) + "\n")


def _stages(config: Mapping[str, Any]) -> dict[str, str]:
    names = config["nlp"]["pipeline"]
    return {name: str(config["components"][name].get("factory")) for name in names}


def _languages(meta: Meta, config: Mapping[str, Any]) -> list[str] | None:
    """What is read, and what is written where a column is called after its language."""
    corpus = corpus_of(config, "train")
    target = (corpus.columns if corpus else {}).get("target", "")
    named = [meta["lang"]] * (meta["lang"] != "xx")
    return [*named, *[target] * (named == [(corpus and corpus.columns.get("source"))])] or None


def _scores(meta: Meta) -> Iterator[tuple[Score, float]]:
    found = meta.get("performance") or {}
    for name, score in SCORES.items():
        if isinstance(found.get(name), int | float):
            yield score, round(found[name] * score.times, 4)


def _examples(meta: Meta) -> Sequence[str]:
    return _EXAMPLES.get(meta["lang"], [])


def _told(
    meta: Meta, config: Mapping[str, Any], repository: str, license: str | None
) -> Iterator[str]:
    stages = _stages(config)
    kinds = [KINDS[factory] for factory in KINDS if factory in stages.values()]
    yield f"# {meta['lang']}_{meta['name']}"
    does = listed([kind.does for kind in kinds]) or "is made of spaCy's own stages"
    yield (
        f"A spaCy pipeline (version {meta['version']}) that {does}. Its stages are recurrent "
        "networks of seqpipe; weights lie in `model.safetensors`, nothing is pickled, and no code "
        "comes with it."
    )
    if meta.get("description"):
        yield str(meta["description"])
    yield "## Use"
    yield "```\npip install seqpipe\n```"
    yield _code(meta, repository, kinds)
    yield "## What it is made of"
    yield _table(["stage", "factory", "net", "labels"], _made_of(meta, config, stages))
    yield "## What it has learned from"
    yield " ".join(_learned(meta, config))
    yield "## Scores"
    yield _measured(meta, config)
    yield "## Meant for, and not"
    yield "\n".join(f"- Meant for {kind.meant}. {kind.limits}" for kind in kinds) or "Not said."
    if not (license or meta.get("license")):
        yield "Nobody has said under which licence it may be used."


def _code(meta: Meta, repository: str, kinds: Sequence[Kind]) -> str:
    example = next(iter(_examples(meta)), "")
    lines = ["```python"]
    if kinds:
        lines += ["from seqpipe import pipeline", ""]
        lines += [f'ask = pipeline("{kinds[0].task}", "{repository}")', f'print(ask("{example}"))']
    lines += ["```", "", "or, as a pipeline like any other:", "", "```python"]
    lines += ["from seqpipe import from_pretrained", "", f'nlp = from_pretrained("{repository}")']
    return "\n".join([*lines, f'doc = nlp("{example}")', "```"])


def _made_of(
    meta: Meta, config: Mapping[str, Any], stages: Mapping[str, str]
) -> Iterator[list[str]]:
    for name, factory in stages.items():
        model = config["components"][name].get("model") or {}
        sizes = [f"{key} {model[key]}" for key in ("cell", "width", "layers") if key in model]
        labels = [f"`{label}`" for label in (meta.get("labels") or {}).get(name) or []]
        told = listed(labels) if labels else ""
        yield [f"`{name}`", f"`{factory}`", ", ".join(sizes), told]


def _learned(meta: Meta, config: Mapping[str, Any]) -> Iterator[str]:
    corpus, own = corpus_of(config, "train"), meta.get("seqpipe") or {}
    yield f"Learned from: {corpus.told()}." if corpus else "Nobody has written down from what."
    rows = (own.get("trained_on") or {}).get("rows")
    if rows:
        yield f"{rows:,} rows."
    if own.get("seed") is not None:
        yield f"Seed {own['seed']}."
    if own.get("versions"):
        yield f"Trained with {listed(f'{n} {v}' for n, v in own['versions'].items())}."


def _measured(meta: Meta, config: Mapping[str, Any]) -> str:
    tried, scores = corpus_of(config, "dev"), list(_scores(meta))
    if not scores:
        return "Nobody has written any down."
    rows = ([score.name, f"{value:g}"] for score, value in scores)
    where = f"Measured on {tried.told()}. " if tried else ""
    chosen = "By these scores the weights were chosen: new texts may be harder."
    return f"{where}{chosen}\n\n{_table(['score', 'value'], rows)}"


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)

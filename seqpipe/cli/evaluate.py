"""`seqpipe evaluate`: how right a pipeline is on data that knows the answers, and how fast."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import DataEmpty, FieldMissing, LabelsStrange, UsageError, listed

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.training import Example

    from seqpipe.explain.report.page import Findings

_EXAMPLE = """examples:
  python -m seqpipe evaluate reviews/model-best bundled:reviews_en
  python -m seqpipe evaluate reviews/model-best new.csv --text review --label stars --json out.json
  python -m seqpipe evaluate reviews/model-best bundled:reviews_en --report mistakes.html
  python -m seqpipe evaluate words/model-best en_ewt-ud-test.conllu
  python -m seqpipe evaluate en-de/model-best pairs.csv --source en --target de
  python -m seqpipe evaluate verse/model-best poems.jsonl --text poem

The part measured on is `test` where there is one, else `validation`, else the only one."""

_PREFERRED = ("test", "validation", "valid", "val", "dev", "train")

# The scores of what is measured begin with these.
_PREFIXES = {"cats": ("cats_",), "tokens": ("token_", "sents_"), "texts": ("bleu", "chrf")}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Score a pipeline on data that knows the answers."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument(
        "data", metavar="DATA", help="data set on the hub, folder, file (.spacy too)"
    )
    parser.add_argument("--text", metavar="COLUMN", help="of the texts (text, or as in training)")
    parser.add_argument("--label", metavar="COLUMN", default="label", help="of the labels (label)")
    of_list = "of lists of probabilities, in their order: bad,good (as in training)"
    parser.add_argument("--labels", metavar="A,B,...", help=of_list)
    parser.add_argument(
        "--tokens", metavar="COLUMN", help="of the tokens, to score those and sentences (tokens)"
    )
    parser.add_argument(
        "--source", metavar="COLUMN", help="of the texts to translate (as in training)"
    )
    parser.add_argument("--target", metavar="COLUMN", help="of their translations (as in training)")
    parser.add_argument("--split", help="part to measure on (what is there)")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N rows")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")
    parser.add_argument(
        "--json", metavar="FILE", help="write the scores as one flat object; - for stdout"
    )
    drawn = "write a page of mistakes, confidence and errors by length"
    parser.add_argument("--report", metavar="PAGE", type=Path, help=drawn)


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.cli._scores_told import told_on
    from seqpipe.files import claim_file

    if args.json not in (None, "-"):
        claim_file(Path(args.json), overwrite=True)
    if args.report is not None:
        claim_file(args.report, overwrite=True)
    found = evaluate(
        args.model,
        args.data,
        text=args.text,
        label=args.label,
        labels=args.labels.split(",") if args.labels else None,
        tokens=args.tokens,
        source=args.source,
        target=args.target,
        split=args.split,
        limit=args.limit,
        device=args.device,
        report=args.report,
    )
    scores = json.dumps(found.scores, indent=2)
    if args.json == "-":
        print(scores)
        return
    print(told_on(args.model, args.data, found))
    if args.json is not None:
        from seqpipe.files import written

        with written(Path(args.json)) as beside:
            beside.write_text(scores + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores between 0 and 1 by spaCy's names, `words_per_second`, `characters_per_second`."""

    split: str
    documents: int
    scores: Mapping[str, float]
    labels: Mapping[str, Mapping[str, float]]  # label -> p, r, f and documents
    signatures: Mapping[str, str]  # how scores that can be counted in several ways were counted


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    text: str | None = None,
    label: str = "label",
    labels: Sequence[str] | None = None,
    tokens: str | None = None,
    source: str | None = None,
    target: str | None = None,
    split: str | None = None,
    limit: int = 0,
    device: str | None = None,
    report: str | Path | None = None,
) -> Evaluation:
    """Runs the pipeline over one part of the data and scores what it finds; `report` names a page
    of it to be written.

    What a row is follows from what the pipeline writes: a text and its label, else a text and its
    translation, else a sentence and its tokens, else a text to be foretold; a column that is named
    decides.
    """
    from seqpipe.cli._foretelling import foretellers
    from seqpipe.pipelines import load_pipeline, write_only

    data = str(data)
    nlp = load_pipeline(model, device=device)
    columns = {"text": text, "label": label, "tokens": tokens, "source": source, "target": target}
    asked = _asked(nlp, data, columns)
    names = [pipe.names for pipe in foretellers(nlp)]
    wanted = [each.bits_per_char for each in names]
    if report is not None:  # which shows the words that were dear
        wanted += [each.surprisal for each in names]
    write_only(nlp, wanted)
    part = split or pick_split(data)
    if _learned_from(nlp, data, part):
        message = f"the pipeline learned from {data!r} ({part}): new texts may be harder"
        warnings.warn(message, stacklevel=2)
    findings = None
    if report is not None:
        from seqpipe.cli._report import findings_in

        findings = findings_in(nlp, asked.what)
    where: Any = {"split": part, "limit": limit, "findings": findings}
    if asked.what == "running":
        found = _foretold(nlp, data, asked, text=text, **where)
    else:
        found = _compared(nlp, data, asked, labels=labels, **where)
    if report is not None and findings is not None:
        from seqpipe.cli._report import report_evaluation

        report_evaluation(Path(report), nlp, found, findings, data=data)
    return found


def _foretold(
    nlp: Language,
    data: str,
    asked: Asked,
    *,
    text: str | None,
    split: str,
    limit: int,
    findings: Findings | None,
) -> Evaluation:
    """What running text costs."""
    from seqpipe.cli._foretelling import measure_texts
    from seqpipe.pipelines import one_thread

    with one_thread():
        count, scores = measure_texts(
            nlp, data, text=text, split=split, limit=limit, findings=findings
        )
    return Evaluation(split, count, _flat(scores, asked), {}, {})


def _compared(
    nlp: Language,
    data: str,
    asked: Asked,
    *,
    labels: Sequence[str] | None,
    split: str,
    limit: int,
    findings: Findings | None,
) -> Evaluation:
    """Documents against those that know the answers."""
    from seqpipe.cli._pipeline import category_labels, learned_from
    from seqpipe.pipelines import one_thread

    if asked.what == "cats" and not asked.docs:
        named = list(labels or learned_from(nlp).get("labels") or ())
        asked = replace(asked, read=partial(asked.read, labels=named))
    examples = list(asked.read(data, split=split, limit=limit, shuffle=False)(nlp))
    known = category_labels(nlp) if asked.what == "cats" else []
    if known:
        _agree(examples, data=data, known=known, whole=not asked.docs)
    if not examples:
        raise DataEmpty(data, "document to measure on")
    with one_thread():
        scores = _measured(nlp, examples, findings)
    return Evaluation(
        split,
        len(examples),
        _flat(scores, asked),
        _by_label(scores, examples),
        {name: value for name, value in scores.items() if isinstance(value, str)},
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a pipeline is measured, and who reads the data."""

    what: str  # cats, texts, tokens, or running text to be foretold
    read: Callable[..., Callable[[Language], Iterable[Example]]]
    docs: bool  # whether the data are docs with all that they carry


def _asked(nlp: Language, data: str, columns: Mapping[str, str | None]) -> Asked:
    """By the columns that are named, else by the first of labels, texts and tokens that the
    pipeline writes, else by what it costs."""
    from seqpipe.cli._foretelling import foretellers
    from seqpipe.cli._pipeline import category_labels, learned_from, translates
    from seqpipe.corpora.pairs import read_pairs
    from seqpipe.corpora.reader import read_dataset
    from seqpipe.corpora.sources import locate
    from seqpipe.corpora.tokens import read_tokens
    from seqpipe.pipelines import fields_of

    docs = bool(locate(data).docs)
    named = "texts" if columns["source"] or columns["target"] else "tokens"
    wanted = named if named == "texts" or columns["tokens"] else None
    there = {
        "cats": bool(category_labels(nlp)),
        "texts": translates(nlp) is not None,
        "tokens": docs or "sentences" in fields_of(nlp),
        "running": bool(foretellers(nlp)),
    }
    what = wanted or next((name for name, is_there in there.items() if is_there), None)
    if what is None or not there[what]:
        field = {"texts": "translation", "tokens": "tokens"}.get(what or "", "cats")
        raise FieldMissing(field, fields_of(nlp))
    if what in ("cats", "running") or docs:
        reader = partial(read_dataset, text=columns["text"] or "text", label=columns["label"])
        return Asked(what, reader, docs)
    if what == "tokens":
        tokens = columns["tokens"] or "tokens"
        return Asked(
            what, partial(read_tokens, text=columns["text"] or "text", tokens=tokens), docs
        )
    learned = learned_from(nlp)
    sides: Any = {side: columns[side] or learned.get(side, side) for side in ("source", "target")}
    return Asked(what, partial(read_pairs, extension=str(translates(nlp)), **sides), docs)


def _measured(
    nlp: Language, examples: Sequence[Example], findings: Findings | None
) -> dict[str, Any]:
    """Scores as `nlp.evaluate` has them, and how much was read in a second."""
    from spacy.scorer import Scorer
    from spacy.training import Example

    texts = [example.reference.text for example in examples]
    start = time.perf_counter()
    docs = list(nlp.pipe(texts))
    seconds = max(time.perf_counter() - start, 1e-9)
    pairs = [Example(doc, eg.reference) for doc, eg in zip(docs, examples, strict=True)]
    if findings is not None:
        for pair in pairs:
            findings.add(pair)
    return {
        **Scorer(nlp=nlp).score(pairs),
        "words_per_second": sum(map(len, docs)) / seconds,
        "characters_per_second": sum(map(len, texts)) / seconds,
    }


def pick_split(data: str) -> str:
    """The part to use when none is named."""
    from seqpipe.corpora.sources import splits_of

    splits = splits_of(data)
    found = [split for split in _PREFERRED if split in splits]
    if not found and len(splits) > 1:
        raise UsageError(f"{data!r} has the parts {listed(splits)}: name one with --split.")
    return found[0] if found else splits[0]


def _learned_from(nlp: Language, data: str, part: str) -> bool:
    """Whether the pipeline's own config names this part of the data as what it was trained on."""
    from seqpipe.cli._pipeline import learned_from

    corpus = learned_from(nlp)
    path = corpus.get("path")
    if not isinstance(path, str) or part != corpus.get("split", part):
        return False
    return path == data or (Path(data).exists() and Path(data).resolve() == Path(path).resolve())


def _agree(examples: Iterable[Example], *, data: str, known: Sequence[str], whole: bool) -> None:
    """Refuses labels that the pipeline cannot give; in a table a label not named is a no."""
    strange: dict[str, None] = {}
    blank = dict.fromkeys(known, 0.0) if whole else {}
    labelled = False
    for example in examples:
        cats = example.reference.cats
        labelled = labelled or bool(cats)
        strange |= {name: None for name, value in cats.items() if value and name not in known}
        example.reference.cats = blank | {name: cats[name] for name in cats if name in known}
    if strange:
        raise LabelsStrange(data, sorted(strange), known)
    if not labelled:
        raise DataEmpty(data, "document with a label")


def _flat(scores: Mapping[str, Any], asked: Asked) -> dict[str, float]:
    """Numbers alone; tokens, labels and texts are scored only against data that has its own."""
    left_out = tuple(
        prefix
        for what, prefixes in _PREFIXES.items()
        for prefix in prefixes
        if what != asked.what and not asked.docs
    )
    return {
        name: float(value)
        for name, value in scores.items()
        if isinstance(value, Real) and not name.startswith(left_out)
    }


def _by_label(
    scores: Mapping[str, Any], examples: Iterable[Example]
) -> dict[str, dict[str, float]]:
    counts = Counter(
        name for eg in examples for name, value in eg.reference.cats.items() if value >= 0.5
    )
    return {
        name: {**found, "documents": counts[name]}
        for name, found in scores.get("cats_f_per_type", {}).items()
    }

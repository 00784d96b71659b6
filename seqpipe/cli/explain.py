"""`seqpipe explain`: what a stage made of a text, on the terminal and on a page."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from seqpipe.errors import DataEmpty, SourceMissing, SourceUnreadable, UsageError

if TYPE_CHECKING:
    from spacy.tokens import Doc

    from seqpipe.explain.view import View

# How a word ends that is meant as a file.
_FILES = (".txt", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".spacy", ".conllu", ".gz", ".zst")

_EXAMPLE = """examples:
  python -m seqpipe explain stars/model-best "A lovely film, but far too long."
  python -m seqpipe explain stars/model-best new.jsonl --output why.html
  python -m seqpipe explain stars/model-best "Well..." --label negative --style attention
  python -m seqpipe explain verse/model-best lines.txt --style states --output page.html

What is the name of a file is read as one, and - is a text a line from stdin."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show what a stage made of a text, on the terminal and on a page."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument("input", metavar="TEXT|FILE", help="a text, or a file of some")
    parser.add_argument("-o", "--output", metavar="PAGE", type=Path, help="a page of HTML")
    parser.add_argument("--overwrite", action="store_true", help="of a page that is there")
    parser.add_argument(
        "--style",
        metavar="S",
        help="saliency, attention, boundaries, alignment, surprisal or states (the stage's own)",
    )
    parser.add_argument("--label", help="explain this one, not the likeliest")
    parser.add_argument("--stage", metavar="NAME", help="of several stages")
    parser.add_argument("--text", metavar="COLUMN", default="text", help="of a file (text)")
    parser.add_argument(
        "--limit", type=int, metavar="N", default=100, help="texts of a file (100), 0 for all"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.cli._table import clipped, table

    if args.limit < 0:
        raise UsageError("--limit is a number of texts, or 0 for all of them.")
    first = True
    for text, view in explain(
        args.model,
        args.input,
        output=args.output,
        overwrite=args.overwrite,
        style=args.style,
        label=args.label,
        stage=args.stage,
        column=args.text,
        limit=args.limit,
        device=args.device,
    ):
        print(end="" if first else "\n")
        print(f"{view.heading}  {clipped(text, 60)}".rstrip())
        if view.rows:
            rows = [[clipped(cell, 30) for cell in row] for row in [view.head, *view.rows]]
            print(table(rows, right=range(1, len(view.head))))
        first = False


@dataclass(frozen=True, slots=True)
class _Asked:
    style: str | None
    label: str | None
    stage: str | None


def explain(
    model: str | Path,
    data: str,
    *,
    output: Path | None = None,
    overwrite: bool = False,
    style: str | None = None,
    label: str | None = None,
    stage: str | None = None,
    column: str = "text",
    limit: int = 100,
    device: str | None = None,
) -> Iterator[tuple[str, View]]:
    """Each text with what there is to see of it; the page is written when all have been walked.

    Without a `style` the stage has its own: that of the one named, or of the first.
    """
    from seqpipe.explain.rendering import render
    from seqpipe.explain.styles import check_style, view
    from seqpipe.files import claim_file, written

    if style is not None:
        check_style(style)
    if output is not None:
        claim_file(output, overwrite=overwrite)
    texts = _some(_texts(data, column), limit, data)
    docs, used = [], "saliency"
    for doc, used in _docs(model, texts, _Asked(style, label, stage), device=device):
        docs.append(doc)
        yield doc.text, view(doc, used)
    if not docs:
        raise DataEmpty(data, "text")
    if output is not None:
        with written(output) as beside:
            page = render(docs, used, page=True, jupyter=False)
            beside.write_text(page, encoding="utf-8", errors="replace")


def _docs(
    model: str | Path, texts: Iterator[str], asked: _Asked, *, device: str | None
) -> Iterator[tuple[Doc, str]]:
    """Each explained, and the style in which it is shown."""
    from seqpipe.explain.explanation import annotate, explaining
    from seqpipe.explain.stages import STATES, find_stage
    from seqpipe.explain.states import StatesExplainer
    from seqpipe.explain.styles import KINDS, USUAL
    from seqpipe.pipelines import load_pipeline, one_thread, write_only

    nlp = load_pipeline(model, device=device)
    write_only(nlp, ["surprisal"])  # else a generator goes on with each text too
    kind = None if asked.style is None else KINDS[asked.style]
    own, stage = find_stage(nlp, name=asked.stage, kind=kind)
    style = asked.style or USUAL[own]
    if kind == STATES:  # of units that are found in all of the texts
        states = StatesExplainer(own, stage, label=asked.label)
        with one_thread():
            docs = [nlp(text) for text in texts]
            found = states.explain_all(docs)
        for doc, one in zip(docs, found, strict=True):
            annotate(doc, one)
            yield doc, style
        return
    explain = explaining(nlp, stage=asked.stage, kind=KINDS[style], label=asked.label)
    for text in texts:
        with one_thread():
            doc = nlp(text)
            annotate(doc, explain(doc))
        yield doc, style


def _texts(data: str, column: str) -> Iterator[str]:
    """One text, or those of the rows of a file."""
    from seqpipe.cli._pipeline import read_lines

    if data == "-":
        yield from (line for line in read_lines(data) if line.strip())
        return
    if not _is_file(data):
        yield data
        return
    from seqpipe.annotation.rows import rows_of
    from seqpipe.corpora.documents import open_documents

    first = 0
    for some in open_documents(data, text=column):
        for row in rows_of(some, first=first, text=column, id="id"):
            if row.fault:
                raise SourceUnreadable(data, f"in row {row.number + 1} {row.fault}")
            if not row.empty:
                yield row.text or ""
        first += len(some)


def _is_file(data: str) -> bool:
    try:
        there = Path(data).is_file()
    except (OSError, ValueError):  # longer than any name, or with a null in it
        return False
    if not there and data.lower().endswith(_FILES) and len(data.split()) == 1:
        raise SourceMissing(data)
    return there


def _some(texts: Iterator[str], limit: int, data: str) -> Iterator[str]:
    """The first so many, and a word about the rest."""
    if not limit:
        yield from texts
        return
    yield from islice(texts, limit)
    if next(texts, None) is not None:
        warnings.warn(
            f"{data} has more texts than the {limit:,} that are shown: --limit 0 takes all",
            stacklevel=2,
        )

"""`seqpipe annotate`: a pipeline over every row of a data set, in order, without losing one."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from seqpipe.errors import DocumentsFailed, UsageError

if TYPE_CHECKING:
    from seqpipe.annotation.job import Progress, Summary

_EVERY = 10.0  # seconds between two lines of progress where there is no terminal

_EXAMPLE = """examples:
  python -m seqpipe annotate stars/model-best new.jsonl --output annotated.jsonl
  python -m seqpipe annotate stars/model-best reviews.csv --text review --output annotated.parquet
  python -m seqpipe annotate stars/model-best 'crawl/*.jsonl.gz' --output crawl-stars --workers 8
  python -m seqpipe annotate stars/model-best 'crawl/*.jsonl.gz' --output crawl-stars --resume
  cat new.jsonl | python -m seqpipe annotate stars/model-best - --output - | head

Rows keep their order and their columns, and get `cats`, `sentiment` and what else the pipeline
writes. A document without text gets nothing; one that fails gets its reason in a field `error`, and
stands in failed.jsonl. A job that was stopped goes on with --resume."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run a pipeline over a data set and write what it finds."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument("input", metavar="INPUT", help="data set, folder, files; - for stdin")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a file by its suffix, else a folder of parts; - for stdout",
    )
    parser.add_argument("--format", metavar="NAME", help="jsonl, parquet, csv, spacy, conllu, ...")
    _input_arguments(parser)
    _job_arguments(parser)


def _input_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("documents")
    group.add_argument("--text", metavar="COLUMN", default="text", help="of the texts (text)")
    group.add_argument("--id", metavar="COLUMN", default="id", help="of the ids (id, else numbers)")
    group.add_argument("--split", help="part to annotate, where there are several")
    group.add_argument("--whole-files", action="store_true", help="a .txt is one document")
    group.add_argument("--suffix", help="of what comes from stdin: jsonl (default), txt, csv")
    group.add_argument(
        "--fields",
        metavar="NAMES",
        help="what to write, for instance cats or cats,sentiment=mood (all there is)",
    )
    group.add_argument("--code", metavar="FILE", help="Python that the pipeline needs")
    group.add_argument("--device", help="auto, cpu, cuda or cuda:1; cuda is a GPU a worker")


def _job_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("job")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes (1)")
    group.add_argument("--engine", choices=("local", "ray"), default="local", help="(local)")
    group.add_argument("--ray", metavar="ADDRESS", help="of a cluster: auto, local, ray://...")
    group.add_argument("--resume", action="store_true", help="go on where it was stopped")
    group.add_argument("--retry-failed", action="store_true", help="only what has failed")
    group.add_argument("--overwrite", action="store_true", help="replace the output")
    group.add_argument("--max-failures", type=int, metavar="N", help="stop when more have failed")
    group.add_argument("--memory", type=int, default=1024, metavar="MB", help="of a worker (1024)")
    group.add_argument(
        "--batch-size", type=int, metavar="N", help="documents at once (the pipeline's own)"
    )
    group.add_argument(
        "--part-rows", type=int, default=10_000, metavar="N", help="rows of a part (10000)"
    )


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.annotation.run import annotate

    if args.resume and args.overwrite:
        raise UsageError("--resume and --overwrite contradict each other: give one of them.")
    with _progress() as watch:
        done = annotate(
            args.model,
            args.input,
            args.output,
            text=args.text,
            id=args.id,
            split=args.split,
            whole_files=args.whole_files,
            suffix=args.suffix,
            fields=_fields(args.fields),
            format=args.format,
            batch_size=args.batch_size,
            memory=args.memory,
            part_rows=args.part_rows,
            device=args.device,
            code=args.code,
            workers=args.workers,
            engine=args.engine,
            address=args.ray,
            resume=args.resume,
            retry_failed=args.retry_failed,
            overwrite=args.overwrite,
            max_failures=args.max_failures,
            watch=watch,
        )
    print(_told(done, args.output), file=sys.stderr)
    if done.failed:
        raise DocumentsFailed(args.output, done.failed, done.documents, done.first_failure)


def _fields(words: str | None) -> Mapping[str, str]:
    """`cats,sentiment=mood` as field -> column."""
    if words is None:
        return {}
    pairs = [word.partition("=") for word in words.split(",")]
    fields = {name.strip(): (column or name).strip() for name, _, column in pairs}
    if "" in fields or len(set(fields.values())) < len(pairs):
        raise UsageError(f"--fields {words!r} does not name fields, each once, between commas.")
    return fields


def _told(done: Summary, output: str) -> str:
    new = done.words_per_second
    remarks = [f"{new:,.0f} words/s" if new else "nothing was left to do"]
    if done.empty:
        remarks.append(f"{done.empty:,} without text")
    if done.failed:
        remarks.append(f"{done.failed:,} failed")
    if done.replaced:
        remarks.append(f"{done.replaced:,} workers replaced")
    where = "" if output == "-" else f" in {output}"
    return f"{done.documents:,} documents{where} ({', '.join(remarks)})"


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, a line now and then elsewhere."""
    from tqdm import tqdm

    bar: Any = tqdm(unit=" docs", disable=None, dynamic_ncols=True, leave=False)
    start = told = 0.0
    kept = 0  # words of earlier runs

    def watch(progress: Progress) -> None:
        nonlocal start, told, kept
        now, tally = time.perf_counter(), progress.tally
        if not start:  # the pipeline is loaded, and the work begins
            start = told = now
            kept = tally.words
            bar.initial = bar.n = tally.documents
        speed = f"{(tally.words - kept) / max(now - start, 1e-9):,.0f} words/s"
        remarks = [speed, *([f"{tally.failed:,} failed"] if tally.failed else [])]
        if not bar.disable:
            bar.total = progress.expected
            bar.set_postfix_str(", ".join(remarks), refresh=False)
            bar.update(tally.documents - bar.n)
        elif now - told >= _EVERY:
            told = now
            print(f"{_far(progress)}, {', '.join(remarks)}", file=sys.stderr, flush=True)

    try:
        yield watch
    finally:
        bar.close()


def _far(progress: Progress) -> str:
    documents, expected = progress.tally.documents, progress.expected
    if expected is None:
        return f"{documents:,} documents"
    about = "" if progress.total is not None else "about "
    return f"{documents:,} of {about}{expected:,} documents"

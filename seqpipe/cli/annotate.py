"""`seqpipe annotate`: a pipeline over every row of a data set, in order, into one file."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import (
    ColumnMissing,
    DataEmpty,
    DocumentsFailed,
    OutputRefused,
    SourceUnreadable,
    UsageError,
    listed,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from seqpipe.annotation.annotator import Annotator, Sink, Tally

FORMATS = ("jsonl", "parquet")

_EVERY = 10.0  # seconds between two lines of progress where there is no terminal

_EXAMPLE = """examples:
  python -m seqpipe annotate stars/model-best new.jsonl --output annotated.jsonl
  python -m seqpipe annotate stars/model-best reviews.csv --text review --output annotated.parquet
  python -m seqpipe annotate stars/model-best new.jsonl --fields sentiment=mood --output - | head

Rows keep their order and their columns, and get `cats`, `sentiment` and what else the pipeline
writes. A document without text gets nothing; one that fails gets its reason in a field `error`."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run a pipeline over a data set and write what it finds."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package of a pipeline")
    parser.add_argument("input", metavar="INPUT", help="data set on the hub, folder, file")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a .jsonl or .parquet; - for stdout"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the output")
    parser.add_argument("--format", choices=FORMATS, help="of the output (by its suffix)")
    parser.add_argument("--text", metavar="COLUMN", default="text", help="of the texts (text)")
    parser.add_argument("--split", help="part to annotate, where there are several")
    parser.add_argument(
        "--fields",
        metavar="NAMES",
        help="what to write, for instance cats or cats,sentiment=mood (all there is)",
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="documents at once (the pipeline's own)"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    if args.batch_size is not None and args.batch_size < 1:
        raise UsageError(f"--batch-size {args.batch_size} is not allowed: give 1 or more.")
    with _progress() as watch:
        done = annotate(
            args.model,
            args.input,
            args.output,
            text=args.text,
            split=args.split,
            fields=_fields(args.fields),
            batch_size=args.batch_size,
            format=args.format,
            overwrite=args.overwrite,
            device=args.device,
            watch=watch,
        )
    print(_told(done, args.output), file=sys.stderr)
    if done.failed:
        raise DocumentsFailed(args.output, done.failed, done.documents, done.first)


def _fields(words: str | None) -> dict[str, str]:
    """`cats,sentiment=mood` as field -> column."""
    if words is None:
        return {}
    pairs = [word.partition("=") for word in words.split(",")]
    fields = {name.strip(): (column or name).strip() for name, _, column in pairs}
    if "" in fields or len(set(fields.values())) < len(pairs):
        raise UsageError(f"--fields {words!r} does not name fields, each once, between commas.")
    return fields


def _told(done: Annotation, output: str) -> str:
    remarks = [f"{done.words / max(done.seconds, 1e-9):,.0f} words/s"]
    if done.empty:
        remarks.append(f"{done.empty:,} without text")
    if done.failed:
        remarks.append(f"{done.failed:,} failed")
    where = "" if output == "-" else f" in {output}"
    return f"{done.documents:,} documents{where} ({', '.join(remarks)})"


@contextmanager
def _progress() -> Iterator[Callable[[Tally], None]]:
    """A bar on a terminal, a line now and then elsewhere."""
    from tqdm import tqdm

    bar: Any = tqdm(unit=" docs", disable=None, dynamic_ncols=True, leave=False)
    start = told = 0.0

    def watch(tally: Tally) -> None:
        nonlocal start, told
        now = time.perf_counter()
        if not tally.documents:  # the pipeline is loaded, and the work begins
            start = told = now
        speed = f"{tally.words / max(now - start, 1e-9):,.0f} words/s"
        if not bar.disable:
            bar.set_postfix_str(speed, refresh=False)
            bar.update(tally.documents - bar.n)
        elif now - told >= _EVERY:
            told = now
            print(f"{tally.documents:,} documents, {speed}", file=sys.stderr, flush=True)

    try:
        yield watch
    finally:
        bar.close()


@dataclass(frozen=True, slots=True)
class Annotation:
    """What came of a run; `first` says why the first of the failed documents failed."""

    documents: int
    words: int
    empty: int
    failed: int
    first: str
    seconds: float


def annotate(
    model: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    text: str = "text",
    split: str | None = None,
    fields: Mapping[str, str] | None = None,
    batch_size: int | None = None,
    format: str | None = None,
    overwrite: bool = False,
    device: str | None = None,
    watch: Callable[[Tally], None] | None = None,
) -> Annotation:
    """Writes every row with what the pipeline finds in its text: all of them, or no file.

    `fields` gives each field the column to stand in; without it all are written by their names.
    """
    from seqpipe.annotation.annotator import Annotator
    from seqpipe.pipelines import load_pipeline, one_thread, write_only

    data, output = str(data), str(output)
    kind = _claim(output, data, format=format, overwrite=overwrite)
    nlp = load_pipeline(model, device=device)
    annotator = Annotator(nlp, text=text, fields=fields or {})
    write_only(nlp, annotator.fields)
    part = split or _only_split(data)
    tables = read_tables(data, split=part, size=batch_size or nlp.batch_size)
    first = next(tables, None)
    if first is None:
        raise DataEmpty(data, "row")
    _agree(first, data=data, text=text, annotator=annotator)
    start = time.perf_counter()
    watch = watch or (lambda tally: None)
    watch(annotator.tally)
    with one_thread(), _opened(output, kind, annotator) as sink:
        for table in chain([first], tables):
            sink.write(annotator(table))
            watch(annotator.tally)
    tally = annotator.tally
    return Annotation(
        documents=tally.documents,
        words=tally.words,
        empty=tally.empty,
        failed=tally.failed,
        first=tally.first,
        seconds=time.perf_counter() - start,
    )


def read_tables(data: str, *, split: str, size: int) -> Iterator[pa.Table]:
    """The rows of one part as they stand there, so many at a time."""
    from seqpipe.cli._table import clipped
    from seqpipe.corpora.sources import open_split

    rows = open_split(data, split=split, streaming=True)
    try:
        yield from rows.with_format("arrow").iter(batch_size=size)
    except (OSError, ValueError, RuntimeError) as error:  # a damaged file shows here
        raise SourceUnreadable(data, clipped(" ".join(str(error).split()), 300)) from error


def _claim(output: str, data: str, *, format: str | None, overwrite: bool) -> str:
    """The format of the output, once nothing speaks against writing there."""
    from seqpipe.cli._output import claim_file

    suffix = Path(output).suffix.removeprefix(".")
    kind = format or ("jsonl" if output == "-" else suffix)
    if kind not in FORMATS:
        raise UsageError(
            f"{output!r} does not say what to write: end it in .jsonl or .parquet, or say --format."
        )
    if output == "-":
        if kind == "parquet":
            raise UsageError("Parquet cannot be written to stdout: name a file.")
        return kind
    if _reads(data, Path(output)):
        raise OutputRefused(output, f"it is, or lies in, the input {data!r}")
    claim_file(Path(output), overwrite=overwrite)
    return kind


def _reads(data: str, output: Path) -> bool:
    """Whether the output is one of the files that the input stands for."""
    from seqpipe.corpora.sources import locate

    source = locate(data)
    files = [file for part in source.options.get("data_files", {}).values() for file in part]
    own = chain(source.docs.values(), source.sentences.values())
    files += [file for part in own for file in part]
    folder = source.saved or Path(source.loader or "-")
    place = output.resolve()
    inside = folder.is_dir() and place.is_relative_to(folder.resolve())
    return inside or place in [Path(file).resolve() for file in files]


def _only_split(data: str) -> str:
    from seqpipe.corpora.sources import splits_of

    splits = splits_of(data)
    if len(splits) != 1:
        raise UsageError(f"{data!r} has the parts {listed(splits)}: name one with --split.")
    return splits[0]


def _agree(table: pa.Table, *, data: str, text: str, annotator: Annotator) -> None:
    """The column of the texts is there, and those of the results are free."""
    if text not in table.column_names:
        raise ColumnMissing(data, text, table.column_names)
    taken = {field: c for field, c in annotator.columns.items() if c in table.column_names}
    if taken:
        free = [f"{f}={f}_found" if f in taken else f for f in [*annotator.fields, *taken]]
        raise UsageError(
            f"{data!r} has {listed(taken.values())} already among its columns: name others for "
            f"what is found, as in --fields {','.join(dict.fromkeys(free))}."
        )


@contextmanager
def _opened(output: str, kind: str, annotator: Annotator) -> Iterator[Sink]:
    """The sink; a file is put in its place when all is written."""
    from seqpipe.annotation.annotator import ERROR, JsonLines, Parquet
    from seqpipe.files import written

    if output == "-":
        sink: Sink = JsonLines(sys.stdout.buffer, error=annotator.columns[ERROR])
        yield sink
        sink.close()
        return
    with written(Path(output)) as beside:
        if kind == "parquet":
            sink = Parquet(beside, found=annotator.schema())
            yield sink
            sink.close()
        else:
            with beside.open("wb") as file:
                yield JsonLines(file, error=annotator.columns[ERROR])

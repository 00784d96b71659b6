"""`seqpipe annotate` beside `spacy apply`: whole commands, from a file to a file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.annotate import annotate as annotate_command
from benchmarks.annotate import ran, spacy_apply
from benchmarks.bench import OURS, Bench
from seqpipe.corpora.labelled import labelled_rows

WARM = 100  # what is taken off is the time of so many times fewer documents
APPLY = "spacy apply"
BATCH = 1000  # of spacy apply, whose own default is slower


def annotate(bench: Bench) -> None:
    source = bench.source("sst2", "reviews_en", of="sentiment", text="sentence")
    model = bench.trained("sentiment", source, of="sentiment").path
    columns: Any = source.columns
    rows = [row.text for row in labelled_rows(source.path, split="train", **columns)]
    count = 10_000 if bench.quick else 200_000
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as name:
        folder = Path(name)
        many, few = (_file(folder, rows, size) for size in (count, count // WARM))
        runs: dict[str, Callable[[Path], list[str]]] = {
            OURS: lambda file: annotate_command(model, file, folder / "o.jsonl", "--overwrite"),
            APPLY: lambda file: spacy_apply(model, file, folder / "a.spacy", BATCH),
        }
        found: dict[str, list[tuple[float, float, float]]] = {who: [] for who in runs}
        for _ in range(2 if bench.quick else 5):
            for who, command in runs.items():
                start, whole = ran(command(few)), ran(command(many))
                work = max(whole.seconds - start.seconds, 1e-9)
                found[who].append((count / work, start.seconds, whole.peak / 1e6))
    for who, each in found.items():
        speeds, starts, peaks = zip(*each, strict=True)
        bench.figure(who, "documents/s", "speed", *speeds)
        bench.figure(who, "start, s", "seconds", *starts)
        bench.figure(who, "MB at most", "MB", *peaks)
    pairs = zip(found[OURS], found[APPLY], strict=True)
    bench.ratio(APPLY, *(a[0] / b[0] for a, b in pairs))
    bench.remark(
        f"{count:,} documents of jsonl, to jsonl and, by spacy, to DocBin; the start is the time "
        f"of {count // WARM:,}, and taken off the speed."
    )


def _file(folder: Path, rows: list[str], count: int) -> Path:
    path = folder / f"rows-{count}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in islice(cycle(rows), count))
    return path

"""The figures of `seqpipe annotate`: speed, memory and faults, each against a named peer or limit.

    python -m benchmarks.annotate DATA [--parts apply,memory,workers,kills,hostile,ray]
    python -m benchmarks.annotate DATA --keep FOLDER --kills 100 --ray-python PYTHON

DATA is a folder that holds the sets `sst2` and `multi30k` as `datasets` reads them; a small
sentiment stage and a small translator are trained on them first, into `--keep` or, where they are
there, taken from it. All runs are whole commands in fresh processes, one thread each. Where the
work alone is to be compared, the same command over a hundredth of the documents is taken off.

`apply` takes turns with `spacy apply` at its best batch size. `memory` measures the peak of a
million short documents against ten thousand, and their times. `workers` has the translator do the
same documents with one process and with two. `kills` ends a job with SIGKILL at random moments,
parent or worker, resumes it each time, and compares the bytes. `hostile` puts ten thousand bad
documents among good ones. `ray` needs an interpreter that has Ray.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from datasets import load_dataset

from benchmarks.commands import begun
from benchmarks.hostile import BAD, strange
from seqpipe.cli.train import train

BATCHES = (64, 256, 1000, 4000)  # of spacy apply, of which the fastest counts
KILLED = ("parts", "csv", "jsonl", "parquet", "spacy")
WARM = 100  # what is taken off is the time of so many times fewer documents


def main() -> None:
    args = arguments()
    parts: dict[str, Callable[[Bench], None]] = {
        "apply": apply,
        "memory": memory,
        "workers": workers,
        "kills": kills,
        "hostile": among_good,
        "ray": ray,
    }
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        bench = Bench(args, Path(folder))
        for part in args.parts.split(","):
            parts[part](bench)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="apply,memory,workers,kills,hostile")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--documents", type=int, default=100_000, help="of apply")
    parser.add_argument("--short", type=int, default=1_000_000, help="documents of memory")
    parser.add_argument("--sentences", type=int, default=20_000, help="of workers and ray")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--killed", type=int, default=20_000, help="documents of the killed job")
    parser.add_argument("--hostile", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--keep", type=Path, help="folder of models, kept")
    return parser.parse_args()


class Bench:
    """Models and texts, made once, and a place for files."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.keep: Path = args.keep or folder / "models"

    def sentiment(self) -> Path:
        settings = {"training.max_steps": 400}
        return self._trained("sentiment", "sst2", {"text": "sentence"}, settings)

    def translator(self) -> Path:
        settings = {"training.max_steps": 600, "components.translator.shortlist": 40}
        return self._trained("translator", "multi30k", {"source": "en", "target": "de"}, settings)

    def reviews(self, count: int) -> Iterator[str]:
        rows = load_dataset(str(self.args.data / "sst2"), split="train")["sentence"]
        return islice(cycle([*rows]), count)

    def sentences(self, count: int) -> Iterator[str]:
        rows = load_dataset(str(self.args.data / "multi30k"), split="train")["en"]
        return islice(cycle([*rows]), count)

    def written(self, name: str, texts: Iterable[str]) -> Path:
        path = self.folder / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        return path

    def _trained(self, stage: str, data: str, columns: dict[str, str], settings: Any) -> Path:
        folder = self.keep / stage
        if not (folder / "model-best").is_dir():
            source = str(self.args.data / data)
            train(stage, source, output=folder, columns=columns, overrides=settings)
        return folder / "model-best"


# Commands ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What a command took."""

    seconds: float
    peak: int  # bytes that it and its children held together, at most
    code: int
    said: str


def annotate(model: Path, data: Path, output: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "seqpipe", "annotate", str(model), str(data)]
    return [*command, "--output", str(output), *more]


def spacy_apply(model: Path, data: Path, output: Path, batch: int) -> list[str]:
    command = [sys.executable, "-m", "spacy", "apply", str(model), str(data), str(output)]
    return [*command, "--batch-size", str(batch), "--force"]


def ran(command: Sequence[str], *, codes: Sequence[int] = (0,)) -> Ran:
    began = time.perf_counter()
    process = begun(command)
    watcher = Watcher(process.pid)
    said = process.communicate()[1].decode(errors="replace")
    seconds = time.perf_counter() - began
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(command)}\n{said}")
    return Ran(seconds, watcher.peak(), process.returncode, said)


class Watcher:
    """Looks at the memory of a process and of all below it, twenty times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak, self._over = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def peak(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            held = sum(map(resident, [self._pid, *below(self._pid)]))
            self._peak = max(self._peak, held)


def below(pid: int) -> list[int]:
    """Children, of any thread, and theirs; Linux."""
    found = []
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found + [pid for child in found for pid in below(child)]


def resident(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def told(part: str, sentence: str) -> None:
    print(f"{part:<9} {sentence}", flush=True)


# Parts ---------------------------------------------------------------------------------------


def apply(bench: Bench) -> None:
    model, count = bench.sentiment(), bench.args.documents
    data = bench.written("many", bench.reviews(count))
    few = bench.written("few", bench.reviews(count // WARM))
    out = bench.folder
    runs: dict[str, Callable[[Path], list[str]]] = {
        f"spacy apply at {batch}": lambda file, b=batch: spacy_apply(  # type: ignore[misc]
            model, file, out / "a.spacy", b
        )
        for batch in BATCHES
    }
    for kind in ("spacy", "jsonl"):
        runs[f"seqpipe to {kind}"] = lambda file, k=kind: annotate(  # type: ignore[misc]
            model, file, out / f"o.{k}", "--overwrite"
        )
    times = taken(runs, data, few, bench.args.repeats)
    peer = min((n for n in runs if n.startswith("spacy")), key=lambda n: times[n].work)
    for name, time_ in times.items():
        ratio, whole = times[peer].work / time_.work, times[peer].whole / time_.whole
        told(
            "apply",
            f"{name}: {count / time_.work:,.0f} documents/s after a start of {time_.start:.1f} s; "
            f"{ratio:.2f} times {peer}, {whole:.2f} with the start; wanted 2 of seqpipe",
        )


@dataclass(frozen=True)
class Times:
    """Medians over the repeats."""

    whole: float
    start: float

    @property
    def work(self) -> float:
        return max(self.whole - self.start, 1e-9)


def taken(
    runs: dict[str, Callable[[Path], list[str]]], data: Path, few: Path, repeats: int
) -> dict[str, Times]:
    """A B A B ...: the command over all documents, and over few, which is its start."""
    whole: dict[str, list[float]] = {name: [] for name in runs}
    start: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, command in runs.items():
            start[name].append(ran(command(few)).seconds)
            whole[name].append(ran(command(data)).seconds)
    return {n: Times(statistics.median(whole[n]), statistics.median(start[n])) for n in runs}


def memory(bench: Bench) -> None:
    model, many = bench.sentiment(), bench.args.short
    sizes = {count: short(bench, count) for count in (many // 100, many // 10, many)}
    found = {
        count: ran(annotate(model, data, bench.folder / f"short-{count}", "--overwrite"))
        for count, data in sizes.items()
    }
    low, middle, high = found.values()
    more = (high.peak - low.peak) / 1e6
    told(
        "memory",
        f"{many:,} documents: {high.peak / 1e6:.0f} MB at most, {more:+.0f} MB against "
        f"{many // 100:,}; wanted within 150",
    )
    # The start is in all three: what is between two of them is work alone.
    first = (middle.seconds - low.seconds) / (many // 10 - many // 100)
    rest = (high.seconds - middle.seconds) / (many - many // 10)
    told(
        "memory",
        f"{1e6 * first:.1f} s a million documents at the beginning, {1e6 * rest:.1f} s later: "
        f"{100 * (rest / first - 1):+.1f} %; wanted within 10",
    )


def short(bench: Bench, count: int) -> Path:
    """Texts of a few words, each another."""
    reviews = bench.reviews(count)
    texts = (f"{' '.join(text.split()[:6])} {place}" for place, text in enumerate(reviews))
    return bench.written(f"short-{count}", texts)


def workers(bench: Bench) -> None:
    model, count = bench.translator(), bench.args.sentences
    data = bench.written("sentences", bench.sentences(count))
    few = bench.written("sentences-few", bench.sentences(count // WARM))
    more = ("--overwrite", "--part-rows", str(max(1, count // 40)), "--workers")
    runs: dict[str, Callable[[Path], list[str]]] = {
        number: lambda file, n=number: annotate(  # type: ignore[misc]
            model, file, bench.folder / f"w{n}", *more, n
        )
        for number in ("1", "2")
    }
    times = taken(runs, data, few, bench.args.repeats)
    same = bytes_of(bench.folder / "w1") == bytes_of(bench.folder / "w2")
    told(
        "workers",
        f"2 against 1: {times['1'].work / times['2'].work:.2f} times "
        f"({times['1'].whole / times['2'].whole:.2f} with the start, which is "
        f"{times['1'].start:.1f} s and {times['2'].start:.1f} s); wanted 1.7, better 1.9; "
        f"{'the same bytes' if same else 'OTHER BYTES'}",
    )


def kills(bench: Bench) -> None:
    model, chance = bench.sentiment(), random.Random(bench.args.seed)
    data = bench.written("killed", bench.reviews(bench.args.killed))
    more = ("--workers", "2", "--part-rows", str(max(1, bench.args.killed // 50)))
    for kind in KILLED:
        name = "job" if kind == "parts" else f"job.{kind}"
        whole, often = bench.folder / "whole" / name, bench.folder / "often" / name
        alone = ran(annotate(model, data, whole, *more, "--overwrite"))
        wanted, wrong, ends = bytes_of(whole), 0, 0
        hit = {"parent": 0, "worker": 0}
        fresh = True
        while sum(hit.values()) < bench.args.kills or not fresh:
            hunt = sum(hit.values()) < bench.args.kills
            patience = chance.uniform(0, alone.seconds) if hunt else None
            whom = chance.choice([*hit])
            fresh = went_on(annotate(model, data, often, *more), often, fresh, whom, patience, hit)
            if fresh:
                ends, wrong = ends + 1, wrong + (bytes_of(often) != wanted)
        told(
            "kills",
            f"{kind}: {hit['parent']} parents and {hit['worker']} workers killed over {ends} jobs "
            f"of {alone.seconds:.0f} s, of which {wrong} have other bytes; wanted 0",
        )


def went_on(
    command: Sequence[str],
    output: Path,
    fresh: bool,
    whom: str,
    patience: float | None,
    hit: dict[str, int],
) -> bool:
    """Begins a job or goes on with it, and kills after a while; whether it came to its end."""
    folder = output if output.suffix == "" else output.with_name(f"{output.name}.job")
    begin = fresh or not (folder / "job.json").exists()  # killed before it was begun
    process = begun([*command, "--overwrite" if begin else "--resume"])
    if patience is not None:
        time.sleep(patience)
        prey = [process.pid] if whom == "parent" else below(process.pid)
        if process.poll() is None and prey:
            hit[whom] += 1
            end(random.Random(patience).choice(prey))
    said = process.communicate()[1].decode(errors="replace")
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}\n{said}")
    return process.returncode == 0


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def bytes_of(output: Path) -> dict[str, str]:
    """The digest of each file that is the output."""
    files = [output] if output.is_file() else sorted((output / "parts").iterdir())
    return {file.name: blake2b(file.read_bytes()).hexdigest() for file in files}


def among_good(bench: Bench) -> None:
    model, count = bench.sentiment(), bench.args.hostile
    good = list(bench.reviews(count))
    bad = list(islice(cycle(BAD), count // 2)) + strange(count - count // 2, bench.args.seed)
    random.Random(bench.args.seed).shuffle(bad)
    data = bench.folder / "hostile.jsonl"
    with data.open("wb") as file:
        for one, other in zip(good, bad, strict=True):
            file.write(json.dumps({"text": one, "good": True}).encode() + b"\n" + other + b"\n")
    output = bench.folder / "hostile-out.jsonl"
    done = ran(annotate(model, data, output, "--workers", "2"), codes=(0, 1))
    rows = [json.loads(line) for line in output.open(encoding="utf-8")]
    summary = json.loads((bench.folder / "hostile-out.jsonl.job/summary.json").read_text())
    fine = sum(bool(row.get("good") and row["cats"]) for row in rows)
    others = [row for row in rows if not row.get("good")]
    annotated = sum(bool(row["cats"]) for row in others)
    failed = sum("error" in row for row in rows)
    empty = sum(not row["cats"] and "error" not in row for row in others)
    kept = sum("error" in row for row in others)
    accounted = annotated + empty + kept == len(bad) and failed == summary["failed"]
    told(
        "hostile",
        f"{fine:,} of {len(good):,} good documents annotated, wanted all; of {len(bad):,} hostile "
        f"ones {annotated:,} annotated, {empty:,} without text, {kept:,} failed with their reason: "
        f"{'all accounted for' if accounted else 'NOT ALL ACCOUNTED FOR'}; exit code {done.code}",
    )


def ray(bench: Bench) -> None:
    model, count = bench.translator(), bench.args.sentences
    data = bench.written("rays", bench.sentences(count))
    few = bench.written("rays-few", bench.sentences(count // WARM))
    more = ("--overwrite", "--part-rows", str(max(1, count // 40)), "--workers", "2")
    runs: dict[str, Callable[[Path], list[str]]] = {
        "local": lambda file: annotate(model, file, bench.folder / "here", *more),
        "ray": lambda file: [
            bench.args.ray_python,
            *annotate(model, file, bench.folder / "there", *more)[1:],
            *("--engine", "ray", "--ray", "local"),
        ],
    }
    times = taken(runs, data, few, bench.args.repeats)
    same = bytes_of(bench.folder / "here") == bytes_of(bench.folder / "there")
    told(
        "ray",
        f"two actors: {times['ray'].work / times['local'].work:.2f} times as long as two local "
        f"workers (the start apart: {times['ray'].start:.1f} s and {times['local'].start:.1f} s), "
        f"wanted 1.5 at most; {'the same bytes' if same else 'OTHER BYTES'}",
    )


if __name__ == "__main__":
    main()

"""How cost grows: with documents, their length, batches, threads, processes and vocabulary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.bench import OURS, Bench
from benchmarks.scores import exponent
from benchmarks.stages import fresh, texts

STAGES = ("sentiment", "tokenizer", "generator")
ROOT = Path(__file__).parent.parent.parent  # where `benchmarks` can be imported from
FEW = 200  # documents that a fresh stage learns its words from

# In a process of its own, for the highest memory of a process never goes down.
_MANY = """
import gc, json, sys
from itertools import cycle, islice
import torch
from benchmarks.benches.scale import passed
from benchmarks.machine import most_held
from benchmarks.stages import fresh, texts
torch.set_num_threads(1)
some, count = texts(2000, 20), int(sys.argv[1])
nlp = fresh("sentiment", some[:200])
passed(nlp, some)
gc.freeze()  # as processes do that annotate and nothing else
seconds = passed(nlp, islice(cycle(some), count))
print(json.dumps([seconds, most_held()]))
"""


def scale(bench: Bench) -> None:
    torch.set_num_threads(1)
    documents(bench)
    lengths(bench)
    batches(bench)
    workers(bench)
    vocabulary(bench)


def passed(nlp: Any, some: Any, **how: Any) -> float:
    """The seconds of a pass that keeps nothing."""
    began = time.perf_counter()
    for _ in nlp.pipe(some, **how):
        pass
    return time.perf_counter() - began


def _best(bench: Bench, run: Callable[[], float]) -> float:
    """The quickest of some turns: what is sought is how cost grows, and noise only adds."""
    return min(run() for _ in range(2 if bench.quick else bench.turns))


def documents(bench: Bench) -> None:
    """Sentiment over texts of 20 words, each size in processes of its own. What else the machine
    does changes more in a minute than what is sought, and the least of short runs would stand
    against the whole of a long one: so the sizes take turns, the longest amid the others' alone,
    and the medians are compared."""
    counts = (1000, 3000, 10_000) if bench.quick else (1000, 10_000, 100_000, 1_000_000)
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    turns = 1 if bench.quick else bench.turns
    for turn in range(turns):
        for count in counts:
            if count <= 100_000 or turn == turns // 2:
                found[count].append(_in_a_process(count))
    times = [(count, median(seconds for seconds, _ in runs)) for count, runs in found.items()]
    memory = [(count, max(held for _, held in runs)) for count, runs in found.items()]
    grows = exponent(times if bench.quick else times[1:])
    bench.curve("Documents", "sentiment", "documents", "seconds", times, exponent=grows)
    bench.curve("Memory", "sentiment", "documents", "MB at most", memory)
    (low, first), (high, last) = times[0 if bench.quick else 1], times[-1]
    ratio = (last / high) / (first / low)
    bench.figure(OURS, "cost of a document, the most to the fewest", "times", ratio)
    bench.remark(f"That ratio compares {high:,} documents with {low:,}; 1 is linear growth.")


def _in_a_process(count: int) -> tuple[float, float]:
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _MANY, str(count)]
    ran = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    seconds, held = json.loads(ran.stdout.splitlines()[-1])
    return float(seconds), float(held)


def lengths(bench: Bench) -> None:
    """One document after the other, each of so many characters."""
    sizes = [10, 100, 1000, 10_000, *[100_000] * (not bench.quick)]
    whole = " ".join(texts(10, 2200, spread=0.0))
    for stage in STAGES:
        nlp = fresh(stage, texts(FEW, 20), {"generated": ""} if stage == "generator" else {})
        points = []
        for size in sizes:
            some = [whole[at : at + size] for at in range(3)]
            passed(nlp, some)
            points.append((size, 1000 * _best(bench, lambda n=nlp, s=some: passed(n, s)) / 3))
        told = exponent(points[-2:])
        bench.curve("Length of a document", stage, "characters", "ms", points, exponent=told)


def batches(bench: Bench) -> None:
    """Documents that `nlp.pipe` hands over at once."""
    sizes = [1, 8, 64, 256] if bench.quick else [1, 4, 16, 64, 256, 1000]
    some = texts(256 if bench.quick else 4000, 20)
    words = sum(len(text.split()) for text in some)
    for stage in STAGES:
        nlp = fresh(stage, some[:FEW], {"generated": ""} if stage == "generator" else {})
        passed(nlp, some[:64])
        points = [
            (size, words / _best(bench, lambda n=nlp, b=size: passed(n, some, batch_size=b)))
            for size in sizes
        ]
        bench.curve("Batch size", stage, "documents at once", "words/s", points)


def workers(bench: Bench) -> None:
    """Threads of torch in one process, and processes of one thread."""
    most = os.cpu_count() or 1
    counts = [count for count in (1, 2, 4, 8, 16) if count <= most]
    some = texts(1000, 20) * (2 if bench.quick else 20)
    words = sum(len(text.split()) for text in some)
    nlp = fresh(
        "sentiment", some[:FEW], {"model": {"cell": "lstm", "embedding": 128, "width": 128}}
    )
    passed(nlp, some[:100])
    threads = []
    for count in counts:
        torch.set_num_threads(count)
        threads.append((count, words / _best(bench, lambda: passed(nlp, some))))
    torch.set_num_threads(1)
    processes = [
        (count, words / _best(bench, lambda c=count: passed(nlp, some, n_process=c)))
        for count in counts
    ]
    bench.curve("Threads and processes", "threads", "how many", "words/s", threads)
    bench.curve("Threads and processes", "processes", "how many", "words/s", processes)
    bench.remark(
        "Between processes `nlp.pipe` packs and unpacks every document, which costs more than a "
        "small net does: the workers of `seqpipe annotate` send rows instead."
    )


def vocabulary(bench: Bench) -> None:
    """Rows of 13 pieces through a translator that may write so many different ones."""
    sizes = [1000, 4000, 16_000] if bench.quick else [1000, 2000, 4000, 8000, 16_000, 32_000]
    search = {"@misc": "seqpipe.Search.v1", "beam": 5, "margin": 0.0, "max_length": 18}
    nlp = fresh("translator", texts(FEW, 13), {"search": search})
    stage: Any = nlp.get_pipe("translator")
    chance = torch.Generator().manual_seed(0)
    points = []
    for size in sizes:
        torch.manual_seed(0)
        stage.shim.open(sources=size, targets=size, joint=True)
        rows = torch.randint(5, size, (32, 13), generator=chance).int().numpy()
        stage.predict_rows(list(rows))

        def run(rows: Sequence[Any] = list(rows)) -> float:
            began = time.perf_counter()
            stage.predict_rows(rows)
            return time.perf_counter() - began

        points.append((size, 1000 * _best(bench, run) / 32))
    told = exponent(points)
    bench.curve("Vocabulary", "translator", "pieces", "ms a row", points, exponent=told)

"""How fast each stage learns, beside the same net in a plain torch loop."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.bench import OURS, Bench
from benchmarks.training import STAGES, Ours, Stage, plain_of
from benchmarks.training import Bench as Desk
from seqpipe.cli.demo import KINDS

PLAIN = "plain loop"
BUNDLED = {
    "sentiment": "reviews_en",
    "tokenizer": "sentences_en",
    "translator": "phrases_en_de",
    "generator": "verse_en",
    "generator of rows": "reviews_en",
}


def training(bench: Bench) -> None:
    torch.set_num_threads(1)
    steps = 10 if bench.quick else 40
    columns = {corpus: told for kind in KINDS for corpus, told in kind.columns.items()}
    for name, bundled in BUNDLED.items():
        stage = STAGES[name]
        source = bench.source(
            stage.data, bundled, of=name, **(columns.get(bundled, {}) or dict(stage.columns))
        )
        limit = 2000 if bench.quick else stage.limit
        here = Stage(stage.name, source.path, dict(source.columns), limit)
        with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
            args = argparse.Namespace(device="cpu", data=Path("/"))
            ours = Ours(Desk(args, Path(folder)), here)
            _compared(bench, name, {OURS: ours, PLAIN: plain_of(ours, here)}, steps)


def _compared(
    bench: Bench, name: str, runs: Mapping[str, Callable[[int], tuple[int, float]]], steps: int
) -> None:
    speeds: dict[str, list[float]] = {who: [] for who in runs}
    for run in runs.values():
        run(3)
    for _ in range(bench.turns):
        for who, run in runs.items():
            units, seconds = run(steps)
            speeds[who].append(units / seconds)
    for who, each in speeds.items():
        bench.figure(name, f"{who}, pieces/s", "speed", *each)
    ratios = [a / b for a, b in zip(speeds[OURS], speeds[PLAIN], strict=True)]
    bench.ratio(name, *ratios)

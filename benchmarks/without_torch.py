"""The figures of exported pipelines: speed and quality on graphs, cold start, installed size.

    python benchmarks/without_torch.py MODEL DATA [--text sentence] [--label label]
        [--parts speed,cold,size] [--torch PYTHON] [--graphs PYTHON]

MODEL is a trained pipeline with `seqpipe_sentiment`, DATA a data set whose part `validation` it is
measured on. `cold` and `size` compare two interpreters: one where seqpipe is installed as README
does it, and one where it is by `requirements-onnx.txt`; a cold start is the time from the start of
the process to the first annotated document, in turns. All on one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from datasets import load_dataset

from benchmarks.peers import in_turns
from seqpipe.cli.export import export

_FIRST = """
import sys, time, spacy
print(spacy.load(sys.argv[1])("a lovely film with good actors").cats)
"""
_SIZE = """
import sysconfig
from pathlib import Path
files = Path(sysconfig.get_path("purelib")).rglob("*")
print(sum(file.stat().st_size for file in files if file.is_file()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--text", default="sentence")
    parser.add_argument("--label", default="label")
    parser.add_argument("--parts", default="speed,cold,size")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--graphs", default=sys.executable, metavar="PYTHON")
    args = parser.parse_args()
    parts = args.parts.split(",")
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        models = {"torch": args.model.resolve()}
        for name, int8 in (("fp32", False), ("int8", True)):
            models[name] = export(args.model, Path(folder) / name, int8=int8).output
        if "speed" in parts:
            speed(models, load_dataset(args.data, split="validation"), args)
        if "cold" in parts:
            cold({"torch": (args.torch, models["torch"]), "fp32": (args.graphs, models["fp32"])})
    if "size" in parts:
        sizes = [int(told(python, _SIZE)) for python in (args.torch, args.graphs)]
        share = sizes[1] / sizes[0]
        print(f"size      {sizes[0] / 1e6:,.0f} MB, {sizes[1] / 1e6:,.0f} MB without: {share:.2f}")


def speed(models: dict[str, Path], data: Any, args: argparse.Namespace) -> None:
    """Words a second of the net alone, of encoded rows, and through nlp.pipe, with accuracy."""
    pipelines = {name: spacy.load(path) for name, path in models.items()}
    texts, gold = [*data[args.text]], [str(label) for label in data[args.label]]
    nets: dict[str, Callable[[], Any]] = {}
    pipes: dict[str, Callable[[], Any]] = {}
    words = 0
    for name, nlp in pipelines.items():
        stage: Any = nlp.get_pipe("sentiment")
        rows = stage.encode([nlp.make_doc(text) for text in texts]) * 4
        words = sum(map(len, rows))
        scores = np.stack(stage.predict_rows(rows[: len(texts)]))
        said = [stage.labels[best] for best in scores.argmax(axis=1)]
        right = sum(a == b for a, b in zip(said, gold, strict=True)) / len(gold)
        size = sum(path.stat().st_size for path in models[name].glob("sentiment/model.*"))
        print(f"accuracy  {name}: {right:.4f}, {size / 1e6:.2f} MB")
        nets[name] = partial(stage.predict_rows, rows)
        pipes[name] = partial(_through, nlp, texts)
        one = rows[:200]
        nets[f"{name}, one row"] = partial(_each, stage, one)
    for kind, runs, count in (("net", nets, words), ("nlp.pipe", pipes, words / 4)):
        times = in_turns(runs, args.repeats)
        base = times["torch"]
        for name, seconds in times.items():
            alone = name.endswith("one row")
            against = times["torch, one row"] if alone else base
            ratio = statistics.median(a / b for a, b in zip(against, seconds, strict=True))
            middle = statistics.median(seconds)
            rate = (
                f"{middle / 200 * 1e6:,.0f} us a row" if alone else f"{count / middle:,.0f} words/s"
            )
            print(f"{kind:<9} {name}: {rate}, {ratio:.2f} of torch's speed", flush=True)


def _through(nlp: Any, texts: list[str]) -> None:
    for _ in nlp.pipe(texts):
        pass


def _each(stage: Any, rows: list[Any]) -> None:
    for row in rows:
        stage.predict_rows([row])


def cold(pythons: dict[str, tuple[str, Path]], repeats: int = 7) -> None:
    times: dict[str, list[float]] = {name: [] for name in pythons}
    for turn in range(repeats + 1):
        for name, (python, model) in pythons.items():
            began = time.perf_counter()
            told(python, _FIRST, str(model))
            if turn:  # the first reads from the disk
                times[name].append(time.perf_counter() - began)
    both = [statistics.median(seconds) for seconds in times.values()]
    print(f"cold      {both[0]:.2f} s, {both[1]:.2f} s without: {both[1] / both[0]:.2f}")


def told(python: str, code: str, *words: str) -> str:
    ran = subprocess.run(
        [python, "-c", code, *words], capture_output=True, text=True, check=True, cwd="/"
    )
    return ran.stdout


if __name__ == "__main__":
    main()

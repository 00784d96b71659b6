"""The figures of exported pipelines: speed and quality on graphs, cold start, installed size.

    python -m benchmarks.without_torch [--sentiment MODEL DATA] [--translator MODEL DATA]
        [--generator MODEL DATA] [--parts speed,translate,decoders,cold,size]
        [--torch PYTHON] [--graphs PYTHON]

A MODEL is a trained pipeline of that stage, DATA a data set whose part `validation` it is measured
on. `speed` and `cold` are of the sentiment, `translate` is of single sentences without a beam, and
`decoders` tells what 8 bits cost translator and generator. `cold` and `size` compare two
interpreters: one where seqpipe is installed as README does it, and one where it is by
`requirements-onnx.txt`; a cold start is from the start of the process to the first annotated
document. All on one thread, what is compared in turns, and of the ratios the median.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from datasets import load_dataset

from benchmarks.peers import in_turns
from seqpipe.cli.evaluate import evaluate
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
_ALL = "speed,translate,decoders,cold,size"

Models = Mapping[str, Path]  # the same pipeline as it is, in graphs, and in graphs of 8 bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for stage in ("sentiment", "translator", "generator"):
        parser.add_argument(f"--{stage}", nargs=2, metavar=("MODEL", "DATA"))
    parser.add_argument("--text", default="sentence", help="column of the sentiment")
    parser.add_argument("--label", default="label", help="column of the sentiment")
    parser.add_argument("--source", default="en", help="column of the translator")
    parser.add_argument("--target", default="de", help="column of the translator")
    parser.add_argument("--parts", default=_ALL)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", type=int, default=300, help="of data that decoders are given")
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--graphs", default=sys.executable, metavar="PYTHON")
    args = parser.parse_args()
    parts = args.parts.split(",")
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if args.sentiment and {"speed", "cold"} & {*parts}:
            models = exported(args.sentiment[0], Path(folder) / "sentiment")
            if "speed" in parts:
                speed(models, args)
            if "cold" in parts:
                cold(
                    {"torch": (args.torch, models["torch"]), "fp32": (args.graphs, models["fp32"])}
                )
        if args.translator and {"translate", "decoders"} & {*parts}:
            models = exported(args.translator[0], Path(folder) / "translator")
            if "translate" in parts:
                translate(models, args)
            if "decoders" in parts:
                columns = {"source": args.source, "target": args.target}
                decoders(models, args.translator[1], ["bleu", "chrf"], args.rows, columns)
        if args.generator and "decoders" in parts:
            models = exported(args.generator[0], Path(folder) / "generator")
            decoders(models, args.generator[1], ["bits_per_char"], args.rows, {"text": "text"})
    if "size" in parts:
        sizes = [int(told(python, _SIZE)) for python in (args.torch, args.graphs)]
        share = sizes[1] / sizes[0]
        print(f"size      {sizes[0] / 1e6:,.0f} MB, {sizes[1] / 1e6:,.0f} MB without: {share:.2f}")


def exported(model: str, folder: Path) -> Models:
    models = {"torch": Path(model).resolve()}
    for name, int8 in (("fp32", False), ("int8", True)):
        models[name] = export(model, folder / name, int8=int8).output
    for name, path in models.items():
        size = sum(file.stat().st_size for file in path.glob("*/model.*"))
        print(f"net       {path.parent.name if name != 'torch' else model}, {name}: {size:,} bytes")
    return models


def speed(models: Models, args: argparse.Namespace) -> None:
    """Words a second of the net alone, of encoded rows, and through nlp.pipe, with accuracy."""
    data = load_dataset(args.sentiment[1], split="validation")
    texts, gold = [*data[args.text]], [str(label) for label in data[args.label]]
    nets: dict[str, Callable[[], Any]] = {}
    pipes: dict[str, Callable[[], Any]] = {}
    singles: dict[str, Callable[[], Any]] = {}
    words = 0
    for name, path in models.items():
        nlp = spacy.load(path)
        stage: Any = nlp.get_pipe("sentiment")
        rows = stage.encode([nlp.make_doc(text) for text in texts]) * 4
        words = sum(map(len, rows))
        scores = np.stack(stage.predict_rows(rows[: len(texts)]))
        said = [stage.labels[best] for best in scores.argmax(axis=1)]
        right = sum(a == b for a, b in zip(said, gold, strict=True)) / len(gold)
        print(f"accuracy  {name}: {right:.4f}")
        nets[name] = partial(stage.predict_rows, rows)
        pipes[name] = partial(_through, nlp, texts)
        singles[name] = partial(_each, stage, rows[:200])
    compared("net", nets, args.repeats, words, "words")
    compared("nlp.pipe", pipes, args.repeats, words // 4, "words")
    compared("one row", singles, args.repeats, 200, "rows")


def translate(models: Models, args: argparse.Namespace) -> None:
    """From texts one at a time to docs, each piece the best."""
    texts = load_dataset(args.translator[1], split="validation")[args.source][:100]
    runs: dict[str, Callable[[], Any]] = {}
    said: dict[str, list[str]] = {}
    for name, path in models.items():
        nlp = spacy.load(path)
        stage: Any = nlp.get_pipe("translator")
        stage.search = stage.search.changed(beam=1)
        said[name] = [nlp(text)._.get(stage.extension) for text in texts]
        runs[name] = partial(_one_by_one, nlp, texts)
        same = sum(a == b for a, b in zip(said[name], said["torch"], strict=True))
        print(f"greedy    {name}: {same} of {len(texts)} sentences are torch's")
    compared("greedy", runs, args.repeats, len(texts), "sentences")


def decoders(
    models: Models, data: str, scores: Sequence[str], rows: int, columns: Mapping[str, str]
) -> None:
    """What a search finds, or a text costs, in 8 bits."""
    for name, path in models.items():
        found = evaluate(path, data, split="validation", limit=rows, **columns).scores
        told_scores = ", ".join(f"{score} {found[score]:.4f}" for score in scores)
        print(f"decoders  {name}: {told_scores}", flush=True)


def compared(
    kind: str, runs: Mapping[str, Callable[[], Any]], repeats: int, count: int, unit: str
) -> None:
    times = in_turns(runs, repeats)
    for name, seconds in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["torch"], seconds, strict=True))
        rate = count / statistics.median(seconds)
        print(f"{kind:<9} {name}: {rate:,.0f} {unit}/s, {ratio:.2f} of torch's speed", flush=True)


def _through(nlp: Any, texts: list[str]) -> None:
    for _ in nlp.pipe(texts):
        pass


def _one_by_one(nlp: Any, texts: list[str]) -> None:
    for text in texts:
        nlp(text)


def _each(stage: Any, rows: list[Any]) -> None:
    for row in rows:
        stage.predict_rows([row])


def cold(pythons: Mapping[str, tuple[str, Path]], repeats: int = 7) -> None:
    """By the clock, and by the time of the processor, which neighbours change less."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in pythons}
    for turn in range(repeats + 1):
        for name, (python, model) in pythons.items():
            began, used = time.perf_counter(), _used()
            told(python, _FIRST, str(model))
            if turn:  # the first reads from the disk
                times[name].append((time.perf_counter() - began, _used() - used))
    for i, kind in enumerate(("clock", "processor")):
        both = [statistics.median(turn[i] for turn in turns) for turns in times.values()]
        share = both[1] / both[0]
        print(f"cold      {kind}: {both[0]:.2f} s, {both[1]:.2f} s without: {share:.2f}")


def _used() -> float:
    """Seconds of the processor that ended processes have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def told(python: str, code: str, *words: str) -> str:
    ran = subprocess.run(
        [python, "-c", code, *words], capture_output=True, text=True, check=True, cwd="/"
    )
    return ran.stdout


if __name__ == "__main__":
    main()

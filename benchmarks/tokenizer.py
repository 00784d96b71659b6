"""The figures of `seqpipe_tokenizer`: quality, speed and size, each against a named peer or limit.

    python -m benchmarks.tokenizer DATA [--parts quality,pipe,size,stream] [--sets ud_en_ewt]
    python -m benchmarks.tokenizer DATA --models FOLDER --parts pipe

DATA is a folder that holds the sets `ud_en_ewt`, `ud_zh_gsd` and `ud_vi_vtb` as `datasets` reads
them. `pipe` compares with spaCy's English rules and sentencizer and, with `--stanza`, with stanza's
tokenizer in an interpreter that has it; on one thread, in turns, from raw text to Doc. Quality is
that of the validation part, and the minutes are those of one thread. `stream` reads 5 and 50
million characters of it over and over and says what memory that takes. `--models` keeps the
models, and takes those that are there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import spacy
import torch

from benchmarks.machine import most_held
from benchmarks.peers import Peer, in_turns
from seqpipe.cli.train import train
from seqpipe.components.tokenizer import score_tokens
from seqpipe.corpora.tokens import read_tokens


@dataclass(frozen=True)
class Task:
    """A treebank, what is asked for, and the settings it is trained with."""

    name: str
    wanted: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)


# A convolution is good for English, and a small corpus wants more dropout.
SMALL = {"components.tokenizer.model.conv": 0, "components.tokenizer.stretch": 150}
TASKS = (
    Task("ud_en_ewt", {"token_f": 0.994, "sents_f": 0.895}),
    Task("ud_zh_gsd", {"token_f": 0.915}, SMALL),
    Task("ud_vi_vtb", {"token_f": 0.87}, {**SMALL, "training.dropout": 0.5}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="quality,pipe,size,stream")
    parser.add_argument("--models", type=Path, help="folder of models, kept")
    parser.add_argument("--sets", default=",".join(task.name for task in TASKS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="of training; 0: what the stage does")
    parser.add_argument("--stanza", metavar="PYTHON", help="an interpreter that has stanza")
    args = parser.parse_args()
    folder = args.models or Path(tempfile.mkdtemp(prefix="seqpipe-bench-"))
    tasks = [task for task in TASKS if task.name in args.sets.split(",")]
    try:
        models = {task.name: quality(args.data, folder, task, args) for task in tasks}
        torch.set_num_threads(1)
        if "size" in args.parts:
            size(models)
        if "pipe" in args.parts:
            pipe(args.data / tasks[0].name, models[tasks[0].name], args.repeats, args.stanza)
        if "stream" in args.parts:
            stream(args.data / tasks[0].name, models[tasks[0].name])
    finally:
        if not args.models:
            shutil.rmtree(folder)


def quality(data: Path, folder: Path, task: Task, args: argparse.Namespace) -> Path:
    """Trains with the defaults, one run a seed, all of them counted."""
    scores: dict[str, list[float]] = {name: [] for name in task.wanted}
    times = []
    for seed in range(args.seeds if "quality" in args.parts else 1):
        output = folder / f"{task.name}-{seed}"
        trained = train(
            "tokenizer",
            str(data / task.name),
            output=output,
            overrides={
                "system.seed": seed,
                **task.settings,
                **({"training.max_steps": args.steps} if args.steps else {}),
            },
            resume=True,
        )
        log = (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
        times.append(json.loads(log[-1])["seconds"])
        for name in scores:
            scores[name].append(trained.scores[name])
    for name, found in scores.items():
        print(
            f"quality   {task.name}: {name} {_spread(found)} over {len(found)} seeds, "
            f"wanted {task.wanted[name]}; {max(times) / 60:.1f} minutes of training at most, on "
            "one thread",
            flush=True,
        )
    return folder / f"{task.name}-0" / "model-best"


def _spread(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} +- {spread:.4f} ({min(values):.4f} to {max(values):.4f})"


def size(models: Mapping[str, Path]) -> None:
    for name, model in models.items():
        files = (model / "tokenizer").rglob("*")
        total = sum(file.stat().st_size for file in files if file.is_file())
        print(f"size      {name}: {total / 1e6:.2f} MB on disk, wanted under 3", flush=True)


def pipe(data: Path, model: Path, repeats: int, stanza: str | None) -> None:
    """From raw text to Doc, all documents of the validation part, in turns."""
    ours = spacy.load(model)
    rules = spacy.blank("en")
    rules.add_pipe("sentencizer")
    examples = list(read_tokens(str(data), split="validation", shuffle=False)(spacy.blank("en")))
    texts = [example.reference.text for example in examples] * 4
    characters = sum(map(len, texts))
    runs: dict[str, Callable[[], Any]] = {
        "seqpipe": lambda: list(ours.pipe(texts)),
        "spacy rules and sentencizer": lambda: list(rules.pipe(texts)),
    }
    peer = None
    if stanza:
        script = str(Path(__file__).with_name("peers") / "stanza_peer.py")
        peer = Peer([stanza, script, str(data)], {"texts": texts})
        print(f"pipe      {peer.name}", flush=True)
        runs["stanza"] = peer
    times = in_turns(runs, repeats)
    if peer is not None:
        peer.close()
    for name, seconds in times.items():
        ratios = [t / o for t, o in zip(seconds, times["seqpipe"], strict=True)]
        print(
            f"pipe      {name}: {characters / statistics.median(seconds):,.0f} characters/s on one "
            f"thread; seqpipe is {statistics.median(ratios):.2f} times as fast",
            flush=True,
        )
    for name, nlp in (("seqpipe", ours), ("spacy rules and sentencizer", rules)):
        docs = nlp.pipe(example.reference.text for example in examples)
        for example, doc in zip(examples, docs, strict=True):
            example.predicted = doc
        scores = score_tokens(examples)
        print(
            f"pipe      {name}: token F {scores['token_f']:.4f}, sentence F {scores['sents_f']:.4f}"
        )


def stream(data: Path, model: Path) -> None:
    """The highest memory of this process after 5 and after 50 million characters."""
    stage: Any = spacy.load(model).get_pipe("tokenizer")
    examples = read_tokens(str(data), split="validation", shuffle=False)(spacy.blank("en"))
    text = "\n\n".join(example.reference.text for example in examples)
    for millions in (5, 50):
        began, tokens = time.perf_counter(), 0
        for _ in stage.stream(repeat(text, millions * 1_000_000 // len(text))):
            tokens += 1
        passed = time.perf_counter() - began
        peak = most_held()
        print(
            f"stream    {millions} million characters, {tokens:,} tokens: "
            f"{millions * 1e6 / passed:,.0f} characters/s, at most {peak:,.0f} MB in use",
            flush=True,
        )


if __name__ == "__main__":
    main()

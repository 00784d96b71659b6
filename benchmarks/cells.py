"""What each cell is worth: quality and speed of every stage with `lstm`, `gru` and `mingru`.

    python -m benchmarks.cells DATA [--stages sentiment,chinese] [--ways lstm,mingru] [--seeds 3]

DATA is a folder that holds the sets `sst2`, `ud_en_ewt`, `ud_zh_gsd`, `tiny_shakespeare` and
`multi30k` as `datasets` reads them. All that differs between two ways is the cell and, where the
name of a way ends in a number, the layers, or of `lstm-0` the convolution below them. Quality is
that of the validation part, of the best model of each run; trainings go in turns, seed by seed.
`nlp.pipe` reads the validation part with the models of the first seed, in turns. All on one thread,
and all times are what that thread had of the CPU, so that what else the machine does counts little.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import spacy
import torch
from datasets import load_dataset
from spacy.language import Language

from benchmarks.peers import in_turns
from seqpipe.cli.train import Silent, train
from seqpipe.train.checkpoint import Position
from seqpipe.train.loop import Validation


@dataclass(frozen=True)
class Task:
    """A stage, the data that it learns from, and what counts."""

    stage: str
    data: str
    text: str
    scores: Sequence[str]
    columns: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    characters: int = 0  # least length of what `nlp.pipe` is given; 0: a line
    lines: int = 10**6  # of those at most
    loading: Mapping[str, Any] = field(default_factory=dict)


TASKS = {
    "sentiment": Task("sentiment", "sst2", "sentence", ["cats_acc"], {"text": "sentence"}),
    "tokenizer": Task("tokenizer", "ud_en_ewt", "text", ["token_f", "sents_f"], characters=2000),
    "chinese": Task(
        "tokenizer",
        "ud_zh_gsd",
        "text",
        ["token_f"],
        settings={"components.tokenizer.stretch": 150},
        characters=2000,
    ),
    "generator": Task(
        "generator",
        "tiny_shakespeare",
        "text",
        ["bits_per_char"],
        settings={
            "components.generator.codec.unit": "bpe",
            "components.generator.codec.size": 400,
        },
        characters=2000,
        loading={"components.generator.generated": ""},
    ),
    "translator": Task(
        "translator",
        "multi30k",
        "en",
        ["bleu", "chrf"],
        {"source": "en", "target": "de"},
        lines=400,
    ),
}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "mingru": {"cell": "mingru"},
    "lstm-0": {"cell": "lstm", "conv": 0},  # of tokenizers, whose encoder has a convolution below
    "mingru-0": {"cell": "mingru", "conv": 0},
    "mingru-2": {"cell": "mingru", "layers": 2},
    "mingru-3": {"cell": "mingru", "layers": 3},
}


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        for name in args.stages.split(","):
            task = TASKS[name]
            models = trained(task, args.ways.split(","), Path(folder) / name, args)
            piped(task, models, args)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--stages", default=",".join(TASKS))
    parser.add_argument("--ways", default="lstm,gru,mingru", help=", ".join(WAYS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0, help="of training; 0: what the stage does")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


@dataclass
class Found:
    """What the trainings of one way came to, a number a seed."""

    scores: dict[str, list[float]]
    speeds: list[float] = field(default_factory=list)  # pieces a second


class Stopwatch(Silent):
    """What the steps of a training take, without validations."""

    def __init__(self) -> None:
        self.pieces, self.seconds = 0, 0.0
        self._counted = 0  # of the pieces since the last validation
        self._since = time.process_time()

    def begin(self, total: int, done: int) -> None:
        self._since = time.process_time()

    def stepped(self, position: Position, words_per_second: float) -> None:
        now = time.process_time()
        self.seconds += now - self._since
        self.pieces += position.words - self._counted
        self._since, self._counted = now, position.words

    def validated(self, validation: Validation, *, best: bool) -> None:
        self._since, self._counted = time.process_time(), 0


def trained(
    task: Task, ways: Sequence[str], folder: Path, args: argparse.Namespace
) -> dict[str, Path]:
    """The model of each way with the first seed."""
    found = {way: Found({name: [] for name in task.scores}) for way in ways}
    short = {f"training.{name}": args.steps for name in ("max_steps", "eval_frequency")}
    for seed in range(args.seeds):
        for way in ways:
            watch = Stopwatch()
            model = {f"components.*.model.{name}": value for name, value in WAYS[way].items()}
            result = train(
                task.stage,
                str(args.data / task.data),
                output=folder / f"{way}-{seed}",
                columns=task.columns,
                overrides={
                    "system.seed": seed,
                    **task.settings,
                    **model,
                    **(short if args.steps else {}),
                },
                watcher=watch,
            )
            found[way].speeds.append(watch.pieces / watch.seconds)
            for name in task.scores:
                found[way].scores[name].append(result.scores[name])
            told = {name: each[-1] for name, each in found[way].scores.items()}
            print(f"run       {task.data}, {way}, seed {seed}: {told}", flush=True)
    for way, of_way in found.items():
        scores = ", ".join(f"{name} {_spread(each)}" for name, each in of_way.scores.items())
        print(
            f"training  {task.data}, {way}: {scores} over {args.seeds} seeds; "
            f"{statistics.median(of_way.speeds):,.0f} pieces/s",
            flush=True,
        )
    return {way: folder / f"{way}-0" / "model-best" for way in ways}


def _spread(values: Sequence[float]) -> str:
    spread = f" +- {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"


def piped(task: Task, models: Mapping[str, Path], args: argparse.Namespace) -> None:
    rows = load_dataset(str(args.data / task.data), split="validation")[task.text]
    texts = list(portions(rows, task.characters))[: task.lines]
    characters = sum(map(len, texts))
    pipelines = {way: spacy.load(model, config=dict(task.loading)) for way, model in models.items()}
    times = in_turns(
        {way: partial(read, nlp, texts) for way, nlp in pipelines.items()}, args.repeats
    )
    for way, seconds in times.items():
        speed = characters / statistics.median(seconds)
        print(f"pipe      {task.data}, {way}: {speed:,.0f} characters/s", flush=True)


def portions(rows: Sequence[str], characters: int) -> Iterator[str]:
    """Lines, joined where they are shorter than that."""
    open_: list[str] = []
    for line in (line for row in rows for line in row.splitlines()):
        open_.append(line)
        if sum(map(len, open_)) >= characters:
            yield "\n".join(open_)
            open_ = []


def read(nlp: Language, texts: Sequence[str]) -> float:
    began = time.process_time()
    for _ in nlp.pipe(texts):
        pass
    return time.process_time() - began


if __name__ == "__main__":
    main()

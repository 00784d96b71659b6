"""The figures of training: speed, several processes, and runs that are killed.

    python -m benchmarks.training DATA [--parts speed,together,kills,tune] [--stages sentiment,...]

DATA is a folder that holds `sst2`, `ud_en_ewt`, `multi30k` and `tiny_shakespeare` as `datasets`
reads them. One thread throughout, unless `--device` names a GPU.

`speed` takes turns between a stage's own training and the same net in a plain torch loop with
packed batches of rows in any order (`plain_nets.py`): units (pieces that the net reads) a second.
The rows of one running text are windows, all of one length; `generator of rows` learns sentences.
`together` takes turns between one process and two under `torchrun`. `kills` ends a training of
each stage with SIGKILL at random moments, resumes it each time, and compares the bytes with those
of a run that nothing ended. `tune` lets twenty trials look for settings on sst2, and measures
them and the defaults with seeds of their own.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_model_from_config, registry, resolve_dot_names

from benchmarks import plain_nets
from benchmarks.commands import done, side_by_side
from seqpipe.cli._trainee import whole_bucket
from seqpipe.cli.train import train
from seqpipe.components._stage import Lessons
from seqpipe.text.codec import EOS
from seqpipe.text.rows import Rows

PARTS = ("speed", "together", "kills", "tune")
VALIDATED = 50  # rows, after a single step: a net that has learned nothing writes without an end


@dataclass(frozen=True)
class Stage:
    """What a stage is trained on here."""

    name: str
    data: str
    columns: Mapping[str, Any]
    limit: int = 0  # rows, where all would take long to encode


STAGES = {
    "sentiment": Stage("sentiment", "sst2", {"text": "sentence"}),
    "tokenizer": Stage("tokenizer", "ud_en_ewt", {}),
    "translator": Stage("translator", "multi30k", {"source": "en", "target": "de"}, limit=10_000),
    "generator": Stage("generator", "tiny_shakespeare", {}),
    "generator of rows": Stage("generator", "sst2", {"text": "sentence"}),
}


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[Bench, Stage], None]] = {
        "speed": speed,
        "together": together,
        "kills": kills,
        "tune": tune,
    }
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        for part in args.parts.split(","):
            for name in ["sentiment"] if part == "tune" else args.stages.split(","):
                parts[part](Bench(args, Path(folder) / name), STAGES[name])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40, help="of one turn of speed")
    parser.add_argument("--long", type=int, default=400, help="steps that together measures")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--killed", type=int, default=300, help="steps of the killed run")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


class Bench:
    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder

    def source(self, stage: Stage) -> str:
        return str(self.args.data / stage.data)

    def columns(self, stage: Stage) -> dict[str, Any]:
        return {**stage.columns, **({"limit": stage.limit} if stage.limit else {})}

    def command(self, stage: Stage, output: Path, *more: str) -> list[str]:
        options = [f"--{name}={value}" for name, value in self.columns(stage).items()]
        where = [self.source(stage), "--output", str(output), f"--device={self.args.device}"]
        return ["-m", "seqpipe", "train", stage.name, *where, *options, *more]


def told(part: str, sentence: str) -> None:
    print(f"{part:<9} {sentence}", flush=True)


# Speed ---------------------------------------------------------------------------------------


class Ours:
    """The steps that `seqpipe train` takes, with nothing around them."""

    def __init__(self, bench: Bench, stage: Stage) -> None:
        settings = {
            "training.max_steps": 1,
            "corpora.dev.limit": VALIDATED,
            f"components.{stage.name}.device": bench.args.device,
        }
        output = bench.folder / f"speed-{stage.name}"
        columns = bench.columns(stage)
        trained = train(
            stage.name, bench.source(stage), output=output, columns=columns, overrides=settings
        )
        nlp = spacy.load(trained.last)
        config = nlp.config.interpolate()
        training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
        (corpus,) = resolve_dot_names(config, [training["train_corpus"]])
        self.stage: Any = nlp.get_pipe(stage.name)
        reader = load_model_from_config(nlp.config.copy(), auto_fill=True)
        lessons = self.stage.lessons(list(islice(corpus(reader), stage.limit or None)))
        self.rows, self.answers = lessons.rows, lessons.answers
        self.side = config["seqpipe"].get("rows", 32)
        self.drop = training["dropout"]
        self.optimizer = training["optimizer"]
        self.course = self.stage.course(
            Rows.of(self.rows),
            Rows(np.concatenate(self.answers), np.cumsum([0, *map(len, self.answers)])),
            side_by_side=self.side,
            budget=config["seqpipe"].get("budget", 4096),
            seed=0,
        )
        self._epoch, self._at = 0, 0

    def __call__(self, steps: int) -> tuple[int, float]:
        began, units = time.perf_counter(), 0
        for _ in range(steps):
            parts = self.course.parts(self._epoch)
            part = parts[self._at]
            lessons = Lessons(*self.course.take(part), part.follows)
            self.stage.learn(lessons, drop=self.drop, buckets=whole_bucket(len(part)))
            self.stage.shim.finish_update(self.optimizer)
            units += int(part.lengths.sum())
            self._at += 1
            if self._at == len(parts):
                self._epoch, self._at = self._epoch + 1, 0
        return units, time.perf_counter() - began


def plain_of(ours: Ours, stage: Stage) -> plain_nets.Plain:
    """The usual net of the same sizes, over the same rows."""
    net, own = ours.stage.shim.net, ours.stage
    rows, answers = list(ours.rows), list(ours.answers)
    if stage.name == "generator":
        if sum(row[-1] == EOS for row in rows) == 1:
            text = np.concatenate(rows)
            cuts = range(0, len(text) - own.window, own.window)
            rows = [text[at : at + own.window] for at in cuts]
        answers = rows
        core = plain_nets.Encoder(
            net.pieces.num_embeddings, net.pieces.embedding_dim, net.width, len(net.layers), 1
        )
        return plain_nets.Plain(
            plain_nets.LanguageModel(core, net.pieces.num_embeddings), rows, answers, ours.side
        )
    width, layers = net.encoder.outputs // 2, len(net.encoder.onward)
    if stage.name == "translator":
        pieces, embedding = net.target.num_embeddings, net.target.embedding_dim
        core = plain_nets.Encoder(pieces, embedding, width, layers, 2)
        plain: Any = plain_nets.Translator(core, pieces, embedding, net.decoder.width)
        return plain_nets.Plain(plain, rows, answers, ours.side)
    pieces, embedding = net.embedding.single.num_embeddings, net.embedding.width
    core = plain_nets.Encoder(pieces, embedding, width, layers, 2)
    if stage.name == "tokenizer":
        rows = [row // net.embedding.marks for row in rows]
        answers = [np.minimum(answer, 2) for answer in answers]
        return plain_nets.Plain(plain_nets.Tagger(core, 3), rows, answers, ours.side)
    answers = [np.asarray(answer, np.float32) for answer in answers]
    plain = plain_nets.Classifier(core, len(own.labels))
    return plain_nets.Plain(plain, rows, answers, ours.side)


def speed(bench: Bench, stage: Stage) -> None:
    ours = Ours(bench, stage)
    runs = {"ours": ours, "plain": plain_of(ours, stage)}
    found: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(5)  # caches, lazy imports
    for _ in range(bench.args.repeats):
        for name, run in runs.items():
            units, seconds = run(bench.args.steps)
            found[name].append(units / seconds)
    ratios = [one / other for one, other in zip(found["ours"], found["plain"], strict=True)]
    middle = {name: statistics.median(each) for name, each in found.items()}
    told(
        "speed",
        f"{stage.name}, {stage.data}: {middle['ours']:,.0f} pieces/s against "
        f"{middle['plain']:,.0f} of a plain loop, {statistics.median(ratios):.2f} times "
        f"({min(ratios):.2f} to {max(ratios):.2f}); wanted 3",
    )


# Several processes ---------------------------------------------------------------------------


def together(bench: Bench, stage: Stage) -> None:
    """The last line of the log tells the speed since the validation before it, without that, and
    without what a process begins with."""
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(bench.args.repeats):
        for processes in found:
            output = bench.folder / f"together-{stage.name}-{processes}"
            settings = {
                "training.max_steps": 2 * bench.args.long,
                "training.eval_frequency": bench.args.long,
                "corpora.dev.limit": VALIDATED,
            }
            options = [f"--{name}={value}" for name, value in settings.items()]
            done([*side_by_side(processes), *bench.command(stage, output, "--overwrite", *options)])
            line = json.loads((output / "log.jsonl").read_text().splitlines()[-1])
            found[processes].append(line["words_per_second"])
    ratios = [two / one for one, two in zip(found[1], found[2], strict=True)]
    told(
        "together",
        f"{stage.name}: two processes {statistics.median(found[2]):,.0f} pieces/s, one "
        f"{statistics.median(found[1]):,.0f}, {statistics.median(ratios):.2f} times "
        f"({min(ratios):.2f} to {max(ratios):.2f}); wanted 1.7",
    )


# Kills ---------------------------------------------------------------------------------------


def kills(bench: Bench, stage: Stage) -> None:
    chance = random.Random(bench.args.seed)
    steps = (f"--training.max_steps={bench.args.killed}", "--seqpipe.checkpoint_seconds=1")
    every = f"--training.eval_frequency={max(1, bench.args.killed // 3)}"
    whole, often = (bench.folder / f"{stage.name}-{name}" for name in ("whole", "often"))
    began = time.perf_counter()
    done(bench.command(stage, whole, *steps, every))
    alone = time.perf_counter() - began
    wanted, hits, runs, wrong = bytes_of(whole), 0, 0, 0
    fresh = True
    while hits < bench.args.kills or not fresh:
        patience = chance.uniform(0, alone) if hits < bench.args.kills else None
        begun = "--overwrite" if fresh else "--resume"
        fresh = done(bench.command(stage, often, *steps, every, begun), seconds=patience)
        hits += not fresh
        if fresh:
            runs, wrong = runs + 1, wrong + (bytes_of(often) != wanted)
    told(
        "kills",
        f"{stage.name}: {hits} kills over {runs} trainings of {alone:.0f} s, of which {wrong} "
        "ended in other bytes; wanted 0",
    )


def bytes_of(output: Path) -> dict[str, str]:
    """The digest of every file of both models."""
    files = [file for name in ("model-best", "model-last") for file in (output / name).rglob("*")]
    return {
        str(file.relative_to(output)): blake2b(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.is_file()
    }


# Tune ----------------------------------------------------------------------------------------


def tune(bench: Bench, stage: Stage) -> None:
    output = bench.folder / "tune"
    options = [f"--{name}={value}" for name, value in bench.columns(stage).items()]
    source = bench.source(stage)
    where = [source, "--output", str(output), *options]
    done(["-m", "seqpipe", "tune", stage.name, *where, "--trials", str(bench.args.trials)])
    found: dict[str, list[float]] = {"best of the trials": [], "defaults": []}
    for seed in range(100, 100 + bench.args.seeds):
        for name, what in (("best of the trials", str(output / "best.cfg")), ("defaults", "")):
            overrides = {"system.seed": seed}
            run = train(
                what or stage.name,
                None if what else source,
                output=bench.folder / f"tuned-{name[0]}-{seed}",
                columns={} if what else bench.columns(stage),
                overrides=overrides,
            )
            found[name].append(run.scores["cats_acc"])
    means = {name: statistics.mean(each) for name, each in found.items()}
    spreads = {name: statistics.stdev(each) for name, each in found.items()}
    said = ", ".join(f"{name} {means[name]:.4f} +- {spreads[name]:.4f}" for name in found)
    margin = means["best of the trials"] - means["defaults"]
    told(
        "tune",
        f"accuracy on the validation part of sst2 after {bench.args.trials} trials, "
        f"{bench.args.seeds} seeds that no trial had: {said}; margin {margin:+.4f}",
    )


if __name__ == "__main__":
    main()

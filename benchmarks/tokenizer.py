"""The figures of `seqpipe_tokenizer`: quality, speed and size, each against a named peer or limit.

    python benchmarks/tokenizer.py DATA [--parts quality,pipe,size] [--seeds 1] [--sets ud_en_ewt]

DATA is a folder that holds the sets `ud_en_ewt`, `ud_zh_gsd` and `ud_vi_vtb` as `datasets` reads
them. `pipe` compares with spaCy's English rules and sentencizer and, with `--stanza`, with stanza's
tokenizer in an interpreter that has it; on one thread, in turns, from raw text to Doc. Quality is
that of the validation part, and the minutes are those of one thread.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import spacy
import torch
from peers import Peer, in_turns

from seqpipe.cli.train import train
from seqpipe.components.tokenizer import score_tokens
from seqpipe.corpora.tokens import read_tokens


@dataclass(frozen=True)
class Task:
    """A treebank, its language, what is asked for, and the settings it is trained with."""

    name: str
    lang: str
    wanted: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)


LEXICON = {"components.tokenizer.lexicon": True}
TASKS = (
    Task("ud_en_ewt", "en", {"token_f": 0.994, "sents_f": 0.895}),
    Task("ud_zh_gsd", "zh", {"token_f": 0.915}, LEXICON),
    Task("ud_vi_vtb", "vi", {"token_f": 0.87}, LEXICON),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="quality,pipe,size")
    parser.add_argument("--sets", default=",".join(task.name for task in TASKS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="of training; 0: what the stage does")
    parser.add_argument("--stanza", metavar="PYTHON", help="an interpreter that has stanza")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="seqpipe-bench-"))
    tasks = [task for task in TASKS if task.name in args.sets.split(",")]
    try:
        models = {task.name: quality(args.data, folder, task, args) for task in tasks}
        torch.set_num_threads(1)
        if "size" in args.parts:
            size(models)
        if "pipe" in args.parts:
            pipe(args.data / tasks[0].name, models[tasks[0].name], args.repeats, args.stanza)
    finally:
        shutil.rmtree(folder)


def quality(data: Path, folder: Path, task: Task, args: argparse.Namespace) -> Path:
    """Trains with the defaults, one run a seed, all of them counted."""
    scores: dict[str, list[float]] = {name: [] for name in task.wanted}
    times = []
    for seed in range(args.seeds if "quality" in args.parts else 1):
        output = folder / f"{task.name}-{seed}"
        began = time.perf_counter()
        trained = train(
            "tokenizer",
            str(data / task.name),
            output=output,
            overrides={
                "nlp.lang": "xx",
                "system.seed": seed,
                **task.settings,
                **({"training.max_steps": args.steps} if args.steps else {}),
            },
        )
        times.append(time.perf_counter() - began)
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
        stage = model / "tokenizer"
        stages = [path for path in model.iterdir() if (path / "model.safetensors").exists()]
        total = sum(f.stat().st_size for path in stages or [stage] for f in path.rglob("*"))
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
        script = str(Path(__file__).with_name("stanza_peer.py"))
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


if __name__ == "__main__":
    main()

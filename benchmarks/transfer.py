"""What a generator brings to a sentiment stage that begins as it, by the number of labelled rows.

    python -m benchmarks.transfer DATA [--rows 200,1000,0] [--seeds 3] [--keep FOLDER]

DATA is a folder that holds the sets `sst2` and `wikitext2_small` as `datasets` reads them. The
generator learns from the texts of both, without a label; what is scored is the validation part of
`sst2`, which it never sees. Each number of rows (0: all) is learned from in three ways with each
seed: with the defaults, as the generator, and as the same net with fresh weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset

from seqpipe.cli.train import train

GENERATOR = {
    "components.generator.codec.unit": "bpe",
    "components.generator.codec.size": 4000,
    "components.generator.codec.min_count": 2,
    "components.generator.model.embedding": 256,
    "components.generator.model.width": 256,
    "components.generator.model.tie_output": True,
    "components.generator.model.weight_dropout": 0.2,
    "components.generator.model.embedding_dropout": 0.2,
    "training.dropout": 0.3,
}


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        kept = args.keep or Path(folder)
        generator = learned(args, kept)
        for rows in map(int, args.rows.split(",")):
            for name, how in WAYS.items():
                compare(args, Path(folder), generator, rows, name, how)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", default="200,1000,0")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5, help="of the generator")
    parser.add_argument("--keep", type=Path, help="folder of the generator, kept")
    return parser.parse_args()


def texts(data: Path) -> Iterator[str]:
    """Sentences of the one set, paragraphs of the other."""
    yield from load_dataset(str(data / "sst2"), split="train")["sentence"]
    for text in load_dataset(str(data / "wikitext2_small"), split="train")["text"]:
        yield from (line for line in text.splitlines() if line.strip())


def learned(args: argparse.Namespace, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "texts.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for text in texts(args.data):
            lines.write(json.dumps({"text": text}) + "\n")
    trained = train(
        "generator",
        str(file),
        output=folder / "generator",
        overrides={**GENERATOR, "training.max_epochs": args.epochs},
        resume=True,
    )
    scores = {name: round(trained.scores[name], 3) for name in ("bits_per_char", "perplexity")}
    print(f"generator after {trained.step} steps: {scores} on a tenth of its texts", flush=True)
    return trained.best


def as_default(generator: Path) -> Mapping[str, Any]:
    return {}


def as_generator(generator: Path) -> Mapping[str, Any]:
    return {"init_from": str(generator)}


def afresh(generator: Path) -> Mapping[str, Any]:
    """Its pieces and the sizes of its layers, but nothing that it has learned."""
    sizes = {
        name: GENERATOR[f"components.generator.model.{name}"] for name in ("embedding", "width")
    }
    model = {f"components.sentiment.model.{name}": size for name, size in sizes.items()}
    tokenizer = generator / "generator" / "tokenizer.json"
    return {
        "overrides": {
            **model,
            "components.sentiment.codec.unit": "bpe",
            "initialize.components.sentiment.tokenizer": str(tokenizer),
        }
    }


WAYS = {"the defaults": as_default, "the generator": as_generator, "the same net, fresh": afresh}


def compare(
    args: argparse.Namespace, folder: Path, generator: Path, rows: int, name: str, how: Any
) -> None:
    scores, steps = [], 0
    for seed in range(args.seeds):
        told = dict(how(generator))
        trained = train(
            "sentiment",
            str(args.data / "sst2"),
            output=folder / f"{name.replace(' ', '-')}-{rows}-{seed}",
            columns={"text": "sentence", "limit": rows},
            overrides={"system.seed": seed, **told.pop("overrides", {})},
            **told,
        )
        scores.append(trained.scores["cats_acc"])
        steps = trained.step
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    print(
        f"{rows or 'all'} rows, {name}: accuracy {statistics.mean(scores):.4f} +- {spread:.4f} "
        f"over {len(scores)} seeds, {steps} steps",
        flush=True,
    )


if __name__ == "__main__":
    main()

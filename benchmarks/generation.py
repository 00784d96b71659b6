"""The figures of `seqpipe_generator`: quality and speed, each against a named peer or limit.

    python -m benchmarks.generation DATA [--parts quality,dynamic,writing,scoring,memory]
    python -m benchmarks.generation DATA --parts quality --runs short,long --keep FOLDER

DATA is a folder that holds the set `tiny_shakespeare` as `datasets` reads it. `quality` trains for
a number of steps and measures the validation part as a whole, from its first character to its last;
the time is that of the training with its validations; and once more beside the train part, which
the stage then remembers. `dynamic` measures the first 40,000
characters once more with a model that goes on learning. `writing` draws characters, one stream and
64 side by side, against a plain loop over torch's own layer of the same sizes, and against what the
products with the recurrent and the output weights alone take. `scoring` measures the train part cut
into 512 rows, against the same weights in torch's own layer, fed 128 rows at a time. Those two take
turns on one thread. `memory` scores `--megabytes` of documents, and a tenth of it through a stream,
and looks at how much this process holds.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.machine import most_held
from benchmarks.peers import in_turns
from seqpipe.cli.train import train
from seqpipe.corpora.sources import open_split
from seqpipe.text.codec import EOS

STREAMS = 64
ROWS, AT_A_TIME = 512, 128
WRITTEN = 500  # characters of a stream
WIDTH = 256  # of nets that are compared in speed


@dataclass(frozen=True)
class Run:
    """A training, and what it is to reach."""

    minutes: float
    wanted: float  # nats per character
    settings: Mapping[str, Any]


RUNS = {
    "short": Run(
        3,
        1.55,
        {
            "components.generator.codec.unit": "bpe",
            "components.generator.codec.size": 400,
            "components.generator.window": 32,
            "training.dropout": 0.05,
            "training.eval_frequency": 1200,
            "training.max_steps": 2400,
            "seqpipe.rows": 32,
        },
    ),
    "long": Run(
        30,
        1.45,
        {
            "components.generator.codec.unit": "bpe",
            "components.generator.codec.size": 400,
            "components.generator.model.embedding": 384,
            "components.generator.model.width": 384,
            "components.generator.model.weight_dropout": 0.1,
            "components.generator.window": 32,
            "training.dropout": 0.3,
            "training.eval_frequency": 2000,
            "training.max_steps": 11000,
            "seqpipe.rows": 32,
        },
    ),
}


def main() -> None:
    args = arguments()
    parts: dict[str, Callable[[argparse.Namespace], None]] = {
        "quality": quality,
        "dynamic": dynamic,
        "writing": writing,
        "scoring": scoring,
        "memory": memory,
    }
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        args.keep = args.keep or Path(folder)
        for part in args.parts.split(","):
            torch.set_num_threads(1)
            parts[part](args)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="quality,dynamic,writing,scoring,memory")
    parser.add_argument("--runs", default="short", help="of quality: short, long")
    parser.add_argument("--rates", default="0.03,0.1,0.3", help="of dynamic")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--width", type=int, default=WIDTH, help="of the layers compared in speed")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--keep", type=Path, help="folder of models, kept")
    return parser.parse_args()


def corpus(args: argparse.Namespace) -> str:
    return str(args.data / "tiny_shakespeare")


def text_of(path: str, part: str) -> str:
    """Its rows, one behind the other."""
    return "\n".join(open_split(path, split=part)["text"])


def quality(args: argparse.Namespace) -> None:
    text = text_of(corpus(args), "validation")
    for name in args.runs.split(","):
        run = RUNS[name]
        folder = args.keep / f"seqpipe-tiny_shakespeare-{name}"
        trained = train(
            "generator",
            corpus(args),
            output=folder,
            overrides=run.settings,
            resume=True,
        )
        log = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        stage: Any = spacy.load(trained.best).get_pipe("generator")
        weights = sum(w.numel() for w in stage.shim.net.parameters())
        minutes = json.loads(log[-1])["seconds"] / 60
        print(
            f"quality   {name}: {nats_of(stage, text):.4f} nats per character of the validation "
            f"part, wanted {run.wanted} after {run.minutes:g} minutes; {weights / 1e6:.1f}M "
            f"weights, {minutes:.1f} minutes of training on "
            f"{run.settings.get('seqpipe.threads', 1)} threads",
            flush=True,
        )
        start = time.perf_counter()
        fit = stage.remember([text_of(corpus(args), "train")], held_out=[text])
        more = (time.perf_counter() - start) / 60
        size = len(stage.extra("memory")) / 1e6
        print(
            f"quality   {name}, beside the train part, which it remembers: "
            f"{nats_of(stage, text):.4f} nats; {more:.1f} minutes more, {size:.0f} MB more; trust "
            f"was fitted to the first {fit.pieces:,} pieces of the validation part",
            flush=True,
        )


def nats_of(stage: Any, text: str) -> float:
    """Per character, from the first to the last."""
    stream = stage.stream(text)
    stream.finish()
    return float(stream.bits * math.log(2) / stream.characters)


def dynamic(args: argparse.Namespace) -> None:
    text = text_of(corpus(args), "validation")[:40_000]
    for name in args.runs.split(","):
        model = args.keep / f"seqpipe-tiny_shakespeare-{name}" / "model-best"
        stage: Any = spacy.load(model).get_pipe("generator")
        encoded = stage.codec.encode([text])
        for stage.dynamic in (0.0, *map(float, args.rates.split(","))):
            nats = stage.examine(encoded)[0].nats.sum() / len(text)
            print(f"dynamic   {name}: {nats:.4f} nats at a rate of {stage.dynamic}", flush=True)


class Fresh:
    """A stage that knows the characters of the corpus and has learned nothing, and a plain form of
    its net: an embedding, torch's own layers, an output."""

    def __init__(self, text: str, *, width: int = WIDTH, layers: int = 1) -> None:
        self.text = text
        self.nlp = nlp = spacy.blank("xx")
        nlp.max_length = len(self.text) + 1
        sizes = {"embedding": width, "width": width, "layers": layers}
        config = {"model": sizes, "generated": ""}
        self.stage: Any = nlp.add_pipe("seqpipe_generator", config=config)
        nlp.initialize(lambda: [spacy.training.Example(*[nlp.make_doc(self.text)] * 2)])
        self.net: Any = self.stage.shim.net
        with torch.no_grad():
            self.net.bias[EOS] = -1e9  # a stream that goes on
        self.embedding = self.net.pieces
        self.layers: Any = self.net.layers
        self.output = nn.Linear(width, len(self.stage.codec))
        self.output.weight, self.output.bias = self.net.output.weight, self.net.bias

    def plain(self, ids: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """The scores (B, S, V) behind each piece."""
        x, after = self.embedding(ids), []
        for layer, state in zip(self.layers, states, strict=True):
            x, state = layer(x, state)
            after.append(state)
        return self.output(x), after

    @torch.inference_mode()
    def write_plainly(self, streams: int) -> None:
        tokens = torch.full((streams, 1), 5)
        states: list[Any] = [None] * len(self.layers)
        for _ in range(WRITTEN):
            scores, states = self.plain(tokens, states)
            chances = torch.softmax(scores[:, -1] / 0.8, dim=-1)
            tokens = torch.multinomial(chances, 1)
            tokens.tolist()

    @torch.inference_mode()
    def write(self, streams: int) -> None:
        search = self.stage.search.changed(max_length=WRITTEN)
        carry, teller = self.net.begin(streams), self.net.teller()
        seen, begin = self.stage.shim.seen(teller, carry), carry.last.numpy()
        if streams == 1:
            alone = teller.alone(carry)
            written = sum(1 for _ in search.walk(*seen, begin=begin, alone=alone))
        else:
            lengths, seeds = np.zeros(streams, np.int64), list(range(streams))
            found = search.run(*seen, lengths=lengths, begin=begin, seeds=seeds)
            written = sum(len(some[0].tokens) for some in found)
        if written != WRITTEN * streams:
            raise SystemExit(f"{written} characters were written, not {WRITTEN * streams}.")

    def rows(self, count: int) -> list[Any]:
        """The text cut into so many that are equally long."""
        (ids,) = self.stage.codec.encode([self.text])
        each = len(ids) // count
        return np.split(ids[: each * count], count)

    def score(self, rows: Sequence[Any]) -> float:
        return sum(float(one.nats.sum()) for one in self.stage.examine(rows))

    @torch.inference_mode()
    def score_plainly(self, rows: Sequence[Any]) -> float:
        every = torch.from_numpy(np.stack(rows).astype(np.int64))
        return sum(map(self._windows, every.split(AT_A_TIME)))

    def _windows(self, rows: Tensor) -> float:
        states: list[Any] = [None] * len(self.layers)
        total, read = 0.0, self.net.begin(len(rows)).last[:, None]
        for some in rows.split(self.stage.window, dim=1):
            scores, states = self.plain(torch.cat([read, some[:, :-1]], dim=1), states)
            told = F.cross_entropy(scores.flatten(0, 1), some.flatten(), reduction="sum")
            total, read = total + float(told), some[:, -1:]
        return total

    @torch.inference_mode()
    def multiply(self, streams: int) -> None:
        """What no way of writing is spared."""
        states = torch.randn(streams, self.net.width)
        below = [torch.randn(self.net.width, 4 * self.net.width) for _ in self.layers]
        above = [torch.randn(self.net.width, 4 * self.net.width) for _ in self.layers[1:]]
        told = self.output.weight.t().contiguous()
        for _ in range(WRITTEN):
            for weight in (*below, *above, told):
                states @ weight


def fresh_of(args: argparse.Namespace) -> Fresh:
    return Fresh(text_of(corpus(args), "train"), width=args.width, layers=args.layers)


def writing(args: argparse.Namespace) -> None:
    fresh = fresh_of(args)
    for streams in (1, STREAMS):
        runs = {
            "seqpipe": partial(fresh.write, streams),
            "plain loop": partial(fresh.write_plainly, streams),
            "products alone": partial(fresh.multiply, streams),
        }
        report(f"writing   {streams} streams", runs, WRITTEN * streams, args.repeats)


def scoring(args: argparse.Namespace) -> None:
    fresh = fresh_of(args)
    rows = fresh.rows(ROWS)
    found: dict[str, float] = {}

    def ours() -> None:
        found["seqpipe"] = fresh.score(rows)

    def plainly() -> None:
        found["plain form"] = fresh.score_plainly(rows)

    report("scoring  ", {"seqpipe": ours, "plain form": plainly}, sum(map(len, rows)), args.repeats)
    print(f"scoring   nats in all: {found}", flush=True)


def memory(args: argparse.Namespace) -> None:
    """Documents through a pipeline, and a tenth as much through a stream."""
    fresh = fresh_of(args)
    size = int(args.megabytes * 1e6)
    docs = fresh.nlp.pipe(pieces(fresh.text, size), batch_size=256)
    hold("documents", (len(doc.text) for doc in docs), size)
    stream = fresh.stage.stream()
    fed = (len(stream.feed(some)) for some in pieces(fresh.text, size // 10))
    hold("stream", fed, size // 10)


def hold(doing: str, lengths: Iterator[int], size: int) -> None:
    """How much memory is held at most, a tenth of the way on, in its middle, at its end."""
    start, read = time.perf_counter(), 0
    ahead = [size // 10, size // 2, size]
    told = []
    for length in lengths:
        read += length
        if ahead and read >= ahead[0]:
            held = most_held()
            told.append(f"{held:,.0f} MB after {ahead.pop(0) / 1e6:g} MB")
    seconds = time.perf_counter() - start
    speed = f"{read / seconds:,.0f} characters/s"
    print(f"memory    {doing}: {', '.join(told)}; {speed}", flush=True)


def pieces(text: str, size: int) -> Iterator[str]:
    """So many characters of a text that begins again and again, a bit at a time."""
    given = 0
    while given < size:
        for at in range(0, len(text), 10_000):
            part = text[at : at + min(10_000, size - given)]
            given += len(part)
            if part:
                yield part


def report(
    doing: str, runs: Mapping[str, Callable[[], Any]], characters: int, repeats: int
) -> None:
    times = in_turns(runs, repeats)
    for name, seconds in times.items():
        ratios = [t / o for t, o in zip(seconds, times["seqpipe"], strict=True)]
        print(
            f"{doing}: {name}: {characters / statistics.median(seconds):,.0f} characters/s on one "
            f"thread ({characters / max(seconds):,.0f} to {characters / min(seconds):,.0f}); "
            f"seqpipe is {statistics.median(ratios):.2f} times as fast",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""The figures of `seqpipe_translator`: quality and speed, each against a named peer or limit.

    python benchmarks/translation.py DATA --joeynmt PYTHON [--parts quality,training,beam,greedy]
    python benchmarks/translation.py DATA --joeynmt PYTHON --keep FOLDER --steps 2500

DATA is a folder that holds the sets `multi30k` and `tatoeba_en_zh` as `datasets` reads them, and
PYTHON an interpreter that has JoeyNMT and safetensors. All sides are given the subwords of one
joint BPE, so that sizes are equal, and times are taken in turns on one thread. `training` is a
pass over the same pairs, `beam` and `greedy` translate the part that is scored. JoeyNMT is trained
for `--steps` before it translates, and its speed counts where the lengths are those of the
reference: after too few steps they are not. `--keep` keeps its weights. BLEU is that of sacrebleu,
without case.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import load_dataset
from peers import Peer, in_turns
from sacrebleu.metrics import BLEU

from seqpipe import Codec
from seqpipe.text.codec import UNK
from seqpipe.text.units import SPECIALS


@dataclass(frozen=True)
class Task:
    """A direction of a parallel corpus, the part that is scored and how its words are cut."""

    name: str
    source: str
    target: str
    part: str
    cut: str
    wanted: float = 0.0  # BLEU; 0: none is asked for

    def __str__(self) -> str:
        return f"{self.name}:{self.source}-{self.target}"


TASKS = (
    Task("multi30k", "en", "de", "test", "13a", 37.0),
    Task("multi30k", "de", "en", "test", "13a", 39.0),
    Task("tatoeba_en_zh", "en", "zh", "validation", "zh"),
    Task("tatoeba_en_zh", "zh", "en", "validation", "13a"),
)
PIECES = 8000
GREEDY_BATCH = 32
SIZES = ("cell", "embedding", "hidden", "encoder_layers", "decoder_layers")


def main() -> None:
    args = arguments()
    tasks = [task for task in TASKS if str(task) in args.tasks.split(",")]
    parts: dict[str, Callable[[Corpus, argparse.Namespace], None]] = {
        "quality": quality,
        "training": training,
        "beam": beam,
        "greedy": greedy,
    }
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        args.keep = args.keep or Path(folder)  # the parts share what was trained
        for task in tasks:
            corpus = Corpus(args.data, task)
            for part in args.parts.split(","):
                parts[part](corpus, args)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="quality,training,beam,greedy")
    parser.add_argument("--tasks", default=str(TASKS[0]), help=", ".join(map(str, TASKS)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=800, help="of a pass of training")
    parser.add_argument("--joeynmt", metavar="PYTHON", required=True)
    parser.add_argument("--steps", type=int, default=400, help="of JoeyNMT, before it translates")
    parser.add_argument("--keep", type=Path, help="folder of JoeyNMT's weights")
    parser.add_argument("--cell", choices=("gru", "lstm"), default="gru")
    parser.add_argument("--embedding", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--encoder-layers", type=int, default=1)
    parser.add_argument("--decoder-layers", type=int, default=1)
    return parser.parse_args()


class Corpus:
    """The pairs of a task as subwords of one vocabulary for both sides."""

    def __init__(self, data: Path, task: Task) -> None:
        self.task = task
        self._parts = load_dataset(str(data / task.name))
        train = self._parts["train"]
        texts = [*train[task.source], *train[task.target]]
        self.codec = Codec.train(texts, unit="bpe", size=PIECES)
        self.pieces = self.codec.pieces()
        self._ids = {piece: id for id, piece in enumerate(self.pieces)}
        self.scored = self._parts[task.part]

    def pairs(self, count: int | None = None) -> list[tuple[str, str]]:
        """Of the train part: all of them, or a few that stand for them."""
        rows = self._parts["train"]
        if count is not None:
            rows = rows.shuffle(seed=0).select(range(count))
        sides = (self.subwords(rows[side]) for side in (self.task.source, self.task.target))
        return list(zip(*sides, strict=True))

    def subwords(self, texts: Sequence[str]) -> list[str]:
        """Joined by spaces, which no subword holds."""
        return [" ".join(map(self.codec.piece, ids)) for ids in self.codec.encode(list(texts))]

    def text(self, subwords: str) -> str:
        return self.codec.decode([self._ids.get(piece, UNK) for piece in subwords.split(" ")])

    def bleu(self, found: Sequence[str]) -> str:
        """The score of texts in the order of the part that is scored, and how it was made."""
        metric = BLEU(lowercase=True, tokenize=self.task.cut)
        score = metric.corpus_score(found, [list(self.scored[self.task.target])])
        length = f"{score.ratio:.2f} times the length of the reference"
        return f"BLEU {score.score:.2f}, {length} ({metric.get_signature()})"


class JoeyNMT:
    """The peer at one task: a call is a run, and `found` what it last translated."""

    def __init__(self, corpus: Corpus, doing: str, args: argparse.Namespace, *more: str) -> None:
        self._corpus = corpus
        self._folder = tempfile.TemporaryDirectory(prefix="seqpipe-bench-")
        self._file = Path(self._folder.name) / "found.json"
        count = args.pairs if doing == "training" else None
        told = {
            "pieces": corpus.pieces[len(SPECIALS) :],
            "train": corpus.pairs(count),
            "texts": corpus.subwords(corpus.scored[corpus.task.source]),
            "found": str(self._file),
        }
        options = [f"--{name.replace('_', '-')}={getattr(args, name)}" for name in SIZES]
        options += [f"--steps={args.steps}", f"--keep={args.keep}", *more]
        script = str(Path(__file__).with_name("joeynmt_peer.py"))
        self._peer = Peer([args.joeynmt, script, doing, *options], told)
        self.name = self._peer.name

    def __call__(self) -> float:
        return self._peer()

    def found(self) -> list[str]:
        return list(map(self._corpus.text, json.loads(self._file.read_text(encoding="utf-8"))))

    def close(self) -> None:
        self._peer.close()
        self._folder.cleanup()


def quality(corpus: Corpus, args: argparse.Namespace) -> None:
    """At beam 5, of the weights after `--steps`."""
    peer = JoeyNMT(corpus, "beam", args)
    peer()
    print(f"quality   {corpus.task}: {peer.name}: {corpus.bleu(peer.found())}", flush=True)
    peer.close()


def training(corpus: Corpus, args: argparse.Namespace) -> None:
    """A pass over the same pairs, EOS counted with the tokens of the target."""
    pairs = corpus.pairs(args.pairs)
    tokens = sum(len(target.split(" ")) + 1 for _, target in pairs)
    peer = JoeyNMT(corpus, "training", args)
    print(f"training  {corpus.task}: {peer.name}", flush=True)
    report("training", corpus.task, {"JoeyNMT": peer}, tokens, "target tokens/s", args.repeats)
    peer.close()


def beam(corpus: Corpus, args: argparse.Namespace) -> None:
    translating("beam", corpus, args)


def greedy(corpus: Corpus, args: argparse.Namespace) -> None:
    translating("greedy", corpus, args, f"--texts-batch={GREEDY_BATCH}")


def translating(doing: str, corpus: Corpus, args: argparse.Namespace, *more: str) -> None:
    """All texts of the part that is scored, from subwords to subwords."""
    peer = JoeyNMT(corpus, doing, args, *more)
    print(f"{doing:9} {corpus.task}: {peer.name}", flush=True)
    texts = len(corpus.scored)
    report(doing, corpus.task, {"JoeyNMT": peer}, texts, "sentences/s", args.repeats)
    print(f"{doing:9} {corpus.task}: JoeyNMT: {corpus.bleu(peer.found())}", flush=True)
    peer.close()


def report(
    doing: str,
    task: Task,
    runs: Mapping[str, Callable[[], float]],
    amount: int,
    unit: str,
    repeats: int,
) -> None:
    for name, seconds in in_turns(runs, repeats).items():
        print(
            f"{doing:9} {task}: {name}: {amount / statistics.median(seconds):,.0f} {unit} on one "
            f"thread ({amount / max(seconds):,.0f} to {amount / min(seconds):,.0f})",
            flush=True,
        )


if __name__ == "__main__":
    main()

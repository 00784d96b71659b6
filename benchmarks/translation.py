"""The figures of `seqpipe_translator`: quality and speed, each against a named peer or limit.

    python -m benchmarks.translation DATA [--parts quality,training,beam,greedy]
    python -m benchmarks.translation DATA --joeynmt PYTHON --keep FOLDER --steps 2500
    python -m benchmarks.translation DATA --parts quality --processes 2

DATA is a folder that holds the sets `multi30k` and `tatoeba_en_zh` as `datasets` reads them, and
PYTHON an interpreter that has JoeyNMT and safetensors. Times are taken in turns on one thread.
`quality` trains a stage, in so many processes, first both ways and then the one that is wanted, or
with `--plain` the one alone, and scores it at beam 5: by the net alone, and beside the pairs of the
train part, which it remembers; trust in them is fitted to the validation part. `training` is a pass
over the same pairs by nets of the same sizes, on the subwords of one joint BPE; ours once more with
a sampled softmax. `beam` and `greedy` translate the part that is scored, ours from text to Doc,
with a shortlist of output pieces and without, and beside the pairs that are remembered.
JoeyNMT is trained for `--steps` before it translates, and its speed
counts where the lengths are those of the reference: after too few steps they are not. `greedy`
compares with the net's own plain form too: every row kept to the last step, and keys projected in
each. `--keep` keeps all weights, and takes those that are there. BLEU is that of sacrebleu, without
case.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from datasets import load_dataset
from sacrebleu.metrics import BLEU
from spacy.training import Example
from thinc.api import Adam

from benchmarks.commands import done, side_by_side
from benchmarks.peers import Peer, Seconds, in_turns
from seqpipe import Codec
from seqpipe.cli._trainee import whole_bucket
from seqpipe.components._stage import Lessons
from seqpipe.text.batches import collate, shuffled
from seqpipe.text.codec import BOS, EOS, UNK
from seqpipe.text.rows import Rows
from seqpipe.text.units import SPECIALS


@dataclass(frozen=True)
class Task:
    """A direction of a parallel corpus, the part that is scored and how its words are cut."""

    name: str
    source: str
    target: str
    part: str
    cut: str
    trainings: Sequence[Mapping[str, Any]]  # settings of each; it goes on from the one before
    wanted: float = 0.0  # BLEU; 0: none is asked for

    def __str__(self) -> str:
        return f"{self.name}:{self.source}-{self.target}"


SETTINGS = {
    "training.max_steps": 7000,
    "training.eval_frequency": 600,
    "components.translator.shortlist": 40,
    "seqpipe.rows": 48,
}
BEFORE = {
    **SETTINGS,
    "training.max_steps": 2800,
    "training.eval_frequency": 1400,
    "corpora.train.both_ways": True,
    "seqpipe.rows": 96,
}
BEHIND = {
    **SETTINGS,
    "training.max_steps": 5000,
    "training.eval_frequency": 1000,
    "training.dropout": 0.35,
    "seqpipe.rows": 96,
}
WAYS = (BEFORE, BEHIND)
TASKS = (
    Task("multi30k", "en", "de", "test", "13a", WAYS, 37.0),
    Task("multi30k", "de", "en", "test", "13a", ({**SETTINGS, "training.dropout": 0.35},), 39.0),
    Task("tatoeba_en_zh", "en", "zh", "validation", "zh", WAYS),
    Task("tatoeba_en_zh", "zh", "en", "validation", "13a", WAYS),
)
BESIDE = "seqpipe, beside what it remembers"
PIECES = 8000  # of nets that are compared in speed of training
ROWS = 80  # as JoeyNMT has it
GREEDY_BATCH = 32
SIZES = ("cell", "embedding", "hidden", "encoder_layers", "decoder_layers")


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
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
    parser.add_argument("--processes", type=int, default=1, help="that quality trains with")
    parser.add_argument("--plain", action="store_true", help="no training both ways before")
    parser.add_argument("--beside", type=int, default=32, help="remembered pairs, for each text")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=800, help="of a pass of training")
    parser.add_argument("--sampled", type=int, default=500, help="`sampled_softmax` of another")
    parser.add_argument("--joeynmt", metavar="PYTHON")
    parser.add_argument("--steps", type=int, default=400, help="of JoeyNMT, before it translates")
    parser.add_argument("--shortlist", type=int, default=40, help="pieces for each of the source")
    parser.add_argument("--keep", type=Path, help="folder of models, kept")
    parser.add_argument("--cell", choices=("gru", "lstm"), default="lstm")
    parser.add_argument("--embedding", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--encoder-layers", type=int, default=1)
    parser.add_argument("--decoder-layers", type=int, default=2)
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
        rows = self.texts(count)
        sides = (self.subwords(rows[side]) for side in (self.task.source, self.task.target))
        return list(zip(*sides, strict=True))

    def texts(self, count: int | None = None) -> Any:
        """Rows of the train part: all, or a few."""
        rows = self._parts["train"]
        return rows if count is None else rows.shuffle(seed=0).select(range(count))

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
        script = str(Path(__file__).with_name("peers") / "joeynmt_peer.py")
        self._peer = Peer([args.joeynmt, script, doing, *options], told)
        self.name = self._peer.name

    def __call__(self) -> Seconds:
        return self._peer()

    def found(self) -> list[str]:
        return list(map(self._corpus.text, json.loads(self._file.read_text(encoding="utf-8"))))

    def close(self) -> None:
        self._peer.close()
        self._folder.cleanup()


def quality(corpus: Corpus, args: argparse.Namespace) -> None:
    """At beam 5: of ours after a whole training, of JoeyNMT after `--steps`."""
    task = corpus.task
    folder = folder_of(task, args)
    minutes = learned(task, args, folder)
    for name, place in (("seqpipe", folder / "model-best"), (BESIDE, remembering(task, args))):
        nlp = spacy.load(place)
        weights = sum(w.numel() for w in nlp.get_pipe("translator").shim.net.parameters())
        found = [doc._.translation for doc in nlp.pipe(corpus.scored[task.source])]
        asked = f", wanted {task.wanted}" if task.wanted else ""
        size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
        print(
            f"quality   {task}: {name}: {corpus.bleu(found)}{asked}; {weights / 1e6:.1f}M weights, "
            f"{size / 1e6:.0f} MB, {minutes:.0f} minutes of training, processes of one thread: "
            f"{args.processes}",
            flush=True,
        )
    if args.joeynmt:
        peer = JoeyNMT(corpus, "beam", args)
        peer()
        print(f"quality   {task}: {peer.name}: {corpus.bleu(peer.found())}", flush=True)
        peer.close()


def folder_of(task: Task, args: argparse.Namespace) -> Path:
    """Where its model is kept, for all parts."""
    name = "plain" if args.plain else "seqpipe"
    folder: Path = args.keep / f"{name}-{task.name}-{task.source}-{task.target}"
    return folder


def remembering(task: Task, args: argparse.Namespace) -> Path:
    """Where the same net remembers the pairs that it learned from."""
    folder = folder_of(task, args)
    output = folder.with_name(f"{folder.name}-memory")
    if not output.exists():
        command = ["-m", "seqpipe", "remember", str(folder / "model-best")]
        command += [str(args.data / task.name), f"--output={output}"]
        command += [f"--source={task.source}", f"--target={task.target}"]
        done([*command, f"--beside={args.beside}"])
    return output


def learned(task: Task, args: argparse.Namespace, folder: Path) -> float:
    """How many minutes the trainings of a task take; those that the folder has are not repeated."""
    trainings = (SETTINGS,) if args.plain else task.trainings
    minutes, more = 0.0, []
    for at, settings in enumerate(trainings, 1):
        output = folder if at == len(trainings) else folder.with_name(f"{folder.name}-{at}")
        command = ["-m", "seqpipe", "train", "translator", str(args.data / task.name), "--resume"]
        command += [f"--source={task.source}", f"--target={task.target}", f"--output={output}"]
        told = {**settings, "seqpipe.rows": settings["seqpipe.rows"] // args.processes}
        command += [f"--{name}={json.dumps(value)}" for name, value in told.items()]
        done([*side_by_side(args.processes), *command, *more])
        log = (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
        minutes += json.loads(log[-1])["seconds"] / 60
        more = [f"--init-from={output / 'model-best'}"]
    return minutes


def training(corpus: Corpus, args: argparse.Namespace) -> None:
    """A pass over the same pairs, EOS counted with the tokens of the target."""
    pairs = corpus.pairs(args.pairs)
    tokens = sum(len(target.split(" ")) + 1 for _, target in pairs)
    runs: dict[str, Callable[[], Any]] = {"seqpipe": Learning(corpus, args)}
    if args.sampled:
        runs[f"seqpipe, told from {args.sampled} besides"] = Learning(corpus, args, args.sampled)
    peer = JoeyNMT(corpus, "training", args) if args.joeynmt else None
    if peer is not None:
        print(f"training  {corpus.task}: {peer.name}", flush=True)
        runs["JoeyNMT"] = peer
    report("training", corpus.task, runs, tokens, "target tokens/s", args.repeats)
    if peer is not None:
        peer.close()


class Learning:
    """The stage with the sizes of the peer: a call learns from all pairs once."""

    def __init__(self, corpus: Corpus, args: argparse.Namespace, sampled: int = 0) -> None:
        task = corpus.task
        sizes = {
            "sampled_softmax": sampled,
            "cell": args.cell,
            "embedding": args.embedding,
            "width": args.hidden,
            "decoder_width": args.hidden,
            "layers": args.encoder_layers,
            "decoder_layers": args.decoder_layers,
        }
        rows = corpus.texts(args.pairs)
        nlp = spacy.blank("xx")
        self.stage: Any = nlp.add_pipe("seqpipe_translator", config={"model": sizes})
        examples = [Example(nlp.make_doc(s), nlp.make_doc(s)) for s in rows[task.source]]
        for example, target in zip(examples, rows[task.target], strict=True):
            example.reference._.translation = target
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            corpus.codec.save(file.name)
            self.stage.initialize(lambda: examples, tokenizer=file.name)
        self.lessons = self.stage.lessons(examples)
        self.steps = Adam(0.001, grad_clip=1.0, use_averages=True)

    def __call__(self) -> None:
        rows, answers = self.lessons.rows, self.lessons.answers
        lengths = self.stage.cells(Rows.of(rows), Rows.of(answers))
        for places in shuffled(lengths, budget=8192, rows=ROWS, seed=0, epoch=0):
            some = Lessons([rows[i] for i in places], [answers[i] for i in places])
            self.stage.learn(some, drop=0.3, buckets=whole_bucket(len(places)))
            self.stage.finish_update(self.steps)


def beam(corpus: Corpus, args: argparse.Namespace) -> None:
    """All texts of the part that is scored; ours from text to Doc, JoeyNMT between subwords."""
    translating("beam", corpus, args, {"beam": 5})


def greedy(corpus: Corpus, args: argparse.Namespace) -> None:
    """The same in batches of 32, and the net's own plain form, which must find the same."""
    translating("greedy", corpus, args, {"beam": 1}, f"--texts-batch={GREEDY_BATCH}")
    nlp = spacy.load(folder_of(corpus.task, args) / "model-best")
    stage: Any = nlp.get_pipe("translator")
    rows = stage.encode([nlp.make_doc(text) for text in corpus.scored[corpus.task.source]])
    batches = [rows[i : i + GREEDY_BATCH] for i in range(0, len(rows), GREEDY_BATCH)]
    found: dict[str, list[list[int]]] = {}

    def ours() -> None:
        found["seqpipe"] = [row for some in batches for row in fast(stage, some)]

    def theirs() -> None:
        found["plain form"] = [row for some in batches for row in plain(stage.shim.net, some)]

    runs = {"seqpipe": ours, "plain form": theirs}
    report("greedy", corpus.task, runs, len(rows), "sentences/s", args.repeats)
    same = sum(a == b for a, b in zip(found["seqpipe"], found["plain form"], strict=True))
    print(f"greedy    {corpus.task}: {same:,} of {len(rows):,} have equal tokens", flush=True)


def fast(stage: Any, rows: Sequence[Any]) -> list[list[int]]:
    recipe = stage.search.changed(beam=1)
    net, batch = stage.shim.net, collate(rows, np.arange(len(rows)))
    ids, lengths = torch.from_numpy(batch.ids), torch.from_numpy(batch.lengths)
    with torch.inference_mode():
        seen = stage.shim.seen(net, net.begin(ids, lengths))
    return [found[0].tokens for found in recipe.run(*seen, lengths=batch.lengths)]


@torch.inference_mode()
def plain(net: Any, rows: Sequence[Any]) -> list[list[int]]:
    """As one would write it at first: every row to the last step, keys projected in each."""
    batch = collate(rows, np.arange(len(rows)))
    decoder, table = net.decoder, net.target.weight
    lengths = torch.from_numpy(batch.lengths)
    memory = net.read(torch.from_numpy(batch.ids), lengths)
    states: list[Any] = [start[None] for start in decoder.starts(memory)]
    if decoder.cell == "lstm":
        states = [(start, torch.zeros_like(start)) for start in states]
    tokens = torch.full((len(rows),), BOS)
    most = 2 * lengths + 10
    written: list[torch.Tensor] = []
    open_ = torch.ones(len(rows), dtype=torch.bool)
    while open_.any():
        x = torch.nn.functional.embedding(tokens, table)[:, None] * table.shape[1] ** 0.5
        h, states[0] = decoder.layers[0](x, states[0])
        keys = decoder.attention.keys(memory.states)
        context, _ = decoder.attention(h, keys, memory.states, memory.mask)
        below = torch.cat([h, context], dim=-1)
        for i, layer in enumerate(decoder.layers[1:], 1):
            h, states[i] = layer(below, states[i])
            below = h
        read = torch.tanh(decoder.readout(torch.cat([h, context, x], dim=-1)))[:, 0]
        scores = torch.nn.functional.linear(read, net.output_weight(), net.bias)
        tokens = torch.log_softmax(scores, dim=-1).argmax(dim=-1)
        written.append(tokens)
        open_ &= (tokens != EOS) & (len(written) < most)
    cut = zip(torch.stack(written, dim=1).tolist(), most.tolist(), strict=True)
    lines = [line[:limit] for line, limit in cut]
    return [line[: line.index(EOS)] if EOS in line else line for line in lines]


def translating(
    doing: str,
    corpus: Corpus,
    args: argparse.Namespace,
    search: Mapping[str, Any],
    *more: str,
) -> None:
    source, runs = corpus.task.source, dict[str, Callable[[], Any]]()
    texts, found = list(corpus.scored[source]), dict[str, list[str]]()
    plain = folder_of(corpus.task, args) / "model-best"
    ways = {"seqpipe": plain, f"seqpipe, shortlist of {args.shortlist}": plain}
    ways[BESIDE] = remembering(corpus.task, args)
    for name, place in ways.items():
        nlp = spacy.load(place)
        best = "shortlist" in name
        stage: Any = nlp.get_pipe("translator")
        stage.search = stage.search.changed(**search)
        stage.alignment = ""
        if not best:
            stage.shortlist = None

        def run(nlp: Any = nlp, name: str = name, stage: Any = stage) -> None:
            if stage.memory is not None:  # without what it noted of these texts
                stage.memory = replace(stage.memory, _noted={})
            found[name] = [doc._.translation for doc in nlp.pipe(texts, batch_size=len(texts))]

        if not best or stage.shortlist is not None:
            runs[name] = run
    peer = JoeyNMT(corpus, doing, args, *more) if args.joeynmt else None
    if peer is not None:
        print(f"{doing:9} {corpus.task}: {peer.name}", flush=True)
        runs["JoeyNMT"] = peer
    report(doing, corpus.task, runs, len(texts), "sentences/s", args.repeats)
    if peer is not None:
        found["JoeyNMT"] = peer.found()
        peer.close()
    for name, these in found.items():
        print(f"{doing:9} {corpus.task}: {name}: {corpus.bleu(these)}", flush=True)


def report(
    doing: str,
    task: Task,
    runs: Mapping[str, Callable[[], Any]],
    amount: int,
    unit: str,
    repeats: int,
) -> None:
    times = in_turns(runs, repeats)
    for name, seconds in times.items():
        ratios = [t / o for t, o in zip(seconds, times["seqpipe"], strict=True)]
        print(
            f"{doing:9} {task}: {name}: {amount / statistics.median(seconds):,.0f} {unit} on one "
            f"thread ({amount / max(seconds):,.0f} to {amount / min(seconds):,.0f}); seqpipe is "
            f"{statistics.median(ratios):.2f} times as fast",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""The figures of `seqpipe_sentiment`: quality, speed and size, each against a named peer or limit.

    python -m benchmarks.sentiment DATA [--parts quality,calibration,pipe,training,size]
        [--seeds 5] [--cell CELL]

DATA is a folder that holds the data sets `sst2` and `chnsenticorp_htl` as `datasets` reads them.
`pipe` compares with spaCy's default `textcat` ensemble and, with `--flair`, with flair's BiLSTM in
an interpreter that has it; `training` with an LSTM of the same sizes in a plain loop. Times are
taken in turns on one thread, and the median of the ratios is what counts.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
import torch.nn.functional as F
from datasets import load_dataset
from spacy.language import Language
from spacy.training import Example
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.peers import Peer, in_turns
from benchmarks.peers.textcat import train_textcat
from seqpipe.cli.train import train
from seqpipe.train.calibration import reliability

PEER_EPOCHS = 3  # of the ensemble: more does not raise its score on sst2
PLAIN_BATCH = 32


@dataclass(frozen=True)
class Task:
    """A data set, its column of texts, and the score that is asked for."""

    name: str
    text: str
    score: str
    wanted: float


TASKS = (
    Task("sst2", "sentence", "cats_acc", 0.80),
    Task("chnsenticorp_htl", "text", "cats_macro_f", 0.87),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", default="quality,calibration,pipe,training,size")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cell", help="another than the default")
    parser.add_argument("--flair", metavar="PYTHON", help="an interpreter where flair is installed")
    args = parser.parse_args()
    parts = args.parts.split(",")
    folder = Path(tempfile.mkdtemp(prefix="seqpipe-bench-"))
    try:
        several = "quality" in parts or "calibration" in parts
        models = quality(args.data, folder, args.seeds if several else 1, args.cell)
        torch.set_num_threads(1)
        if "calibration" in parts:
            calibration(args.data, folder)
        if "size" in parts:
            size(models)
        if "pipe" in parts:
            pipe(args.data, models, args.repeats, args.flair)
        if "training" in parts:
            training(args.data, models, args.repeats)
    finally:
        shutil.rmtree(folder)


def quality(data: Path, folder: Path, seeds: int, cell: str | None) -> dict[str, Path]:
    """Trains with the defaults, one run a seed, all of them counted."""
    models = {}
    cells = {"components.*.model.cell": cell} if cell else {}
    for task in TASKS:
        scores, times = [], []
        for seed in range(seeds):
            output = folder / f"{task.name}-{seed}"
            began = time.perf_counter()
            trained = train(
                "sentiment",
                str(data / task.name),
                output=output,
                columns={"text": task.text},
                overrides={"system.seed": seed, **cells},
            )
            times.append(time.perf_counter() - began)
            scores.append(trained.scores[task.score])
        models[task.name] = folder / f"{task.name}-0" / "model-best"
        spread = statistics.stdev(scores) if seeds > 1 else 0.0
        print(
            f"quality   {task.name}: {task.score} {statistics.mean(scores):.4f} +- {spread:.4f} "
            f"({min(scores):.4f} to {max(scores):.4f}) over {seeds} seeds, wanted {task.wanted}; "
            f"{max(times):.0f} s of training at most, on one thread",
            flush=True,
        )
    return models


def size(models: dict[str, Path]) -> None:
    for name, model in models.items():
        total = sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
        print(f"size      {name}: {total / 1e6:.2f} MB on disk, wanted under 5", flush=True)


# calibration ---------------------------------------------------------------------------------


def calibration(data: Path, folder: Path) -> None:
    """Temperatures fitted to each half of the validation part and measured on the other."""
    for task in TASKS:
        runs = sorted(folder.glob(f"{task.name}-*"))
        told_of(task.name, data, task, [run / "model-best" for run in runs])
    # one that has learned its rows by heart, as nets do whom nothing keeps from it
    eager = {"training.dropout": 0.0, "components.sentiment.model.word_dropout": 0.0}
    task, output = TASKS[0], folder / "eager"
    train(
        "sentiment",
        str(data / task.name),
        output=output,
        columns={"text": task.text},
        overrides={**eager, "training.patience": 0},
    )
    told_of(f"{task.name} without dropout, at its end", data, task, [output / "model-last"])


def told_of(name: str, data: Path, task: Task, models: Sequence[Path]) -> None:
    rows = load_dataset(str(data / task.name))["validation"]
    found = []
    for model in models:
        nlp = spacy.load(model)
        examples = [
            Example.from_dict(
                nlp.make_doc(row[task.text]),
                {"cats": {label: float(label == str(row["label"])) for label in ("0", "1")}},
            )
            for row in rows
        ]
        halves = examples[::2], examples[1::2]
        found += [measured(nlp, *halves), measured(nlp, *reversed(halves))]
    columns = {of: [one[of] for one in found] for of in found[0]}
    told = ", ".join(
        f"{of} {statistics.mean(numbers):.4f} ({min(numbers):.4f} to {max(numbers):.4f})"
        for of, numbers in columns.items()
    )
    print(f"calibrate {name}: {told}; of {len(found)} halves", flush=True)


def measured(
    nlp: Language, fitted: Sequence[Example], others: Sequence[Example]
) -> dict[str, float]:
    """How far confidence is off on others than those it was fitted to, in 15 bins and in nats, and
    how far that of so many would seem to be by chance if it were not off at all."""
    stage: Any = nlp.get_pipe("sentiment")
    stage.calibrate(fitted)
    gold = np.array([eg.reference.cats["1"] for eg in others], dtype=int)
    now, temperature = said(stage, others), stage.temperatures[0]
    stage.cfg["temperature"] = 1.0
    before = said(stage, others)
    sure = now.max(axis=1)
    chance = np.random.default_rng(0)
    drawn = [off(sure, chance.random(len(sure)) < sure) for _ in range(1000)]
    return {
        "temperature": temperature,
        "error before": off(before.max(axis=1), before.argmax(axis=1) == gold),
        "error after": off(sure, now.argmax(axis=1) == gold),
        "error by chance": statistics.mean(drawn),
        "nats before": nats(before, gold),
        "nats after": nats(now, gold),
    }


def said(stage: Any, examples: Sequence[Example]) -> Any:
    return np.array(stage.predict([eg.predicted for eg in examples]))


def off(sure: Any, right: Any) -> float:
    return reliability(sure, right, bins=15).ece


def nats(said: Any, gold: Any) -> float:
    return float(-np.log(said[np.arange(len(gold)), gold]).mean())


# nlp.pipe ------------------------------------------------------------------------------------


def pipe(data: Path, models: dict[str, Path], repeats: int, flair: str | None) -> None:
    """From text to a decision, the whole validation part of sst2, in turns."""
    rows = load_dataset(str(data / "sst2"))
    texts, gold = rows["validation"]["sentence"], np.array(rows["validation"]["label"])
    texts = list(texts) * 4
    words = sum(len(text.split()) for text in texts)
    ours, ensemble = (
        spacy.load(models["sst2"]),
        train_textcat(_rows(rows["train"]), epochs=PEER_EPOCHS),
    )
    runs: dict[str, Callable[[], Any]] = {
        "seqpipe": lambda: [doc.cats for doc in ours.pipe(texts)],
        "spacy ensemble": lambda: [doc.cats for doc in ensemble.pipe(texts)],
    }
    peer = None
    if flair:
        told = {"train": list(rows["train"]["sentence"]), "texts": texts}
        script = Path(__file__).with_name("peers") / "flair_peer.py"
        peer = Peer([flair, str(script)], told)
        print(f"pipe      {peer.name}", flush=True)
        runs["flair BiLSTM"] = peer
    times = in_turns(runs, repeats)
    if peer is not None:
        peer.close()
    for name, seconds in times.items():
        ratios = [t / o for t, o in zip(seconds, times["seqpipe"], strict=True)]
        print(
            f"pipe      {name}: {words / statistics.median(seconds):,.0f} words/s on one thread; "
            f"seqpipe is {statistics.median(ratios):.1f} times as fast",
            flush=True,
        )
    for name, nlp in (("seqpipe", ours), ("spacy ensemble", ensemble)):
        said = [max(d.cats, key=d.cats.__getitem__) for d in nlp.pipe(texts[: len(gold)])]
        print(f"pipe      {name}: accuracy {np.mean(np.array(said, dtype=int) == gold):.4f}")


def _rows(table: Any) -> list[tuple[str, str]]:
    return [(row["sentence"], str(row["label"])) for row in table]


# training ------------------------------------------------------------------------------------


class Plain(nn.Module):
    """The same net as anybody writes it first: packed rows, both directions in one module."""

    def __init__(self, pieces: int, embedding: int, width: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(pieces, embedding, padding_idx=0)
        self.encoder = nn.LSTM(embedding, width, batch_first=True, bidirectional=True)
        self.key = nn.Linear(2 * width, 2 * width)
        self.query = nn.Linear(2 * width, 1, bias=False)
        self.output = nn.Linear(4 * width, classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        x = F.dropout(self.embedding(ids), 0.5, self.training)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.encoder(packed)[0], batch_first=True)
        mask = (torch.arange(states.shape[1]) < lengths[:, None])[:, :, None]
        weights = self.query(torch.tanh(self.key(states))).masked_fill(~mask, -1e30).softmax(1)
        high = states.masked_fill(~mask, -1e30).amax(1)
        pooled = torch.cat([(weights * states).sum(1), high], dim=-1)
        scores: Tensor = self.output(F.dropout(pooled, 0.5, self.training))
        return scores


def training(data: Path, models: dict[str, Path], repeats: int) -> None:
    """An epoch over the same rows: `seqpipe train` against a plain loop."""
    for task in TASKS:
        rows = load_dataset(str(data / task.name))["train"]
        nlp = spacy.load(models[task.name])
        stage = nlp.get_pipe("sentiment")
        count = min(2000, len(rows))
        encoded = stage.codec.encode(list(rows[task.text])[:count])
        encoded = [ids[: stage.longest] if len(ids) else np.ones(1, np.int32) for ids in encoded]
        labels = np.array(rows["label"])[:count]
        runs = {
            "seqpipe": lambda e=encoded, y=labels, s=stage: our_epoch(s, e, y),
            "plain loop": lambda e=encoded, y=labels, s=stage: plain_epoch(s, e, y),
        }
        times = in_turns(runs, repeats)
        ratios = [p / o for p, o in zip(times["plain loop"], times["seqpipe"], strict=True)]
        pieces = sum(map(len, encoded))
        print(
            f"training  {task.name}: {pieces / statistics.median(times['seqpipe']):,.0f} pieces/s "
            f"on one thread, {statistics.median(ratios):.2f} times a plain loop over packed, "
            f"unsorted batches of {PLAIN_BATCH}; wanted 2.8",
            flush=True,
        )


def our_epoch(stage: Any, encoded: Sequence[Any], labels: Any) -> None:
    from seqpipe.cli._trainee import whole_bucket
    from seqpipe.components._stage import Lessons
    from seqpipe.text.batches import shuffled
    from seqpipe.train.learner import Step

    targets = np.eye(2, dtype=np.float32)[labels]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    how = Step(learn_rate=1e-3, weight_decay=0.01, clip=5.0, average=True)
    for rows in shuffled(lengths, budget=4096, rows=32, seed=0, epoch=0):
        some = [encoded[i] for i in rows.tolist()]
        lessons = Lessons(some, list(targets[rows]))
        stage.learn(lessons, drop=0.5, buckets=whole_bucket(len(rows)))
        stage.shim.learner.step(how)


def plain_epoch(stage: Any, encoded: Sequence[Any], labels: Any) -> None:
    model = stage.shim.net
    net = Plain(
        len(stage.codec),
        model.embedding.width,
        model.encoder.outputs // 2,
        len(stage.labels),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    order = np.random.default_rng(0).permutation(len(encoded))
    for at in range(0, len(order), PLAIN_BATCH):
        rows = order[at : at + PLAIN_BATCH]
        ids = nn.utils.rnn.pad_sequence(
            [torch.from_numpy(encoded[i].astype(np.int64)) for i in rows], batch_first=True
        )
        lengths = torch.tensor([len(encoded[i]) for i in rows])
        loss = F.cross_entropy(net(ids, lengths), torch.from_numpy(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()


if __name__ == "__main__":
    main()

"""flair's BiLSTM as a peer, in a process of its own: its requirements and ours exclude each other.

    python benchmarks/peers/flair_peer.py [--seconds 30] ROWS.json

ROWS.json holds `train`, texts to learn from, `labels`, one for each of them, and `texts`, what to
annotate. For each line on standard input it annotates all texts once, prints the seconds, and
writes what it said of each to the file named by `found`. flair's own trainer learns for so many
seconds, an epoch at least; without them, or without labels, the net is left untrained: its speed
does not depend on its weights.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import flair
import torch
from flair.data import Corpus, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import DocumentRNNEmbeddings, OneHotEmbeddings
from flair.models import TextClassifier
from flair.trainers import ModelTrainer
from flair.trainers.plugins import TrainerPlugin, TrainingInterrupt

KIND = "side"


class Patience(TrainerPlugin):
    """Ends a training after so many seconds, but not within its first epoch."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds, self._began = seconds, time.process_time()

    @TrainerPlugin.hook
    def before_training_batch(self, *, epoch: int, **_: Any) -> None:
        if epoch > 1 and time.process_time() - self._began > self._seconds:
            raise TrainingInterrupt("its time is over")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--seconds", type=float, default=0.0, help="of training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    flair.device = torch.device("cpu")
    flair.set_seed(0)
    logging.getLogger("flair").setLevel(logging.ERROR)
    told = json.loads(args.rows.read_text(encoding="utf-8"))
    labels = told.get("labels") or [["good", "bad"][i % 2] for i in range(len(told["train"]))]
    net, seconds = classifier(told["train"], labels, args.seconds if told.get("labels") else 0.0)
    after = f", trained for {seconds:.0f} s" if seconds else ", untrained"
    print(f"peer: flair {flair.__version__}{after}", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        given = [Sentence(text) for text in told["texts"]]
        net.predict(given, mini_batch_size=32)
        passed = time.perf_counter() - began
        if "found" in told:
            said = [one.get_label(KIND).value for one in given]
            Path(told["found"]).write_text(json.dumps(said), encoding="utf-8")
        print("peer:", passed, flush=True)


def classifier(texts: list[str], labels: list[str], seconds: float) -> tuple[TextClassifier, float]:
    sentences = [Sentence(text) for text in texts]
    for sentence, label in zip(sentences, labels, strict=True):
        sentence.add_label(KIND, label)
    corpus = Corpus(train=FlairDatapointDataset(sentences), sample_missing_splits=False)
    words = OneHotEmbeddings.from_corpus(corpus, field="text", min_freq=1, embedding_length=100)
    reader = DocumentRNNEmbeddings([words], hidden_size=128, rnn_type="LSTM", bidirectional=True)
    known = corpus.make_label_dictionary(KIND)
    net = TextClassifier(reader, label_type=KIND, label_dictionary=known)
    began = time.process_time()
    if seconds:
        with tempfile.TemporaryDirectory(prefix="flair-peer-") as folder:
            ModelTrainer(net, corpus).train(
                folder,
                mini_batch_size=32,
                save_final_model=False,
                create_file_logs=False,
                create_loss_file=False,
                plugins=[Patience(seconds)],
            )
    return net.eval(), time.process_time() - began if seconds else 0.0


if __name__ == "__main__":
    main()

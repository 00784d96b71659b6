"""flair's BiLSTM as a peer, in a process of its own: its requirements and ours exclude each other.

    python benchmarks/peers/flair_peer.py ROWS.json

ROWS.json holds `train`, texts to learn a vocabulary from, and `texts`, what to annotate. For each
line on standard input it annotates all texts once and prints the seconds. The net is left
untrained: its speed does not depend on its weights.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import flair
import torch
from flair.data import Corpus, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import DocumentRNNEmbeddings, OneHotEmbeddings
from flair.models import TextClassifier


def main() -> None:
    torch.set_num_threads(1)
    flair.device = torch.device("cpu")
    rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sentences = [Sentence(text) for text in rows["train"]]
    for number, sentence in enumerate(sentences):
        sentence.add_label("side", ["good", "bad"][number % 2])
    corpus = Corpus(train=FlairDatapointDataset(sentences), sample_missing_splits=False)
    words = OneHotEmbeddings.from_corpus(corpus, field="text", min_freq=1, embedding_length=100)
    reader = DocumentRNNEmbeddings([words], hidden_size=128, rnn_type="LSTM", bidirectional=True)
    labels = corpus.make_label_dictionary("side")
    net = TextClassifier(reader, label_type="side", label_dictionary=labels).eval()
    print("peer: flair", flair.__version__, flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        given = [Sentence(text) for text in rows["texts"]]
        net.predict(given, mini_batch_size=32)
        print("peer:", time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()

"""A small encoder of `transformers` as a peer, with random weights: only its speed says anything.

    python benchmarks/peers/transformers_peer.py ROWS.json

ROWS.json holds `train`, texts to learn word pieces from; `texts`, what to annotate; `weights`, how
many the net is to have about; and `pieces`, how many pieces. For each line on standard input the
`text-classification` pipeline annotates all texts once, in batches of 32, and the seconds are
printed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
import transformers
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, pipeline

LAYERS = 2


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    pieces = BertWordPieceTokenizer(lowercase=True)
    pieces.train_from_iterator(told["train"], vocab_size=told["pieces"], show_progress=False)
    tokenizer = BertTokenizerFast(tokenizer_object=pieces._tokenizer)
    width = fitting(told["weights"], len(tokenizer))
    net = BertForSequenceClassification(config(width, len(tokenizer)))
    ask = pipeline("text-classification", model=net.eval(), tokenizer=tokenizer, device="cpu")
    size = sum(weight.numel() for weight in net.parameters()) / 1e6
    print(
        f"peer: transformers {transformers.__version__}, BERT of {LAYERS} layers, width {width}, "
        f"{size:.2f}M random weights",
        flush=True,
    )
    for _ in sys.stdin:
        began = time.perf_counter()
        ask(told["texts"], batch_size=32, truncation=True, max_length=512)
        print("peer:", time.perf_counter() - began, flush=True)


def config(width: int, pieces: int) -> BertConfig:
    return BertConfig(
        vocab_size=pieces,
        hidden_size=width,
        num_hidden_layers=LAYERS,
        num_attention_heads=max(1, width // 32),
        intermediate_size=4 * width,
        num_labels=2,
    )


def fitting(weights: int, pieces: int) -> int:
    """The width, in steps of 32, with which the net comes nearest to so many weights."""

    def size(width: int) -> int:
        return width * (pieces + 512 + 2) + LAYERS * 12 * width * width + width * width

    return min(range(32, 1024, 32), key=lambda width: abs(size(width) - weights))


if __name__ == "__main__":
    main()

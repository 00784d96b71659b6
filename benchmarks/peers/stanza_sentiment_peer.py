"""stanza's tokenizer and sentiment classifier as one peer, for their speed.

    python benchmarks/peers/stanza_sentiment_peer.py DATA TEXTS.json [--steps 300]

DATA is the treebank that the tokenizer learns from for so many steps. TEXTS.json holds `train`,
texts whose words the classifier knows; `texts`, what to read; `embedding`, how wide its vectors
are, and `weights`, how many it is to have about besides these. stanza has no such classifier to
load without a network, so it is stanza's own, a CNN over word vectors as its authors use it, with
random weights, and without the two layers of LSTM that it has by default: those would make it
slower. For each line on standard input all texts are read once, and the seconds are printed.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import stanza
import torch
from datasets import load_dataset
from stanza.models import classifier
from stanza.models.classifiers.cnn_classifier import CNNClassifier
from stanza.models.classifiers.trainer import Trainer
from stanza.models.common.pretrain import PretrainedWordVocab
from stanza_peer import faster, learned

FILTERS = (3, 4, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seconds", type=float, help="of the tokenizer's training, for steps")
    parser.add_argument("--keep", type=Path, help="folder of weights, taken where they are there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logging.getLogger("stanza").setLevel(logging.ERROR)
    told = json.loads(args.texts.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="stanza-peer-") as name:
        folder = Path(name)
        (folder / "resources.json").write_text("{}")
        home, after = learned(load_dataset(str(args.data)), args, folder)
        size = classified(folder, told)
        nlp = stanza.Pipeline(
            lang="en",
            dir=str(folder),
            processors="tokenize,sentiment",
            tokenize_model_path=str(home / "tokenizer.pt"),
            sentiment_model_path=str(folder / "sentiment.pt"),
            sentiment_pretrain_path=str(folder / "vectors.pt"),
            resources_filepath=str(folder / "resources.json"),
            download_method=None,
            allow_unknown_language=True,
            use_gpu=False,
            logging_level="ERROR",
        )
    print(
        f"peer: stanza {stanza.__version__}, its tokenizer after {after} and its CNN of "
        f"{size:,} random weights over vectors of {told['embedding']}, without the LSTM of its "
        "defaults",
        flush=True,
    )
    for _ in sys.stdin:
        print("peer:", faster(nlp, told["texts"]), flush=True)


def classified(folder: Path, told: dict[str, Any]) -> int:
    """Leaves the classifier and its word vectors there; gives the number of its weights."""
    words = sorted({word for text in told["train"] for word in text.split()})
    vocab = PretrainedWordVocab(words, lang="en")
    vectors = torch.randn(len(vocab), told["embedding"])
    torch.save({"vocab": vocab.state_dict(), "emb": vectors}, folder / "vectors.pt")
    channels = max(8, told["weights"] // (sum(FILTERS) * told["embedding"]))
    given = ["--no_bilstm", "--extra_wordvec_method", "none", "--fc_shapes", str(channels)]
    args = classifier.parse_args([*given, "--filter_channels", str(channels)])

    class Pretrained:
        emb = vectors

    Pretrained.vocab = vocab  # type: ignore[attr-defined]
    nothing: Any = [None] * 5
    net = CNNClassifier(Pretrained, None, ["0", "1"], *nothing, False, None, args)
    Trainer(net).save(str(folder / "sentiment.pt"), save_optimizer=False)
    return sum(w.numel() for name, w in net.named_parameters() if not name.startswith("embedding"))


if __name__ == "__main__":
    main()

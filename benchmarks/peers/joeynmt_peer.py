"""JoeyNMT's recurrent translator as a peer, in a process of its own: nothing else here needs it.

    python benchmarks/peers/joeynmt_peer.py TASK [--steps 2000] [--keep FOLDER] TOLD.json

TASK is `training`, `beam` or `greedy`. TOLD.json holds `pieces`, the subwords of both languages
without special ones; `train`, pairs of source and target whose subwords are joined by spaces; and
`texts`, what to translate. The first line printed names the peer. For each line on standard input
it prints the seconds of one pass of training over `train`, or of translating `texts`, and writes
its translations to the file that is told as `found`. To translate it trains `--steps` first, and
`--keep` keeps those weights. The net is that of JoeyNMT's own recurrent examples, attention of
Bahdanau and input feeding; batches are of their size and in its own order, and what they do in
training is what its trainer does, files and validation left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from joeynmt.batch import Batch
from joeynmt.builders import build_gradient_clipper, build_optimizer, build_scheduler
from joeynmt.config import parse_test_args, parse_train_args
from joeynmt.datasets import PlaintextDataset, StreamDataset
from joeynmt.model import Model, build_model
from joeynmt.prediction import predict
from joeynmt.tokenizers import BasicTokenizer
from joeynmt.vocabulary import Vocabulary
from safetensors import safe_open
from safetensors.torch import load_model, save_model
from torch.utils.data import DataLoader

Told = Mapping[str, Any]
CPU = torch.device("cpu")
SEED = 42  # JoeyNMT's own
WARMUP = 100  # steps until the highest rate of learning
SHOWN = 100  # steps between two lines on standard error
SIDES = ("source", "target")
SPECIALS = ("unk", "pad", "bos", "eos")  # in the order of JoeyNMT's ids


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    torch.manual_seed(SEED)
    told = json.loads(args.told.read_text(encoding="utf-8"))
    net = model(joint(told["pieces"]), args)
    size = sum(weight.numel() for weight in net.parameters())
    name = f"JoeyNMT {version('joeynmt')}, {args.cell} of {args.hidden}, {size / 1e6:.2f}M weights"
    if args.task == "training":
        run = passes(net, told, args)
    else:
        seconds = learned(net, told, args)
        name += f", after {args.steps} steps in {seconds:.0f} s"
        run = partial(translate, net, told, args)
    print("peer:", name, flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        found = run()
        passed = time.perf_counter() - began
        if "found" in told:
            Path(told["found"]).write_text(json.dumps(found), encoding="utf-8")
        print("peer:", passed, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=("training", "beam", "greedy"))
    parser.add_argument("--cell", choices=("gru", "lstm"), default="gru")
    parser.add_argument("--embedding", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=256, help="of each way of the encoder too")
    parser.add_argument("--encoder-layers", type=int, default=1)
    parser.add_argument("--decoder-layers", type=int, default=1)
    parser.add_argument("--attention", choices=("bahdanau", "luong"), default="bahdanau")
    parser.add_argument("--no-input-feeding", dest="input_feeding", action="store_false")
    parser.add_argument("--untied", dest="tied", action="store_false", help="three embeddings")
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--smoothing", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.003, help="the highest rate of learning")
    parser.add_argument("--batch", type=int, default=80, help="pairs of training")
    parser.add_argument("--steps", type=int, default=400, help="before translating")
    parser.add_argument("--seconds", type=float, help="of training, instead of steps")
    parser.add_argument("--texts-batch", type=int, default=64, help="texts translated at once")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--penalty", type=float, default=1.0, help="of length, in the beam")
    parser.add_argument("--keep", type=Path, help="folder of weights, taken where they are there")
    parser.add_argument("told", type=Path)
    return parser.parse_args()


# the net -------------------------------------------------------------------------------------


def joint(pieces: Sequence[str]) -> Vocabulary:
    """One vocabulary for both sides, as tied embeddings ask for."""
    names = {f"{name}_token": f"<{name}>" for name in SPECIALS}
    ids = {f"{name}_id": id for id, name in enumerate(SPECIALS)}
    others = {"sep_id": None, "sep_token": None, "lang_tags": []}
    return Vocabulary(list(pieces), SimpleNamespace(**names, **ids, **others))


def model(vocabulary: Vocabulary, args: argparse.Namespace) -> Model:
    common = {
        "type": "recurrent",
        "rnn_type": args.cell,
        "embeddings": {"embedding_dim": args.embedding},
        "hidden_size": args.hidden,
        "dropout": args.dropout,
    }
    decoder = {
        "num_layers": args.decoder_layers,
        "hidden_dropout": args.dropout,
        "input_feeding": args.input_feeding,
        "init_hidden": "bridge",
        "attention": args.attention,
    }
    settings = {
        "embed_initializer": "normal",
        "embed_init_weight": 0.1,
        "tied_embeddings": args.tied,
        "tied_softmax": args.tied,
        "encoder": {**common, "num_layers": args.encoder_layers, "bidirectional": True},
        "decoder": {**common, **decoder},
    }
    net = build_model(settings, src_vocab=vocabulary, trg_vocab=vocabulary)
    net.loss_function = ("crossentropy", args.smoothing)
    return net


# training ------------------------------------------------------------------------------------


def learned(net: Model, told: Told, args: argparse.Namespace) -> float:
    """The seconds of `--steps`, taken now or when the kept weights came to be."""
    file = kept(told, args)
    if file is not None and file.exists():
        load_model(net, file)
        with safe_open(file, "pt") as weights:
            args.steps = int(weights.metadata().get("steps", args.steps))
            return float(weights.metadata()["seconds"])
    began = time.process_time()
    step = stepper(net, args)
    if args.seconds:
        args.steps = sys.maxsize
    for number, batch in enumerate(islice(endless(net, told, args), args.steps), 1):
        loss = step(batch)
        if args.seconds and time.process_time() - began > args.seconds:
            args.steps = number
            break
        if number % SHOWN == 0:
            print(f"step {number}: {loss:.3f} a token", file=sys.stderr, flush=True)
    seconds = time.process_time() - began
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".part")
        told_of = {"seconds": str(seconds), "steps": str(args.steps)}
        save_model(net, str(beside), told_of)
        beside.rename(file)
    return seconds


def kept(told: Told, args: argparse.Namespace) -> Path | None:
    """Named by all that the weights depend on, and by nothing else."""
    apart = ("task", "texts_batch", "beam", "penalty", "keep", "told")
    settings = {name: value for name, value in vars(args).items() if name not in apart}
    facts = json.dumps([settings, told["pieces"], told["train"]], sort_keys=True)
    name = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return args.keep / f"joeynmt-{name}.safetensors" if args.keep else None


def stepper(net: Model, args: argparse.Namespace) -> Callable[[Batch], float]:
    """What JoeyNMT's trainer does with a batch, apart from its files."""
    given = {
        "batch_size": args.batch,
        "learning_rate": args.rate,
        # JoeyNMT's `plateau`, that of its recurrent examples, hands torch an argument long gone.
        "scheduling": "warmupinversesquareroot",
        "learning_rate_warmup": WARMUP,
        "clip_grad_norm": 1.0,
    }
    settings = parse_train_args(given)._asdict()
    optimizer = build_optimizer(settings, net.parameters())
    schedule, _ = build_scheduler(settings, optimizer, "min")
    clip = build_gradient_clipper(settings)
    steps = count()

    def step(batch: Batch) -> float:
        net.train()
        batch.sort_by_src_length()
        loss, *_ = net(return_type="loss", **vars(batch))
        loss = batch.normalize(loss, normalization="tokens")
        loss.backward()
        clip(parameters=net.parameters())
        optimizer.step()
        schedule.step(next(steps))
        net.zero_grad()
        return loss.item()

    return step


def passes(net: Model, told: Told, args: argparse.Namespace) -> Callable[[], None]:
    step = stepper(net, args)
    batches = loader(net, told, args)

    def run() -> None:
        for batch in batches:
            step(batch)

    return run


def endless(net: Model, told: Told, args: argparse.Namespace) -> Iterator[Batch]:
    batches = loader(net, told, args)
    while True:
        yield from batches  # each time in another order


# translating ---------------------------------------------------------------------------------


def translate(net: Model, told: Told, args: argparse.Namespace) -> list[str]:
    """Lengths end where JoeyNMT ends them: at 1.5 times the longest source of a batch."""
    texts = StreamDataset("", *SIDES, **reading(net.src_vocab))
    for text in told["texts"]:
        texts.set_item(text)
    settings = {
        "batch_size": args.texts_batch,
        "beam_size": args.beam if args.task == "beam" else 1,
        "beam_alpha": args.penalty,
    }
    found = predict(
        model=net,
        data=texts,
        device=CPU,
        n_gpu=0,
        args=parse_test_args(settings),
        autocast={"device_type": "cpu", "enabled": False},
    )
    return found[2]


# data ----------------------------------------------------------------------------------------


def loader(net: Model, told: Told, args: argparse.Namespace) -> DataLoader:
    with tempfile.TemporaryDirectory(prefix="joeynmt-peer-") as folder:
        path = Path(folder) / "train"
        for side, texts in zip(SIDES, zip(*told["train"], strict=True), strict=True):
            path.with_suffix(f".{side}").write_text("\n".join(texts), encoding="utf-8")
        data = PlaintextDataset(str(path), *SIDES, has_trg=True, **reading(net.src_vocab))
    return data.make_iter(
        args.batch, shuffle=True, seed=SEED, pad_index=net.pad_index, eos_index=net.eos_index
    )


def reading(vocabulary: Vocabulary) -> dict[str, Any]:
    """For one side as for the other: subwords are there already, with spaces between."""
    tokenizer = BasicTokenizer("word")
    tokenizer.set_vocab(vocabulary)
    return {
        "tokenizer": dict.fromkeys(SIDES, tokenizer),
        "sequence_encoder": dict.fromkeys(SIDES, vocabulary.sentences_to_ids),
        "has_prompt": dict.fromkeys(SIDES, False),
    }


if __name__ == "__main__":
    main()

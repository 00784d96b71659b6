"""stanza's tokenizer as a peer, in a process of its own: nothing else here needs stanza.

    python benchmarks/peers/stanza_peer.py DATA [TEXTS.json] [--steps 300] [--score]

DATA holds a treebank's sentences as `datasets` reads them: `tokens`, `space_after`, `newpar` and
`doc_id`. stanza's own trainer learns from its train part with the settings that stanza gives an
English treebank; a few steps do where only the speed counts, which hardly depends on quality.
TEXTS.json holds `texts`, what to tokenize, and as `found` a file for the tokens and sentences of
each: without it, the validation part as one text. The first line printed names the peer and, with
`--score`, its F on the validation part. For each line on standard input it then tokenizes all texts
and prints the seconds of stanza's faster way.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import stanza
import torch
from datasets import load_dataset
from stanza.models import tokenizer
from stanza.utils.avg_sent_len import avg_sent_len
from stanza.utils.training.run_tokenizer import default_feat_funcs

TRIED = 40  # steps, to find out how long one takes
EVERY = 200  # stanza's own steps between two looks at the dev part
Spans = set[tuple[int, int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("texts", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seconds", type=float, help="of training, instead of steps")
    parser.add_argument("--keep", type=Path, help="folder of weights, taken where they are there")
    parser.add_argument("--score", action="store_true", help="also token and sentence F")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("stanza").setLevel(logging.ERROR)
    parts = load_dataset(str(args.data))
    with tempfile.TemporaryDirectory(prefix="stanza-peer-") as folder:
        home, after = learned(parts, args, Path(folder))
        nlp = pipeline(home)
    dev, _ = running(parts["validation"])
    told = json.loads(args.texts.read_text(encoding="utf-8")) if args.texts else {"texts": [dev]}
    texts = told["texts"]
    scores = score(nlp, dev, parts["validation"]) if args.score else ""
    print(f"peer: stanza {stanza.__version__} after {after}{scores}", flush=True)
    if "found" in told:
        Path(told["found"]).write_text(json.dumps(cut(nlp, texts)), encoding="utf-8")
    for _ in sys.stdin:
        print("peer:", faster(nlp, texts), flush=True)


def cut(nlp: stanza.Pipeline, texts: Sequence[str]) -> tuple[list[list[str]], list[list[str]]]:
    """The tokens of each text, and its sentences."""
    docs = [nlp(text).sentences for text in texts]
    tokens = [[token.text for sentence in doc for token in sentence.tokens] for doc in docs]
    return tokens, [[sentence.text for sentence in doc] for doc in docs]


def faster(nlp: stanza.Pipeline, texts: Sequence[str]) -> float:
    """The seconds of one long text, its parts apart by a blank line, or of a stream of texts."""
    ways: tuple[Callable[[], Any], ...] = (
        lambda: nlp("\n\n".join(texts)),
        lambda: list(nlp.stream(texts)),
    )
    times = []
    for way in ways:
        began = time.perf_counter()
        way()
        times.append(time.perf_counter() - began)
    return min(times)


# training ------------------------------------------------------------------------------------


def running(rows: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """The text, and for each character of it stanza's label: 1 ends a token, 2 a sentence."""
    text: list[str] = []
    labels: list[str] = []
    document = None
    for row in rows:
        if text and (row["newpar"] or row["doc_id"] != document):
            text.append("\n\n")
            labels.append("\n\n")
        document = row["doc_id"]
        ends = "1" * (len(row["tokens"]) - 1) + "2"
        for token, end, space in zip(row["tokens"], ends, row["space_after"], strict=True):
            text.append(token + " " * space)
            labels.append("0" * (len(token) - 1) + end + "0" * space)
    return "".join(text), "".join(labels)


def learned(parts: Mapping[str, Any], args: argparse.Namespace, folder: Path) -> tuple[Path, str]:
    """Where the tokenizer lies, and how long it has learned."""
    facts = f"{args.data} {args.steps} {args.seconds}"
    home = folder
    if args.keep:
        home = args.keep / f"stanza-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"
        if (home / "after").exists():
            return home, (home / "after").read_text()
        home.mkdir(parents=True, exist_ok=True)
    steps = TRIED if args.seconds else args.steps
    passed = trained(parts, home, steps)
    if args.seconds and args.seconds > 2 * passed:
        steps = round(args.seconds / passed * TRIED)
        passed = trained(parts, home, steps)
    after = f"{steps:,} steps in {passed:.0f} s"
    (home / "after").write_text(after)
    return home, after


def trained(parts: Mapping[str, Any], folder: Path, steps: int) -> float:
    """The seconds that stanza's own trainer takes to make the tokenizer."""
    given = ["--mode", "train", "--lang", "en", "--shorthand", "en_ewt", "--cpu"]
    for part, option in (("train", ""), ("validation", "dev_")):
        for name, content in zip(("txt", "label"), running(parts[part]), strict=True):
            file = folder / f"{part}.{name}"
            file.write_text(content, encoding="utf-8")
            given += [f"--{option}{name}_file", str(file)]
    expansions = folder / "mwt.json"  # of words such as "don't", which DATA does not split
    expansions.write_text("[]")
    longest = math.ceil(avg_sent_len(str(folder / "train.label")) * 3 / 100) * 100
    given += ["--mwt_json_file", str(expansions), "--max_seqlen", str(longest)]
    given += ["--feat_funcs", ",".join(default_feat_funcs("en"))]
    given += ["--steps", str(steps), "--eval_steps", str(steps // max(1, steps // EVERY))]
    began = time.process_time()
    tokenizer.main([*given, "--save_dir", str(folder), "--save_name", "tokenizer.pt"])
    return time.process_time() - began


def pipeline(folder: Path) -> stanza.Pipeline:
    """Of nothing but that tokenizer."""
    resources = folder / "resources.json"  # the list of what could be downloaded: nothing
    resources.write_text("{}")
    return stanza.Pipeline(
        lang="en",
        dir=str(folder),
        processors="tokenize",
        tokenize_model_path=str(folder / "tokenizer.pt"),
        resources_filepath=str(resources),
        download_method=None,
        allow_unknown_language=True,
        use_gpu=False,
        logging_level="ERROR",
    )


# quality -------------------------------------------------------------------------------------


def score(nlp: stanza.Pipeline, text: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Token F and sentence F: spans count as equal by their characters that are no spaces."""
    at = list(accumulate((not char.isspace() for char in text), initial=0))
    sentences = [sentence.tokens for sentence in nlp(text).sentences]
    tokens = {(at[t.start_char], at[t.end_char]) for tokens in sentences for t in tokens}
    whole = {(at[tokens[0].start_char], at[tokens[-1].end_char]) for tokens in sentences}
    gold = [row["tokens"] for row in rows]
    gold_tokens = spans(token for tokens in gold for token in tokens)
    gold_whole = spans("".join(tokens) for tokens in gold)
    token_f, sentence_f = f_score(tokens, gold_tokens), f_score(whole, gold_whole)
    return f", token F {token_f:.4f}, sentence F {sentence_f:.4f}"


def spans(pieces: Iterable[str]) -> Spans:
    ends = accumulate((len("".join(piece.split())) for piece in pieces), initial=0)
    return set(pairwise(ends))


def f_score(said: Spans, gold: Spans) -> float:
    return 2 * len(said & gold) / (len(said) + len(gold))


if __name__ == "__main__":
    main()

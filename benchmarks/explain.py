"""Whether explanations are true to the model, whether their pages open at once, and how soon the
playground answers.

    python -m benchmarks.explain DATA [--parts faithful,pages,typed] [--keep FOLDER] [--texts 872]
                                      [--orders 5] [--models FOLDER]

faithful: what a decision loses with the words named first. DATA is a folder that holds the set
`sst2` as `datasets` reads it. Texts of its validation part are read again and again, each time with
more words left out (deletion) or put in (insertion; Petsiuk et al. 2018), in the order of what they
add to the likeliest label of the whole text. What counts is the probability of that label beside
the mean of random orders. The bar: without the first fifth of the words it drops at least 1.5 times
as far as without a fifth drawn by chance.

pages: how large a page is of each style for a text of 1,000 tokens, and how long Chromium takes to
a picture of it, beyond what it takes to one of an empty page. The models are small ones, those that
`python -m seqpipe demo` leaves in a folder, and trained so if there is none. The bar: a second.

typed: how long the playground takes from a text that is sent to the answer with the page's parts,
for each of those models and texts of several lengths.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import spacy
import torch
from datasets import load_dataset
from spacy.language import Language
from spacy.tokens import Doc

import seqpipe
from seqpipe.cli.demo import demo
from seqpipe.cli.train import train
from seqpipe.corpora.labelled import labelled_rows
from seqpipe.explain.explanation import Explainer, Explanation
from seqpipe.explain.styles import KINDS

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
WANTED = 1.5
PARTS = ("faithful", "pages", "typed")
TOKENS = 1000
LENGTHS = (50, 1_000, 3_000, 10_000)  # characters
MODELS = {
    "saliency": "reviews_en",
    "attention": "reviews_en",
    "boundaries": "sentences_en",
    "surprisal": "verse_en",
    "alignment": "phrases_en_de",
    "states": "verse_en",
}

Order = Sequence[int]  # places of words


@dataclass(frozen=True)
class Case:
    """A text, why it got its label, and where the words of the explanation are."""

    doc: Doc
    why: Explanation

    @property
    def words(self) -> int:
        return len(self.why.words)

    def score(self, doc: Doc) -> float:
        return float(doc.cats[self.why.label])

    def text(self, kept: set[int]) -> str:
        """What stands there with these words alone."""
        return " ".join(w.text for at, w in enumerate(self.why.words) if at in kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--keep", type=Path, help="folder of the model, kept or found there")
    parser.add_argument("--texts", type=int, default=872)
    parser.add_argument("--orders", type=int, default=5, help="random ones")
    parser.add_argument("--models", type=Path, help="folder that `demo` has written")
    parser.add_argument("--parts", default=",".join(PARTS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if "faithful" in args.parts:
        faithful(args)
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        if {"pages", "typed"} & {*args.parts.split(",")}:
            models = args.models or shown(Path(folder) / "demo")
        if "pages" in args.parts:
            pages(models, Path(folder))
        if "typed" in args.parts:
            typed(models)


def faithful(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="seqpipe-bench-") as folder:
        nlp = spacy.load(learned(args.data, args.keep or Path(folder)))
    texts = load_dataset(str(args.data / "sst2"), split="validation")["sentence"]
    cases = explained(nlp, list(texts)[: args.texts])
    chance = np.random.default_rng(0)
    drawn = [
        [chance.permutation(case.words).tolist() for case in cases] for _ in range(args.orders)
    ]
    orders = {
        "saliency": [[ranked(case.why, "saliency") for case in cases]],
        "occlusion": [[ranked(case.why, "occlusion") for case in cases]],
        "attention": [[ranked(case.why, "attention") for case in cases]],
        "random": drawn,
    }
    for name, left in (("deletion", without), ("insertion", only)):
        curves = {
            how: np.mean([curve(nlp, cases, some, left) for some in every], axis=0)
            for how, every in orders.items()
        }
        tell(name, curves)


def learned(data: Path, folder: Path) -> Path:
    model = folder / "sentiment" / "model-best"
    if not model.is_dir():
        output, columns = folder / "sentiment", {"text": "sentence"}
        train("sentiment", str(data / "sst2"), output=output, columns=columns)
    return model


def explained(nlp: Language, texts: Sequence[str]) -> list[Case]:
    explainer = Explainer(nlp)
    began = time.perf_counter()
    cases = [Case(doc, explainer.explain(doc)) for doc in nlp.pipe(texts)]
    passed = time.perf_counter() - began
    agreed = [case.why.agreement for case in cases if case.why.agreement is not None]
    gaps = [c.why.gap / max(abs(c.why.log_odds - c.why.baseline), 1e-4) for c in cases]
    print(
        f"{len(cases):,} texts, {passed / len(cases):.3f} s each; gradients at "
        f"{statistics.median(case.why.points for case in cases):.0f} points (median); the sum "
        f"misses the difference by {max(gaps):.2%} at most, and the net tipped over in "
        f"{sum(case.why.tipped > 0 for case in cases)} texts; ranks of saliency and "
        f"occlusion agree to {statistics.mean(agreed):.2f}",
        flush=True,
    )
    return cases


def ranked(why: Explanation, by: str) -> Order:
    """All words, what speaks most for the label first."""
    values = [getattr(word, by) or 0.0 for word in why.words]
    return sorted(range(len(values)), key=lambda at: -values[at])


def without(order: Order, count: int) -> set[int]:
    return set(order[count:])


def only(order: Order, count: int) -> set[int]:
    return set(order[:count])


def curve(
    nlp: Language,
    cases: Sequence[Case],
    orders: Sequence[Order],
    left: Callable[[Order, int], set[int]],
) -> list[float]:
    """The mean probability of the label at each share of the words."""
    means = []
    for share in (0.0, *SHARES):
        texts = [
            case.text(left(order, math.ceil(share * case.words)))
            for case, order in zip(cases, orders, strict=True)
        ]
        pairs = zip(cases, nlp.pipe(texts), strict=True)
        means.append(statistics.mean(case.score(doc) for case, doc in pairs))
    return means


def tell(name: str, curves: dict[str, np.ndarray]) -> None:
    shares = "".join(f"{share:>7.0%}" for share in (0.0, *SHARES))
    print(f"{name:<11}{shares}    mean")
    for how, values in curves.items():
        print(f"{how:<11}" + "".join(f"{v:7.3f}" for v in values) + f"{values.mean():8.3f}")
    if name == "deletion":
        at = 1 + SHARES.index(0.2)
        drops = {how: values[0] - values[at] for how, values in curves.items()}
        print(
            f"without a fifth: {drops['saliency']:.3f} less by saliency, {drops['random']:.3f} by "
            f"chance: {drops['saliency'] / drops['random']:.1f} times, wanted {WANTED}"
        )
    print(flush=True)


def shown(folder: Path) -> Path:
    """What the demo leaves."""
    for _ in demo(folder):
        pass
    return folder


def pages(models: Path, folder: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    text = prose()
    empty = folder / "empty.html"
    empty.write_text("<!DOCTYPE html><title>empty</title>")
    print(f"{TOKENS:,} tokens, {len(text):,} characters")
    for style, name in MODELS.items():
        nlp = loaded(models / name / "model-best")
        began = time.process_time()
        doc = seqpipe.explained(nlp, text, kind=KINDS[style], checked=0)
        passed = time.process_time() - began
        path = folder / f"{style}.html"
        path.write_text(seqpipe.render(doc, style, page=True, jupyter=False), encoding="utf-8")
        wall, cpu = opened(browser, path, beside=empty) if browser else (math.nan, math.nan)
        print(
            f"{style:<11}{path.stat().st_size / 1000:>7,.0f} kB, explained in {passed:5.1f} s "
            f"of processors, opened in {wall:.2f} s ({cpu:.2f} s of processors)",
            flush=True,
        )


def typed(models: Path) -> None:
    """The least of some tries, by the clock and by the processors."""
    text = prose() * 10
    for name in sorted({*MODELS.values()}):
        nlp = spacy.load(models / name / "model-best")
        with seqpipe.serve(nlp, port=0, block=False) as playground:
            for length in LENGTHS:
                tries = [answered(playground.url, text[:length]) for _ in range(3)]
                wall, cpu = (min(column) for column in zip(*tries, strict=True))
                print(
                    f"{', '.join(nlp.pipe_names):<11}{length:>7,} characters answered in "
                    f"{wall:.3f} s ({cpu:.3f} s of processors)",
                    flush=True,
                )


def answered(url: str, text: str) -> tuple[float, float]:
    body = json.dumps({"text": text}).encode()
    asked = Request(f"{url}looks", body, {"Content-Type": "application/json"})
    began, used = time.perf_counter(), time.process_time()
    with urlopen(asked) as answer:
        looks = json.load(answer)["looks"]
    assert looks and not any(look["failed"] for look in looks)
    return time.perf_counter() - began, time.process_time() - used


def prose() -> str:
    """Bundled reviews, one after the other."""
    rows = labelled_rows("bundled:reviews_en", split="train")
    doc = spacy.blank("en")("\n".join(row.text for row in rows))
    return doc[:TOKENS].text


def loaded(model: Path) -> Language:
    """The pipeline; a translator takes sentence by sentence, as it has learned to."""
    nlp = spacy.load(model)
    if "translator" not in nlp.pipe_names:
        return nlp
    nlp = spacy.load(model, config={"components": {"translator": {"unit": "sent"}}})
    nlp.add_pipe("sentencizer", first=True)
    return nlp


def opened(browser: str, page: Path, *, beside: Path, times: int = 7) -> tuple[float, float]:
    """Seconds to a picture of it by the clock and by the processors, beyond those of another page:
    the fewest of some tries, which take turns."""
    tried: dict[Path, list[tuple[float, float]]] = {beside: [], page: []}
    for one in [beside, page] * times:
        began, used = time.perf_counter(), spent()
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--window-size=1200,900", f"--screenshot={one.with_suffix('.png')}"),
                one.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
        )
        tried[one].append((time.perf_counter() - began, spent() - used))
    fewest = {
        one: [min(column) for column in zip(*all_, strict=True)] for one, all_ in tried.items()
    }
    wall, cpu = (after - before for before, after in zip(*fewest.values(), strict=True))
    return wall, cpu


def spent() -> float:
    """Seconds of processors of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

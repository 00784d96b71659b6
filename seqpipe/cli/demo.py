"""`seqpipe demo`: from nothing to two pipelines that can be used, in a minute."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqpipe.errors import OutputInUse

if TYPE_CHECKING:
    from seqpipe.cli.train import Silent
    from seqpipe.corpora.labelled import Row

_EXAMPLE = """examples:
  python -m seqpipe demo
  python -m seqpipe demo --output /tmp/reviews --seed 1

Nothing is read from the network. The folder can be deleted when it has served."""

CORPORA = {"reviews_en": "en", "reviews_zh": "zh"}  # bundled corpus -> language of its pipeline

_EPOCHS = 12  # the bundled corpora are small, and hard on purpose

_SHOWN = 2  # reviews of each label


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train on the bundled reviews in English and Chinese, score what was kept from training, "
        "annotate some of it, and leave the pipelines."
    )
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("seqpipe-demo"),
        metavar="DIR",
        help="folder for the pipelines (seqpipe-demo)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all chance (0)")
    parser.add_argument("--overwrite", action="store_true", help="replace what the folder holds")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.cli.train import reporting

    def announce(corpus: str) -> None:
        print(f"Learning from bundled:{corpus} ...", file=sys.stderr, flush=True)

    shown = []
    with reporting() as watcher:
        for learned in demo(
            args.output,
            seed=args.seed,
            overwrite=args.overwrite,
            announce=announce,
            watcher=watcher,
        ):
            print(_told(learned), flush=True)
            shown.append(learned)
    print(_how_to_go_on(shown))


@dataclass(frozen=True, slots=True)
class Review:
    """One that was kept from training, and what the pipeline says of it."""

    text: str
    truth: str
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of one corpus."""

    corpus: str
    model: Path
    rows: int
    kept: int
    seconds: float
    scores: Mapping[str, float]
    reviews: Sequence[Review]


def demo(
    output: Path | str = "seqpipe-demo",
    *,
    seed: int = 0,
    overwrite: bool = False,
    announce: Callable[[str], None] = lambda corpus: None,
    watcher: Silent | None = None,
) -> Iterator[Learned]:
    """Trains on one bundled corpus after the other, each into its own folder below `output`."""
    output = Path(output)
    if output.exists() and not overwrite and not (output.is_dir() and not any(output.iterdir())):
        raise OutputInUse(output, "--overwrite")
    for corpus, lang in CORPORA.items():
        settings = {"nlp.lang": lang, "system.seed": seed, "training.max_epochs": _EPOCHS}
        announce(corpus)
        yield _learned(corpus, output / corpus, settings, overwrite=overwrite, watcher=watcher)


def _learned(
    corpus: str,
    output: Path,
    settings: Mapping[str, object],
    *,
    overwrite: bool,
    watcher: Silent | None,
) -> Learned:
    from seqpipe.cli.train import train
    from seqpipe.corpora.labelled import labelled_rows

    data = f"bundled:{corpus}"
    start = time.perf_counter()
    trained = train(
        "sentiment", data, output=output, overrides=settings, overwrite=overwrite, watcher=watcher
    )
    seconds = time.perf_counter() - start
    if trained.stopped:
        raise KeyboardInterrupt
    reviews = _annotated(trained.best, labelled_rows(data, split="validation"))
    return Learned(
        corpus=corpus,
        model=trained.best,
        rows=sum(1 for _ in labelled_rows(data, split="train")),
        kept=len(reviews),
        seconds=seconds,
        scores=trained.shown(),
        reviews=_some(reviews),
    )


def _annotated(model: Path, rows: Iterable[Row]) -> list[Review]:
    import spacy

    nlp = spacy.load(model)
    docs = nlp.pipe(((row.text, row.labels[0]) for row in rows), as_tuples=True)
    return [
        Review(doc.text, truth, doc._.sentiment["label"], doc._.sentiment["score"])
        for doc, truth in docs
    ]


def _some(reviews: Sequence[Review]) -> list[Review]:
    """The first few of each label, and one mistake, for there are some."""
    chosen: list[Review] = []
    for review in reviews:
        if [one.truth for one in chosen].count(review.truth) < _SHOWN:
            chosen.append(review)
    wrong = (review for review in reviews if review.label != review.truth)
    mistake = next((review for review in wrong if review not in chosen), None)
    return chosen if mistake is None else [*chosen, mistake]


def _told(corpus: Learned) -> str:
    from seqpipe.cli._table import clipped, table

    titles = {"cats_acc": "accuracy", "cats_macro_f": "macro F", "cats_ece": "calibration error"}
    scores = [f"{title} {corpus.scores[name]:.3f}" for name, title in titles.items()]
    rows = [
        (r.label, f"{r.score:.2f}", r.truth if r.truth != r.label else "", clipped(r.text, 90))
        for r in corpus.reviews
    ]
    head = ("said", "sure", "wrong, it is", "review kept from training")
    return "\n".join(
        [
            f"bundled:{corpus.corpus}: learned from {corpus.rows:,} reviews in "
            f"{corpus.seconds:.0f} s; on {corpus.kept:,} others: {', '.join(scores)}",
            "",
            table([head, *rows], right=[1]),
            "",
        ]
    )


def _how_to_go_on(learned: Sequence[Learned]) -> str:
    return "\n".join(
        [
            f"The pipelines are in {' and '.join(str(one.model) for one in learned)}",
            "and load like any other of spaCy:",
            "",
            "    import spacy",
            f'    nlp = spacy.load("{learned[0].model}")',
            '    doc = nlp("The room was lovely and the staff could not have been kinder.")',
            "    print(doc.cats, doc._.sentiment)",
            "",
            "Next, data of your own: python -m seqpipe train sentiment DATA --output DIR",
        ]
    )

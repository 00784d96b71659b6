"""`seqpipe demo`: from nothing to pipelines that can be used, in some minutes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seqpipe.cli import _exhibits
from seqpipe.errors import OutputInUse

if TYPE_CHECKING:
    from seqpipe.cli._exhibits import Exhibition
    from seqpipe.cli.train import Silent
    from seqpipe.explain.looks import Look

_EXAMPLE = """examples:
  python -m seqpipe demo
  python -m seqpipe demo --output /tmp/demo --seed 1

Nothing is read from the network. The folder can be deleted when it has served."""

PAGE = "demo.html"
_TITLE = "What the demo has learned"


@dataclass(frozen=True, slots=True)
class Kind:
    """A stage that is shown, what it learns from, and how to tell of it."""

    stage: str
    corpora: Mapping[str, str]  # bundled corpus -> language of its pipeline
    settings: Mapping[str, object]
    rows: str
    titles: Mapping[str, str]  # of its scores
    head: Sequence[str]
    exhibit: Callable[[Path, str], Exhibition]
    trial: str
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # of a corpus


KINDS = (
    Kind(
        stage="sentiment",
        corpora={"reviews_en": "en", "reviews_zh": "zh"},
        settings={"training.max_epochs": 12},  # the corpora are small, and hard on purpose
        rows="reviews",
        titles={"cats_acc": "accuracy", "cats_macro_f": "macro F", "cats_ece": "calibration error"},
        head=("said", "sure", "wrong, it is", "review kept from training"),
        exhibit=_exhibits.reviews,
        trial='print(nlp("The room was lovely and the staff were kind.")._.sentiment)',
    ),
    Kind(
        stage="tokenizer",
        corpora={"sentences_en": "en", "sentences_zh": "zh"},
        # ten seconds are enough for small steps that are bold
        settings={
            "training.max_steps": 500,
            "training.dropout": 0.2,
            "training.optimizer.learn_rate.rate": 0.01,
            "seqpipe.rows": 8,
            "components.tokenizer.stretch": 100,
        },
        rows="sentences",
        titles={"token_f": "token F", "sents_f": "sentence F"},
        head=("", "sentence kept from training"),
        exhibit=_exhibits.sentences,
        trial='print([[t.text for t in s] for s in nlp("I\'m here. Ask Dr. Lee!").sents])',
    ),
    Kind(
        stage="translator",
        corpora={"phrases_en_de": "en", "phrases_en_zh": "en"},
        # a small net that takes small steps, each of them bold, sees enough in six epochs
        settings={
            "training.max_steps": 500,
            "training.dropout": 0.1,
            "training.optimizer.learn_rate.rate": 0.01,
            "training.optimizer.learn_rate.warmup_steps": 50,
            "seqpipe.rows": 32,
            "components.translator.codec.size": 1500,
            "components.translator.model.embedding": 96,
            "components.translator.model.width": 96,
            "components.translator.model.decoder_width": 96,
            "components.translator.model.embedding_dropout": 0.0,
        },
        rows="sentences",
        titles={"bleu": "BLEU", "chrf": "chrF"},
        head=("", "sentence kept from training, and what became of it"),
        exhibit=_exhibits.phrases,
        trial='print(nlp("My sister is reading a book.")._.translation)',
        columns={
            "phrases_en_de": {"source": "en", "target": "de"},
            "phrases_en_zh": {"source": "en", "target": "zh"},
        },
    ),
    Kind(
        stage="generator",
        corpora={"verse_en": "en", "verse_zh": "zh"},
        settings={
            "training.max_steps": 500,
            "training.optimizer.learn_rate.rate": 0.01,
            "seqpipe.rows": 8,
            "components.generator.window": 48,
            "components.generator.model.embedding": 48,
            "components.generator.model.width": 160,
            "components.generator.search.temperature": 0.5,
            "components.generator.search.max_length": 400,
        },
        rows="poems",
        titles={"bits_per_char": "bits per character"},
        head=("", "poem"),
        exhibit=_exhibits.poems,
        trial='print(nlp("The moon")._.generated)',
    ),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train on the bundled reviews, running texts and verse in English and Chinese, and on "
        "sentences with their translations; score what was kept from training, show some of it, "
        "and leave the pipelines and a page of what they make of it."
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
    print(_how_to_go_on(shown, args.output / PAGE))


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of one corpus."""

    kind: Kind
    corpus: str
    model: Path
    seconds: float
    scores: Mapping[str, float]
    exhibition: Exhibition
    looks: Sequence[Look]

    def told(self) -> str:
        """How it went, in a sentence."""
        kind, seen = self.kind, self.exhibition
        scores = [f"{title} {self.scores[name]:.3f}" for name, title in kind.titles.items()]
        return (
            f"learned from {seen.learned:,} {kind.rows} in {self.seconds:.0f} s; "
            f"on {seen.kept:,} others: {', '.join(scores)}"
        )


def demo(
    output: Path | str = "seqpipe-demo",
    *,
    seed: int = 0,
    overwrite: bool = False,
    announce: Callable[[str], None] = lambda corpus: None,
    watcher: Silent | None = None,
) -> Iterator[Learned]:
    """Trains on one bundled corpus after the other, each into its own folder below `output`; the
    page is written when all have been walked."""
    output = Path(output)
    shown = []
    if output.exists() and not overwrite and not (output.is_dir() and not any(output.iterdir())):
        raise OutputInUse(output, "--overwrite")
    for kind in KINDS:
        for corpus, lang in kind.corpora.items():
            settings = {"nlp.lang": lang, "system.seed": seed, **kind.settings}
            announce(corpus)
            learned = _learned(
                kind, corpus, output / corpus, settings, overwrite=overwrite, watcher=watcher
            )
            shown.append(learned)
            yield learned
    _write_page(output / PAGE, shown)


def _learned(
    kind: Kind,
    corpus: str,
    output: Path,
    settings: Mapping[str, object],
    *,
    overwrite: bool,
    watcher: Silent | None,
) -> Learned:
    from seqpipe.cli.train import train

    data = f"bundled:{corpus}"
    start = time.perf_counter()
    trained = train(
        kind.stage,
        data,
        output=output,
        columns=kind.columns.get(corpus),
        overrides=settings,
        overwrite=overwrite,
        watcher=watcher,
    )
    seconds = time.perf_counter() - start
    if trained.stopped:
        raise KeyboardInterrupt
    exhibition = kind.exhibit(trained.best, data)
    looks = _looks(trained.best, exhibition.texts)
    return Learned(kind, corpus, trained.best, seconds, trained.shown(), exhibition, looks)


def _looks(model: Path, texts: Sequence[str]) -> list[Look]:
    from seqpipe.explain.looks import looks
    from seqpipe.pipelines import load_pipeline, one_thread

    nlp = load_pipeline(model)
    with one_thread():
        return [look for text in texts for look in looks(nlp, text)]


def _write_page(path: Path, shown: Sequence[Learned]) -> None:
    """All that was looked at, corpus by corpus."""
    from seqpipe.explain.html import page
    from seqpipe.files import written

    parts = [part for one in shown for part in (_headed(one), *(k.markup for k in one.looks))]
    with written(path) as beside:
        beside.write_text(page(parts, title=_TITLE, lang="en"), encoding="utf-8")


def _headed(learned: Learned) -> str:
    """What stands above the looks of a corpus: how it went, and the way to its report."""
    from seqpipe.explain.html import shown

    report = Path(learned.corpus, "report.html")
    told = [f"It {learned.told()}.", learned.exhibition.note]
    if (learned.model.parent / report.name).is_file():
        told.append(f'<a href="{report.as_posix()}">The report of its training</a>')
    return (
        '<div class="seqpipe" style="border:0;margin:0;background:none">'
        f"<h2>{shown(learned.kind.stage)}, from bundled:{shown(learned.corpus)}</h2>"
        f"<p>{' '.join(filter(None, told))}</p></div>"
    )


def _told(learned: Learned) -> str:
    from seqpipe.cli._table import table

    rows = (row for one in learned.exhibition.shown for row in one.rows())
    return "\n".join(
        [
            f"bundled:{learned.corpus}: {learned.told()}",
            "",
            table([learned.kind.head, *rows]),
            "",
        ]
    )


def _how_to_go_on(learned: Sequence[Learned], page: Path) -> str:
    first = {one.kind.stage: one for one in reversed(learned)}
    trials = [
        line
        for kind in KINDS
        for line in (f'    nlp = spacy.load("{first[kind.stage].model}")', f"    {kind.trial}")
    ]
    return "\n".join(
        [
            f"What they make of texts that they have not seen: {page}",
            "",
            "The pipelines load like any other of spaCy:",
            "",
            *(f"    {one.model}" for one in learned),
            "",
            "    import spacy",
            *trials,
            "",
            "What becomes of a text while you type it: "
            f"python -m seqpipe serve {page.parent}/*/model-best",
            "Next, data of your own: python -m seqpipe train STAGE DATA --output DIR",
            f"where STAGE is {' or '.join(kind.stage for kind in KINDS)}",
        ]
    )

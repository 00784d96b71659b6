"""Translating beside JoeyNMT, both with the vocabulary of one joint BPE."""

from __future__ import annotations

from typing import Any

import spacy
from sacrebleu.metrics import BLEU

from benchmarks.bench import OURS, Bench, Source, Trained
from seqpipe import Codec
from seqpipe.cli.demo import KINDS
from seqpipe.corpora.sources import open_split
from seqpipe.text.codec import UNK
from seqpipe.text.units import SPECIALS

JOEY = "JoeyNMT"
PIECES = 8000  # where the set is large; JoeyNMT's recurrent examples have as many
PATIENCE = 20.0  # seconds of the quick form: before, lengths are not those of the reference
ROW = 64  # texts at once, as JoeyNMT's default has it
LARGE = {
    "training.max_steps": 7000,
    "training.eval_frequency": 600,
    "components.translator.shortlist": 40,
}
(DEMO,) = (kind.settings for kind in KINDS if kind.stage == "translator")


class Pairs:
    """A parallel corpus: whole texts for us, and pieces of one vocabulary for the peer."""

    def __init__(self, source: Source, *, small: bool) -> None:
        train, dev = (open_split(source.path, split=part) for part in ("train", "validation"))
        self.sides = source.columns["source"], source.columns["target"]
        self.texts, self.gold = (list(dev[side]) for side in self.sides)
        given = [list(train[side]) for side in self.sides]
        size = 1500 if small else PIECES
        codec = Codec.train([*given[0], *given[1]], unit="bpe", size=size)
        self._codec, self._pieces = codec, codec.pieces()
        self._ids = {piece: id for id, piece in enumerate(self._pieces)}
        self.told = {
            "pieces": self._pieces[len(SPECIALS) :],
            "train": list(zip(*map(self._cut, given), strict=True)),
            "texts": self._cut(self.texts),
        }

    def _cut(self, texts: list[str]) -> list[str]:
        """Joined by spaces, which no piece holds."""
        return [" ".join(map(self._codec.piece, ids)) for ids in self._codec.encode(texts)]

    def text(self, pieces: str) -> str:
        return self._codec.decode([self._ids.get(piece, UNK) for piece in pieces.split(" ")])

    def score(self, found: list[str]) -> Any:
        return BLEU(lowercase=True).corpus_score(found, [self.gold])


def translation(bench: Bench) -> None:
    """The quick form takes the small corpus, on which a minute teaches both something: the speed
    of a net that ends nowhere would say little."""
    large = bench.options.data is not None and (
        not bench.quick or bench.name in bench.options.models
    )
    folder = "multi30k" if large else ""
    columns = {"source": "en", "target": "de"}
    source = bench.source(folder, "phrases_en_de", **columns)
    trained = bench.trained("translator", source, settings=LARGE if large else DEMO)
    pairs = Pairs(source, small=not large)
    nlp = spacy.load(trained.path)
    stage: Any = nlp.get_pipe("translator")
    if trained.seconds is not None:
        bench.figure(OURS, "training, s", "seconds", trained.seconds)
    for what, beam in (("beam of 5", 5), ("greedy", 1)):
        stage.search = stage.search.changed(beam=beam)
        with _joey(bench, pairs, what, trained, small=not large) as joey:
            found: dict[str, list[str]] = {}

            def ours(nlp: Any = nlp, found: dict[str, list[str]] = found) -> None:
                docs = nlp.pipe(pairs.texts, batch_size=len(pairs.texts))
                found[OURS] = [doc._.translation for doc in docs]

            runs: dict[str, Any] = {OURS: ours, **({JOEY: joey} if joey else {})}
            bench.compare(runs, len(pairs.texts), "sentences", what)
            if joey:
                found[JOEY] = [pairs.text(one) for one in joey.found()]
        for who, some in found.items():
            score = pairs.score(some)
            bench.figure(who, f"BLEU, {what}", "BLEU", score.score)
            bench.figure(who, f"length to the reference, {what}", "times", score.ratio)


def _joey(bench: Bench, pairs: Pairs, what: str, trained: Trained, *, small: bool) -> Any:
    sizes = ["--embedding=96", "--hidden=96"] if small else []
    task = "greedy" if what == "greedy" else "beam"
    learning = [f"--seconds={bench.patience(trained.seconds or 60.0, PATIENCE)}"]
    options = [*sizes, *learning, bench.keep, f"--texts-batch={ROW}"]
    return bench.peer(JOEY, "joeynmt", "joeynmt_peer", pairs.told, task, *options)

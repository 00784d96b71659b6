"""Tokens and sentences beside spaCy's rules, stanza's tokenizer, and jieba."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc

from benchmarks.bench import OURS, Bench, Source, Trained
from benchmarks.peers import Peer
from benchmarks.scores import span_f
from benchmarks.tokenizer import TASKS
from seqpipe.cli.demo import KINDS
from seqpipe.corpora.tokens import read_tokens

LEAST = 100_000  # characters that one turn reads at least
# The short training of the demo.
(DEMO,) = (kind.settings for kind in KINDS if kind.stage == "tokenizer")
SETTINGS = {task.name: task.settings for task in TASKS}
QUICK = {**DEMO, "training.eval_frequency": DEMO["training.max_steps"]}
CHARACTERS = "spaCy, a character each"

Cut = tuple[list[list[str]], list[list[str]]]  # the tokens of each text, and its sentences


class Texts:
    """A part of a treebank as running texts."""

    def __init__(self, source: Source, split: str = "validation") -> None:
        blank = spacy.blank("xx")
        reader = read_tokens(source.path, split=split, shuffle=False, **source.columns)
        self.gold = [example.reference for example in reader(blank)]
        self.once = [doc.text for doc in self.gold]
        self.texts = self.once * max(1, -(-LEAST // sum(map(len, self.once))))
        self.characters = sum(map(len, self.texts))

    def scored(self, bench: Bench, who: str, found: Cut) -> None:
        tokens, sentences = found
        count = len(self.gold)
        gold, whole = cut(self.gold)
        bench.figure(who, "token F", "share", span_f(tokens[:count], gold))
        if sentences and any(len(one) > 1 for one in whole):
            bench.figure(who, "sentence F", "share", span_f(sentences[:count], whole))


def cut(docs: Iterable[Doc]) -> Cut:
    tokens, sentences = [], []
    for doc in docs:
        tokens.append([token.text for token in doc])
        sentences.append(
            [span.text for span in doc.sents] if doc.has_annotation("SENT_START") else []
        )
    return tokens, sentences if all(sentences) else []


def english_model(bench: Bench) -> tuple[Source, Trained]:
    source = bench.source("ud_en_ewt", "sentences_en", of="tokenizer")
    return source, _model(bench, source, SETTINGS["ud_en_ewt"], of="tokenizer")


def _model(bench: Bench, source: Source, settings: Mapping[str, Any], *, of: str) -> Trained:
    """The whole training takes minutes; the quick form has a part of it."""
    quick = QUICK if bench.quick else {}
    return bench.trained("tokenizer", source, of=of, settings={**settings, **quick})


def english(bench: Bench) -> None:
    source, trained = english_model(bench)
    texts = Texts(source)
    rules = spacy.blank("en")
    rules.add_pipe("sentencizer")
    ours = spacy.load(trained.path)
    who = "spaCy's rules and sentencizer"
    runs: dict[str, Any] = {
        OURS: lambda: list(ours.pipe(texts.texts)),
        who: lambda: list(rules.pipe(texts.texts)),
    }
    for name, nlp in ((OURS, ours), (who, rules)):
        texts.scored(bench, name, cut(nlp.pipe(texts.once)))
    _own(bench, trained)
    with stanza_of(bench, "stanza_peer", source, trained, {"texts": texts.texts}) as stanza:
        if stanza:
            runs["stanza"] = stanza
        bench.compare(runs, texts.characters, "characters")
        if stanza:
            texts.scored(bench, "stanza", stanza.found())


def chinese(bench: Bench) -> None:
    source = bench.source("ud_zh_gsd", "sentences_zh")
    trained = _model(bench, source, SETTINGS["ud_zh_gsd"], of=bench.name)
    texts = Texts(source)
    ours, single = spacy.load(trained.path), spacy.blank("zh")
    runs: dict[str, Any] = {
        OURS: lambda: list(ours.pipe(texts.texts)),
        CHARACTERS: lambda: list(single.pipe(texts.texts)),
    }
    for name, nlp in ((OURS, ours), (CHARACTERS, single)):
        texts.scored(bench, name, cut(nlp.pipe(texts.once)))
    _own(bench, trained)
    with bench.peer("jieba", "jieba", "jieba_peer", {"texts": texts.texts}) as jieba:
        if jieba:
            runs["jieba"] = jieba
        bench.compare(runs, texts.characters, "characters")
        if jieba:
            texts.scored(bench, "jieba", jieba.found())
            bench.remark("jieba was not trained on the set: it has a dictionary of its own.")


def _own(bench: Bench, trained: Trained) -> None:
    if trained.seconds is not None:
        bench.figure(OURS, "training, s", "seconds", trained.seconds)
    files = [file for file in (trained.path / "tokenizer").rglob("*") if file.is_file()]
    bench.figure(OURS, "MB on disk", "MB", sum(file.stat().st_size for file in files) / 1e6)


def stanza_of(
    bench: Bench, script: str, source: Source, ours: Trained, told: Mapping[str, Any]
) -> AbstractContextManager[Peer | None]:
    """stanza, whose tokenizer learns from the same treebank as ours, for as long."""
    seconds = f"--seconds={bench.patience(ours.seconds or 60.0)}"
    return bench.peer("stanza", "stanza", script, told, seconds, bench.keep, _folder(source))


def _folder(source: Source) -> str:
    """Where a peer finds the set, a bundled one too."""
    from seqpipe.corpora.sources import locate

    return str((locate(source.path).folder or Path(source.path)).resolve())

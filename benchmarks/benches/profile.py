"""Where the time of each stage goes, from text to annotation, by part."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import spacy
import torch
from spacy.language import Language

from benchmarks.bench import Bench, middle
from benchmarks.clock import Clock
from benchmarks.stages import fresh, texts

PARTS = ("spaCy", "codec", "batching", "net", "search", "writing")
OUTSIDE = "outside the net"


@dataclass(frozen=True)
class Case:
    """A pipeline of one stage, and the texts that it reads."""

    nlp: Language
    stage: str
    texts: Sequence[str]


def profile(bench: Bench) -> None:
    torch.set_num_threads(1)
    cases = _cases(bench)
    gc.freeze()  # as processes do that annotate and nothing else
    for who, case in cases.items():
        list(case.nlp.pipe(case.texts[:64]))  # caches, lazy imports
        found = [_looked_at(case) for _ in range(bench.turns)]
        for part in PARTS:
            each = [1e6 * one.get(part, 0.0) / len(case.texts) for one in found]
            if any(each):
                bench.figure(who, part, "µs", middle(each))
        outside = [sum(one.values()) - one.get("net", 0.0) for one in found]
        bench.figure(who, OUTSIDE, "µs", *(1e6 * each / len(case.texts) for each in outside))
    gc.unfreeze()
    bench.remark(
        "Microseconds a document, one thread. Texts of 20 words (tokenizer, sentiment and "
        "generator) and 13 words (translator), the sizes of the nets those of the defaults; "
        "`spaCy` holds all that none of the others claims, such as the making of a Doc. A search "
        "asks its net at every step, and that time is the net's. Behind `gc.freeze()`: where all "
        "that is loaded is looked through for garbage again and again, a short document costs "
        "some 10 µs more."
    )


def _cases(bench: Bench) -> dict[str, Case]:
    count = 500 if bench.quick else 4000
    some, few = texts(count, 20, spread=0.0), texts(64, 13, spread=0.1)
    times = 16 if bench.quick else 4  # so that a turn takes some tenths of a second
    many = some * times
    limit = {"@misc": "seqpipe.Search.v1", "beam": 5, "margin": 2.0, "max_length": 18}
    cases = {
        "sentiment": Case(fresh("sentiment", some[:500]), "sentiment", many),
        "tokenizer": Case(fresh("tokenizer", some[:200]), "tokenizer", some),
        "translator": Case(
            fresh("translator", texts(800, 13), {"search": limit}), "translator", few
        ),
        "generator, perplexity": Case(
            fresh("generator", some[:200], {"generated": ""}), "generator", some
        ),
    }
    if "sentiment" in bench.options.models:
        nlp = spacy.load(bench.options.models["sentiment"])
        cases["sentiment"] = Case(nlp, "sentiment", many)
    return cases


def _looked_at(case: Case) -> dict[str, float]:
    """Seconds by part of one pass."""
    clock, nlp = Clock(), case.nlp
    stage: Any = nlp.get_pipe(case.stage)
    net = stage.shim.net
    clock.wrap(stage, "encode", "codec")
    clock.wrap(stage, "predict_rows", "batching")
    clock.wrap(stage, "written", "writing")
    _each(clock, net, ("predict", "begin", "step", "measure", "tell"), "net")
    if hasattr(stage, "_searched"):
        clock.wrap(stage, "_searched", "search")
    try:
        with clock.part("spaCy"):
            for _ in nlp.pipe(case.texts):
                pass
    finally:
        clock.undo()
    return clock.seconds


def _each(clock: Clock, owner: Any, names: Sequence[str], part: str) -> None:
    for name in names:
        if hasattr(owner, name):
            clock.wrap(owner, name, part)

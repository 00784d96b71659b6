"""What a text costs, in counts that no machine changes: a slow-down shows without a clock.

Each limit is a tenth or two above what was counted. Who makes something dearer on purpose raises
it, and says why; who makes it cheaper lowers it.
"""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from letters import PAIRS, make_letters_nlp
from letters import make_examples as letters_examples
from small import make_examples, make_nlp
from spacy.language import Language
from torch.utils._python_dispatch import TorchDispatchMode
from verses import POEMS, make_verses_nlp
from verses import make_examples as verses_examples
from words import make_examples as words_examples
from words import make_words_nlp, text_of

from seqpipe.text.batches import plan

COPIES = {"aten::copy_", "aten::_to_copy", "aten::clone"}


class Operators(TorchDispatchMode):
    """Counts what torch is asked to do."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.all = self.copies = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.all += 1
        self.copies += func.name().partition(".")[0] in COPIES
        return func(*args, **(kwargs or {}))


def calls_of(act: Callable[[], object]) -> int:
    """How many functions of Python, and of C, are called."""
    seen = 0

    def profile(frame: object, event: str, arg: object) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen


def peak_of(act: Callable[[], object]) -> int:
    """The most bytes that Python and NumPy hold at once, beyond what they held before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        act()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of some texts, or of a step of training."""

    calls: int  # a text
    operators: int  # of torch, in all
    copies: int  # of tensors, in all
    kilobytes: int  # at most at once


def cost_of(act: Callable[[], object], texts: int) -> Cost:
    act()  # what is made once is made
    with Operators() as operators:
        act()
    return Cost(
        calls=calls_of(act) // texts,
        operators=operators.all,
        copies=operators.copies,
        kilobytes=peak_of(act) // 1024,
    )


# The bounds are those of the pinned torch; older ones take a few operators more for the same.
OLDER = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13)


def dearer(cost: Cost, limit: Cost) -> Mapping[str, str]:
    """What has grown, and from where."""
    more = 1.04 if OLDER else 1.0
    bounds = {one.name: more * getattr(limit, one.name) for one in fields(Cost)}
    pairs = {name: (getattr(cost, name), most) for name, most in bounds.items()}
    return {name: f"{now}, above {most:g}" for name, (now, most) in pairs.items() if now > most}


def annotated(nlp: Language, texts: list[str]) -> None:
    for _ in nlp.pipe(texts):
        pass


REVIEWS = [" ".join(["a good and warm film"] * (n % 7 + 1)) for n in range(64)]
RUNNING = [text_of(count=n % 7 + 1, seed=n) for n in range(32)]
LETTERS = [source for source, _ in PAIRS[:32]]
VERSES = [*POEMS] * 4
PIPED: Mapping[str, tuple[Callable[[], Language], list[str], Cost]] = {
    "sentiment": (make_nlp, REVIEWS, Cost(105, 690, 0, 550)),
    "tokenizer": (make_words_nlp, RUNNING, Cost(510, 3100, 0, 490)),
    "translator": (
        partial(make_letters_nlp, pairs=PAIRS[:64], search={"beam": 3, "max_length": 12}),
        LETTERS,
        Cost(640, 1160, 14, 285),
    ),
    "generator": (
        partial(make_verses_nlp, search={"max_length": 20}),
        VERSES,
        Cost(890, 2100, 30, 210),
    ),
}


@pytest.mark.parametrize("stage", PIPED)
def test_what_a_text_costs(stage: str) -> None:
    make, texts, limit = PIPED[stage]
    nlp = make()
    assert not dearer(cost_of(partial(annotated, nlp, texts), len(texts)), limit)


LEARNED: Mapping[str, tuple[Callable[[], Language], Callable[[Language], Any], Cost]] = {
    "sentiment": (make_nlp, make_examples, Cost(510, 335, 4, 100)),
    "tokenizer": (make_words_nlp, words_examples, Cost(1200, 205, 4, 190)),
    "translator": (
        partial(make_letters_nlp, pairs=PAIRS[:64]),
        partial(letters_examples, pairs=PAIRS[:16]),
        Cost(370, 345, 7, 180),
    ),
    "generator": (make_verses_nlp, verses_examples, Cost(870, 1680, 15, 140)),
}


@pytest.mark.parametrize("stage", LEARNED)
def test_what_a_step_costs(stage: str) -> None:
    make, examples_of, limit = LEARNED[stage]
    nlp = make()
    examples = examples_of(nlp)
    optimizer = nlp.resume_training()
    step = partial(nlp.update, examples, sgd=optimizer)
    assert not dearer(cost_of(step, len(examples)), limit)


def test_how_much_is_padding() -> None:
    """Of a corpus whose rows are as long as those of texts are."""
    chance = random.Random(0)
    lengths = np.array([max(int(chance.lognormvariate(3, 0.8)), 1) for _ in range(2000)])
    parts = plan(lengths, budget=4096, rows=64)
    cells = sum(len(part) * int(lengths[part].max()) for part in parts)
    assert 1 - lengths.sum() / cells < 0.077 and len(parts) < 37


def test_a_text_costs_no_more_among_many() -> None:
    """Counts grow as the texts do, and not faster."""
    nlp = make_nlp()
    few, many = (
        cost_of(partial(annotated, nlp, texts), len(texts)) for texts in (REVIEWS, REVIEWS * 4)
    )
    assert many.calls <= few.calls and many.operators <= 4 * few.operators


def test_what_a_long_text_costs() -> None:
    """A step of a minGRU for each block of steps, and each layer and way once."""
    nlp = make_nlp(model={"cell": "mingru"})
    long = cost_of(partial(annotated, nlp, [" ".join(REVIEWS[6] for _ in range(120))]), 1)
    assert long.operators < 900

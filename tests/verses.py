"""A generator of a few lines of verse: built, and learned by heart, in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from seqpipe.components.generator import Generator

POEMS = (
    "The rain came down upon the stone\nand I was walking home alone.\n",
    "A candle burns beside the bed\nand all the words are left unsaid.\n",
    "One wheel, two wheels: the cart is gone\nbefore the colour of the dawn.\n",
    "春雨落石上\n独行归故乡\n",
    "烛光照旧床\n无言夜更长\n",
)

MODEL: dict[str, Any] = {
    "@architectures": "seqpipe.LanguageModel.v1",
    "cell": "lstm",
    "embedding": 12,
    "width": 32,
    "layers": 1,
    "tie_output": False,
    "piece_dropout": 0.0,
    "embedding_dropout": 0.0,
    "weight_dropout": 0.0,
    "activation": 0.0,
    "change": 0.0,
}
CODEC: dict[str, Any] = {
    "@misc": "seqpipe.Codec.v1",
    "unit": "char",
    "size": 300,
    "min_count": 1,
    "lower": False,
}
BPE = {**CODEC, "unit": "bpe"}
SEARCH: dict[str, Any] = {"sampling": False, "temperature": 1.0}
ENOUGH = 150  # steps until a poem is gone on with as it was learned


def make_examples(nlp: Language, texts: Sequence[str] = POEMS) -> list[Example]:
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]


def add_stage(
    nlp: Language,
    name: str = "generator",
    *,
    model: dict[str, Any] | None = None,
    search: dict[str, Any] | None = None,
    **config: Any,
) -> Generator:
    """One that writes what it is surest of, unless `search` says otherwise."""
    settings = {
        "codec": CODEC,
        "model": {**MODEL, **(model or {})},
        "search": {**SEARCH, **(search or {})},
        "device": "cpu",
        **config,
    }
    settings = deepcopy(settings)  # spaCy fills up what it is given
    stage = nlp.add_pipe("seqpipe_generator", name=name, config=settings)
    assert isinstance(stage, Generator)
    return stage


def make_verses_nlp(
    steps: int = 0, *, texts: Sequence[str] = POEMS, lang: str = "xx", **config: Any
) -> Language:
    """A pipeline with one stage, initialized and taken so many steps."""
    fix_random_seed(0)
    nlp = spacy.blank(lang)
    add_stage(nlp, **config)
    examples = make_examples(nlp, texts)
    nlp.initialize(lambda: examples)
    optimizer: Any = Adam(0.02, use_averages=False)
    for step in range(steps):
        optimizer.learn_rate = 0.02 * min(1.0, 1.5 * (1 - step / steps))
        nlp.update(examples, sgd=optimizer)
    return nlp


@cache
def _weights(unit: str) -> bytes:
    nlp = make_verses_nlp(ENOUGH, codec={**CODEC, "unit": unit})
    return nlp.to_bytes(exclude=["vocab"])


def trained(*, unit: str = "char", lang: str = "xx", **config: Any) -> Language:
    """The pipeline with the poems learned, in pieces of that unit; the settings may be those that
    need no other weights."""
    nlp = spacy.blank(lang)
    add_stage(nlp, codec={**CODEC, "unit": unit}, **config)
    nlp.from_bytes(_weights(unit), exclude=["vocab"])
    return nlp


def verses_stage(nlp: Language, name: str = "generator") -> Generator:
    stage = nlp.get_pipe(name)
    assert isinstance(stage, Generator)
    return stage


def begun(poem: str) -> tuple[str, str]:
    """A poem in two, between two words or two lines: a prompt, and what was learned to follow."""
    at = poem.find(" ", 4) if " " in poem else poem.index("\n")
    return poem[:at], poem[at:]

"""A translator of small letters into capitals: built, and learned, in a moment."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from seqpipe.components._sides import learn_shortlist
from seqpipe.components.translator import TranslatorStage

LETTERS = "abcdefghij"
Pairs = Sequence[tuple[str, str]]

MODEL: dict[str, Any] = {
    "@architectures": "seqpipe.Translator.v1",
    "cell": "lstm",
    "embedding": 24,
    "width": 24,
    "layers": 1,
    "bidirectional": True,
    "decoder_width": 32,
    "decoder_layers": 1,
    "attention": "general",
    "feeding": False,
    "tie_source": True,
    "tie_output": True,
    "embedding_dropout": 0.0,
    "piece_dropout": 0.0,
    "weight_dropout": 0.0,
    "label_smoothing": 0.0,
}
CODEC: dict[str, Any] = {
    "@misc": "seqpipe.Codec.v1",
    "unit": "char",
    "size": 300,
    "min_count": 3,
    "lower": False,
}
BPE = {**CODEC, "unit": "bpe", "min_count": 1}
# A codec for each side.
APART: dict[str, Any] = {"target_codec": CODEC, "model": {"tie_source": False}}
SEARCH: dict[str, Any] = {"beam": 1, "length_penalty": 0.0}
SENTENCES = ("ad ij.", "b f ge.", "ja cb.")  # as they were learned, one at a time
ENOUGH = 300  # steps until texts of this kind come out right
ROWS = 32


def make_text(chance: random.Random, *, most: int = 6, numbers: int = 0) -> str:
    """Some words in which no letter comes twice, so that each says where it comes from; now and
    then a sign that comes nowhere else, and in the end a point."""
    letters = chance.sample(LETTERS, chance.randint(2, most))
    if chance.random() < 0.25:
        letters[chance.randrange(len(letters))] = chr(chance.randrange(0x4E00, 0x9000))
    for _ in range(chance.randint(0, 2)):
        letters.insert(chance.randint(1, len(letters) - 1), " ")
    words = "".join(letters).split()
    for _ in range(numbers):
        words.insert(chance.randint(0, len(words)), str(chance.randrange(10, 1000)))
    return " ".join(words) + "." * (chance.random() < 0.5)


def make_pairs(
    count: int = 3200, *, seed: int = 0, most: int = 6, numbers: bool = False
) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    texts = (make_text(chance, most=most, numbers=n % 3 * numbers) for n in range(count))
    return [(text, text.upper()) for text in texts]


PAIRS = make_pairs()
# Sure enough of these, which it has not seen, that no other machine's rounding changes one.
TEXTS = (
    *("gj", "h jd", "gi.", "b f ge.", "ifbd", "ad i.", "c i j", "b a.", "fe溪", "ca jdf"),
    *("be dg", "jibd", "搬if", "d洳.", "ebji", "jbd"),
)


def make_examples(nlp: Language, pairs: Pairs = PAIRS) -> list[Example]:
    """What is to become of each text rides on the reference."""
    examples = [Example(nlp.make_doc(source), nlp.make_doc(source)) for source, _ in pairs]
    for example, (_, target) in zip(examples, pairs, strict=True):
        example.reference._.translation = target
    return examples


def add_stage(
    nlp: Language,
    name: str = "translator",
    *,
    model: dict[str, Any] | None = None,
    search: dict[str, Any] | None = None,
    **config: Any,
) -> TranslatorStage:
    settings = {
        "codec": CODEC,
        "model": {**MODEL, **(model or {})},
        "search": {**SEARCH, **(search or {})},
        "device": "cpu",
        **config,
    }
    settings = deepcopy(settings)  # spaCy fills up what it is given
    stage = nlp.add_pipe("seqpipe_translator", name=name, config=settings)
    assert isinstance(stage, TranslatorStage)
    return stage


def make_letters_nlp(steps: int = 0, *, pairs: Pairs = PAIRS, **config: Any) -> Language:
    """A pipeline with one stage, initialized and taken so many steps."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    add_stage(nlp, **config)
    examples = make_examples(nlp, pairs)
    nlp.initialize(lambda: examples)
    optimizer: Any = Adam(0.02, use_averages=False)
    for step in range(steps):
        optimizer.learn_rate = 0.02 * min(1.0, 1.5 * (1 - step / steps))
        first = step * ROWS % len(examples)
        nlp.update(examples[first : first + ROWS], sgd=optimizer)
    return nlp


@cache
def _weights(protect: tuple[str, ...]) -> bytes:
    pairs = make_pairs(numbers=True) if protect else PAIRS
    nlp = make_letters_nlp(ENOUGH, pairs=pairs, protect=list(protect))
    return nlp.to_bytes(exclude=["vocab"])


def trained(
    *, protect: tuple[str, ...] = (), shortlist: int = 0, before: str | None = None, **config: Any
) -> Language:
    """The pipeline with its task learned, behind another component if one is named; the settings
    may be those that need no other weights."""
    nlp = spacy.blank("xx")
    stage = add_stage(nlp, protect=list(protect), shortlist=shortlist, **config)
    nlp.from_bytes(_weights(protect), exclude=["vocab"])
    if shortlist:
        codecs = stage._codec(), stage._target()
        stage.shortlist = learn_shortlist(
            lambda: iter(PAIRS[:400]), *codecs, best=shortlist, before=None
        )
    if before is not None:
        nlp.add_pipe(before, first=True)
    return nlp


def letters_stage(nlp: Language, name: str = "translator") -> TranslatorStage:
    stage = nlp.get_pipe(name)
    assert isinstance(stage, TranslatorStage)
    return stage


def said(nlp: Language, texts: Sequence[str] = TEXTS) -> list[str]:
    return [doc._.translation for doc in nlp.pipe(texts)]


def lines_of(doc: Doc, name: str = "alignment") -> list[tuple[str, str]]:
    """The alignment as the two stretches of text that each line names."""
    text = doc._.translation
    return [(doc.text[a:b], text[c:d]) for a, b, c, d, _ in doc._.get(name)]

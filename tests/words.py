"""A tokenizer pipeline that is built, and learns, in a moment."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import spacy
import torch
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from seqpipe.components.tokenizer import Tokenizer
from seqpipe.corpora.running import Passage, doc_of
from seqpipe.text.segments import locate_tokens

# Sentences as they stand in running text, with a bar at each end of a token.
ENGLISH = (
    "The| |film| |is| |good|.",
    "I| |do|n't| |like| |it|!",
    "Is| |it| |bad|?",
    "We| |saw| |the| |end|,| |and| |it| |is| |warm|.",
    "She| |did|n't| |see| |the| |dull| |film|.",
    "It|'s| |cold|,| |is|n't| |it|?",
)
VIETNAMESE = (
    "Tôi| |sống| |ở| |Việt Nam|.",
    "Hà Nội| |là| |thủ đô|.",
    "Anh| |có| |xe đạp| |không|?",
    "Chúng tôi| |học| |tiếng Việt|,| |rất| |vui|.",
)
CHINESE = (
    "我们|喜欢|电影|。",
    "他|不|喜欢|北京|。",
    "北京|很|好|,|电影|也|好|!",
    "你|喜欢|吗|?",
)

MODEL: dict[str, Any] = {
    "@architectures": "seqpipe.Tagger.v1",
    "cell": "lstm",
    "embedding": 8,
    "width": 8,
    "layers": 1,
    "bidirectional": True,
    "conv": 0,
    "unit_dropout": 0.0,
    "mark_dropout": 0.0,
    "pairs": 50,
}
CODEC: dict[str, Any] = {"@misc": "seqpipe.Codec.v1", "unit": "char", "min_count": 1}
QUIET = {"punctuation": 0.0, "spaces": 0.0, "paragraphs": 0.0}
RAW: dict[str, Any] = {"nlp": {"tokenizer": {"@tokenizers": "seqpipe.RawText.v1"}}}
ENOUGH = 100  # steps until nothing is said wrongly of the texts learned

# Whatever a str may hold, and more often what makes trouble: white space of every sort, characters
# of no width, marks that combine, text from right to left, astral signs, lone surrogates.
TROUBLE = (
    "  \t\n\r\x0b\x1c\x85\xa0\u2028\u3000\u200b\u200d\ufeff\u0301\u0e33"
    "שלםسلام👍🏽𠀀\ud800\udfff.'ab我"
)
STRINGS = st.text(st.sampled_from(TROUBLE) | st.characters(), max_size=60)


def held(text: str) -> str:
    """The text as spaCy can hold it."""
    return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)


def drawn(sentences: Sequence[str] = ENGLISH, *, count: int = 40, seed: int = 99) -> list[str]:
    """Sentences in an order of their own."""
    return random.Random(seed).choices(sentences, k=count)


def make_doc(
    nlp: Language, sentences: Sequence[str], *, joint: str = " ", known: bool = True
) -> Doc:
    """One running text with its tokens; with the starts of its sentences where they are `known`."""
    tokens = [[part for part in line.split("|") if part != " "] for line in sentences]
    text = joint.join(line.replace("|", "") for line in sentences)
    spans = locate_tokens(text, [token for line in tokens for token in line])
    assert spans is not None
    starts = np.zeros(len(spans), np.bool_)
    starts[np.cumsum([0, *map(len, tokens)])[:-1]] = True
    return doc_of(nlp.vocab, Passage(text, spans, starts if known else None))


def text_of(sentences: Sequence[str] = ENGLISH, *, joint: str = " ", **how: Any) -> str:
    """Running text of the kind that was learned."""
    return joint.join(line.replace("|", "") for line in drawn(sentences, **how))


def make_examples(
    nlp: Language, sentences: Sequence[str] = ENGLISH, *, joint: str = " ", known: bool = True
) -> list[Example]:
    """Running texts of some sentences each; in every other one they are paragraphs."""
    docs = [
        make_doc(nlp, drawn(sentences, count=9, seed=n), joint=part, known=known)
        for n, part in enumerate([joint, "\n\n"] * 3)
    ]
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def blank(*, raw: bool = True) -> Language:
    return spacy.blank("xx", config=RAW if raw else {})


def add_stage(
    nlp: Language, name: str = "tokenizer", *, model: dict[str, Any] | None = None, **config: Any
) -> Tokenizer:
    model = {**MODEL, **(model or {})}
    plain = {"codec": CODEC, "noise": QUIET, "lexicon": False, "device": "cpu"}
    settings = {**plain, "words": 0, "model": model, **config}
    stage = nlp.add_pipe("seqpipe_tokenizer", name=name, config=settings, first=True)
    assert isinstance(stage, Tokenizer)
    return stage


def make_words_nlp(
    steps: int = 0,
    *,
    sentences: Sequence[str] = ENGLISH,
    joint: str = " ",
    known: bool = True,
    raw: bool = True,
    **config: Any,
) -> Language:
    """A pipeline with one stage, initialized and taken so many steps."""
    fix_random_seed(0)
    nlp = blank(raw=raw)
    add_stage(nlp, **config)
    examples = make_examples(nlp, sentences, joint=joint, known=known)
    nlp.initialize(lambda: examples)
    optimizer: Any = Adam(0.03, use_averages=False)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


@cache
def _weights(sentences: tuple[str, ...], joint: str, raw: bool) -> bytes:
    nlp = make_words_nlp(ENOUGH, sentences=sentences, joint=joint, raw=raw)
    return nlp.to_bytes(exclude=["vocab"])


def trained(
    sentences: tuple[str, ...] = ENGLISH, *, joint: str = " ", raw: bool = True, **config: Any
) -> Language:
    """The pipeline with all that there is to learn learned, and a vocabulary that is new; the
    settings may be those that need no other weights."""
    nlp = blank(raw=raw)
    add_stage(nlp, **config)
    nlp.from_bytes(_weights(sentences, joint, raw), exclude=["vocab"])
    return nlp


def words_stage(nlp: Language, name: str = "tokenizer") -> Tokenizer:
    stage = nlp.get_pipe(name)
    assert isinstance(stage, Tokenizer)
    return stage


def any_weights(stage: Tokenizer, seed: int) -> None:
    """A net that says anything."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in stage.shim.net.parameters():
            weight.normal_(generator=chance)


Facts = list[tuple[str, bool, bool]]


def facts_of(doc: Doc) -> Facts:
    """All that the stage has said: each token, whether a space follows, whether it starts."""
    return [(t.text, bool(t.whitespace_), bool(t.is_sent_start)) for t in doc]


def facts_of_all(docs: Iterable[Doc]) -> list[Facts]:
    return [facts_of(doc) for doc in docs]


def tokens_of(doc: Doc) -> list[str]:
    """Those that are not white space."""
    return [token.text for token in doc if not token.is_space]

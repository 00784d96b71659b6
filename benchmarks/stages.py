"""Stages that have learned nothing: where only speed counts, no training is waited for."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import spacy
from spacy.language import Language
from spacy.training import Example

WORDS = 5000  # that texts are made of, the first ones far more often
SEED = 0


def words(count: int = WORDS) -> list[str]:
    """As long as those of English are, all different."""
    chance = random.Random(SEED)
    found: dict[str, None] = {}
    while len(found) < count:
        letters = chance.choices(
            "etaoinshrdlucmfwypvbgkjqxz", range(26, 0, -1), k=chance.randint(2, 8)
        )
        found["".join(letters)] = None
    return list(found)


def texts(count: int, length: int, *, spread: float = 0.3) -> list[str]:
    """Of about so many words, drawn by Zipf's law; always the same."""
    chance, known = random.Random(SEED), words()
    weights = [1 / rank for rank in range(1, len(known) + 1)]
    found = []
    for _ in range(count):
        size = max(1, round(length * chance.uniform(1 - spread, 1 + spread)))
        found.append(" ".join(chance.choices(known, weights, k=size)) + ".")
    return found


def fresh(stage: str, some: Sequence[str], settings: Mapping[str, Any] | None = None) -> Language:
    """A pipeline of one stage that knows the words of some texts, and whose net is random."""
    import torch

    torch.manual_seed(SEED)
    nlp = spacy.blank("xx")
    if stage == "tokenizer":
        nlp.tokenizer = spacy.registry.tokenizers.get("seqpipe.RawText.v1")()(nlp)
    pipe: Any = nlp.add_pipe(f"seqpipe_{stage}", name=stage, config=dict(settings or {}))
    examples = [_example(nlp, stage, text, at) for at, text in enumerate(some)]
    pipe.initialize(lambda: examples, nlp=nlp)
    return nlp


def _example(nlp: Language, stage: str, text: str, at: int) -> Example:
    doc, gold = nlp.make_doc(text), nlp.make_doc(text)
    if stage == "sentiment":
        gold.cats = {"good": float(at % 2), "bad": float(1 - at % 2)}
    if stage == "translator":
        gold._.translation = text
    if stage == "tokenizer":
        cut = text[:-1].split(" ")
        spaces = [True] * (len(cut) - 1) + [False, False]
        gold = spacy.tokens.Doc(nlp.vocab, words=[*cut, "."], spaces=spaces)
        for place, token in enumerate(gold):
            token.is_sent_start = place == 0
    return Example(doc, gold)

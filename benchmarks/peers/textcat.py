"""spaCy's own classifiers as peers, in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

_BAG = {
    "@architectures": "spacy.TextCatBOW.v3",
    "exclusive_classes": True,
    "ngram_size": 1,
    "no_output_layer": False,
    "length": 262144,
}


def train_textcat(
    rows: Sequence[tuple[str, str]],
    *,
    lang: str = "en",
    epochs: int = 100,
    seconds: float = float("inf"),
    bag: bool = False,
) -> Language:
    """`textcat` as it comes, an ensemble, or a bag of words; it ends with the epoch or batch that
    one of the two limits falls into, but not before its first epoch is over."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank(lang)
    nlp.add_pipe("textcat", config={"model": _BAG} if bag else {})
    labels = sorted({label for _, label in rows})
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": {one: float(one == gold) for one in labels}})
        for text, gold in rows
    ]
    optimizer = nlp.initialize(lambda: examples)
    chance = np.random.default_rng(0)
    began = time.process_time()
    for epoch in range(epochs):
        order = [examples[i] for i in chance.permutation(len(examples))]
        for batch in minibatch(order, 32):
            if epoch and time.process_time() - began > seconds:
                return nlp
            nlp.update(batch, sgd=optimizer, drop=0.2)
    return nlp

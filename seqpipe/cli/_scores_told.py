"""What `evaluate` says of scores, on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from seqpipe.cli._table import table

if TYPE_CHECKING:
    from seqpipe.cli.evaluate import Evaluation

_COUNTS = ("characters", "pieces", "words")  # what the bits of texts are divided by

# What a person looks at first, and the key it has in the JSON.
_TITLES = {
    "bits_per_char": "bits per character",
    "perplexity": "perplexity a piece",
    "word_perplexity": "perplexity a word",
    "characters": "characters",
    "pieces": "pieces",
    "words": "words",
    "cats_acc": "accuracy",
    "cats_macro_f": "macro F",
    "cats_answered": "answered",
    "cats_acc_answered": "accuracy of those",
    "cats_ece": "calibration error",
    "cats_ece_raw": "before calibration",
    "cats_ce": "cross-entropy",
    "token_p": "token precision",
    "token_r": "token recall",
    "token_f": "token F",
    "sents_p": "sentence precision",
    "sents_r": "sentence recall",
    "sents_f": "sentence F",
    "bleu": "BLEU",
    "chrf": "chrF",
    "words_per_second": "words per second",
    "characters_per_second": "characters per second",
}


def told_on(model: str, data: str, found: Evaluation) -> str:
    facts = told_scores(found.scores)
    head = f"{model} on {found.documents:,} documents of {data} ({found.split})"
    parts = [head, table(facts, right=[1])]
    if found.signatures:
        parts.append("\n".join(f"{n.partition('_')[0]}: {s}" for n, s in found.signatures.items()))
    if found.labels:
        parts.append(table(told_labels(found), right=[1, 2, 3, 4]))
    return "\n\n".join(parts)


def told_scores(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a person reads of them, by the names that a person has for them."""
    # the precision by another name, and bits per character by another count
    known = {*_TITLES, "token_acc", "char_likelihood"}
    numbers = {name: value for name, value in scores.items() if isinstance(value, Real)}
    others = [n for n in numbers if n not in known and not n.startswith("cats_")]
    names = {name: title for name, title in _TITLES.items() if name in numbers}
    shown = {**{name: name for name in others}, **names}
    return [(title, _number(name, float(numbers[name]))) for name, title in shown.items()]


def told_labels(found: Evaluation) -> list[tuple[str, ...]]:
    """Head and rows of a table, a row a label."""
    rows = [
        (name, *(f"{of[key]:.3f}" for key in "prf"), f"{of['documents']:,}")
        for name, of in found.labels.items()
    ]
    return [("label", "P", "R", "F", "documents"), *rows]


def _number(name: str, value: float) -> str:
    whole = name.endswith("_per_second") or name in _COUNTS
    return f"{value:,.0f}" if whole else f"{value:.4f}"

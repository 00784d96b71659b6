"""How right labels are, and how far the confidence in them can be believed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Dict, Tuple

import numpy as np
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.components._confidence import as_trained, temperatures, thresholds
from seqpipe.text.probabilities import is_soft
from seqpipe.train.calibration import reliability
from seqpipe.train.scores import cross_entropy

_BINS = 15  # of the calibration error, as Guo et al. (2017) have them


def score_sentiment(examples: Iterable[Example], **cfg: Any) -> Dict[str, Any]:
    """spaCy's `score_cats`, the share of right answers, and how far confidences are off: as they
    are, and as they were before they were calibrated."""
    examples = list(examples)
    scores = Scorer.score_cats(
        [_hardened(example, cfg) for example in examples],
        "cats",
        labels=cfg["labels"],
        multi_label=cfg["multi_label"],
        threshold=0.0,
        positive_label=None,
    )
    confidences, before, right = _decisions(examples, cfg)
    scores["cats_acc"] = float(right.mean()) if len(right) else None
    scores["cats_ece"] = _error(confidences, right)
    if any(heat != 1 for heat in temperatures(cfg)):
        scores["cats_ece_raw"] = _error(before, right)
    if least := cfg.get("abstain"):
        answered = confidences >= least
        scores["cats_answered"] = float(answered.mean()) if len(right) else None
        scores["cats_acc_answered"] = float(right[answered].mean()) if answered.any() else None
    soft = any(is_soft(example.reference.cats.values()) for example in examples)
    if soft and not cfg["multi_label"]:
        scores["cats_ce"] = cross_entropy(*_probabilities(examples, cfg["labels"]))
    return scores


def told_of(examples: Iterable[Example], labels: Sequence[str]) -> np.ndarray:
    """What should be said of each (N, C); NaN where nobody tells."""
    gold = [[example.reference.cats.get(n, np.nan) for n in labels] for example in examples]
    return np.array(gold, dtype=np.float64).reshape(len(gold), len(labels))


def _error(confidences: np.ndarray, right: np.ndarray) -> Any:
    return reliability(confidences, right, bins=_BINS).ece if len(right) else None


def _hardened(example: Example, cfg: Mapping[str, Any]) -> Example:
    """As spaCy counts, which knows of no halves and of one threshold for all labels: what is
    likeliest as the one answer, or by how much each label is beyond its own threshold."""
    cats, said = example.reference.cats, example.predicted.cats
    if cfg["multi_label"]:
        gold = {name: float(value >= 0.5) for name, value in cats.items()}
        least = zip(cfg["labels"], thresholds(cfg), strict=True)
        return _of_cats(example, {n: said.get(n, 0.0) - float(t) for n, t in least}, gold)
    if not is_soft(cats.values()):
        return example
    likeliest = max(cats, key=lambda name: cats[name])
    return _of_cats(example, said, {name: float(name == likeliest) for name in cats})


def _of_cats(example: Example, said: Dict[str, float], gold: Dict[str, float]) -> Example:
    predicted, reference = Doc(example.reference.vocab), Doc(example.reference.vocab)
    predicted.cats, reference.cats = said, gold
    return Example(predicted, reference)


def _probabilities(
    examples: Sequence[Example], labels: Sequence[str]
) -> Tuple[np.ndarray, np.ndarray]:
    """What was said (N, C), and what should have been; NaN where nobody tells."""
    pairs = [eg for eg in examples if eg.predicted.cats]
    said = [[eg.predicted.cats.get(n, 0.0) for n in labels] for eg in pairs]
    return np.array(said).reshape(len(pairs), len(labels)), told_of(pairs, labels)


def _decisions(
    examples: Sequence[Example], cfg: Mapping[str, Any]
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How sure the stage was of each decision, how sure it would have been before it was
    calibrated, and whether it was right."""
    said, gold = _probabilities(examples, cfg["labels"])
    if not len(said):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    if not cfg["multi_label"]:
        told = np.nansum(gold, axis=1) > 0
        said, gold = said[told], np.nan_to_num(gold[told])
        right = said.argmax(axis=1) == gold.argmax(axis=1)
        return said.max(axis=1), as_trained(said, cfg).max(axis=1), right
    yes, told = said >= thresholds(cfg), ~np.isnan(gold)
    sure, before = (np.where(yes, p, 1 - p)[told] for p in (said, as_trained(said, cfg)))
    return sure, before, (yes == (gold >= 0.5))[told]

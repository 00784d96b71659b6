"""Scores that spaCy's own scorer does not know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.text.units import SPACELESS

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

_HAN = re.compile("[\u3400-\u9fff]")


def cross_entropy(said: NDArray[Any], gold: NDArray[Any]) -> float | None:
    """In nats, of probabilities (N, C), over the rows that tell anything."""
    told = np.nansum(gold, axis=1) > 0
    if not told.any():
        return None
    gold = np.nan_to_num(gold[told])
    gold = gold / gold.sum(axis=1, keepdims=True)
    return float(-(gold * np.log(np.clip(said[told], 1e-7, 1.0))).sum(axis=1).mean())


@dataclass(slots=True)
class SpanCounts:
    """Spans that two sides share, of how many on each."""

    gold: int = 0
    said: int = 0
    shared: int = 0

    def add(self, gold: NDArray[np.int64], said: NDArray[np.int64]) -> None:
        """Spans (N, 2) and (M, 2) of one text; those that begin and end together are shared."""
        self.gold += len(gold)
        self.said += len(said)
        self.shared += len(set(map(tuple, gold.tolist())) & set(map(tuple, said.tolist())))

    def scores(self, name: str) -> dict[str, float | None]:
        """Precision, recall and F; nothing where no text had such spans."""
        if not self.gold:
            return dict.fromkeys([f"{name}_p", f"{name}_r", f"{name}_f"])
        return {
            f"{name}_p": self.shared / max(self.said, 1),
            f"{name}_r": self.shared / self.gold,
            f"{name}_f": 2 * self.shared / (self.gold + self.said),
        }


def score_texts(
    said: Sequence[str], gold: Sequence[str], *, tokenize: str, lowercase: bool
) -> dict[str, float | str | None]:
    """BLEU (Papineni et al. 2002) and chrF (Popovic 2015) between 0 and 1, with the signatures by
    which sacrebleu says how they were counted (Post 2018); nothing where there is no text."""
    if not gold:
        return {"bleu": None, "chrf": None}
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    if tokenize == "auto":
        tokenize = _tokenize_like(gold)
    if tokenize not in BLEU.TOKENIZERS:
        raise SettingError("tokenize", tokenize, f"auto or one of {', '.join(BLEU.TOKENIZERS)}")
    bleu, chrf = BLEU(tokenize=tokenize, lowercase=lowercase), CHRF(lowercase=lowercase)
    found = {"bleu": bleu, "chrf": chrf}
    # of equal texts the logarithms sum up to a little more than all
    scores = {n: min(one.corpus_score(said, [gold]).score / 100, 1.0) for n, one in found.items()}
    signatures = {f"{n}_signature": str(one.get_signature()) for n, one in found.items()}
    return {**scores, **signatures}


def sentence_chrf(said: str, gold: str) -> float:
    """chrF of one text by itself."""
    return min(float(_chrf().sentence_score(said, [gold]).score) / 100, 1.0)


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _tokenize_like(texts: Sequence[str]) -> str:
    """sacrebleu's way for the script of the texts: those without spaces have no words to count."""
    letters = [letter for text in texts for letter in text if letter.isalpha()]
    spaceless = sum(map(bool, map(SPACELESS.match, letters)))
    if 2 * spaceless <= len(letters):
        return "13a"
    han = sum(map(bool, map(_HAN.match, letters)))
    return "zh" if han > 0.9 * spaceless else "char"  # Japanese and Thai are more than Han

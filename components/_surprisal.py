"""What each piece of a text costs, added up over tokens, and scored over documents."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry

from seqpipe.text.codec import Codec


@dataclass(frozen=True)
class Costs:
    """The bits of the pieces of a text, and where each piece stands in it."""

    bits: np.ndarray  # (S,)
    offsets: np.ndarray  # (S, 2), in characters

    @property
    def total(self) -> float:
        return float(self.bits.sum())

    def perplexity(self) -> Optional[float]:
        """Of a piece; none of an empty text."""
        return float(2 ** self.bits.mean()) if len(self.bits) else None


def costs_of(codec: Codec, text: str, nats: np.ndarray) -> Costs:
    if codec.unit == "char":
        starts = np.arange(len(text))
        offsets = np.stack([starts, starts + 1], axis=1)
    else:
        offsets = codec.align(text).offsets
    return Costs(nats / math.log(2), offsets)


def bits_of_tokens(doc: Doc, costs: Costs) -> np.ndarray:
    """The bits of each token (T,), which add up to those of the text.

    A piece counts for the token in which its first character stands that is no white space, and a
    piece of white space alone for the token before it, or for the first where there is none.
    """
    found = np.zeros(len(doc))
    if not len(doc):
        return found
    text = doc.text
    visible = np.array([not c.isspace() for c in text])
    # from each place the next that is no white space
    ahead = np.minimum.accumulate(np.where(visible, np.arange(len(text)), len(text))[::-1])[::-1]
    starts, ends = costs.offsets.T
    first = ahead[np.minimum(starts, max(len(text) - 1, 0))]
    place = np.where(first < ends, first, starts)
    begins = np.array([token.idx for token in doc])
    token = np.maximum(np.searchsorted(begins, place, side="right") - 1, 0)
    np.add.at(found, token, costs.bits)
    return found


def unusual_spans(doc: Doc, bits: np.ndarray, threshold: float) -> List[Span]:
    """Stretches of tokens each of which costs more."""
    found: List[Span] = []
    begin: Optional[int] = None
    for i, high in enumerate([*(bits > threshold).tolist(), False]):
        if high and begin is None:
            begin = i
        elif not high and begin is not None:
            found.append(Span(doc, begin, i, label="unusual"))
            begin = None
    return found


Counted = Tuple[float, int]  # the bits of a text, and how many pieces it has


def score_surprisal(
    examples: Iterable[Example], *, counted: Callable[[Doc], Optional[Counted]]
) -> Dict[str, Any]:
    """How well texts were foretold: `bits_per_char`; `perplexity` a piece and `word_perplexity` a
    token that is no white space; and `char_likelihood`, which grows as the others shrink."""
    bits, pieces, chars, words = 0.0, 0, 0, 0
    for example in examples:
        doc = example.predicted
        found = counted(doc)
        if found is not None:
            bits += found[0]
            pieces += found[1]
            chars += len(doc.text)
            words += sum(not token.is_space for token in doc)
    if not chars:
        return dict.fromkeys(("bits_per_char", "perplexity", "word_perplexity", "char_likelihood"))
    return {
        "bits_per_char": bits / chars,
        "perplexity": _power(bits / pieces),
        "word_perplexity": _power(bits / words) if words else None,
        "char_likelihood": 2 ** (-bits / chars),
        "pieces": pieces,
        "characters": chars,
        "words": words,
    }


def _power(bits: float) -> float:
    return 2.0**bits if bits < 1000 else math.inf


@registry.scorers("seqpipe.surprisal_scorer.v1")
def make_surprisal_scorer() -> Callable[..., Dict[str, Any]]:
    return score_surprisal

"""What each piece of a text costs, added up over tokens, and scored over documents."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from spacy.tokens import Doc, Span, Token
from spacy.training import Example
from spacy.util import registry

from seqpipe.components._stage import set_extension
from seqpipe.text.codec import Codec


@dataclass(frozen=True)
class Names:
    """Under which names a doc, its tokens and its spans hold what is found; none leaves it out."""

    generated: str
    perplexity: str
    bits_per_char: str
    surprisal: str
    unusual: str

    def only(self, fields: Collection[str]) -> "Names":
        """Those of fields of a doc that are wanted."""
        wanted = {*fields, *(name.removesuffix("_nbest") for name in fields)}
        return Names(**{key: name if name in wanted else "" for key, name in asdict(self).items()})

    def register(self) -> None:
        """Registers the extensions."""
        for field in (self.generated, self.perplexity, self.bits_per_char):
            if field:
                set_extension(field)
        if self.generated:
            set_extension(f"{self.generated}_nbest")
        name = self.surprisal
        if name:
            set_extension(name, Doc, Token)
        if name and not Span.has_extension(name):  # that of a span is that of its tokens
            Span.set_extension(name, getter=partial(_sum_of, name))  # workers are sent it pickled


def _sum_of(name: str, span: Span) -> float:
    return sum(token._.get(name) or 0.0 for token in span)


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
        return _power(float(self.bits.mean())) if len(self.bits) else None


def costs_of(codec: Codec, text: str, nats: np.ndarray) -> Costs:
    if codec.unit == "char":
        starts = np.arange(len(text), dtype=np.int32)
        offsets = np.stack([starts, starts + 1], axis=1)
    else:
        offsets = codec.align(text).offsets
    return Costs(nats / math.log(2), offsets)


def bits_of_tokens(doc: Doc, costs: Costs) -> np.ndarray:
    """The bits of each token (T,), which add up to those of the text.

    A piece counts for the token in which its first character stands that is no white space, and a
    piece of white space alone for the token that it begins in, or else for the one before it.
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


def counted_in(doc: Doc, *, name: str, codec: Codec) -> Optional[Counted]:
    """By the bits per character that a doc holds under a name, if it does."""
    bits = doc._.get(name) if name else None
    return None if bits is None else (bits * len(doc.text), len(codec.encode([doc.text])[0]))


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


def _power(bits: float) -> Optional[float]:
    """None beyond what a number can hold, as of words where no spaces are."""
    return 2.0**bits if bits < 1000 else None


@registry.scorers("seqpipe.surprisal_scorer.v1")
def make_surprisal_scorer() -> Callable[..., Dict[str, Any]]:
    return score_surprisal

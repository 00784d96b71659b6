"""How sure a search was of each word that it wrote."""

import math
from typing import List, Tuple
from unicodedata import category

from seqpipe.search.state import Found
from seqpipe.text.codec import Spelled
from seqpipe.text.units import SPACELESS, SPECIALS


def certainties(written: Spelled, found: Found) -> List[Tuple[int, int, float]]:
    """Where each word begins and ends, and the probability that the net gave it there.

    It is the product over its pieces, and so the probability of the word behind those before it,
    however many pieces it takes; those of all words and of the end make up that of the text. The
    least of its pieces would say how sure the net was at its worst moment, which is more the longer
    a word is cut up. A space belongs to the word behind it, a sign is a word, and where no spaces
    are set each piece is.
    """
    words: List[Tuple[int, int, float]] = []
    before = 0.0  # of pieces that nothing is seen of yet, such as the first bytes of a character
    for token, (first, last), gained in zip(
        found.tokens, written.offsets.tolist(), found.each, strict=True
    ):
        if not written.text[first:last].strip():
            before += gained if token >= len(SPECIALS) else 0.0
            continue
        gained, before = gained + before, 0.0
        if words and _goes_on(written.text, words[-1][1], first):
            start, _, gained_before = words.pop()
            words.append((start, last, gained_before + gained))
        else:
            words.append((first, last, gained))
    return [(start, end, math.exp(gained)) for start, end, gained in words]


def _goes_on(text: str, end: int, start: int) -> bool:
    """Whether one word lies on both sides of where a piece ends and another begins."""
    return end == start and _in_words(text[start - 1]) and _in_words(text[start])


def _in_words(sign: str) -> bool:
    letter = sign.isalnum() or category(sign).startswith("M")
    return letter and not SPACELESS.match(sign)

"""What became of a text, put together from what became of its parts, and how good it is."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from spacy.training import Example
from spacy.util import registry

from seqpipe.components._certainty import certainties
from seqpipe.components._protection import Masked
from seqpipe.components._units import Unit
from seqpipe.search.state import Found
from seqpipe.text.codec import UNK, Codec
from seqpipe.train.scores import score_texts


@dataclass(frozen=True)
class Source:
    """A stretch of a doc that is one row for the net."""

    unit: Unit  # what it is a part of
    start: int  # in the doc's text
    end: int
    masked: Masked


@dataclass(frozen=True)
class Translation:
    """What became of a text.

    A line of the alignment says where a piece of it comes from, in characters, and how much of the
    attention lay there: source start, source end, target start, target end, weight. A line of the
    words says where one stands, and its probability behind those before it: start, end, number.
    """

    text: str
    score: float  # the logarithm of its probability
    alignment: List[List[float]]
    words: List[List[float]]


def joined(
    text: str, start: int, end: int, parts: Sequence[Tuple[Source, List[Translation]]]
) -> List[Translation]:
    """The translations of parts with the text between them as it was, the n-th of each together."""
    count = min((len(found) for _, found in parts), default=1)
    return [
        _together(text, start, end, [(s, found[n]) for s, found in parts]) for n in range(count)
    ]


def _together(
    text: str, start: int, end: int, parts: Sequence[Tuple[Source, Translation]]
) -> Translation:
    pieces: List[str] = []
    lines: List[List[float]] = []
    words: List[List[float]] = []
    at, length = start, 0
    for source, one in parts:
        pieces.append(text[at : source.start])
        length += source.start - at
        for a, b, c, d, weight in one.alignment:
            lines.append([a + source.start, b + source.start, c + length, d + length, weight])
        words += [[a + length, b + length, chance] for a, b, chance in one.words]
        pieces.append(one.text)
        length += len(one.text)
        at = source.end
    score = sum(one.score for _, one in parts)
    return Translation("".join([*pieces, text[at:end]]), score, lines, words)


def best_places(found: Found, places: int) -> Optional[np.ndarray]:
    """Which piece of the source each piece was told from; the end of the source is none."""
    if found.attention is None or not places or not len(found.tokens):
        return None
    best: np.ndarray = found.attention[:, :places].argmax(axis=1)
    return best


def bare(text: str, start: int, end: int) -> Tuple[int, int]:
    """Without the space that a piece of bytes begins with."""
    part = text[start:end]
    return start + (len(part) - len(part.lstrip()) if part.strip() else 0), end


def spelled(
    codec: Codec,
    masked: Masked,
    offsets: np.ndarray,
    found: Found,
    *,
    copying: bool,
    aligning: bool,
) -> Translation:
    """The text of what was found for a source whose pieces stand at `offsets` (S, 2)."""
    looked = best_places(found, len(offsets))
    unknown = None
    if copying and looked is not None and UNK in found.tokens:
        unknown = [masked.text[a:b].strip() for a, b in offsets[looked].tolist()]
    written = codec.spell(found.tokens, unknown)
    text, moved = masked.restored(written.text)
    words = [
        [int(moved[a]), int(moved[b]), round(chance, 4)]
        for a, b, chance in certainties(written, found)
        if moved[a] < moved[b]
    ]
    if looked is None or not aligning:
        return Translation(text, found.score, [], words)
    lines: List[List[float]] = []
    weights = np.take_along_axis(found.attention, looked[:, None], axis=1)[:, 0].tolist()
    for place, (first, last), weight in zip(
        looked.tolist(), written.offsets.tolist(), weights, strict=True
    ):
        start, end = bare(masked.text, *offsets[place].tolist())
        if first < last:
            ends = [masked.origin[start], masked.origin[end], moved[first], moved[last]]
            lines.append([*map(int, ends), round(weight, 4)])
    return Translation(text, found.score, lines, words)


@registry.scorers("seqpipe.translation_scorer.v1")
def make_translation_scorer(
    tokenize: str = "auto", lowercase: bool = False
) -> Callable[..., Dict[str, Any]]:
    """BLEU and chrF by sacrebleu; `tokenize` is one of its tokenizers, or `auto`."""
    return partial(score_translations, tokenize=tokenize, lowercase=lowercase)


def score_translations(
    examples: Iterable[Example], *, extension: str, tokenize: str, lowercase: bool
) -> Dict[str, Any]:
    """Of the docs whose reference has a translation."""
    pairs = [
        (eg.predicted._.get(extension) or "", eg.reference._.get(extension))
        for eg in examples
        if isinstance(eg.reference._.get(extension), str)
    ]
    return score_texts(
        [said for said, _ in pairs],
        [gold for _, gold in pairs],
        tokenize=tokenize,
        lowercase=lowercase,
    )

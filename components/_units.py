"""What of a doc is translated as one: itself, its sentences, its tokens, the spans of a group."""

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

import numpy as np
from spacy.tokens import Doc, Span, Token

from seqpipe.errors import SentencesMissing, SettingError

DOC, SENT, TOKEN, SPANS = "doc", "sent", "token", "spans:"


@dataclass(frozen=True)
class Unit:
    """A stretch of a doc's text, `end` exclusive, with what it is (`at`), or a doc's own part."""

    start: int
    end: int
    at: Any = None  # the Span or Token whose extension is written


def check_unit(unit: str) -> str:
    if unit in (DOC, SENT, TOKEN) or (unit.startswith(SPANS) and len(unit) > len(SPANS)):
        return unit
    raise SettingError("unit", unit, "'doc', 'sent', 'token' or 'spans:NAME' of a span group")


def units_of(doc: Doc, text: str, unit: str, stage: Optional[str]) -> List[Unit]:
    """In the order of the doc's text; what holds nothing but spaces is left as it is. A `stage` of
    that name needs the sentences that it asks for."""
    if unit == DOC:
        found = [Unit(0, len(text))]
    elif unit == SENT:
        known = doc.has_annotation("SENT_START")
        if stage is not None and len(doc) and not known:
            raise SentencesMissing(stage)
        sentences = doc.sents if known else ()
        found = [Unit(sent.start_char, sent.end_char, sent) for sent in sentences]
    elif unit == TOKEN:
        found = [Unit(token.idx, token.idx + len(token), token) for token in doc]
    else:
        spans = doc.spans.get(unit[len(SPANS) :], ())
        found = [Unit(span.start_char, span.end_char, span) for span in spans]
    return [trimmed for one in found if (trimmed := _trimmed(text, one)).end > trimmed.start]


def _trimmed(text: str, unit: Unit) -> Unit:
    """Without the spaces at its ends."""
    part = text[unit.start : unit.end]
    start = unit.start + len(part) - len(part.lstrip())
    return Unit(start, max(start, unit.start + len(part.rstrip())), unit.at)


def golds_of(doc: Doc, text: str, unit: str, name: str) -> List[Tuple[int, int, str]]:
    """Where each unit of a reference begins and ends that says what becomes of it, and what; or
    else the doc."""
    units = [(one, _gold_of(one, name)) for one in units_of(doc, text, unit, None)]
    found = [(one.start, one.end, gold) for one, gold in units if gold is not None]
    whole = doc._.get(name)
    return [(0, len(text), whole)] if not found and isinstance(whole, str) else found


def _gold_of(unit: Unit, name: str) -> Optional[str]:
    """What stands in the reference for this unit alone."""
    value = unit.at._.get(name) if isinstance(unit.at, (Span, Token)) else None
    return value if isinstance(value, str) else None


def split_long(text: str, offsets: np.ndarray, most: int) -> List[Tuple[int, int]]:
    """Stretches of at most so many pieces, cut behind a sentence or at a space where there is one
    in the second half of a stretch; spaces at the cuts belong to none."""
    # no cut within a character of several pieces
    whole = np.append(np.flatnonzero(offsets[1:, 0] >= offsets[:-1, 1]) + 1, len(offsets))
    found, first = [], 0
    while first < len(offsets):
        last = min(first + most, len(offsets))
        if last < len(offsets):
            low, high = np.searchsorted(whole, [first + 1, last + 1])
            last = _best_cut(text, offsets, whole[low:high]) if low < high else int(whole[low])
        start, end = int(offsets[first][0]), int(offsets[last - 1][1])
        part = text[start:end]
        start += len(part) - len(part.lstrip())
        if part.strip():
            found.append((start, start + len(part.strip())))
        first = last
    return found


def _best_cut(text: str, offsets: np.ndarray, places: np.ndarray) -> int:
    at_space = last = int(places[-1])
    for place in reversed(places[len(places) // 2 :].tolist()):
        start = int(offsets[place][0])
        before, here = text[max(start - 1, 0) : start], text[start : start + 1]
        if before and (before in "。！？" or (before in ".!?" and here.isspace())):
            return int(place)
        if at_space == last and (here.isspace() or before.isspace()):
            at_space = int(place)
    return at_space

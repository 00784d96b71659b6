"""Tokens and sentences: which boundaries were missed, which were invented, and around what."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.explain.html import marked, section, shown
from seqpipe.explain.report.kept import Lengths, Room
from seqpipe.explain.report.parts import card, cards, heading, side

_AROUND = 30  # characters to each side of a boundary
_CONTEXTS = 3  # of one mistake
_NAMED = 20  # characters of what stands on one side of it
_BAR = "|"
_LINES = re.compile(r"[^\S\n]*\n\s*")

Spans = Mapping[int, int]  # where each token begins and ends, in their order


class Mistakes:
    """Of one kind, by what they cut or run together, with some of the places where they were
    made."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._contexts: dict[str, list[tuple[str, str]]] = {}

    def add(self, text: str, place: int, begin: int, end: int) -> None:
        """At a place in a text, in what reaches from `begin` to `end`."""
        before = text[max(begin, place - _NAMED, 0) : place].lstrip()
        behind = text[place : min(end, place + _NAMED)].rstrip()
        name = _in_a_line(f"{before}{_BAR}{behind}")
        self._counts[name] += 1
        contexts = self._contexts.setdefault(name, [])
        if len(contexts) < _CONTEXTS:
            before, behind = text[max(place - _AROUND, 0) : place], text[place : place + _AROUND]
            contexts.append((_in_a_line(before), _in_a_line(behind)))

    def __bool__(self) -> bool:
        return bool(self._counts)

    def markup(self, kind: str, room: Room) -> str:
        """The most frequent first."""
        if not self:
            return heading(f"{kind}: none")
        kinds = self._counts.most_common(room.rows)
        some = f", the {len(kinds):,} most frequent of {len(self._counts):,} kinds"
        told = f"{kind}: {self._counts.total():,}{some * (len(kinds) < len(self._counts))}"
        return heading(told) + cards(self._card(*each) for each in kinds)

    def _card(self, name: str, count: int) -> str:
        bar = marked(_BAR, depth=1.0, kind="look", title="here")
        contexts = [side("", shown(a) + bar + shown(b)) for a, b in self._contexts[name]]
        return card(f"{name}  {'once' if count == 1 else f'{count:,} times'}", contexts)


class BoundaryFindings:
    """A boundary is a place where a token, or a sentence, begins."""

    def __init__(self) -> None:
        self._missed, self._invented = Mistakes(), Mistakes()
        self._ran_on, self._broken = Mistakes(), Mistakes()
        self._lengths = Lengths()
        self._count = self._found = 0

    def add(self, example: Example) -> None:
        text = example.reference.text
        gold, said = _tokens(example.reference), _tokens(example.predicted)
        for mistakes, ours, others in (
            (self._missed, gold, said),
            (self._invented, said, gold),
        ):
            begins = [*others]
            for place in sorted(ours.keys() - others.keys()):
                mistakes.add(text, place, *_around(others, begins, place))
        found = len(gold.items() & said.items())
        self._count += len(gold)
        self._found += found
        if gold:
            self._lengths.add(len(text), 1 - found / len(gold))
        self._add_sentences(text, _sentences(example.reference), _sentences(example.predicted))

    def _add_sentences(self, text: str, gold: Spans, said: Spans) -> None:
        if not gold or not said:
            return
        for place in sorted(gold.keys() - said.keys()):
            self._ran_on.add(text, place, place - _NAMED, gold[place])
        for place in sorted(said.keys() - gold.keys()):
            self._broken.add(text, place, place - _NAMED, said[place])

    def sections(self, room: Room) -> Iterator[str]:
        if not self._count:
            return
        told = (
            f"{self._found:,} of {self._count:,} tokens begin and end where they should. A bar "
            "stands where a boundary was missed or invented, in the token that it cuts."
        )
        found = [self._missed.markup("Missed", room), self._invented.markup("Invented", room)]
        yield section("Boundaries of tokens", told, found)
        if self._ran_on or self._broken:
            told = "A bar stands where a sentence begins and none was found, or where none does."
            found = [self._ran_on.markup("Missed", room), self._broken.markup("Invented", room)]
            yield section("Boundaries of sentences", told, found)
        yield from self._lengths.sections("Lost tokens by length", "share of tokens not found")


def _in_a_line(text: str) -> str:
    return _LINES.sub("↵", text)


def _tokens(doc: Doc) -> dict[int, int]:
    """Where each begins and ends that is not white space."""
    return {token.idx: token.idx + len(token) for token in doc if not token.is_space}


def _sentences(doc: Doc) -> dict[int, int]:
    """Where the first token of each begins and ends; nothing where nobody has looked for any."""
    if len(doc) < 2 or not doc.has_annotation("SENT_START"):
        return {}
    found, begun = {}, False
    for token in doc:
        begun = begun or bool(token.is_sent_start)
        if begun and not token.is_space:  # white space begins none
            found[token.idx] = token.idx + len(token)
            begun = False
    return found


def _around(spans: Spans, begins: Sequence[int], place: int) -> tuple[int, int]:
    """The token in which a place lies; where in none, some characters."""
    at = bisect_right(begins, place) - 1
    if at >= 0 and spans[begins[at]] > place:
        return begins[at], spans[begins[at]]
    return max(place - _NAMED, 0), place + _NAMED

"""Where a long text may be cut: never within what a reader takes for one character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from unicodedata import category

_JOINER = "\u200d"  # what it stands between is one emoji


class Part(NamedTuple):
    """A piece of a text, and whether the next piece goes on with the same text."""

    text: str
    continues: bool


def parted(pieces: Iterable[str], longest: int) -> Iterator[Part]:
    """One text in parts of at most so many characters, of any length in constant memory.

    The parts put together are the text; where they are cut does not depend on its pieces.
    """
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > longest:
            text, start = "".join(held), 0
            while size - start > longest:
                end = cut_in(text, start + longest // 2, start + longest)
                yield Part(text[start:end], True)
                start = end
            held, size = [text[start:]], size - start
    if size:
        yield Part("".join(held), False)


def side_of(pieces: Iterable[str], *, length: int, share: float, inside: bool) -> Iterator[str]:
    """A text without its last share, or that share: a little more, where it is cut well there."""
    most = min(max(length - round(share * length), 1), length - 1)
    first = max(most - (length - most) // 2, 0)
    passed, cut = 0, length
    for piece in pieces:
        behind = passed + len(piece)
        if cut == length and behind > most:
            within = cut_in(piece, max(first - passed, 0), most - passed)
            cut = passed if passed > first else passed + within
        here = min(max(cut - passed, 0), len(piece))
        yield piece[here:] if inside else piece[:here]
        passed = behind


def cut_in(text: str, first: int, most: int) -> int:
    """A place in `first < place <= most`: behind a line end, else behind a space, else anywhere.

    `most` lies within the text; it is the place where there is no better one.
    """
    if (end := text.rfind("\n", first, most)) >= 0:
        return end + 1
    places = range(most, first, -1)
    spaces = (p for p in places if text[p - 1].isspace() and not _are_one(text, p))
    space = next(spaces, None)
    return space or next((p for p in places if not _are_one(text, p)), most)


def _are_one(text: str, place: int) -> bool:
    """Whether the characters before and behind make one sign: `e` and its accent, two of a flag."""
    before, behind = text[place - 1], text[place]
    return (
        category(behind).startswith("M")
        or _JOINER in (before, behind)
        or (before == "\r" and behind == "\n")
        or "\U0001f3fb" <= behind <= "\U0001f3ff"  # the colour of a skin
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= behind <= "\udfff")
        or (_is_flag(before) and _is_flag(behind))
    )


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"

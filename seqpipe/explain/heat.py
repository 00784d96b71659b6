"""The style states: hidden units over a text, as rows of bars under its characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from seqpipe.explain.html import shown, signed
from seqpipe.explain.stages import STATES
from seqpipe.explain.view import View, found_in, spans_of

_ACROSS = 40  # columns of a strip, as many as a narrow window shows
_COLUMN, _ROW, _LINE = 10, 14, 22  # sizes of a column, of the row of a unit, of the line of text
_MARGIN = 24  # for the numbers of the rows
_STEPS = 4  # heights of a bar: more cannot be told apart

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Strip:
    """Some pieces side by side, and where each begins, in columns."""

    text: str
    words: Sequence[tuple[str, int, int]]  # text, first column, width
    steps: NDArray[np.int64]  # (pieces, units), from -_STEPS to _STEPS
    width: int


def states(doc: Doc) -> View:
    """How some units of the net change from piece to piece."""
    found = found_in(doc, "states", STATES)
    units, words = found["units"], _apart(found["words"])
    values = np.array([word["values"] for word in words]).reshape(len(words), len(units))
    strips = [*_strips(doc.text, spans_of(words), _stepped(values))]
    right_to_left = _right_to_left(doc.text)
    drawn = "\n".join(_drawn(strip, right_to_left=right_to_left) for strip in strips)
    tied = any(unit["ties"] for unit in units)
    return View(
        heading=f"{len(units)} of {found['of']:,} units",
        told="Each row is a unit of the net, each bar its state when the piece above has been "
        "read: blue and upwards above zero, orange and downwards below. "
        + (_FOUND if tied else _LIVELY),
        body=f'<div class="strips">{drawn}</div>',
        caption="The units",
        head=["row", "tied to", "found", "held out", "layer, way, unit"],
        rows=[row for at, unit in enumerate(units, 1) for row in _told(at, unit)],
    )


def _apart(words: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of pieces that are parts of one character the last, which ends it."""
    ends = [*(word["start"] for word in words[1:]), None]
    return [
        word
        for word, after in zip(words, ends, strict=False)
        if word["start"] < word["end"] and (after is None or after >= word["end"])
    ]


_FOUND = (
    "Units that are tied to something are those of the highest correlation with it in one half of "
    "what was read. With so many to choose from, the best looks good by chance as well: what is "
    "left of it in the other half stands beside it."
)
_LIVELY = "The text is too short to tie units to anything: these change most."


def _told(row: int, unit: dict[str, Any]) -> Iterator[list[str]]:
    """A row of the table for each thing that it is tied to."""
    name = f"{unit['layer']}, {unit['way']}, {unit['unit']}"
    for tie in unit["ties"]:
        yield [str(row), tie["feature"], signed(tie["found"]), signed(tie["held_out"]), name]
    if not unit["ties"]:
        yield [str(row), "", "", "", name]


def _stepped(values: Values) -> NDArray[np.int64]:
    """Heights of bars, the largest of each unit the highest."""
    most = np.abs(values).max(axis=0, initial=1e-9)
    found: NDArray[np.int64] = np.rint(values / most * _STEPS).astype(np.int64)
    return found


def _strips(
    text: str, spans: Sequence[tuple[int, int]], steps: NDArray[np.int64]
) -> Iterator[_Strip]:
    """The text cut where a strip is full, or a line ends when it is half full."""
    columns = np.append(0, np.cumsum([_columns(sign) for sign in text])).astype(int).tolist()
    first, left = 0, 0
    for at, (begin, end) in enumerate(spans):
        full = columns[end] - columns[left] > _ACROSS
        line = "\n" in text[left:begin] and columns[begin] - columns[left] > _ACROSS // 2
        if at > first and (full or line):
            yield _strip(text, spans[first:at], steps[first:at], columns)
            first, left = at, begin
    if len(spans) > first:
        yield _strip(text, spans[first:], steps[first:], columns)


def _strip(
    text: str,
    spans: Sequence[tuple[int, int]],
    steps: NDArray[np.int64],
    columns: Sequence[int],
) -> _Strip:
    left, last = spans[0][0], max(end for _, end in spans)
    words = [
        (text[begin:end], columns[begin] - columns[left], columns[end] - columns[begin])
        for begin, end in spans
    ]
    return _Strip(text[left:last], words, steps, max(columns[last] - columns[left], 1))


def _columns(sign: str) -> int:
    """How many columns a character takes."""
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in ("W", "F") else 1


def _right_to_left(text: str) -> bool:
    """By the first letter that has a direction, as a browser has it."""
    ways = (unicodedata.bidirectional(sign) for sign in text)
    return next((way for way in ways if way in ("L", "R", "AL")), "L") != "L"


def _drawn(strip: _Strip, *, right_to_left: bool) -> str:
    width, height = strip.width * _COLUMN + _MARGIN, _LINE + len(strip.steps[0]) * _ROW

    def left(column: int, wide: int) -> int:
        return _MARGIN + _COLUMN * (strip.width - column - wide if right_to_left else column)

    letters = "".join(
        f'<text x="{left(column, wide)}" y="15"{_fitted(part, wide)}>{shown(part)}</text>'
        for part, column, wide in _letters(strip)
    )
    numbers = "".join(
        f'<text class="row" x="{_MARGIN - 6}" y="{_LINE + (row + 1) * _ROW - 3}">{row + 1}</text>'
        for row in range(len(strip.steps[0]))
    )
    return (
        f'<svg role="img" aria-label="{shown("units over: " + " ".join(strip.text.split()))}" '
        f'viewBox="0 0 {width} {height}" style="width:{width / 16:.2f}rem">'
        f"{numbers}{letters}{_bars(strip, left)}</svg>"
    )


def _bars(strip: _Strip, left: Any) -> str:
    """One path for each height, up or down."""
    paths: dict[int, list[str]] = {}
    begins = [*(column for _, column, _ in strip.words), strip.width]
    for row, steps in enumerate(strip.steps.T.tolist()):
        middle = _LINE + row * _ROW + _ROW // 2
        for step, run in groupby(zip(steps, begins, begins[1:]), key=lambda cell: cell[0]):  # noqa: B905 - of one length by their making
            if not step:
                continue
            cells = [*run]
            first, wide = cells[0][1], cells[-1][2] - cells[0][1]
            # of a row of 14 seven are above the middle, one of which stays free
            high = -round(1.5 * step)
            paths.setdefault(step, []).append(
                f"M{left(first, wide)} {middle}h{wide * _COLUMN}v{high}h-{wide * _COLUMN}z"
            )
    return "".join(
        f'<path class="{"up" if step > 0 else "down"}" d="{"".join(parts)}" '
        f'fill-opacity="{0.25 + 0.75 * abs(step) / _STEPS:.2f}"/>'
        for step, parts in sorted(paths.items())
    )


def _letters(strip: _Strip) -> Iterator[tuple[str, int, int]]:
    """What stands in the line of text: parts without space or wide signs as a whole, since letters
    of some scripts join."""
    for text, column, _ in _runs(strip):
        begun = 0
        for _, run in groupby(text, key=lambda sign: 2 if _columns(sign) == 2 else sign.isspace()):
            part = "".join(run)
            wide = sum(map(_columns, part))
            if _columns(part[0]) == 2:
                at = 0
                for sign in part:
                    yield sign, column + begun + at, _columns(sign)
                    at += _columns(sign)
            elif not part.isspace():
                yield part, column + begun, wide
            elif "\n" in part:
                yield "↵", column + begun + part.index("\n"), 1
            begun += wide


def _runs(strip: _Strip) -> Iterator[tuple[str, int, int]]:
    """Pieces that stand side by side, as one."""
    held: tuple[str, int, int] | None = None
    for text, column, wide in strip.words:
        if held is not None and held[1] + held[2] == column:
            held = held[0] + text, held[1], held[2] + wide
            continue
        if held is not None:
            yield held
        held = text, column, wide
    if held is not None:
        yield held


def _fitted(part: str, wide: int) -> str:
    """So many columns wide, whatever font a reader has."""
    return f' textLength="{wide * _COLUMN}"' if len(part) > 1 and wide else ""

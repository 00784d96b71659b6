"""Columns that line up, Chinese ones too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import combining, east_asian_width


def table(rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Cells as lines of columns; those named by `right` lean to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(
            _filled(cell, widths[place], lean=place in right) for place, cell in enumerate(row)
        )
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def width(text: str) -> int:
    """Places that a text takes on a terminal, where a Chinese character takes two."""
    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def clipped(text: str, most: int) -> str:
    """One line of at most so many places."""
    text = " ".join(text.split())
    if width(text) <= most:
        return text
    while width(text) > most - 1:
        text = text[:-1]
    return text + "…"


def _filled(cell: str, to: int, *, lean: bool) -> str:
    blank = " " * (to - width(cell))
    return blank + cell if lean else cell + blank

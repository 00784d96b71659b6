"""A text as an array of characters: which are white space, and of what kind each is.

Kinds are for characters that training has not seen as much as for those it has: a kind is a script
and a class, such as a Han letter, a Latin capital, a digit, a closing bracket.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

_CLASSES = {
    "Lu": 0, "Lt": 0, "Ll": 1, "Lo": 2, "Lm": 2, "Mn": 3, "Mc": 3, "Me": 3,
    "Nd": 4, "Nl": 4, "No": 4, "Pd": 5, "Ps": 6, "Pi": 6, "Pe": 7, "Pf": 7,
    "Pc": 8, "Po": 8, "Sm": 9, "Sk": 9, "Sc": 10, "So": 11, "Zs": 12, "Zl": 13, "Zp": 13,
}  # fmt: skip
_OTHER = 14  # controls, unassigned, surrogates
_LINE = 13
_LETTERS = 3  # of the classes above: capital, small, without case

# The scripts that split or join words each in their way; all others are one.
_SCRIPTS = [
    (0x0000, "latin"), (0x0370, "greek"), (0x0400, "cyrillic"), (0x0530, "other"),
    (0x0590, "hebrew"), (0x0600, "arabic"), (0x0780, "other"), (0x0900, "indic"),
    (0x0E00, "thai"), (0x0F00, "other"), (0x1000, "thai"), (0x10A0, "other"),
    (0x1100, "hangul"), (0x1200, "other"), (0x1780, "thai"), (0x1800, "other"),
    (0x1E00, "latin"), (0x1F00, "greek"), (0x2000, "other"), (0x2E80, "han"),
    (0x3040, "hiragana"), (0x30A0, "katakana"), (0x3100, "han"), (0x3130, "hangul"),
    (0x3190, "han"), (0xA000, "other"), (0xAC00, "hangul"), (0xD7B0, "other"),
    (0xF900, "han"), (0xFB00, "other"), (0xFF66, "katakana"), (0xFFA0, "other"),
    (0x20000, "han"), (0x32000, "other"),
]  # fmt: skip
_NAMES = sorted({name for _, name in _SCRIPTS})
_STARTS = [start for start, _ in _SCRIPTS]

COUNT = _OTHER + 1 + _LETTERS * (len(_NAMES) - 1)


def kind_of(character: str) -> int:
    """A number below COUNT."""
    if character in "\n\r\v\f\x85":
        return _LINE
    if character == "\t":
        return _CLASSES["Zs"]
    found = _CLASSES.get(unicodedata.category(character), _OTHER)
    if found >= _LETTERS:
        return found
    script = _NAMES.index(_SCRIPTS[bisect_right(_STARTS, ord(character)) - 1][1])
    return found if not script else _OTHER + 1 + (script - 1) * _LETTERS + found


# All white space of Python's lies below this; the one place more stands for everything above.
_BLANKS = np.array([chr(code).isspace() for code in range(0x3001)] + [False])

Codes = NDArray[np.uint32]


def codes_of(text: str) -> Codes:
    """The code point of each character, lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def blank(codes: Codes) -> NDArray[np.bool_]:
    """Where `str.isspace` holds."""
    return _BLANKS.take(codes, mode="clip")


class Kinds:
    """The kinds of any characters, found once and kept in a table."""

    def __init__(self) -> None:
        self._table = np.full(256, -1, np.int32)

    def of(self, codes: Codes) -> NDArray[np.int32]:
        """From code points (N,) to kinds (N,)."""
        highest = int(codes.max(initial=0))
        if highest >= len(self._table):
            grown = np.full(min(highest * 2, 0x110000 - 1) + 1, -1, np.int32)
            grown[: len(self._table)] = self._table
            self._table = grown
        found = self._table.take(codes)
        if found.min(initial=0) < 0:
            for code in np.unique(codes[found < 0]).tolist():
                self._table[code] = kind_of(chr(code))
            found = self._table.take(codes)
        return found

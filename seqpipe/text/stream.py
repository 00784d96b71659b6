"""Long texts in windows that overlap, and texts without end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.text.characters import codes_of
from seqpipe.text.codec import Ids
from seqpipe.text.rows import Rows
from seqpipe.text.segments import Labels, segments_of

_AT_ONCE = 256  # windows: what a stream runs side by side, however much text comes at a time

Encode = Callable[[Sequence[str]], Sequence[Ids]]
Predict = Callable[[Sequence[Ids]], Sequence[Labels]]


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at, and the part in its middle that counts."""

    first: int
    last: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Windows:
    """A grid over a text: every window decides `core` characters, and sees a `margin` on each
    side of them; what is no longer than one margin behind the last belongs to it."""

    core: int
    margin: int

    def __post_init__(self) -> None:
        for name, value, least in (("window", self.core, 1), ("margin", self.margin, 0)):
            if value < least:
                raise SettingError(name, value, f"a whole number from {least} on")

    def count(self, length: int) -> int:
        """How many a text of this length has."""
        return max(1, -(-(length - self.margin) // self.core))

    def at(self, index: int, length: int) -> Window:
        begin = index * self.core
        last = index + 1 == self.count(length)
        end = length if last else begin + self.core
        return Window(
            first=max(0, begin - self.margin),
            last=min(length, end + self.margin),
            begin=begin,
            end=end,
        )

    def _cuts(self, length: int) -> list[Window]:
        """None of a text that one window has whole."""
        count = self.count(length)
        return [self.at(i, length) for i in range(count)] if count > 1 else []

    def joined(self, rows: Sequence[Ids] | Rows, predict: Predict) -> list[Labels]:
        """What `predict` says of all windows of all rows, put together row by row."""
        cuts = [self._cuts(len(row)) for row in rows]
        parts: list[Ids] = []
        for row, cut in zip(rows, cuts, strict=True):
            parts += [row[w.first : w.last] for w in cut] if cut else [row]
        said = iter(predict(parts))
        return [
            _kept(cut, said) if cut else next(said)[: len(row)]
            for row, cut in zip(rows, cuts, strict=True)
        ]


def _kept(cut: Sequence[Window], said: Iterator[Labels]) -> Labels:
    return np.concatenate([next(said)[w.begin - w.first : w.end - w.first] for w in cut])


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a stream; `start` and `end` count from the stream's beginning."""

    text: str
    start: int
    end: int
    is_sent_start: bool | None


def tokens_of(
    chunks: Iterable[str],
    encode: Encode,
    predict: Predict,
    *,
    windows: Windows,
    reach: int,
    spaces: bool,
    sentences: bool,
) -> Iterator[Token]:
    """The tokens of the chunks put together, as soon as no later character can change them.

    `reach` is how far from a character stands what decides on its id.
    """
    held = _Held(windows, encode, predict, reach=reach, spaces=spaces, sentences=sentences)
    for chunk in chunks:
        for at in range(0, len(chunk), _AT_ONCE * windows.core):
            yield from held.take(chunk[at : at + _AT_ONCE * windows.core])
    yield from held.end()


class _Held:
    """The part of a stream that is still needed: a margin of context, and the last open token."""

    def __init__(
        self,
        windows: Windows,
        encode: Encode,
        predict: Predict,
        *,
        reach: int,
        spaces: bool,
        sentences: bool,
    ) -> None:
        self.windows, self.reach = windows, reach
        self.encode, self.predict = encode, predict
        self.spaces, self.sentences = spaces, sentences
        self.text = ""
        self.origin = 0  # where in the stream the text held begins
        self.index = 0  # of the next window
        self.open = 0  # where the first token begins that was not given away
        self.opens = True  # whether that token begins a sentence
        self.known: list[NDArray[Any]] = []  # labels from there on

    def take(self, chunk: str) -> Iterator[Token]:
        self.text += chunk
        length = self.origin + len(self.text)
        # one character more than its margin, and a window cannot be the last one
        sight = self.windows.margin + max(self.reach, 1)
        ready = (length - sight) // self.windows.core
        if ready > self.index:
            self._run(ready, length)
            yield from self._given(last=False)
            self._forget()

    def end(self) -> Iterator[Token]:
        length = self.origin + len(self.text)
        if length:
            self._run(self.windows.count(length), length)
            yield from self._given(last=True)

    def _run(self, until: int, length: int) -> None:
        places = [self.windows.at(i, length) for i in range(self.index, until)]
        (ids,) = self.encode([self.text])
        rows = [ids[w.first - self.origin : w.last - self.origin] for w in places]
        for window, said in zip(places, self.predict(rows) if rows else [], strict=True):
            self.known.append(said[window.begin - window.first : window.end - window.first])
        self.index = until

    def _given(self, *, last: bool) -> Iterator[Token]:
        labels = np.concatenate(self.known) if self.known else np.empty(0, np.int8)
        text = self.text[self.open - self.origin :][: len(labels)]
        found = segments_of(codes_of(text), labels, spaces=self.spaces)
        starts = [] if found.starts is None else found.starts.tolist()
        if starts:
            starts[0] = self.opens
        certain = len(starts) if last else max(len(starts) - 1, 0)
        for (begin, stop), start in zip(found.spans[:certain].tolist(), starts, strict=False):
            word = text[begin:stop]
            told = start if self.sentences else None
            yield Token(word, self.open + begin, self.open + stop, told)
        if starts and not last:
            begin = int(found.spans[-1, 0])
            labels, self.opens = labels[begin:], starts[-1]
            self.open += begin
        self.known = [labels]

    def _forget(self) -> None:
        sight = self.windows.margin + self.reach
        needed = min(self.open, max(self.index * self.windows.core - sight, 0))
        self.text = self.text[needed - self.origin :]
        self.origin = needed

"""A training's way through a stream, of which only a stretch is held at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace

from seqpipe.errors import DataEmpty
from seqpipe.text.course import Course, Part, Taught
from seqpipe.text.portions import Place
from seqpipe.text.rows import Rows


@dataclass(frozen=True, slots=True)
class Stretch:
    """Encoded rows of a stream, what is to be said of them, and where the next ones begin."""

    rows: Rows
    answers: Rows
    end: Place


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a stretch begins: enough to find it again."""

    epoch: int = 0
    number: int = 0  # of all stretches so far: what its order hangs on
    parts: int = 0  # of the epoch that lie before it
    shards: int = 0
    rows: int = 0


class Streamed:
    """Stretch by stretch: each is walked as a small corpus is, and then let go.

    `read` gives the stretches of an epoch from a place on, the same each time; `course` says how
    one is walked.
    """

    def __init__(
        self,
        read: Callable[[int, Place], Iterator[Stretch]],
        course: Callable[[Rows, Rows], Course],
        *,
        data: str,
    ) -> None:
        self._read, self._make, self._data = read, course, data
        self._begun = self._next = Begun()
        self._walk: Iterator[Stretch] = iter(())
        self._course: Course | None = None
        self._parts: Sequence[Part] = ()

    def parts(self, epoch: int) -> Streamed:
        """Those of an epoch, which come as they are asked for."""
        begun = self._begun
        if epoch != begun.epoch:
            begun = Begun(epoch, self._next.number)
        self._begun = self._next = begun
        self._parts = ()
        self._walk = self._read(epoch, Place(begun.shards, begun.rows))
        return self

    def __getitem__(self, places: slice) -> Sequence[Part]:
        """No more of them than the stretch at hand has, and none behind the last."""
        while places.start >= self._begun.parts + len(self._parts) and self._go_on():
            pass
        before = self._begun.parts
        return self._parts[places.start - before : places.stop - before]

    def take(self, part: Part) -> Taught:
        """The rows of a part of the stretch at hand."""
        if self._course is None:
            raise DataEmpty(self._data)
        return self._course.take(part)

    def _go_on(self) -> bool:
        """Reads the next stretch, if there is one."""
        stretch = next(self._walk, None)
        if stretch is None:
            if not self._next.parts:
                raise DataEmpty(self._data)  # epochs of nothing would follow for ever
            return False
        self._begun, self._parts = self._next, ()
        if len(stretch.rows):
            self._course = self._make(stretch.rows, stretch.answers)
            self._parts = self._course.parts(self._begun.number)
        self._next = replace(
            self._begun,
            number=self._begun.number + 1,
            parts=self._begun.parts + len(self._parts),
            shards=stretch.end.shards,
            rows=stretch.end.rows,
        )
        return True

    def place(self) -> tuple[int, ...]:
        """Where the stretch at hand begins."""
        return astuple(self._begun)

    def go_to(self, place: Sequence[int]) -> None:
        """Begins there when its epoch is asked for."""
        self._begun = self._next = Begun(*place)

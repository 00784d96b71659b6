"""Where the time goes: functions are wrapped, and each has the time that none below it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


class Clock:
    """Seconds by part; what no part claims belongs to the one around it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0
        self._undo: list[Callable[[], None]] = []

    def _turn(self) -> None:
        """Gives the time until now to whoever was at work."""
        now = time.perf_counter()
        if self._open:
            part = self._open[-1]
            self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def wrap(self, owner: Any, function: str, part: str) -> None:
        """Counts every call of it; `undo` takes that back."""
        there = function in vars(owner)
        before = getattr(owner, function)

        @wraps(before)
        def timed(*args: Any, **more: Any) -> Any:
            with self.part(part):
                return before(*args, **more)

        setattr(owner, function, timed)
        self._undo.append(
            lambda: setattr(owner, function, before) if there else delattr(owner, function)
        )

    def undo(self) -> None:
        for one in reversed(self._undo):
            one()
        self._undo.clear()

"""Engines of one machine: this process, or several, each with a pipeline and a thread of torch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from seqpipe.annotation.process import Member
from seqpipe.annotation.work import Done, Feed, Recipe, Task
from seqpipe.annotation.worker import Worker
from seqpipe.pipelines import one_thread

# What a thread hands over: a part, what ended it too early, or None at its end.
_Results: TypeAlias = "queue.Queue[Done | BaseException | None]"


class Here:
    """Does one part after the other with a worker that is there."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def run(self, feed: Feed, recipe: Recipe) -> Iterator[Done]:
        with one_thread():
            yield from map(self.worker.do, feed())


class Processes:
    """So many workers side by side; `died` hears of each that does not survive its part."""

    def __init__(
        self,
        workers: int,
        *,
        devices: Sequence[str] = (),
        died: Callable[[str], None] = lambda how: None,
    ) -> None:
        self.workers, self.devices, self.died = workers, devices, died

    def run(self, feed: Feed, recipe: Recipe) -> Iterator[Done]:
        tasks = _Shared(feed())
        results: _Results = queue.Queue(maxsize=self.workers)
        crew = [Member(self._for(place, recipe), self.died) for place in range(self.workers)]
        threads = [threading.Thread(target=_work, args=(one, tasks, results)) for one in crew]
        for thread in threads:
            thread.start()
        try:
            for _ in range(self.workers):
                while (result := results.get()) is not None:
                    if isinstance(result, BaseException):
                        raise result
                    yield result
        finally:
            tasks.close()
            for one in crew:
                one.kill()
            for thread in threads:
                _joined(thread, results)

    def _for(self, place: int, recipe: Recipe) -> Recipe:
        if not self.devices:
            return recipe
        return replace(recipe, device=self.devices[place % len(self.devices)])


class _Shared:
    """An iterator for many threads."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self._tasks, self._lock, self._open = tasks, threading.Lock(), True

    def __iter__(self) -> Iterator[Task]:
        return self

    def __next__(self) -> Task:
        with self._lock:
            if not self._open:
                raise StopIteration
            return next(self._tasks)

    def close(self) -> None:
        self._open = False


def _work(member: Member, tasks: _Shared, results: _Results) -> None:
    """The life of a thread."""
    try:
        for task in tasks:
            results.put(member.do(task))
    except BaseException as error:
        results.put(error)
    else:
        results.put(None)
    finally:
        member.close()


def _joined(thread: threading.Thread, results: _Results) -> None:
    """Waits for a thread, which may itself wait to hand over what nobody wants any more."""
    while thread.is_alive():
        while not results.empty():
            results.get_nowait()
        thread.join(0.01)

"""Parts to standard output, in the order of the input, with nothing kept for another time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

from seqpipe.annotation.formats import Format
from seqpipe.annotation.job import Progress, Summary
from seqpipe.annotation.work import Done, Engine, Feed, Recipe
from seqpipe.errors import FailuresTooMany


class Stream:
    """Holds back what comes before its turn."""

    def __init__(
        self,
        format: Format,
        *,
        progress: Progress,
        max_failures: int | None,
        watch: Callable[[Progress], None],
    ) -> None:
        self.format, self.progress = format, progress
        self.max_failures, self.watch = max_failures, watch
        self._reason = ""

    def run(self, engine: Engine, feed: Feed, recipe: Recipe) -> Summary:
        start, parts = time.perf_counter(), 0
        heading = self.format.encode(()).body  # what every part begins with
        self.watch(self.progress)
        for done in in_order(engine.run(feed, recipe)):
            body = done.body if not parts else done.body[len(heading) :]
            sys.stdout.buffer.write(body)
            sys.stdout.buffer.flush()
            parts += 1
            self._count(done)
        tally, seconds = self.progress.tally, time.perf_counter() - start
        return Summary(
            documents=tally.documents,
            words=tally.words,
            empty=tally.empty,
            failed=tally.failed,
            parts=parts,
            first_failure=self._reason,
            seconds=seconds,
            words_per_second=tally.words / max(seconds, 1e-9),
            stages=tally.seconds,
            replaced=self.progress.replaced,
            job={},
        )

    def _count(self, done: Done) -> None:
        self.progress.tally.add(done.tally)
        self.progress.weight += done.weight
        self.watch(self.progress)
        if done.failures and not self._reason:
            self._reason = done.failures[0].error
        failed = self.progress.tally.failed
        if self.max_failures is not None and failed > self.max_failures:
            raise FailuresTooMany("stdout", failed, self.max_failures, self._reason)


def in_order(parts: Iterable[Done]) -> Iterator[Done]:
    held: dict[int, Done] = {}
    number = 0
    for done in parts:
        held[done.part] = done
        while number in held:
            yield held.pop(number)
            number += 1

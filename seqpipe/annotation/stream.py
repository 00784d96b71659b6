"""Parts to standard output, in the order of the input, with nothing kept for another time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

from seqpipe.annotation.formats import Format
from seqpipe.annotation.job import Progress, Summary
from seqpipe.annotation.work import Done, Engine, Feed, Recipe


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

    def run(self, engine: Engine, feed: Feed, recipe: Recipe) -> Summary:
        start, parts, progress = time.perf_counter(), 0, self.progress
        heading = self.format.encode(()).body  # what every part begins with
        self.watch(progress)
        for done in in_order(engine.run(feed, recipe)):
            body = done.body if not parts else done.body[len(heading) :]
            sys.stdout.buffer.write(body)
            sys.stdout.buffer.flush()
            parts += 1
            progress.note(done)
            self.watch(progress)
            progress.check(self.max_failures)
        return Summary.of(
            progress.tally,
            parts=parts,
            first_failure=progress.first_failure,
            seconds=time.perf_counter() - start,
            words=progress.tally.words,
            replaced=progress.replaced,
            job={},
        )


def in_order(parts: Iterable[Done]) -> Iterator[Done]:
    held: dict[int, Done] = {}
    number = 0
    for done in parts:
        held[done.part] = done
        while number in held:
            yield held.pop(number)
            number += 1

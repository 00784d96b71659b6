"""A job from its beginning to its end: parts go out to an engine, and come back to stay."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seqpipe.annotation.formats import Format
from seqpipe.annotation.journal import Journal
from seqpipe.annotation.place import SUMMARY, Place
from seqpipe.annotation.work import Done, Engine, Feed, Recipe, Tally
from seqpipe.errors import FailuresTooMany, OutputRefused
from seqpipe.files import written

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO}


@dataclass(slots=True)
class Progress:
    """How far a job has come; what earlier runs did is among it."""

    tally: Tally = field(default_factory=Tally)
    total: int | None = None  # documents of the input, where they are known
    size: int | None = None  # bytes of the input, likewise
    kept: int = 0  # documents of earlier runs
    weight: int = 0  # bytes of rows that this run has done
    replaced: int = 0  # workers that have died
    first_failure: str = ""  # of this run

    @property
    def expected(self) -> int | None:
        """Documents of the input; going by their bytes, where they have not been counted."""
        if self.total is not None or not self.size or not self.weight:
            return self.total
        done = self.tally.documents - self.kept
        return max(self.tally.documents, round(done * self.size / self.weight))

    def note(self, done: Done, tally: Tally | None = None) -> None:
        """A part is done; `tally` is that of the whole, where not all of the part is new."""
        if tally is None:
            self.tally.add(done.tally)
        else:
            self.tally = tally
        self.weight += done.weight
        if done.failures and not self.first_failure:
            self.first_failure = done.failures[0].error

    def check(self, max_failures: int | None, output: Path | None = None) -> None:
        """Ends a job in which too much has failed; what is in `output` stays there."""
        failed = self.tally.failed
        if max_failures is not None and failed > max_failures:
            raise FailuresTooMany(failed, max_failures, self.first_failure, output)


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a job; as a whole, whatever the number of runs that it took."""

    documents: int
    words: int
    empty: int
    failed: int
    parts: int
    first_failure: str
    seconds: float  # of this run
    words_per_second: float  # of this run
    stages: Mapping[str, float]  # seconds of work in each, of all workers and runs
    replaced: int  # workers that died in this run
    job: Mapping[str, Any]  # the model, the input, options and versions

    @classmethod
    def of(cls, tally: Tally, *, seconds: float, words: int, **others: Any) -> Summary:
        """From what became of all documents; the `words` of this run took the `seconds`."""
        return cls(
            documents=tally.documents,
            words=tally.words,
            empty=tally.empty,
            failed=tally.failed,
            seconds=seconds,
            words_per_second=words / max(seconds, 1e-9),
            stages=tally.seconds,
            **others,
        )


class Job:
    """What is done is on the disk before anything else is said to be done."""

    def __init__(
        self,
        place: Place,
        journal: Journal,
        *,
        facts: Mapping[str, Any],
        format: Format,
        max_failures: int | None,
        watch: Callable[[Progress], None],
    ) -> None:
        self.place, self.journal, self.facts, self.format = place, journal, facts, format
        self.max_failures, self.watch = max_failures, watch
        tally = journal.tally()
        self.progress = Progress(tally, kept=tally.documents)
        self._words = tally.words  # of earlier runs
        self._begun = time.perf_counter()

    def run(self, engine: Engine, feed: Feed, recipe: Recipe) -> Summary:
        """Every part that is still open; then all of them are one output."""
        self.watch(self.progress)
        for done in engine.run(feed, recipe):
            self.keep(done)
        return self.end()

    def keep(self, done: Done) -> None:
        """A part that is done, or rows of one that had failed before."""
        before = self.journal.entries.get(done.part)
        if before is not None:
            done = self._spliced(done)
        with self._explained():
            self.place.keep(done, failed_before=before is not None)
            self.journal.note(done)
        self.progress.note(done, None if before is None else self.journal.tally())
        self.watch(self.progress)
        self.progress.check(self.max_failures, self.place.output)

    def end(self) -> Summary:
        parts = len(self.journal.entries)
        with self._explained():
            self.place.gather_failures()
            if self.place.single:
                self.place.join(self.format, parts)
            self.journal.end({"parts": parts, "size": self._size()})
            summary = self.summary()
            with written(self.place.folder / SUMMARY) as beside:
                text = json.dumps(asdict(summary), indent=2, ensure_ascii=False)
                beside.write_text(text + "\n", "utf-8")
            if self.place.single and not summary.failed:
                self.place.drop_parts()
        return summary

    def summary(self) -> Summary:
        tally = self.journal.tally()
        return Summary.of(
            tally,
            parts=len(self.journal.entries),
            first_failure=self.place.first_failure() if tally.failed else "",
            seconds=time.perf_counter() - self._begun,
            words=tally.words - self._words,
            replaced=self.progress.replaced,
            job=self.facts,
        )

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to be done but what has failed."""
        ended = self.journal.ended
        return ended is not None and ended["size"] == self._size()

    def forget_lost_parts(self) -> None:
        """Those that the journal knows and the disk has not: they are done again."""
        for number, entry in [*self.journal.entries.items()]:
            path = self.place.part(number)
            if not path.is_file() or path.stat().st_size != entry.size:
                self.journal.forget(number)
        tally = self.journal.tally()
        self.progress.tally, self.progress.kept = tally, tally.documents

    def _size(self) -> int:
        """Of the output, which is a file or all of its parts; -1 where something is missing."""
        parts = [self.place.part(number) for number in self.journal.entries]
        files = [self.place.output] if self.place.single else parts
        if not all(file.is_file() for file in files):
            return -1
        return sum(file.stat().st_size for file in files)

    def _spliced(self, done: Done) -> Done:
        """Rows that were tried once more, among those of their part."""
        entry = self.journal.entries[done.part]
        failed = {failure.row - done.first for failure in done.failures}
        tried = set(entry.failed)
        gone = set(done.absent)
        added = [done.first + place for place in sorted(tried - gone)]
        old = self.place.part(done.part).read_bytes()
        tally = Tally(
            entry.tally.documents,
            entry.tally.words + done.tally.words,
            entry.tally.empty + done.tally.empty,
            len(failed),
        )
        for each in (entry.tally, done.tally):
            tally.add(Tally(seconds=each.seconds))
        return Done(
            part=done.part,
            first=done.first,
            digest=done.digest,
            body=self.format.splice(old, entry.present, done.body, added),
            tally=tally,
            failures=done.failures,
            absent=sorted((set(entry.absent) - tried) | gone),
            weight=done.weight,
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A disk that is full or gone, said as what it means for the job."""
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            kept = self.journal.tally().documents
            reason = f"{error.strerror}; {kept:,} documents are kept, and --resume goes on"
            raise OutputRefused(self.place.output, reason) from error

"""What a job is, and which of its parts are done: `job.json` and `journal.jsonl` in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seqpipe.annotation.work import Done, Tally
from seqpipe.errors import JobChanged, JobUnfit
from seqpipe.files import written

JOB, JOURNAL = "job.json", "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """A part that is done: what it holds of the input, and what lies on the disk."""

    part: int
    first: int
    digest: str  # of its rows
    size: int  # of its file
    tally: Tally
    failed: Sequence[int] = field(default_factory=list)  # places of rows
    absent: Sequence[int] = field(default_factory=list)  # places of rows that its file has not

    @classmethod
    def of(cls, done: Done) -> Entry:
        failed = [failure.row - done.first for failure in done.failures]
        size = len(done.body)
        return cls(done.part, done.first, done.digest, size, done.tally, failed, [*done.absent])

    @property
    def present(self) -> list[int]:
        """The numbers of the rows that its file has."""
        gone = set(self.absent)
        places = (place for place in range(self.tally.documents) if place not in gone)
        return [self.first + place for place in places]


class Journal:
    """Parts are noted in whatever order they come, each in a line that is on the disk before the
    next thing happens; of a line that was never finished nothing is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[int, Entry] = {}
        self.ended: Mapping[str, Any] | None = None  # what was noted at the end of the job
        self._path = folder / JOURNAL

    @classmethod
    def begin(cls, folder: Path, job: Mapping[str, Any]) -> Journal:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JOURNAL).unlink(missing_ok=True)
        with written(folder / JOB) as beside:
            beside.write_text(json.dumps(job, indent=2, ensure_ascii=False) + "\n", "utf-8")
        return cls(folder)

    @classmethod
    def resume(cls, folder: Path, job: Mapping[str, Any]) -> Journal:
        """As it was left, once it is seen that the job is still the same."""
        differences = [*_differences(_read(folder), json.loads(json.dumps(job)))]
        if differences:
            raise JobChanged(folder, differences)
        journal = cls(folder)
        journal._reread()
        return journal

    def note(self, done: Done) -> None:
        entry = Entry.of(done)
        self._append(asdict(entry))
        self.entries[entry.part] = entry
        self.ended = None

    def end(self, facts: Mapping[str, Any]) -> None:
        self._append({"ended": facts})
        self.ended = facts

    def forget(self, part: int) -> None:
        """A part whose file is not there any more."""
        del self.entries[part]

    def tally(self) -> Tally:
        total = Tally()
        for entry in self.entries.values():
            total.add(entry.tally)
        return total

    def _append(self, facts: Mapping[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(facts).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _reread(self) -> None:
        body = self._path.read_bytes() if self._path.exists() else b""
        whole = body.rfind(b"\n") + 1
        if whole < len(body):  # killed in the middle of a line
            os.truncate(self._path, whole)
        for number, line in enumerate(body[:whole].splitlines(), 1):
            try:
                self._recall(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                reason = f"line {number} of its {JOURNAL} is damaged"
                raise JobUnfit(self.folder, reason) from error

    def _recall(self, facts: Mapping[str, Any]) -> None:
        self.ended = facts.get("ended")
        if self.ended is None:
            entry = Entry(**{**facts, "tally": Tally(**facts["tally"])})
            self.entries[entry.part] = entry


def _read(folder: Path) -> Any:
    try:
        return json.loads((folder / JOB).read_text("utf-8"))
    except FileNotFoundError as error:
        raise JobUnfit(folder, f"it has no {JOB}, so that nothing was begun there") from error
    except ValueError as error:
        raise JobUnfit(folder, f"its {JOB} is damaged") from error


def _differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """Each value that has changed, by its name."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in then | now:
            yield from _differences(then.get(name), now.get(name), f"{place} {name}".strip())
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (one, other) in enumerate(zip(then, now, strict=True), 1):
            yield from _differences(one, other, f"{place} {number}")
    elif then != now:
        yield f"{place} was {json.dumps(then)} and is {json.dumps(now)}"

"""What an engine hands out, what comes back, and who does it: parts of the input, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a worker must know; every value is plain JSON."""

    model: str  # a folder or package
    format: str  # the name of a format
    fields: Mapping[str, str]  # field -> its column, `error` among them
    text: str = "text"  # the column of the texts
    id: str = "id"  # the column of the ids; where the input has none it is made
    columns: str | None = None  # the schema of the parts in base64, for formats that need one
    device: str | None = None
    code: str | None = None  # a file of Python that registers what the pipeline needs
    batch_size: int | None = None  # documents at once; None is the pipeline's own
    memory: int = 1024  # megabytes that rows, docs and results at once may take


@dataclass(frozen=True, slots=True)
class Task:
    """A part of the input: rows that make one file of the output."""

    part: int
    first: int  # the number of its first row in the whole input, counted from 0
    rows: pa.Table
    digest: str  # of the rows
    only: Sequence[int] = ()  # the places of the rows to annotate; none given means all
    lost: Mapping[int, str] = field(default_factory=dict)  # place -> why no worker survives it


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that has not been annotated, and why."""

    row: int  # its number in the whole input
    id: Any
    stage: str  # "input", "tokenizer", the name of a stage, "output" or "worker"
    error: str  # one line
    traceback: str = ""


@dataclass(slots=True)
class Tally:
    """What has become of documents."""

    documents: int = 0
    words: int = 0
    empty: int = 0
    failed: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # stage -> time spent there

    def add(self, other: Tally) -> None:
        self.documents += other.documents
        self.words += other.words
        self.empty += other.empty
        self.failed += other.failed
        for stage, spent in other.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


@dataclass(frozen=True, slots=True)
class Done:
    """A part as it will lie on the disk, byte for byte, and what became of its documents."""

    part: int
    first: int
    digest: str
    body: bytes
    tally: Tally
    failures: Sequence[Failure] = ()
    absent: Sequence[int] = ()  # places of rows that the format has no place for
    weight: int = 0  # bytes of its rows


Feed = Callable[[], Iterator[Task]]  # the tasks of a job, from the first; may be pickled


class Engine(Protocol):
    """Does tasks somewhere; they come back in any order, and never more than fit into memory."""

    def run(self, feed: Feed, recipe: Recipe) -> Iterator[Done]: ...

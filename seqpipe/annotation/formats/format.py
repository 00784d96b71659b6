"""What every format of the output is: a part of the rows as bytes, and parts as one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from seqpipe.annotation.work import Failure
from seqpipe.errors import listed

if TYPE_CHECKING:
    from spacy.language import Language

    from seqpipe.annotation.annotator import Found

OUTPUT = "output"  # the stage of what fails when all stages of the pipeline are done


@dataclass(frozen=True, slots=True)
class Encoded:
    """A part as it will lie on the disk, and all that failed, here or before."""

    body: bytes
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a format may know of its rows before the first of them."""

    columns: Mapping[str, str]  # field -> its column, `error` among them
    found: pa.Schema  # of what is found
    schema: pa.Schema | None  # of the columns of the input, where the format needs them
    nlp: Language


class Format(Protocol):
    """Same rows, same bytes."""

    suffix: str
    keeps_docs: bool  # whether it wants the docs, not only what was found in them
    needs_columns: bool  # whether it wants to know the columns of all rows beforehand

    def __init__(self, layout: Layout) -> None: ...

    def encode(self, found: Iterable[Found]) -> Encoded: ...

    def splice(self, old: bytes, numbers: Sequence[int], new: bytes, added: Sequence[int]) -> bytes:
        """The rows of both in the order of their numbers; where both have one, the new."""
        ...

    def join(self, parts: Sequence[Path], file: Path) -> None:
        """Makes one file of many, a part at a time."""
        ...


def appended(parts: Sequence[Path], file: Path, *, heading: int = 0) -> None:
    """One part behind the other; of all but the first without so many bytes of heading."""
    with file.open("wb") as whole:
        for at, part in enumerate(parts):
            with part.open("rb") as piece:
                piece.seek(heading if at else 0)
                shutil.copyfileobj(piece, whole)


def refused(found: Found, reason: str) -> Found:
    """A row that the format cannot take as it is."""
    failure = Failure(found.row.number, found.row.id, OUTPUT, reason)
    return replace(found, doc=None, values=None, failure=failure)


def unknown(column: str, columns: Sequence[str]) -> str:
    return f"the first rows have no column {column!r}, but {listed(columns)}; jsonl takes it"

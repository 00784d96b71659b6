"""`.conllu` files as tables: a row a sentence, in the order of the file.

Only what a text is made of is read: forms, what stands between them, documents and paragraphs.
The format: https://universaldependencies.org/format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from seqpipe.corpora._opening import opened_text
from seqpipe.errors import SourceUnreadable

if TYPE_CHECKING:
    from datasets import Features

SUFFIX = ".conllu"
FIELDS = 10  # of a line: ID, FORM, eight that are not read or only MISC

_ID = re.compile(r"(?P<first>\d+)(-(?P<last>\d+)|\.(?P<empty>\d+))?", re.ASCII)


@dataclass(slots=True)
class _Sentence:
    """What has been read of a sentence: up to which word, and how far a range covers the words."""

    text: str | None = None
    tokens: list[str] = field(default_factory=list)
    spaces: list[bool] = field(default_factory=list)
    word: int = 0
    covered: int = 0
    newpar: bool = False

    def row(self, doc_id: str | None) -> dict[str, Any]:
        pairs = zip(self.tokens, self.spaces, strict=True)
        rebuilt = "".join(token + " " * space for token, space in pairs).rstrip()
        return {
            "text": rebuilt if self.text is None else self.text,
            "tokens": self.tokens,
            "space_after": self.spaces,
            "newpar": self.newpar,
            "doc_id": doc_id,
        }


def read_rows(files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The sentences of files that follow one another; a damaged line is named with its number."""
    for file in files:
        with opened_text(file) as lines:
            yield from _Reader(file).rows(lines)


def table_of(files: Sequence[Path], *, streaming: bool) -> Any:
    """A `datasets.Dataset`, or, read as it is walked, an `IterableDataset`."""
    from datasets import Dataset, IterableDataset

    names = {"files": [str(file) for file in files]}
    if streaming:
        return IterableDataset.from_generator(read_rows, features=_features(), gen_kwargs=names)
    return Dataset.from_list(list(read_rows(names["files"])), features=_features())


def _features() -> Features:
    from datasets import Features, Sequence, Value

    return Features(
        {
            "text": Value("string"),
            "tokens": Sequence(Value("string")),
            "space_after": Sequence(Value("bool")),
            "newpar": Value("bool"),
            "doc_id": Value("string"),
        }
    )


class _Reader:
    """Goes through one file; documents and paragraphs outlast a sentence."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.doc_id: str | None = None
        self.unnamed = 0
        self.sentence = _Sentence()

    def rows(self, lines: TextIO) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\r\n")
            if line.startswith("#"):
                self.comment(line[1:].strip())
            elif line.strip():
                self.token(line, number)
            else:
                yield from self.ended()
        yield from self.ended()

    def ended(self) -> Iterator[dict[str, Any]]:
        if self.sentence.tokens:
            yield self.sentence.row(self.doc_id)
            self.sentence = _Sentence()

    def comment(self, said: str) -> None:
        key, _, value = (part.strip() for part in said.partition("="))
        words = key.split()
        if words[:1] == ["newdoc"]:
            self.unnamed += not value
            self.doc_id = value or f"{Path(self.file).name}:{self.unnamed}"
            self.sentence.newpar = True  # a document begins a paragraph, said or not
        elif words[:1] == ["newpar"]:
            self.sentence.newpar = True
        elif key == "text":
            self.sentence.text = value

    def token(self, line: str, number: int) -> None:
        """One line; words inside a range and words that are not in the text are passed over."""
        fields = line.split("\t")
        place = _ID.fullmatch(fields[0])
        if len(fields) != FIELDS or not place or not fields[1].strip():
            wanted = f"{FIELDS} fields between tabs, the first a number, the second a form"
            raise SourceUnreadable(self.file, f"line {number} is not {wanted}")
        first, sentence = int(place["first"]), self.sentence
        if place["empty"] is not None:
            return
        if first != sentence.word + 1:
            wrong = f"line {number} has the number {first} where {sentence.word + 1} should be"
            raise SourceUnreadable(self.file, wrong)
        sentence.word += place["last"] is None  # a range counts with the words that follow it
        if first > sentence.covered:
            sentence.covered = int(place["last"] or 0)
            sentence.tokens.append(fields[1])
            sentence.spaces.append("SpaceAfter=No" not in fields[9].split("|"))

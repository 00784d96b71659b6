"""Any input as small Arrow tables of its rows, streamed: what a pipeline is to annotate.

DATA is what `sources` takes, and `-` for standard input. The metadata of a table's schema says how
far its rows have been read: with `{"seqpipe": "json"}` a column `line` holds objects that nobody
has parsed, with `"text"` texts that nobody has decoded; without it columns are columns.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seqpipe.corpora import docbins
from seqpipe.corpora._cells import CellRows
from seqpipe.corpora._lines import FileRows, JsonRows, TextRows, name_in
from seqpipe.corpora._opening import STDIN, unpacked
from seqpipe.corpora._tables import doc_rows, parquet_rows, split_rows
from seqpipe.corpora.sources import Source, locate, splits_of, suffix_of
from seqpipe.errors import ColumnMissing, SourceUnreadable, SplitMissing, UsageError, listed

if TYPE_CHECKING:
    import pyarrow as pa

PIPED = ("jsonl", "txt", "csv", "tsv")  # what standard input may be

_NAMED = 1000  # files that an identity names one by one


class Rows(Protocol):
    """A way to read an input; its values are plain, so that it can be sent elsewhere."""

    @property
    def kind(self) -> str: ...
    @property
    def total(self) -> int | None: ...
    def names(self) -> Sequence[str] | None: ...
    def tables(self) -> Iterator[pa.Table]: ...


@dataclass(frozen=True, slots=True)
class Documents:
    """An input that can be walked as often as wanted; standard input only once."""

    data: str
    rows: Rows
    names: Sequence[str] | None = None  # of the columns, where they are known
    files: Sequence[Path] = ()  # absolute
    size: int | None = None  # bytes of the files, as they lie there
    identity: Mapping[str, Any] = field(default_factory=dict)  # JSON that tells it from others

    @property
    def kind(self) -> str:
        """How far rows have been read: `json`, `text` or `table`."""
        return self.rows.kind

    @property
    def total(self) -> int | None:
        """How many rows there are, where that is known without reading them."""
        return self.rows.total

    def __iter__(self) -> Iterator[pa.Table]:
        return self.rows.tables()


def open_documents(
    data: str,
    *,
    split: str | None = None,
    text: str = "text",
    whole_files: bool = False,
    revision: str | None = None,
    suffix: str | None = None,
) -> Documents:
    """What DATA stands for, ready to be walked.

    `split` may be left out where there is one part only. `whole_files` takes a `.txt` file for one
    document; `suffix` says what comes from standard input.
    """
    if data == STDIN:
        return _piped(suffix or PIPED[0], text=text, whole_files=whole_files)
    source = locate(data)
    if len(source.suffixes) > 1:
        one = f"{source.folder}/**/*{source.suffixes[0]}"
        wrong = f"it holds {listed(source.suffixes)}: name the files of one kind, as in {one!r}"
        raise SourceUnreadable(data, wrong)
    if whole_files and list(source.suffixes) != [".txt"]:
        raise SourceUnreadable(data, "only .txt files can be a document each")
    if parts := source.files or source.docs:
        split = _only(data, split, list(parts))
        return _of_files(source, split, parts[split], text=text, whole_files=whole_files)
    return _of_datasets(source, split, text=text, revision=revision)


def _piped(suffix: str, *, text: str, whole_files: bool) -> Documents:
    kind = suffix.lower().removeprefix(".")
    if kind not in PIPED:
        raise SourceUnreadable(STDIN, f"standard input can be {listed(PIPED)}, not {suffix!r}")
    rows = FileRows([STDIN]) if whole_files else _rows([STDIN], f".{kind}", text=text)
    return Documents(STDIN, rows, identity={"stdin": kind, "whole_files": whole_files})


def _of_files(
    source: Source, split: str, part: Sequence[Path], *, text: str, whole_files: bool
) -> Documents:
    files = [os.path.abspath(file) for file in part]
    folder = os.path.abspath(source.folder or os.path.commonpath([*map(os.path.dirname, files)]))
    rows = FileRows(files, folder) if whole_files else _rows(files, suffix_of(part[0]), text=text)
    identity = {"split": split, "whole_files": whole_files, **_told(files, folder)}
    names = _having(text, rows.names(), source.data)
    return Documents(source.data, rows, names, [*map(Path, files)], _size(files), identity)


def _rows(files: Sequence[str], suffix: str, *, text: str) -> Rows:
    """Files of one kind, read by a reader of this room."""
    if suffix in (".csv", ".tsv"):
        return CellRows(files, delimiter="," if suffix == ".csv" else "\t", text=text)
    if suffix == ".txt":
        return TextRows(files)
    if suffix in (".json", ".jsonl"):
        return JsonRows(files)
    for file in files:
        if unpacked(Path(file)) != Path(file):
            raise SourceUnreadable(file, f"a {suffix} file is packed in itself: unpack it")
    return doc_rows(files) if suffix == docbins.SUFFIX else parquet_rows(files)


def _of_datasets(
    source: Source, split: str | None, *, text: str, revision: str | None
) -> Documents:
    """What `open_split` streams: the hub, saved tables, sentences, parallel text."""
    own = source.sentences or source.lines
    if split is None or own:
        known = list(own) or splits_of(source.full, revision=revision)
        split = _only(source.full, split, known)
    rows, files = split_rows(source, split, revision=revision)
    names = _having(text, rows.names(), source.full)
    if not source.local:
        identity = {"data": source.full, "split": split, "revision": rows.revision}
        return Documents(source.full, rows, names, identity=identity)
    folder = os.path.commonpath([*map(os.path.dirname, files)])
    identity = {"split": split, **_told(files, folder)}
    return Documents(source.full, rows, names, [*map(Path, files)], _size(files), identity)


def _only(data: str, split: str | None, splits: Sequence[str]) -> str:
    """The part that is asked for, or all that there is."""
    if split is None and len(splits) == 1:
        return splits[0]
    if split is None:
        raise UsageError(f"{data!r} has the parts {listed(splits)}: name one with --split.")
    if split not in splits:
        raise SplitMissing(data, split, splits)
    return split


def _having(text: str, names: Sequence[str] | None, data: str) -> Sequence[str] | None:
    if names is not None and text not in names:
        raise ColumnMissing(data, text, names)
    return names


def _size(files: Sequence[str]) -> int:
    return sum(map(os.path.getsize, files))


def _told(files: Sequence[str], folder: str) -> dict[str, Any]:
    """Names and sizes, wherever the folder may lie; of very many files their digest alone."""
    sizes = [[name_in(folder, file), os.path.getsize(file)] for file in files]
    if len(files) <= _NAMED:
        return {"files": sizes}
    digest = hashlib.sha256(json.dumps(sizes).encode()).hexdigest()
    return {"files": len(files), "size": _size(files), "digest": digest}

"""One name for any data: on the hub, in a folder, in files, or bundled; read by `datasets`.

DATA is looked up in this order: `bundled:NAME`; a pattern with `*`, `?` or `[`; a folder or file
that exists; the hub. `NAME:SUBSET` picks one of several data sets under one name. Nothing here
imports `datasets` before it is needed.
"""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from seqpipe.corpora import conllu, docbins, parallel
from seqpipe.corpora._opening import unpacked
from seqpipe.corpora.bundled import PREFIX, bundled
from seqpipe.corpora.parts import parts_of
from seqpipe.errors import (
    DataEmpty,
    DataError,
    SourceMissing,
    SourceUnreachable,
    SourceUnreadable,
    SplitMissing,
    SubsetMissing,
    listed,
)

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset
    from numpy.typing import NDArray

    Table: TypeAlias = Dataset | IterableDataset

BUILDERS = {
    ".parquet": "parquet",
    ".jsonl": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
}  # suffix -> the builder of `datasets` that reads it
SUFFIXES = (*BUILDERS, conllu.SUFFIX, docbins.SUFFIX)
KINDS = [suffix[1:] for suffix in SUFFIXES]
DEV_SPLITS = ("validation", "valid", "val", "dev", "test")

# Only an empty cell is nothing: pandas would also take the words "None", "NA" and "null" for it.
_CSV = {"keep_default_na": False, "na_values": [""]}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a name leads: arguments of `load_dataset`, files that are read here by part (`.spacy`
    as docs, `.conllu` as sentences, parallel text as lines), or a table saved to disk.

    `files` are, by part, those that `load_dataset` would read, where they are all of one kind;
    `suffixes` says of which kinds they are.
    """

    data: str
    loader: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    docs: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    sentences: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    lines: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    saved: Path | None = None
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    suffixes: Sequence[str] = ()
    folder: Path | None = None  # that the files were found in
    lines_run_on: bool = False  # whether rows are but the lines of running text
    local: bool = True

    @property
    def full(self) -> str:
        """The name with its subset, as `locate` takes it."""
        subset = self.options.get("name")
        return f"{self.data}:{subset}" if subset else self.data


def splits_of(data: str, *, revision: str | None = None) -> list[str]:
    """The names of the parts, found without reading a row."""
    source = locate(data)
    if files := source.docs or source.sentences or source.lines:
        return list(files)
    if source.saved:
        return list(_saved(source.saved))
    from datasets import load_dataset

    with explained(source), _quiet():
        parts = load_dataset(source.loader, streaming=True, revision=revision, **source.options)
    return [str(split) for split in parts]


def dev_split(data: str, *, revision: str | None = None) -> str | None:
    """The part to measure on while training: the first there is of `DEV_SPLITS`."""
    splits = splits_of(data, revision=revision)
    return next((split for split in DEV_SPLITS if split in splits), None)


def open_split(
    data: str, *, split: str, streaming: bool = False, revision: str | None = None
) -> Table:
    """One part as a memory-mapped `Dataset`, or as an `IterableDataset` for what does not fit."""
    source = locate(data)
    if source.docs or source.sentences or source.lines or source.saved:
        return _own_part(source, split, streaming)
    from datasets import load_dataset

    with explained(source, split), _quiet():
        return load_dataset(
            source.loader, split=split, streaming=streaming, revision=revision, **source.options
        )


def carve(table: Dataset, *, share: float = 0.1, seed: int = 0) -> tuple[Dataset, Dataset]:
    """A map-style table in two: what is left, and a share held out, the same for a seed."""
    held = held_out(table.num_rows, share=share, seed=seed)
    kept, out = np.flatnonzero(~held), np.flatnonzero(held)
    return table.select(kept, keep_in_memory=True), table.select(out, keep_in_memory=True)


def held_out(count: int, *, share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Which of so many rows a share holds out: one at least, where there are two."""
    held = np.zeros(count, dtype=np.bool_)
    drawn = np.random.default_rng(seed).permutation(count)
    held[drawn[: min(max(round(share * count), 1), count - 1)]] = True
    return held


def column_names(table: Table) -> list[str]:
    """The columns; a stream that does not know them yet is asked for its first row."""
    if table.column_names is not None:
        return list(table.column_names)
    return list(next(iter(table), {}))


def locate(data: str) -> Source:
    """What a name stands for; one that looks like a path is never asked of the hub."""
    if data.startswith(PREFIX):
        return _folder(data, bundled(data))
    path = Path(data).expanduser()
    if glob.has_magic(data):
        files = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
        return _files(data, [file for file in files if file.is_file()])
    if data and path.is_dir():
        return _folder(data, path)
    if data and path.is_file():
        return _files(data, [path])
    if data and (files := _prefixed(path)):
        return Source(data, lines={"train": files})
    name, _, subset = data.partition(":")
    if subset and Path(name).expanduser().is_dir():
        return Source(name, loader=str(Path(name).expanduser()), options={"name": subset})
    if not data or _looks_local(data):
        raise SourceMissing(data, near=_beside(path))
    return Source(name, loader=name, options={"name": subset} if subset else {}, local=False)


def _folder(data: str, folder: Path) -> Source:
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return Source(data, saved=folder)
    files = sorted(file for file in folder.rglob("*") if file.is_file() and _seen(file, folder))
    suffixes = {suffix_of(file) for file in files} & {*SUFFIXES}
    if conllu.SUFFIX in suffixes:
        suffixes.discard(".txt")  # beside their sentences the sets of UD have their bare texts
    for own in suffixes if len(suffixes) == 1 else ():
        if own in (conllu.SUFFIX, docbins.SUFFIX):
            parts = parts_of((f for f in files if suffix_of(f) == own), folder)
            return replace(_own(data, own, parts), folder=folder)
    if not suffixes and (lines := parallel.beside_each_other(files)):
        return Source(data, lines=parts_of(lines, folder))
    if not suffixes:
        raise DataEmpty(data, f"file that can be read: {listed(KINDS)}")
    if not suffixes & {*BUILDERS}:
        raise SourceUnreadable(data, f"it holds {listed(sorted(suffixes))}: name the files")
    source = Source(
        data,
        loader=str(folder),
        options=_CSV if suffixes <= {".csv", ".tsv"} else {},
        lines_run_on=suffixes == {".txt"},
    )
    if _says_its_parts(folder):
        return source
    alike = [file for file in files if {suffix_of(file)} == suffixes]
    parts = parts_of(alike, folder)
    return replace(source, files=parts, suffixes=sorted(suffixes), folder=folder)


def _seen(file: Path, folder: Path) -> bool:
    """Whether it is not hidden, nor in a hidden folder: `datasets` sees none of those either."""
    return not any(part.startswith(".") for part in file.relative_to(folder).parts)


def _says_its_parts(folder: Path) -> bool:
    """Whether the page of a data set names the files of each part, as `datasets` reads it."""
    card = folder / "README.md"
    if not card.is_file():
        return False
    head = card.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
    return head.startswith("---") and "\nconfigs:" in head


def _own(data: str, suffix: str, parts: Mapping[str, Sequence[Path]]) -> Source:
    return Source(data, docs=parts) if suffix == docbins.SUFFIX else Source(data, sentences=parts)


def _files(data: str, files: Sequence[Path]) -> Source:
    """Files given by name, all of one kind, are the part `train`."""
    if not files:
        raise SourceMissing(data, near=_beside(Path(data).expanduser()))
    suffixes = {suffix_of(file) for file in files}
    if suffixes in ({conllu.SUFFIX}, {docbins.SUFFIX}):
        return _own(data, suffixes.pop(), {"train": list(files)})
    if not suffixes & {*SUFFIXES} and (lines := parallel.beside_each_other(files)):
        return Source(data, lines={"train": lines})
    builders = {BUILDERS.get(suffix, "") for suffix in suffixes}
    if len(suffixes) > 1 or "" in builders:
        found = listed(sorted(suffix or "no suffix" for suffix in suffixes))
        raise SourceUnreadable(data, f"it is {found}, and one of {listed(KINDS)} is needed")
    options: dict[str, Any] = {"data_files": {"train": [str(file) for file in files]}}
    if builders == {"csv"}:
        options |= _CSV | ({"sep": "\t"} if suffixes == {".tsv"} else {})
    loader = builders.pop()
    source = Source(data, loader=loader, options=options, lines_run_on=loader == "text")
    return replace(source, files={"train": list(files)}, suffixes=sorted(suffixes))


def _prefixed(path: Path) -> list[Path]:
    """The parallel text files that a name is the common beginning of: `corpus` of `corpus.en`."""
    if not path.parent.is_dir() or not path.name:
        return []
    files = sorted(file for file in path.parent.iterdir() if file.name.startswith(path.name + "."))
    return parallel.beside_each_other(file for file in files if parallel.stem_of(file) == path)


def _own_part(source: Source, split: str, streaming: bool) -> Table:
    parts = source.docs or source.sentences or source.lines or _saved(source.saved or Path())
    if split not in parts:
        raise SplitMissing(source.data, split, list(parts))
    if source.sentences:
        return conllu.table_of(source.sentences[split], streaming=streaming)
    if source.lines:
        return parallel.table_of(source.lines[split], streaming=streaming)
    table: Any = docbins.table_of(source.docs[split]) if source.docs else parts[split]
    return table.to_iterable_dataset() if streaming else table


def _saved(folder: Path) -> Mapping[str, Any]:
    from datasets import DatasetDict, load_from_disk

    tables = load_from_disk(folder)
    return tables if isinstance(tables, DatasetDict) else {"train": tables}


def suffix_of(path: Path) -> str:
    """What a file is, compressed or not."""
    return unpacked(path).suffix.lower()


def _looks_local(data: str) -> bool:
    path = Path(data).expanduser()
    known = suffix_of(path) in SUFFIXES or glob.has_magic(data)
    beneath = len(path.parts) > 1 and Path(path.parts[0]).exists()
    return known or beneath or data.startswith((".", "/", "~"))


def _beside(path: Path) -> list[str]:
    """What stands where the path should be, the likeliest first."""
    if not path.parent.is_dir():
        return []
    seen = [entry for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    names = sorted(
        entry.name + "/" * entry.is_dir()
        for entry in seen
        if entry.is_dir() or suffix_of(entry) in SUFFIXES
    )
    close = get_close_matches(path.name, names, n=3)
    return close + [name for name in names if name not in close]


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of `datasets` where nobody watches, and the user's setting afterwards."""
    from datasets import (
        are_progress_bars_disabled,
        config,
        disable_progress_bars,
        enable_progress_bars,
    )

    asked_for = config.HF_DATASETS_DISABLE_PROGRESS_BARS is not None
    if asked_for or are_progress_bars_disabled() or sys.stderr.isatty():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def explained(source: Source, split: str = "") -> Iterator[None]:
    """Whatever `datasets` raises, as one sentence of ours raised from it."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise _explanation(source, split, error) from error


def _explanation(source: Source, split: str, error: Exception) -> DataError:
    from datasets.exceptions import DatasetNotFoundError

    said = str(error)
    if of_nothing(error):
        return DataEmpty(source.data)
    if isinstance(error, DatasetNotFoundError):
        return SourceMissing(source.data, near=_alike(source.data))
    if isinstance(error, ValueError) and ("Config name" in said or "BuilderConfig" in said):
        return SubsetMissing(source.data, source.options.get("name", ""), _subsets(source))
    if isinstance(error, ValueError) and said.startswith(("Unknown split", "Bad split")):
        return SplitMissing(source.data, split, splits_of(source.full))
    if not source.local and isinstance(error, OSError):
        return SourceUnreachable(source.data, _first_line(error), near=_alike(source.data))
    return SourceUnreadable(source.data, _first_line(error.__cause__ or error))


def of_nothing(error: Exception) -> bool:
    """Whether `datasets` failed because there was nothing to read, which has many forms in it."""
    from datasets.exceptions import DatasetGenerationError

    found = error.__cause__ if isinstance(error, DatasetGenerationError) else error
    empty = ("SchemaInferenceError", "EmptyDataError", "StopIteration")
    return type(found).__name__ in empty or "corresponds to no data" in str(found)


def _subsets(source: Source) -> list[str]:
    from datasets import get_dataset_config_names

    return [str(name) for name in get_dataset_config_names(source.loader)]


def _alike(data: str) -> list[str]:
    names = [name.rstrip("/") for name in _beside(Path(data).expanduser())]
    return get_close_matches(data, names, n=3)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

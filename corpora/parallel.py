"""Parallel text files as tables: `train.en` and `train.de`, a line of one for a line of the other.

The suffix, a code of a language or `source` and `target`, is the name of the column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from seqpipe.corpora._opening import opened_text, unpacked
from seqpipe.errors import LinesUneven

_CODE = re.compile(r"[a-z]{2,3}([-_]\w+)?|source|target", re.IGNORECASE | re.ASCII)
# Two or three letters too, and found beside corpora.
_NO_CODE = {"cfg", "csv", "ids", "log", "md", "pdf", "py", "sh", "tmx", "tsv", "txt", "xml", "yml"}

Rows = Iterator[dict[str, str]]


def beside_each_other(files: Iterable[Path]) -> list[Path]:
    """Those of the files that differ from another one in the code of their language alone."""
    found = list(_by_stem(files).values())
    return [file for group in found if len(group) > 1 for file in group.values()]


def table_of(files: Sequence[Path], *, streaming: bool) -> Any:
    """A `datasets.Dataset`, or, read as it is walked, an `IterableDataset`."""
    from datasets import Dataset, Features, IterableDataset, Value

    groups = list(_by_stem(files).values())
    columns = [name for name in groups[0] if all(name in group for group in groups)]
    features = Features({name: Value("string") for name in columns})
    parts = [{name: str(group[name]) for name in columns} for group in groups]
    if streaming:
        return IterableDataset.from_generator(
            read_rows, features=features, gen_kwargs={"parts": parts}
        )
    return Dataset.from_list(list(read_rows(parts)), features=features)


def read_rows(parts: Sequence[Mapping[str, str]]) -> Rows:
    """The rows of groups of files that follow one another; a group is a file for each column."""
    for group in parts:
        lines = [_lines(file) for file in group.values()]
        for number, row in enumerate(zip_longest(*lines)):
            if None in row:
                short = row.index(None)
                longer = next(place for place, line in enumerate(row) if line is not None)
                files = list(group.values())
                more = 1 + sum(1 for _ in lines[longer])
                raise LinesUneven(files[short], number, files[longer], number + more)
            yield dict(zip(group, row, strict=True))


def _by_stem(files: Iterable[Path]) -> dict[Path, dict[str, Path]]:
    """By the path without the code, the files by their codes."""
    found: dict[Path, dict[str, Path]] = {}
    for file in files:
        code = unpacked(file).suffix[1:]
        if _CODE.fullmatch(code) and code.lower() not in _NO_CODE:
            found.setdefault(stem_of(file), {})[code] = file
    return found


def stem_of(file: Path) -> Path:
    """What files that belong together have in common: their path without the code."""
    return unpacked(file).with_suffix("")


def _lines(file: str) -> Iterator[str]:
    with opened_text(file) as lines:
        for line in lines:
            yield line.rstrip("\r\n")

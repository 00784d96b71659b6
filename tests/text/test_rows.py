from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqpipe.errors import RowsUnreadable
from seqpipe.text.rows import Rows

lists = st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5), max_size=8)


def arrays(rows: list[list[int]]) -> list[NDArray[np.int32]]:
    return [np.array(row, np.int32) for row in rows]


@given(given_rows=lists)
def test_written_rows_equal_rows_in_memory(
    given_rows: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = arrays(given_rows)
    written, held = Rows.write(tmp_path_factory.mktemp("rows"), iter(rows)), Rows.of(rows)
    for some in (written, held):
        assert [row.tolist() for row in some] == given_rows
        assert [some[i].tolist() for i in range(-len(some), 0)] == given_rows
        assert some.lengths.tolist() == [len(row) for row in given_rows]
        assert some.lengths.dtype == np.int64 and some.ids.dtype == np.int32


def test_files_are_plain_npy_and_mapped(tmp_path: Path) -> None:
    Rows.write(tmp_path / "new", arrays([[1, 2], [], [3]]))
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["ids.npy", "offsets.npy"]
    assert np.load(tmp_path / "new" / "ids.npy").tolist() == [1, 2, 3]
    assert np.load(tmp_path / "new" / "offsets.npy").tolist() == [0, 2, 2, 3]
    assert isinstance(Rows.open(tmp_path / "new").ids.base, np.memmap)


def test_writing_asks_for_one_row_at_a_time(tmp_path: Path) -> None:
    written: list[int] = []

    def stream() -> Iterator[NDArray[np.int32]]:
        for i in range(100):
            written.append(sum(p.stat().st_size for p in tmp_path.iterdir()))
            yield np.full(2000, i, np.int32)

    Rows.write(tmp_path, stream())
    assert written[50] > 50 * 2000 * 4 * 0.9


def test_what_is_cut_short_leaves_the_older_rows(tmp_path: Path) -> None:
    def broken() -> Iterator[NDArray[np.int32]]:
        yield np.array([7], np.int32)
        raise KeyError("stop")

    Rows.write(tmp_path, arrays([[1, 2]]))
    with pytest.raises(KeyError):
        Rows.write(tmp_path, broken())
    assert [row.tolist() for row in Rows.open(tmp_path)] == [[1, 2]]
    assert len(list(tmp_path.iterdir())) == 2


def test_rows_in_use_outlive_being_written_anew(tmp_path: Path) -> None:
    old = Rows.write(tmp_path, arrays([[1, 2]]))
    new = Rows.write(tmp_path, arrays([[3], [4]]))
    assert [row.tolist() for row in old] == [[1, 2]]
    assert [row.tolist() for row in new] == [[3], [4]]


@pytest.mark.parametrize("index", [2, -3])
def test_there_is_nothing_beyond_the_last_row(index: int) -> None:
    with pytest.raises(IndexError):
        Rows.of(arrays([[1], [2]]))[index]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "mixed"])
def test_rows_that_cannot_be_read_are_refused(damage: str, tmp_path: Path) -> None:
    Rows.write(tmp_path, arrays([[1, 2], [3]]))
    path = tmp_path / "ids.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "mixed":
        np.save(path, np.arange(9, dtype=np.int32))
    else:
        path.write_bytes(path.read_bytes()[: {"empty": 0, "cut": 130}[damage]])
    with pytest.raises(RowsUnreadable, match="Encode the texts anew"):
        Rows.open(tmp_path)

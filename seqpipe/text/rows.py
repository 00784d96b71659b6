"""Any number of encoded rows in one flat array, in memory or mapped from two .npy files."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import RowsUnreadable

_IDS = "ids.npy"
_OFFSETS = "offsets.npy"


class Rows:
    """A sequence of rows of ids, or of other numbers, that need not fit into memory."""

    def __init__(self, ids: NDArray[Any], offsets: NDArray[np.int64]) -> None:
        # Plain views: slices of a np.memmap cost three times as much.
        self.ids = np.asarray(ids)  # (all ids,)
        self.offsets = np.asarray(offsets)  # (rows + 1,), where rows begin and the last one ends
        self.lengths: NDArray[np.int64] = np.diff(self.offsets)  # (rows,)

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]], *, dtype: str = "<i4") -> Rows:
        """In memory, copied."""
        ends = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(np.concatenate([np.empty(0, dtype), *rows], dtype=dtype), ends)

    @classmethod
    def write(cls, folder: Path, rows: Iterable[NDArray[np.int32]]) -> Rows:
        """Streams into the folder, holding one row at a time; what is cut short leaves no trace."""
        with RowsWriter(folder) as writer:
            for row in rows:
                writer.add(row)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Rows:
        """Maps the files; only what is looked at is read."""
        try:
            ids = np.load(folder / _IDS, mmap_mode="r", allow_pickle=False)
            offsets = np.load(folder / _OFFSETS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RowsUnreadable(folder, str(error)) from error
        if len(offsets) == 0 or offsets[-1] != len(ids):
            raise RowsUnreadable(folder, f"{_IDS} and {_OFFSETS} do not belong together")
        return cls(ids, offsets)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> NDArray[Any]:
        row = range(len(self))[index]
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))


class RowsWriter:
    """Rows that come one after the other; the files stand when all have come."""

    def __init__(self, folder: Path, *, dtype: str = "<i4") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        self._ids = _Column(folder / _IDS, dtype)
        self._offsets = _Column(folder / _OFFSETS, "<i8")

    def __enter__(self) -> RowsWriter:
        for column in (self._ids, self._offsets):
            self._open.enter_context(column)
        self._offsets.add(np.zeros(1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def add(self, row: NDArray[Any]) -> None:
        self._ids.add(row)
        self._offsets.add(np.array([self._ids.count]))


class _Column:
    """A .npy file of one dimension whose length is known only at its end."""

    def __init__(self, path: Path, dtype: str) -> None:
        self.count = 0
        self._path = path
        self._beside = path.with_name(f".{path.name}.{os.getpid()}")
        self._dtype = dtype

    def add(self, values: NDArray[Any]) -> None:
        self.count += len(values)
        self._file.write(values.astype(self._dtype).tobytes())

    def __enter__(self) -> _Column:
        self._file = self._beside.open("wb")
        self._file.write(self._header())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()
        if kind is None:
            self._beside.replace(self._path)
        else:
            self._beside.unlink()

    def _header(self) -> bytes:
        """128 bytes for any length, so that it can be written again over itself."""
        facts = {"descr": self._dtype, "fortran_order": False, "shape": (self.count,)}
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + f"{facts!r:<117}\n".encode()

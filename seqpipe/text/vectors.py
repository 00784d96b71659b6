"""Word vectors from the text files of word2vec, GloVe and fastText."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import VectorsUnreadable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """The vectors of those pieces that have one."""

    ids: NDArray[np.int64]  # (N,)
    rows: NDArray[np.float32]  # (N, D)

    def fill(self, weight: Tensor) -> None:
        """Copies into the rows of an embedding, scaled to the spread that was there."""
        import torch

        with torch.no_grad():
            rows = torch.from_numpy(self.rows)
            spread = float(weight[4:].std()) / max(float(rows.std()), 1e-6)
            weight[torch.from_numpy(self.ids)] = (rows * spread).to(weight)


def read_vectors(path: str | Path, pieces: Sequence[str]) -> Vectors:
    """Walks the file once and keeps the lines whose word is a piece; the first of equals wins."""
    wanted = {piece: i for i, piece in enumerate(pieces)}
    found: dict[int, NDArray[np.float32]] = {}
    width = number = 0
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                word, _, numbers = line.rstrip().partition(" ")
                if number == 1 and len(numbers.split()) == 1:
                    continue  # the head of word2vec and fastText: how many, how wide
                if word not in wanted or wanted[word] in found:
                    continue
                row = _row(numbers)
                width = width or len(row)
                if len(row) != width or not len(row):
                    raise ValueError(f"{len(row)} numbers, not {width or 'one at least'}")
                found[wanted[word]] = row
    except ValueError as error:
        raise VectorsUnreadable(path, f"line {number} is damaged ({error})") from error
    except OSError as error:
        raise VectorsUnreadable(path, error.strerror or str(error)) from error
    rows = np.stack(list(found.values())) if found else np.zeros((0, width), np.float32)
    return Vectors(np.fromiter(found, np.int64, len(found)), rows)


def _row(numbers: str) -> NDArray[np.float32]:
    row = np.array(numbers.split(), dtype=np.float32)
    if not np.isfinite(row).all():
        raise ValueError("a number is not finite")
    return row

"""Vectors of pieces: of each by itself, of its kind, of it and the one before, of marks on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from seqpipe.errors import SettingError

# An odd number without structure spreads the products of small ids (Knuth's golden ratio, 32 bits).
_SPREAD = 2654435761

_ENOUGH = 0.1  # share of the pieces that join: below it the table is not worth its size


class Embedding(nn.Module):
    """The sum of what is known of a piece.

    `kinds` gives the kind of each piece, and each kind a vector that its pieces share. Where a
    piece and the one before are both `joined`, the vector of the pair is added, out of a table
    that pairs share by hashing (Weinberger et al. 2009): a character says little where words are
    not set apart, and two of them are often a word. With `marks`, how many there are of each sort,
    an id is a piece and one mark of each sort: (piece * marks[0] + mark) * marks[1] + mark ...,
    and each mark but 0 has a vector too. Pairs are `hashed` by how many pieces there were when they
    were first learned, if some were added since.
    """

    def __init__(
        self,
        *,
        pieces: int,
        width: int,
        pairs: int = 0,
        joined: Sequence[bool] = (),
        kinds: Sequence[int] = (),
        marks: Sequence[int] = (),
        pad: int = 0,
        hashed: int = 0,
    ) -> None:
        super().__init__()
        if pairs < 0:
            raise SettingError("pairs", pairs, "0 or more")
        self.single = _table(pieces, width, empty=pad)
        self.kind = _table(max(kinds) + 1, width) if kinds else None
        self.kinds: Tensor
        self.register_buffer("kinds", torch.tensor(kinds, dtype=torch.long), persistent=False)
        self.pair: nn.Embedding | None = None
        self.joined: Tensor
        self._hashed = hashed or pieces
        if pairs and sum(joined[: self._hashed]) >= _ENOUGH * self._hashed:
            self.pair = _table(pairs + 1, width, empty=0)
            self.register_buffer("joined", torch.tensor(joined), persistent=False)
        self.mark = nn.ModuleList(_table(count, width, empty=0) for count in marks)
        self.marks = math.prod(marks)
        self._after = [math.prod(marks[i + 1 :]) for i in range(len(marks))]

    @property
    def width(self) -> int:
        return self.single.embedding_dim

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(table.num_embeddings for table in self._looked_up())

    def _looked_up(self) -> list[nn.Embedding]:
        pair = [] if self.pair is None else [self.pair]
        return [self.single, *pair, *(cast(nn.Embedding, table) for table in self.mark)]

    def tables(self) -> list[Tensor]:
        """What is looked up; a vector is the sum of one row of each."""
        single, *others = (table.weight for table in self._looked_up())
        if self.kind is not None:
            single = single + self.kind.weight[self.kinds]
        return [single, *others]

    def places(self, ids: Tensor, before: Tensor | None = None) -> list[Tensor]:
        """Where in each table, all (B, S); `before` (B,) are the ids that precede the first."""
        pieces = ids // self.marks if len(self.mark) else ids
        places = [pieces]
        if self.pair is not None:
            first = torch.zeros_like(ids[:, 0]) if before is None else before // self.marks
            left = torch.cat([first[:, None], pieces[:, :-1]], dim=1)
            both = self.joined[pieces] & self.joined[left]
            both_as_one = left * self._hashed + pieces
            bucket = (both_as_one * _SPREAD >> 16) % (self.pair.num_embeddings - 1)
            places.append((bucket + 1).masked_fill(~both, 0))
        rest = ids % self.marks if self._after else ids
        for after in self._after:
            places.append(rest // after)
            rest = rest % after
        return places

    def forward(self, ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, S) to (B, S, D)."""
        places = self.places(ids, before)
        tables = self._looked_up()
        x: Tensor = tables[0](places[0])
        for table, place in zip(tables[1:], places[1:], strict=True):
            x = x + table(place)
        return x if self.kind is None else x + self.kind(self.kinds[places[0]])


class Pieces(nn.Embedding):
    """One vector a piece, with weights small enough to be those of an output as well, and vectors
    of a size that a cell listens to (Vaswani et al. 2017)."""

    def __init__(self, pieces: int, width: int, *, pad: int = 0) -> None:
        super().__init__(pieces, width, padding_idx=pad)
        nn.init.normal_(self.weight, std=width**-0.5)
        self.scale = math.sqrt(width)

    @property
    def rows(self) -> int:
        return self.num_embeddings

    def tables(self) -> list[Tensor]:
        """The vectors of all pieces: (V, D)."""
        return [self.weight * self.scale]

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) to (B, S, D)."""
        return super().forward(ids) * self.scale


def _table(rows: int, width: int, *, empty: int | None = None) -> nn.Embedding:
    """Small vectors, and zeros for the row that stands for nothing."""
    table = nn.Embedding(rows, width, padding_idx=empty)
    with torch.no_grad():
        nn.init.normal_(table.weight, std=0.1)
        if empty is not None:
            table.weight[empty] = 0.0
    return table

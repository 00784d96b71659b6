"""Vectors of pieces: of each by itself, of its kind, of it and the one before, of marks on it."""

from __future__ import annotations

from collections.abc import Sequence

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
    not set apart, and two of them are often a word. With `marks`, an id is a piece times `marks`
    plus a mark, which has a vector too.
    """

    def __init__(
        self,
        *,
        pieces: int,
        width: int,
        pairs: int = 0,
        joined: Sequence[bool] = (),
        kinds: Sequence[int] = (),
        marks: int = 1,
        pad: int = 0,
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
        if pairs and sum(joined) >= _ENOUGH * pieces:
            self.pair = _table(pairs + 1, width, empty=0)
            self.register_buffer("joined", torch.tensor(joined), persistent=False)
        self.marks = marks
        self.mark = _table(marks, width, empty=0) if marks > 1 else None

    @property
    def width(self) -> int:
        return self.single.embedding_dim

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(table.num_embeddings for table in self._looked_up())

    def _looked_up(self) -> list[nn.Embedding]:
        return [table for table in (self.single, self.pair, self.mark) if table is not None]

    def tables(self) -> list[Tensor]:
        """What is looked up; a vector is the sum of one row of each."""
        single, *others = (table.weight for table in self._looked_up())
        if self.kind is not None:
            single = single + self.kind.weight[self.kinds]
        return [single, *others]

    def places(self, ids: Tensor, before: Tensor | None = None) -> list[Tensor]:
        """Where in each table, all (B, S); `before` (B,) are the ids that precede the first."""
        pieces = ids if self.mark is None else ids // self.marks
        places = [pieces]
        if self.pair is not None:
            first = torch.zeros_like(ids[:, 0]) if before is None else before // self.marks
            left = torch.cat([first[:, None], pieces[:, :-1]], dim=1)
            both = self.joined[pieces] & self.joined[left]
            bucket = ((left * self.single.num_embeddings + pieces) * _SPREAD >> 16) % (
                self.pair.num_embeddings - 1
            )
            places.append((bucket + 1).masked_fill(~both, 0))
        if self.mark is not None:
            places.append(ids % self.marks)
        return places

    def forward(self, ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, S) to (B, S, D)."""
        places = self.places(ids, before)
        tables = self._looked_up()
        x: Tensor = tables[0](places[0])
        for table, place in zip(tables[1:], places[1:], strict=True):
            x = x + table(place)
        return x if self.kind is None else x + self.kind(self.kinds[places[0]])


def _table(rows: int, width: int, *, empty: int | None = None) -> nn.Embedding:
    """Small vectors, and zeros for the row that stands for nothing."""
    table = nn.Embedding(rows, width, padding_idx=empty)
    with torch.no_grad():
        nn.init.normal_(table.weight, std=0.1)
        if empty is not None:
            table.weight[empty] = 0.0
    return table

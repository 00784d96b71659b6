"""Vectors of pieces, and of pairs of pieces where a script has no spaces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seqpipe.errors import SettingError

# An odd number without structure spreads the products of small ids (Knuth's golden ratio, 32 bits).
_SPREAD = 2654435761

_ENOUGH = 0.1  # share of the pieces that join: below it the table is not worth its size


class Embedding(nn.Module):
    """The vector of each piece; where it and the one before are both `joined`, plus the vector of
    the pair, out of a table that pairs share by hashing (Weinberger et al. 2009).

    A character says little where words are not set apart; two of them are often a word.
    """

    def __init__(
        self, *, pieces: int, width: int, pairs: int = 0, joined: Sequence[bool] = (), pad: int = 0
    ) -> None:
        super().__init__()
        if pairs < 0:
            raise SettingError("pairs", pairs, "0 or more")
        self.single = _table(pieces, width, empty=pad)
        self.pair: nn.Embedding | None = None
        self.joined: Tensor
        if pairs and sum(joined) >= _ENOUGH * pieces:
            self.pair = _table(pairs + 1, width, empty=0)
            self.register_buffer("joined", torch.tensor(joined), persistent=False)

    @property
    def width(self) -> int:
        return self.single.embedding_dim

    def tables(self) -> list[Tensor]:
        """What is looked up; a vector is the sum of one row of each."""
        return [self.single.weight, *([] if self.pair is None else [self.pair.weight])]

    def places(self, ids: Tensor, before: Tensor | None = None) -> list[Tensor]:
        """Where in each table, all (B, S); `before` (B,) are the ids that precede the first."""
        if self.pair is None:
            return [ids]
        first = torch.zeros_like(ids[:, 0]) if before is None else before
        left = torch.cat([first[:, None], ids[:, :-1]], dim=1)  # (B, S)
        both = self.joined[ids] & self.joined[left]
        bucket = ((left * self.single.num_embeddings + ids) * _SPREAD >> 16) % (
            self.pair.num_embeddings - 1
        )
        return [ids, (bucket + 1).masked_fill(~both, 0)]

    def forward(self, ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, S) to (B, S, D)."""
        singles, *pairs = self.places(ids, before)
        x: Tensor = self.single(singles)
        return x if self.pair is None else x + self.pair(pairs[0])


def _table(rows: int, width: int, *, empty: int) -> nn.Embedding:
    """Small vectors, and zeros for the row that stands for nothing."""
    table = nn.Embedding(rows, width, padding_idx=empty)
    with torch.no_grad():
        nn.init.normal_(table.weight, std=0.1)[empty] = 0.0
    return table

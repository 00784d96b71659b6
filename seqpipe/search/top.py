"""The best columns of each row, the same whatever else is in the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from seqpipe.search.state import CLOSED


def top(scores: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The best scores and their columns, both (R, most), best first, of equals the first; which
    columns those are that are closed (-inf) is left open."""
    width = scores.shape[1]
    if most >= width:
        return torch.sort(scores, dim=1, descending=True, stable=True)
    # `topk` takes any of equals: one more shows where there are some on either side of the edge
    values, columns = scores.topk(most + 1, dim=1)
    columns, edge = columns[:, :most], values[:, most - 1]
    tied = ((values[:, most] == edge) & (edge > CLOSED)).nonzero().squeeze(1)
    if len(tied):
        columns[tied] = _first_of_equals(scores[tied], edge[tied], most)
    columns = columns.sort(dim=1).values
    values, order = torch.sort(scores.gather(1, columns), dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)


def _first_of_equals(scores: Tensor, edge: Tensor, most: int) -> Tensor:
    """All columns above the edge (R,), and the first of those on it, as many as there is room for:
    (R, most)."""
    place = torch.arange(scores.shape[1], device=scores.device)
    on_edge = torch.where(scores == edge[:, None], -place, -len(place))
    return torch.where(scores > edge[:, None], 1, on_edge).topk(most, dim=1).indices

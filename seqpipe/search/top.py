"""The best columns of each row, the same whatever else is in the batch."""

from __future__ import annotations

import torch
from torch import Tensor

# Near the square root of common vocabularies: as many blocks as there are columns in one.
_BLOCK = 80
# Below so many scores a plain sweep is done before several small steps are.
_MANY = 1 << 16


def best(scores: Tensor) -> Tensor:
    """The best column of each row (R,), of equals the first."""
    return scores.argmax(dim=1) if scores.numel() < _MANY else top(scores, 1)[1][:, 0]


def top(scores: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The best scores and their columns, both (R, most), best first, of equals the first.

    Each of them is in one of the `most` best blocks of columns, and the maxima of blocks are found
    several times faster than the best of all columns."""
    width = scores.shape[1]
    blocks = width // _BLOCK
    every = torch.arange(width, device=scores.device)
    if blocks < 8 * most or scores.numel() < _MANY:  # few blocks would be left out
        return _ranked(scores, every.expand(len(scores), -1), most)
    highest = scores[:, : blocks * _BLOCK].unflatten(1, (blocks, _BLOCK)).amax(dim=2)
    _, picked = _ranked(highest, every[:blocks].expand(len(scores), -1), most)
    columns = (picked[:, :, None] * _BLOCK + every[:_BLOCK]).flatten(1)
    rest = every[blocks * _BLOCK :].expand(len(scores), -1)
    columns = torch.cat([columns, rest], dim=1)
    return _ranked(scores.gather(1, columns), columns, most)


def _ranked(scores: Tensor, columns: Tensor, most: int) -> tuple[Tensor, Tensor]:
    # `topk` leaves open which of equals it takes. As integers, floats keep their order once the
    # negative ones are turned round; the column in the lower half tells equals apart.
    bits = (scores.float() + 0.0).view(torch.int32)  # without it, 0.0 would stand above -0.0
    order = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32
    picked = (order - columns).topk(min(most, scores.shape[1]), dim=1).indices
    return scores.gather(1, picked), columns.gather(1, picked)

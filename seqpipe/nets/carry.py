"""What a language model knows of texts that go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from seqpipe.errors import CheckpointError


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """Of each text the piece read last, which the layers have not seen yet, and their states; never
    changed in place."""

    last: Tensor  # (R,)
    halves: Tensor  # (L, R, H) half of each state, as `Folded` wants it
    cells: Tensor  # (L, R, H) twice an LSTM's cells; of other layers zeros

    @classmethod
    def begin(cls, first: Tensor, *, layers: int, width: int) -> Carry:
        """Before the first piece of each text (R,)."""
        nothing = torch.zeros(layers, len(first), width, device=first.device)
        return cls(first, nothing, nothing.clone())  # a file takes no tensor twice

    @property
    def pieces(self) -> None:
        """All pieces can be written: see `seqpipe.search.state.State`."""
        return None

    @property
    def vectors(self) -> Tensor:
        """(R, H) that what follows is told from, once `last` was read."""
        return self.halves[-1] * 2

    @property
    def finite(self) -> bool:
        """Whether anything can still be told from it."""
        return bool(torch.isfinite(self.halves).all() and torch.isfinite(self.cells).all())

    def pick(self, rows: Tensor) -> Carry:
        """Some texts, in any order, as often as they are named."""
        return Carry(
            self.last.index_select(0, rows),
            self.halves.index_select(1, rows),
            self.cells.index_select(1, rows),
        )

    def tensors(self) -> dict[str, Tensor]:
        """To be kept in a file; the inverse is `of`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def like(self, arrays: Mapping[str, NDArray[Any]]) -> Carry:
        """Of the same model, on the same device."""
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return self.of(tensors, self.last.device)

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], device: torch.device) -> Carry:
        names = [field.name for field in fields(cls)]
        if set(tensors) != set(names):
            raise CheckpointError("the state of a text", f"it holds {sorted(tensors)}")
        return cls(*(tensors[name].to(device) for name in names))

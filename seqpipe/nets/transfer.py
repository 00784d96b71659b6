"""A net that begins with the weights of another one: of its own kind, grown by new rows, or an
encoder as a trained language model (Howard and Ruder 2018).

In an encoder the onward cells read what the model's cells read, so that before the first step they
say what those say; the cells that read backward begin fresh, and the layers above do not hear them
yet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import cast

import torch
from torch import Tensor, nn

from seqpipe.errors import EarlierUnfit, SettingError
from seqpipe.nets.cells import Cell, Recurrent
from seqpipe.nets.encoder import Encoder

_PIECES = "pieces.weight"
_GATES: dict[int, Cell] = {1: "rnn", 2: "mingru", 3: "gru", 4: "lstm"}  # no two cells have as many


@dataclass(frozen=True, slots=True)
class Sizes:
    """What an encoder has in common with the model that it begins as."""

    cell: Cell
    embedding: int
    width: int
    layers: int

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> Sizes:
        """Of a language model's weights; KeyError where they are not those of one."""
        gates = len(weights["layers.0.bias_ih_l0"])
        carried = weights.get("layers.0.weight_hh_l0")  # (G, H); a minGRU has none
        width = gates // 2 if carried is None else carried.shape[1]
        layers = sum(name.endswith(".bias_ih_l0") for name in weights)
        return cls(_GATES[gates // width], weights[_PIECES].shape[1], width, layers)

    @classmethod
    def of_encoder(cls, encoder: Encoder) -> Sizes:
        width = cast(Recurrent, encoder.onward[0]).hidden_size
        return cls(encoder.cell, encoder.inputs, width, len(encoder.onward))


def vectors_of(weights: Mapping[str, Tensor]) -> Tensor:
    """The model's vector of each piece, as `Pieces` keeps it: (V, D)."""
    return weights[_PIECES]


@torch.no_grad()
def begin(encoder: Encoder, weights: Mapping[str, Tensor]) -> None:
    """Fills the onward cells; refuses an encoder of other sizes in one sentence."""
    there = asdict(Sizes.of(weights))
    for name, own in asdict(Sizes.of_encoder(encoder)).items():
        if own != there[name]:
            raise SettingError(f"model.{name}", own, f"{there[name]!r}, as the generator has it")
    for layer, cell in enumerate(encoder.onward):
        for name, weight in cell.named_parameters():
            given = weights[f"layers.{layer}.{name}"]
            weight.zero_()
            weight[tuple(map(slice, given.shape))] = given  # (G, H) of (G, 2 H) where both ways


FRESH = -1  # a row that no earlier one stands for


@torch.no_grad()
def take_over(
    net: nn.Module,
    weights: Mapping[str, Tensor],
    rows: Mapping[str, Tensor],
    *,
    kept: Collection[str] = (),
) -> None:
    """Fills a net with the weights of one of its kind, but for those that are `kept`.

    `rows` tells of each tensor that may have grown which earlier row each of its own begins as; one
    that is fresh begins with zeros, so that nothing says anything else for it being there.
    """
    for name, own in net.state_dict().items():
        given = weights.get(name)
        if name in kept:
            continue
        if name in rows and bool((rows[name] == FRESH).all()):
            own.zero_()
            continue
        if given is None or given.shape[1:] != own.shape[1:]:
            raise EarlierUnfit(name, own.shape, None if given is None else given.shape)
        if name in rows:
            at = rows[name]
            given = given[at.clamp(min=0)] * (at != FRESH).view(-1, *[1] * (given.dim() - 1))
        if given.shape != own.shape:
            raise EarlierUnfit(name, own.shape, given.shape)
        own.copy_(given)

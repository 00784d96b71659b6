"""The three recurrent cells, one layer and one direction at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence

from seqpipe.errors import SettingError

Cell = Literal["rnn", "lstm", "gru"]
Recurrent = nn.RNN | nn.LSTM | nn.GRU
State = Tensor | tuple[Tensor, Tensor]
Rows = TypeVar("Rows", Tensor, PackedSequence)

_MODULES: dict[str, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {
    "rnn": nn.RNN,
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


def make_cell(cell: Cell, *, inputs: int, width: int) -> Recurrent:
    """A one-way, one-layer, batch-first module, initialized so that gradients travel far."""
    if cell not in _MODULES:
        raise SettingError("cell", cell, f"one of {', '.join(get_args(Cell))}")
    module = _MODULES[cell](inputs, width, batch_first=True)
    initialize_cell(module)
    return module


def initialize_cell(module: Recurrent) -> None:
    """Orthogonal recurrent weights gate by gate (Saxe et al. 2014), open forget gates
    (Jozefowicz et al. 2015)."""
    width = module.hidden_size
    weights = dict(module.named_parameters())
    with torch.no_grad():
        for gate in torch.split(weights["weight_hh_l0"], width):  # (H, H) each
            nn.init.orthogonal_(gate)
        for gate in torch.split(weights["weight_ih_l0"], width):  # (H, D) each
            nn.init.xavier_uniform_(gate)
        weights["bias_ih_l0"].zero_()
        weights["bias_hh_l0"].zero_()
        if isinstance(module, nn.LSTM):
            # torch orders the gates input, forget, cell, output
            weights["bias_ih_l0"][width : 2 * width] = 1.0


def thinned(module: Recurrent, drop: float) -> dict[str, Tensor]:
    """The recurrent weights with a share of them dropped, the same for a whole batch (Wan et al.
    2013; Merity et al. 2018); nothing where none are to be."""
    if not (drop and module.training):
        return {}
    return {"weight_hh_l0": F.dropout(cast(Tensor, module.weight_hh_l0), drop)}


def run_cell(
    module: Recurrent,
    x: Rows,
    state: State | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> tuple[Rows, State]:
    """All steps of rows that go on together, with some `weights` in place of its own."""
    if not weights:
        return cast("tuple[Rows, State]", module(x, state))
    return cast("tuple[Rows, State]", functional_call(module, dict(weights), (x, state)))

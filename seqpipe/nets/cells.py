"""The three recurrent cells, one layer and one direction at a time."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from seqpipe.errors import SettingError

Cell = Literal["rnn", "lstm", "gru"]
Recurrent = nn.RNN | nn.LSTM | nn.GRU
State = Tensor | tuple[Tensor, Tensor]

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

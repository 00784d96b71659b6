"""The recurrent cells, one layer and one direction at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, TypeVar, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import PackedSequence

from seqpipe.errors import SettingError
from seqpipe.nets.scan import gated

Cell = Literal["rnn", "lstm", "gru", "mingru"]
State = Tensor | tuple[Tensor, Tensor]
Rows = TypeVar("Rows", Tensor, PackedSequence)


class MinGRU(nn.Module):
    """A GRU whose gate and new value hang on the input alone (Feng et al. 2024), so that there is
    one product for all steps; called as torch's modules are, with torch's names for its weights."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.hidden_size = width
        self.weight_ih_l0 = nn.Parameter(torch.empty(2 * width, inputs))
        self.bias_ih_l0 = nn.Parameter(torch.empty(2 * width))

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """From (B, S, D) and a state (1, B, H) to (B, S, H) and the last state."""
        gates = F.linear(x, self.weight_ih_l0, self.bias_ih_l0).transpose(0, 1)
        first = state
        if first is None:
            first = self.bias_ih_l0.new_zeros(1, len(x), self.hidden_size)
        states = gated(gates, first[0])  # (S, B, H)
        # a copy: who carries it on is not to hold all states by it
        return states.transpose(0, 1), states[-1:].clone() if len(states) else first


Recurrent = nn.RNN | nn.LSTM | nn.GRU | MinGRU

_MODULES: dict[str, Callable[[int, int], Recurrent]] = {
    "rnn": partial(nn.RNN, batch_first=True),
    "lstm": partial(nn.LSTM, batch_first=True),
    "gru": partial(nn.GRU, batch_first=True),
    "mingru": MinGRU,
}


def make_cell(cell: Cell, *, inputs: int, width: int, weight_dropout: float = 0.0) -> Recurrent:
    """A one-way, one-layer, batch-first module, initialized so that gradients travel far; the rate
    is that of `thinned`, for which not every cell has weights."""
    if cell not in _MODULES:
        raise SettingError("cell", cell, f"one of {', '.join(get_args(Cell))}")
    if cell == "mingru" and weight_dropout:
        allowed = "0.0, as a mingru has no recurrent weights, or one of the cells rnn, lstm, gru"
        raise SettingError("weight_dropout", weight_dropout, allowed)
    module = _MODULES[cell](inputs, width)
    initialize_cell(module)
    return module


def initialize_cell(module: Recurrent) -> None:
    """Orthogonal recurrent weights gate by gate (Saxe et al. 2014), open forget gates
    (Jozefowicz et al. 2015)."""
    width = module.hidden_size
    weights = dict(module.named_parameters())
    with torch.no_grad():
        if not isinstance(module, MinGRU):
            for gate in torch.split(weights["weight_hh_l0"], width):  # (H, H) each
                nn.init.orthogonal_(gate)
            weights["bias_hh_l0"].zero_()
        for gate in torch.split(weights["weight_ih_l0"], width):  # (H, D) each
            nn.init.xavier_uniform_(gate)
        weights["bias_ih_l0"].zero_()
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
    if torch.is_autocast_enabled("cpu"):
        return _run_full(module, x, state, weights)
    if not weights:
        return cast("tuple[Rows, State]", module(x, state))
    return cast("tuple[Rows, State]", functional_call(module, dict(weights), (x, state)))


def _run_full(
    module: Recurrent, x: Rows, state: State | None, weights: Mapping[str, Tensor] | None
) -> tuple[Rows, State]:
    """In 32 bits: on most processors torch has no kernel of an LSTM for fewer, and none of a GRU
    on any."""
    if isinstance(state, tuple):
        state = (state[0].float(), state[1].float())
    elif state is not None:
        state = state.float()
    with torch.autocast("cpu", enabled=False):
        return run_cell(module, x.float(), state, weights)

"""A recurrent layer whose weights were made ready to be stepped by hand, without gradients.

tanh x is written as 2 s(2x) - 1 with the logistic function s, which is three times as fast on a
CPU; the twos are folded into the weights, and states are kept at half their value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from seqpipe.nets.cells import MinGRU, Recurrent

T = TypeVar("T")

# As a tensor of its own: a number would be made one, and cast, at every step.
_HALF = torch.tensor(0.5)


class Derived(Generic[T]):
    """Something made of weights, made anew when one of them has changed."""

    def __init__(self) -> None:
        self._made_of: list[tuple[int, int]] = []
        self._value: T | None = None

    def of(self, weights: Sequence[Tensor], make: Callable[[], T]) -> T:
        made_of = [(w.data_ptr(), w._version) for w in weights]
        if self._value is None or made_of != self._made_of:
            self._value, self._made_of = make(), made_of
        return self._value


class Folded:
    """One layer, one or two ways side by side, with its weights folded for the step of its cell."""

    def __init__(self, cell: str, modules: Sequence[Recurrent]) -> None:
        self._step = _STEPS[cell]
        self.cell = cell
        self.ways = len(modules)
        self.width = modules[0].hidden_size
        weights = [_weights(module) for module in modules]
        scale = _scale(modules[0]).to(weights[0]["bias_ih_l0"])  # (G,)
        self.inputs = torch.stack([w["weight_ih_l0"].t() * scale for w in weights])  # (W, D, G)
        # twice, as the states are halves
        self.recurrent = torch.stack([w["weight_hh_l0"].t() * scale * 2 for w in weights])
        given = torch.stack([w["bias_ih_l0"] * scale for w in weights])[:, None]  # (W, 1, G)
        carried = torch.stack([w["bias_hh_l0"] * scale for w in weights])[:, None]
        gates = given.shape[2]
        # what a GRU's reset gate takes back, bias included, stands by itself
        self.sizes = [2 * self.width, self.width] if cell == "gru" else [gates]
        self.inner = torch.zeros_like(carried)
        if cell == "gru":
            self.inner[..., 2 * self.width :] = carried[..., 2 * self.width :]
        self.bias = given + carried - self.inner
        self.recurrents = [part.contiguous() for part in self.apart(self.recurrent)]

    def gates(self, x: Tensor) -> Tensor:
        """The given half of the gates, without its bias: (W, N, D) to (W, N, G)."""
        return torch.bmm(x, self.inputs)

    def apart(self, gates: Tensor) -> Sequence[Tensor]:
        """Of (..., G) what a step wants by itself."""
        return cast(Sequence[Tensor], gates.split(self.sizes, dim=-1))

    def step(self, gates: Sequence[Tensor], state: Tensor, memory: Tensor, out: Tensor) -> None:
        """From the given half of the gates (W, n, G), `apart`, biases included and used up, to half
        of the next state in `out` (W, n, H); an LSTM's `memory`, twice its cell, moves on in
        place."""
        self._step(self, gates, state, memory, out)


def _step_rnn(
    layer: Folded, gates: Sequence[Tensor], state: Tensor, memory: Tensor, out: Tensor
) -> None:
    torch.sigmoid(gates[0].baddbmm_(state, layer.recurrents[0]), out=out).sub_(_HALF)


def _step_lstm(
    layer: Folded, gates: Sequence[Tensor], state: Tensor, memory: Tensor, out: Tensor
) -> None:
    """`memory` holds twice the cell."""
    opened = gates[0].baddbmm_(state, layer.recurrents[0]).sigmoid_()
    enter, keep, new, leave = opened.split(layer.width, dim=-1)
    memory.mul_(keep).addcmul_(enter, new.sub_(_HALF), value=4)
    torch.mul(torch.sigmoid(memory).sub_(_HALF), leave, out=out)


def _step_gru(
    layer: Folded, gates: Sequence[Tensor], state: Tensor, memory: Tensor, out: Tensor
) -> None:
    opened, new = gates
    reset, keep = opened.baddbmm_(state, layer.recurrents[0]).sigmoid_().chunk(2, dim=-1)
    carried = torch.baddbmm(layer.apart(layer.inner)[1], state, layer.recurrents[1])
    torch.lerp(new.addcmul_(reset, carried).sigmoid_().sub_(_HALF), state, keep, out=out)


def _step_mingru(
    layer: Folded, gates: Sequence[Tensor], state: Tensor, memory: Tensor, out: Tensor
) -> None:
    opening, new = gates[0].chunk(2, dim=-1)
    torch.lerp(state, new, opening.sigmoid_(), out=out)


_STEPS: dict[str, Callable[[Folded, Sequence[Tensor], Tensor, Tensor, Tensor], None]] = {
    "rnn": _step_rnn,
    "lstm": _step_lstm,
    "gru": _step_gru,
    "mingru": _step_mingru,
}


def _weights(module: Recurrent) -> dict[str, Tensor]:
    """By torch's names, with zeros for the carried half of the gates where a cell has none."""
    own: dict[str, Tensor] = dict(module.named_parameters())
    if isinstance(module, MinGRU):
        bias = own["bias_ih_l0"]
        own["weight_hh_l0"] = bias.new_zeros(len(bias), module.hidden_size)
        own["bias_hh_l0"] = torch.zeros_like(bias)
    return own


def _scale(module: Recurrent) -> Tensor:
    """2 where a gate goes through tanh, 1 where it goes through the logistic function, and a half
    where it is a part of the state itself."""
    parts = {nn.RNN: [2], nn.LSTM: [1, 1, 2, 1], nn.GRU: [1, 1, 2], MinGRU: [1, 0.5]}[type(module)]
    return torch.tensor(parts, dtype=torch.float32).repeat_interleave(module.hidden_size)

"""A language model that goes on with one text, on the CPU.

For the few numbers of one text a call of torch costs more than what it does; numpy looks at the
same weights, and takes a third of the time. Values are folded as in `nets/folded.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqpipe.nets.folded import Folded

Array = NDArray[np.float32]


class Solo:
    """Goes on from a state (L, H) that it takes for its own; holds for the weights that it was made
    from."""

    def __init__(
        self,
        layers: Sequence[Folded],
        table: Tensor,
        above: Sequence[Tensor],
        weight: Tensor,
        bias: Tensor,
        *,
        halves: Tensor,
        cells: Tensor,
    ) -> None:
        """`table` (V, G), `above` (H, G) each, `weight` (H, V) and `bias` (V,) as `Teller` has
        them."""
        self._table = table.numpy()
        self._weight, self._bias = weight.numpy(), bias.numpy()
        inputs = [None, *(given.numpy() for given in above)]
        states = zip(halves.numpy().copy(), cells.numpy().copy(), strict=True)
        self._layers = [
            _STEPS[layer.cell](layer, given, half, cell)
            for layer, given, (half, cell) in zip(layers, inputs, states, strict=True)
        ]

    def step(self, token: int) -> Array:
        """From one piece to the scores of what follows (V,)."""
        with np.errstate(over="ignore"):  # exp of a large number: its logistic is 0
            scores: Array = self._advance(token) @ self._weight
        scores += self._bias
        return scores

    def read(self, tokens: NDArray[np.int64]) -> Array:
        """From pieces (S,) to half of the top states that tell what follows each (S, H)."""
        with np.errstate(over="ignore"):
            return np.stack([self._advance(token).copy() for token in tokens.tolist()])

    def _advance(self, token: int) -> Array:
        h: Array = self._table[token]
        for layer in self._layers:
            h = layer.step(h)
        return h

    def states(self) -> tuple[Tensor, Tensor]:
        """Half states and cells of all layers, (L, H) each."""
        halves = np.stack([layer.half for layer in self._layers])
        cells = np.stack([layer.cell for layer in self._layers])
        return torch.from_numpy(halves), torch.from_numpy(cells)


class _Layer:
    """One layer and its state; `step` takes the gates of the lowest, or the half state below."""

    def __init__(self, layer: Folded, inputs: Array | None, half: Array, cell: Array) -> None:
        self.width = layer.width
        self.half, self.cell = half, cell
        self._inputs = inputs  # (H, G); none where gates are looked up
        self._bias = layer.bias[0, 0].numpy()
        self._inner = layer.inner[0, 0].numpy()
        self._recurrent = layer.recurrent[0].numpy()  # (H, G)
        self._carried = np.empty_like(self._bias)

    def given(self, below: Array) -> Array:
        return below if self._inputs is None else below @ self._inputs + self._bias

    def carried(self) -> Array:
        return np.dot(self.half, self._recurrent, out=self._carried)

    def step(self, below: Array) -> Array:
        raise NotImplementedError


class _Rnn(_Layer):
    def step(self, below: Array) -> Array:
        x = self.carried()
        x += self.given(below)
        np.subtract(_logistic(x), 0.5, out=self.half)
        return self.half


class _Lstm(_Layer):
    def step(self, below: Array) -> Array:
        x = self.carried()
        x += self.given(below)
        enter, keep, new, leave = _logistic(x).reshape(4, -1)
        new -= 0.5
        new *= enter
        new *= 4
        self.cell *= keep
        self.cell += new
        half = _logistic(self.cell.copy())
        half -= 0.5
        np.multiply(half, leave, out=self.half)
        return self.half


class _Gru(_Layer):
    def step(self, below: Array) -> Array:
        given, carried = self.given(below), self.carried()
        carried += self._inner
        split = 2 * self.width
        reset, keep = _logistic(given[:split] + carried[:split]).reshape(2, -1)
        new = reset * carried[split:]
        new += given[split:]
        new = _logistic(new)
        new -= 0.5
        self.half -= new
        self.half *= keep
        self.half += new
        return self.half


class _MinGru(_Layer):
    def step(self, below: Array) -> Array:
        opened, new = self.given(below).reshape(2, -1)
        new = new - self.half
        new *= _logistic(opened.copy())
        self.half += new
        return self.half


_STEPS: dict[str, Callable[[Folded, Array | None, Array, Array], _Layer]] = {
    "rnn": _Rnn,
    "lstm": _Lstm,
    "gru": _Gru,
    "mingru": _MinGru,
}


def _logistic(x: Array) -> Array:
    """In place."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)

"""Folded weights step as torch's cells do, and are made anew when a weight has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from seqpipe.nets.cells import Cell, Recurrent, make_cell
from seqpipe.nets.folded import Derived, Folded

every_cell = pytest.mark.parametrize("cell", get_args(Cell))


def make_module(cell: Cell) -> Recurrent:
    module = make_cell(cell, inputs=3, width=4)
    for weight in module.parameters():  # fresh biases are zero, and would hide a mistake
        nn.init.uniform_(weight, -0.8, 0.8)
    return module


def by_torch(cell: Cell, module: Recurrent, x: Tensor, h: Tensor, c: Tensor) -> tuple[Any, ...]:
    """The next state and, of an LSTM, the next cell."""
    state = (h[None], c[None]) if cell == "lstm" else h[None]
    _, after = module(x[:, None], state)
    return (after[0][0], after[1][0]) if cell == "lstm" else (after[0],)


@every_cell
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("size", [1.0, 500.0])
@torch.no_grad()
def test_a_step_is_that_of_torch(cell: Cell, ways: int, size: float) -> None:
    """Halves of states in and out, twice the cell; far out as well."""
    modules = [make_module(cell) for _ in range(ways)]
    folded = Folded(cell, modules)
    x, h, c = (torch.randn(ways, 5, n) for n in (3, 4, 4))
    x, h = size * x, torch.tanh(h)
    memory, out = 2 * c, torch.empty_like(h)
    folded.step(folded.apart(folded.gates(x) + folded.bias), h / 2, memory, out)
    for way, module in enumerate(modules):
        after = by_torch(cell, module, x[way], h[way], c[way])
        torch.testing.assert_close(out[way] * 2, after[0], atol=1e-5, rtol=1e-5)
        if cell == "lstm":
            torch.testing.assert_close(memory[way] / 2, after[1], atol=1e-5, rtol=1e-5)


def optimizer_step(weight: nn.Parameter) -> None:
    weight.grad = torch.ones_like(weight)
    torch.optim.Adam([weight]).step()


def in_place(weight: nn.Parameter) -> None:
    with torch.no_grad():
        weight[0, 0] += 1


def copied_over(weight: nn.Parameter) -> None:
    with torch.no_grad():
        weight.copy_(torch.zeros_like(weight))


def new_storage(weight: nn.Parameter) -> None:
    weight.data = weight.data.clone()


@pytest.mark.parametrize("change", [optimizer_step, in_place, copied_over, new_storage])
@pytest.mark.parametrize("which", [0, 1])
def test_it_is_made_anew_when_any_weight_changes(
    change: Callable[[nn.Parameter], None], which: int
) -> None:
    weights = [nn.Parameter(torch.randn(2, 3)) for _ in range(2)]
    derived: Derived[float] = Derived()
    made = []

    def make() -> float:
        made.append(sum(weight.sum().item() for weight in weights))
        return made[-1]

    first = derived.of(weights, make)
    assert derived.of(weights, make) == first and len(made) == 1
    change(weights[which])
    assert derived.of(weights, make) == made[-1] and len(made) == 2
    assert derived.of(weights, make) == made[-1] and len(made) == 2


def test_reading_a_weight_makes_nothing_anew() -> None:
    module = make_module("lstm")
    derived: Derived[object] = Derived()
    first = derived.of(list(module.parameters()), object)
    torch.autograd.backward(module(torch.randn(2, 3, 3))[0].sum())
    module.eval()(torch.randn(2, 3, 3))
    assert derived.of(list(module.parameters()), object) is first

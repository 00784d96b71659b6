"""Layers over given gates are torch's modules, and so are their gradients."""

from __future__ import annotations

from typing import cast, get_args

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from torch import Tensor, nn

from seqpipe.nets.cells import Cell, Recurrent, State, make_cell, run_cell
from seqpipe.nets.unrolled import given, unrolled

WIDTH, INPUTS = 6, 5
every_cell = pytest.mark.parametrize("cell", get_args(Cell))
every_recurrent_weight = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])


def make_module(cell: Cell, dtype: torch.dtype = torch.float64) -> Recurrent:
    module = make_cell(cell, inputs=INPUTS, width=WIDTH).to(dtype)
    for weight in module.parameters():  # fresh biases are zero, and would hide a mistake
        nn.init.uniform_(weight, -0.8, 0.8)
    return module


def make_parts(
    cell: Cell, steps: int, rows: int, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Inputs (T, B, D), and states (B, H), of which an LSTM has two."""
    parts = [torch.randn(steps, rows, INPUTS, dtype=dtype)]
    parts += [torch.randn(rows, WIDTH, dtype=dtype) for _ in range(1 + (cell == "lstm"))]
    for part in parts:
        part.requires_grad_()
    return parts


def state_of(parts: list[Tensor]) -> State:
    return cast(State, parts[0] if len(parts) == 1 else tuple(parts))


def ours(module: Recurrent, parts: list[Tensor], weights: dict[str, Tensor]) -> list[Tensor]:
    """The hidden states (T, B, H) and the last of each state (B, H)."""
    y, state = unrolled(module, given(module, parts[0]), state_of(parts[1:]), weights)
    return [y, *(state if isinstance(state, tuple) else [state])]


def by_torch(module: Recurrent, parts: list[Tensor], weights: dict[str, Tensor]) -> list[Tensor]:
    first = state_of([part[None] for part in parts[1:]])
    y, state = run_cell(module, parts[0].transpose(0, 1), first, weights)
    return [y.transpose(0, 1), *(s[0] for s in (state if isinstance(state, tuple) else [state]))]


def check(module: Recurrent, parts: list[Tensor], weights: dict[str, Tensor] | None = None) -> None:
    """All outputs, and the gradients of everything that goes in."""
    found, expected = (run(module, parts, weights or {}) for run in (ours, by_torch))
    into = [torch.randn_like(part) for part in expected]
    own = {**dict(module.named_parameters()), **(weights or {})}
    leaves = [*parts, *own.values()]
    grads = (torch.autograd.grad(part, leaves, into) for part in (found, expected))
    for mine, theirs in [*zip(found, expected, strict=True), *zip(*grads, strict=True)]:
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@every_cell
@drawn(steps=st.integers(1, 7), rows=st.integers(1, 5))
def test_it_is_torchs_module(cell: Cell, steps: int, rows: int) -> None:
    check(make_module(cell), make_parts(cell, steps, rows))


@every_cell
def test_in_single_precision(cell: Cell) -> None:
    dtype = torch.float32
    check(make_module(cell, dtype), make_parts(cell, 12, 4, dtype))


@every_recurrent_weight
def test_other_weights_take_the_place_of_its_own(cell: Cell) -> None:
    module = make_module(cell)
    other = torch.randn_like(cast(Tensor, module.weight_hh_l0), requires_grad=True)
    check(module, make_parts(cell, 4, 3), {"weight_hh_l0": other})


@every_recurrent_weight
def test_gradients_are_those_of_small_differences(cell: Cell) -> None:
    module = make_module(cell)
    gates = torch.randn(3, 2, len(cast(Tensor, module.bias_ih_l0)), dtype=torch.float64)
    recurrent, bias = cast(Tensor, module.weight_hh_l0), cast(Tensor, module.bias_hh_l0)
    states = make_parts(cell, 0, 2)[1:]

    def run(gates: Tensor, recurrent: Tensor, bias: Tensor, *first: Tensor) -> list[Tensor]:
        weights = {"weight_hh_l0": recurrent, "bias_hh_l0": bias}
        y, state = unrolled(module, gates, state_of(list(first)), weights)
        # the bias counts for a GRU alone
        return [y, *(state if isinstance(state, tuple) else [state]), 0 * bias]

    assert torch.autograd.gradcheck(run, (gates.requires_grad_(), recurrent, bias, *states))


@every_cell
def test_parts_of_a_row_one_after_the_other(cell: Cell) -> None:
    module, parts = make_module(cell), make_parts(cell, 7, 3)
    whole = ours(module, parts, {})
    gates, state = given(module, parts[0]), state_of(parts[1:])
    found = []
    for some in gates.split([3, 0, 1, 3]):
        y, state = unrolled(module, some, state)
        found.append(y)
    torch.testing.assert_close(torch.cat(found), whole[0])
    for last, expected in zip(state if len(whole) == 3 else [state], whole[1:], strict=True):
        torch.testing.assert_close(last, expected)


@every_cell
def test_gates_looked_up_in_a_table(cell: Cell) -> None:
    """Gates and states that do not lie in a row, and are asked for nothing."""
    module, parts = make_module(cell), make_parts(cell, 4, 3)
    ids = torch.randint(0, 4, (3, 5))
    table = given(module, parts[0][:, 0])
    first = state_of([part.detach().t().contiguous().t() for part in parts[1:]])
    y, _ = unrolled(module, table[ids].transpose(0, 1), first)
    expected, _ = unrolled(module, given(module, parts[0][ids.t(), 0]), state_of(parts[1:]))
    torch.testing.assert_close(y, expected)
    (found,), (wanted,) = (torch.autograd.grad(o.sin().sum(), [parts[0]]) for o in (y, expected))
    torch.testing.assert_close(found, wanted)


@every_cell
def test_what_goes_in_stays_as_it_is_and_backward_may_run_twice(cell: Cell) -> None:
    module, parts = make_module(cell), make_parts(cell, 4, 3)
    gates = given(module, parts[0])
    before = [part.clone() for part in (gates, *parts)]
    y, _ = unrolled(module, gates, state_of(parts[1:]))
    once, again = (torch.autograd.grad(y.sum(), parts, retain_graph=True) for _ in range(2))
    torch.testing.assert_close(once, again, atol=0, rtol=0)
    torch.testing.assert_close([gates, *parts], before, atol=0, rtol=0)


@every_cell
def test_outputs_changed_behind_its_back_are_noticed(cell: Cell) -> None:
    y = ours(make_module(cell), make_parts(cell, 4, 3), {})[0]
    with torch.no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match=r"modified .*inplace"):
        y.sum().backward()

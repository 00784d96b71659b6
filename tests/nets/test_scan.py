"""The states of a minGRU are those of a plain loop, and so are their gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from single import MinGRUCell
from torch import Tensor

from seqpipe.nets.cells import MinGRU, make_cell
from seqpipe.nets.scan import by_doubling, gated, in_blocks, scan, step_by_step

WIDTH = 3
every_way = pytest.mark.parametrize("way", [step_by_step, by_doubling])
sizes = given(steps=st.integers(0, 20), rows=st.integers(0, 4), seed=st.integers(0, 99))


def plain(keep: Tensor, added: Tensor, first: Tensor) -> Tensor:
    states = [first]
    for kept, more in zip(keep, added, strict=True):
        states.append(kept * states[-1] + more)
    return torch.stack(states)[1:]


def plainly_gated(gates: Tensor, first: Tensor) -> Tensor:
    opened, new = torch.sigmoid(gates[..., :WIDTH]), gates[..., WIDTH:]
    return plain(1 - opened, opened * new, first)


def make_parts(steps: int, rows: int, *, gates: int = 2) -> tuple[Tensor, Tensor]:
    """Gates (T, B, G * H) and a state (B, H)."""
    given = torch.randn(steps, rows, gates * WIDTH, dtype=torch.float64, requires_grad=True)
    return given, torch.randn(rows, WIDTH, dtype=torch.float64, requires_grad=True)


@every_way
@sizes
@torch.no_grad()
def test_each_way_is_a_plain_loop(
    way: Callable[[Tensor, Tensor, Tensor], Tensor], steps: int, rows: int, seed: int
) -> None:
    torch.manual_seed(seed)
    added, first = make_parts(steps, rows, gates=1)
    keep = torch.rand_like(added)
    torch.testing.assert_close(way(keep, added, first), plain(keep, added, first))


@sizes
@torch.no_grad()
def test_backwards_is_forwards_of_what_was_turned_round(steps: int, rows: int, seed: int) -> None:
    torch.manual_seed(seed)
    added, first = make_parts(steps, rows, gates=1)
    keep = torch.rand_like(added)
    found = scan(keep, added, first, backwards=True)
    torch.testing.assert_close(found, plain(keep.flip(0), added.flip(0), first).flip(0))


@given(
    steps=st.integers(64, 400),
    rows=st.integers(1, 200),
    backwards=st.booleans(),
    seed=st.integers(0, 99),
)
@torch.no_grad()
def test_blocks_side_by_side_are_a_plain_loop(
    steps: int, rows: int, backwards: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    added, first = make_parts(steps, rows, gates=1)
    keep = torch.rand_like(added)
    expected = step_by_step(keep, added, first, backwards=backwards)
    for way in (in_blocks, scan):
        torch.testing.assert_close(way(keep, added, first, backwards=backwards), expected)


@sizes
def test_states_and_gradients_are_those_of_a_plain_loop(steps: int, rows: int, seed: int) -> None:
    torch.manual_seed(seed)
    parts = make_parts(steps, rows)
    found, expected = gated(*parts), plainly_gated(*parts)
    torch.testing.assert_close(found, expected)
    into = torch.randn_like(found)
    grads = (torch.autograd.grad(y, parts, into, materialize_grads=True) for y in (found, expected))
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_are_those_of_small_differences() -> None:
    assert torch.autograd.gradcheck(gated, make_parts(5, 2))


def test_known_numbers() -> None:
    """An open gate takes the new value, a shut one the old, one at zero the mean of both."""
    gates = torch.tensor([[100.0, 7.0], [-100.0, 9.0], [0.0, 3.0]])[:, None]
    assert gated(gates, torch.tensor([[5.0]])).flatten().tolist() == [7.0, 7.0, 5.0]


def test_gates_that_stay_shut_or_open_for_long_lose_nothing() -> None:
    """No product of many small numbers is divided by, and none of them is taken a logarithm of."""
    gates, _ = make_parts(2000, 2)
    first = torch.ones(2, WIDTH)
    for opening in (-60.0, 60.0):
        with torch.no_grad():
            gates[..., :WIDTH] = opening
        y = gated(gates.float(), first)
        expected = first if opening < 0 else gates[-1, :, WIDTH:].float()
        torch.testing.assert_close(y[-1], expected)
        (grad,) = torch.autograd.grad(y[-1].sum(), gates)
        assert grad.isfinite().all()
        assert grad[:-1].abs().max() < 1e-6
        assert (grad[-1, :, WIDTH:] == (opening > 0)).all()


def test_steps_may_lie_in_the_rows() -> None:
    """What is given rows first comes back so, without a copy."""
    gates, first = make_parts(4, 3)
    across = gates.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    found = gated(across, first)
    torch.testing.assert_close(found, gated(gates, first))
    assert found.transpose(0, 1).is_contiguous()
    (grad,), (expected,) = (
        torch.autograd.grad(gated(g, first).square().sum(), [g]) for g in (across, gates)
    )
    torch.testing.assert_close(grad, expected)


def test_a_layer_is_its_cell_step_by_step() -> None:
    module = make_cell("mingru", inputs=4, width=WIDTH)
    single = MinGRUCell(4, WIDTH)
    single.load_state_dict({n.removesuffix("_l0"): w for n, w in module.named_parameters()})
    x, state = torch.randn(2, 6, 4), torch.randn(1, 2, WIDTH)
    for first in (None, state):
        h = torch.zeros(2, WIDTH) if first is None else first[0]
        expected = [h := single(step, h) for step in x.unbind(1)]
        y, after = module(x, first)
        torch.testing.assert_close(y, torch.stack(expected, dim=1))
        torch.testing.assert_close(after, expected[-1][None])


def test_no_step_leaves_the_state_as_it_was() -> None:
    module, state = make_cell("mingru", inputs=4, width=WIDTH), torch.randn(1, 2, WIDTH)
    y, after = module(torch.zeros(2, 0, 4), state)
    assert y.shape == (2, 0, WIDTH) and torch.equal(after, state)


def test_states_stay_in_full_precision_under_autocast() -> None:
    module = make_cell("mingru", inputs=4, width=WIDTH)
    assert isinstance(module, MinGRU)
    with torch.no_grad():
        module.bias_ih_l0[:WIDTH] = -9.0  # opened by 1e-4, of which half precision knows nothing
        module.weight_ih_l0.zero_()
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = module(torch.zeros(1, 1000, 4), torch.ones(1, 1, WIDTH))
    assert y.dtype == torch.float32
    kept = torch.sigmoid(torch.tensor(9.0, dtype=torch.float64)).item()
    assert y[0, -1].tolist() == pytest.approx([kept**1000] * WIDTH, abs=1e-4)

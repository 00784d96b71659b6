"""Gradients of layers and of what was read before, against what autograd says by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seqpipe.nets.cells import Cell, make_cell
from seqpipe.nets.encoder import Encoder
from seqpipe.train.gradients import heard, look, reach
from seqpipe.train.learner import Learner

every_cell = pytest.mark.parametrize("cell", get_args(Cell))


class Sums(nn.Module):
    """An encoder whose states are to be small."""

    def __init__(self, cell: Cell = "lstm", *, weight_dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        how = {"layers": 2, "weight_dropout": weight_dropout}
        self.encoder = Encoder(cell=cell, inputs=3, width=4, **how)  # type: ignore[arg-type]
        self.noise = nn.Dropout(0.5)

    def loss(self, x: Tensor, lengths: Tensor) -> Tensor:
        loss: Tensor = self.encoder(self.noise(x), lengths).square().sum()
        return loss


X = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor([5, 4, 5])
CELLS = ["encoder.onward.0", "encoder.onward.1", "encoder.backward_.0", "encoder.backward_.1"]


@every_cell
def test_layers_have_the_norms_of_their_weights(cell: Cell) -> None:
    net = Sums(cell).eval()
    learner = Learner(net)
    found = look(learner, lambda: learner.accumulate(net.loss(X, LENGTHS), 3), step=7, steps=4)
    grads = torch.autograd.grad(net.loss(X, LENGTHS) / 3, learner.weights)
    squares = dict.fromkeys(CELLS, 0.0)
    for (name, _), grad in zip(net.named_parameters(), grads, strict=True):
        squares[name.rpartition(".")[0]] += float(grad.square().sum())
    assert found.step == 7
    assert found.layers == pytest.approx({name: s**0.5 for name, s in squares.items()}, rel=1e-5)
    assert set(found.lags) == set(CELLS) and {len(lag) for lag in found.lags.values()} == {4}


@every_cell
@pytest.mark.parametrize("weight_dropout", [0.0, 0.3])
def test_looking_leaves_everything_as_it_was(cell: Cell, weight_dropout: float) -> None:
    if cell == "mingru":  # which has no recurrent weights to drop
        weight_dropout = 0.0
    net = Sums(cell, weight_dropout=weight_dropout)
    learner = Learner(net)
    chance, before = torch.get_rng_state(), [w.detach().clone() for w in learner.weights]
    look(learner, lambda: learner.accumulate(net.loss(X, LENGTHS), 3), step=1, steps=4)
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(weight.grad is None for weight in learner.weights)
    assert all(torch.equal(w, b) for w, b in zip(learner.weights, before, strict=True))
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_calls_step_by_step_are_heard_as_one() -> None:
    cell = make_cell("gru", inputs=3, width=4)
    net = nn.ModuleDict({"cell": cell})
    with heard(net) as inputs:
        for step in X.split(1, dim=1):
            cell(step)
    assert torch.equal(torch.cat(inputs["cell"], dim=1), X)


@every_cell
@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 3),
    steps=st.integers(1, 7),
    longer=st.integers(0, 3),
    training=st.booleans(),
)
def test_the_reach_is_that_of_the_jacobian(
    cell: Cell, rows: int, steps: int, longer: int, training: bool
) -> None:
    torch.manual_seed(rows * 10 + steps)
    module = make_cell(cell, inputs=2, width=3).train(training)
    x = torch.randn(rows, steps + longer, 2)
    found = reach(module, x, steps=steps)
    assert len(found) == steps
    chance = torch.Generator().manual_seed(0)
    signs = (torch.randint(0, 2, (rows, 3), generator=chance) * 2 - 1).float()
    for back in range(steps):
        norms = []
        for row in range(rows):
            own = x[row : row + 1, :steps]
            whole = torch.autograd.functional.jacobian(lambda y: module(y)[0][0, -1], own)
            at = torch.as_tensor(whole)[:, 0, steps - 1 - back]  # (H, D)
            norms.append(float(torch.linalg.vector_norm(signs[row] @ at)))
        assert found[back] == pytest.approx(sum(norms) / rows, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("gain", "grows"), [(0.5, False), (1.5, True)])
def test_what_vanishes_and_what_explodes_is_seen(gain: float, grows: bool) -> None:
    cell = make_cell("rnn", inputs=4, width=4)
    with torch.no_grad():
        dict(cell.named_parameters())["weight_hh_l0"].copy_(gain * torch.eye(4))
    found = reach(cell, torch.zeros(1, 20, 4), steps=20)
    ratios = [later / sooner for sooner, later in pairwise(found)]
    assert ratios == pytest.approx([gain] * 19, rel=1e-4)
    assert (found[-1] > found[0]) == grows


def test_no_more_is_looked_at_than_can_be_drawn() -> None:
    assert len(reach(make_cell("rnn", inputs=1, width=1), torch.zeros(1, 300, 1), steps=300)) == 101

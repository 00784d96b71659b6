"""A model that goes on learning from what it measures, and leaves the one it began as alone."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from seqpipe.nets.cells import Cell
from seqpipe.nets.dynamic import Dynamic
from seqpipe.nets.language_model import LanguageModel

PIECES = 9
every_cell = pytest.mark.parametrize("cell", get_args(Cell))


def make_net(cell: Cell = "lstm") -> LanguageModel:
    net = LanguageModel(pieces=PIECES, cell=cell, embedding=6, width=8, tie_output=True)
    return net.eval()


def over_and_over(times: int) -> Tensor:
    return torch.tensor([[4, 7, 5, 3, 8, 6] * times])


def nats_of(model: LanguageModel | Dynamic, net: LanguageModel, ids: Tensor) -> Tensor:
    """Windows of 12, in the mode of a stage that predicts."""
    carry, found = net.begin(len(ids)), []
    with torch.inference_mode():
        for some in ids.split(12, dim=1):
            lengths = torch.full((len(ids),), some.shape[1])
            nats, carry = model.measure(some, lengths, carry)
            found.append(nats)
        return torch.cat(found, dim=1)


@every_cell
def test_what_comes_again_costs_less_and_the_model_stays_as_it_was(cell: Cell) -> None:
    net, ids = make_net(cell), over_and_over(60)
    kept = {name: weight.clone() for name, weight in net.state_dict().items()}
    still = nats_of(net, net, ids)
    found = nats_of(Dynamic(net, rate=0.5), net, ids)
    assert torch.equal(found[:, :12], still[:, :12])  # measured first, then learned
    assert found[:, -12:].sum() < 0.7 * still[:, -12:].sum()
    assert all(torch.equal(weight, kept[name]) for name, weight in net.state_dict().items())
    assert torch.equal(nats_of(net, net, ids), still)
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())


def test_no_rate_is_no_learning() -> None:
    net, ids = make_net(), over_and_over(10)
    found = nats_of(Dynamic(net, rate=0.0), net, ids)
    torch.testing.assert_close(found, nats_of(net, net, ids))


def test_it_is_the_same_each_time() -> None:
    net, ids = make_net(), over_and_over(10)
    first, second = (nats_of(Dynamic(net, rate=0.1), net, ids) for _ in range(2))
    assert torch.equal(first, second)


def test_what_is_beyond_a_row_teaches_nothing() -> None:
    net, ids = make_net(), over_and_over(4)
    model, alone = Dynamic(net, rate=0.1), Dynamic(net, rate=0.1)
    noise = torch.cat([ids, torch.full_like(ids, 8)])
    lengths = torch.tensor([ids.shape[1], 0])
    for _ in range(2):
        both, _ = model.measure(noise, lengths, net.begin(2))
        one, _ = alone.measure(ids, lengths[:1], net.begin(1))
        torch.testing.assert_close(both[:1], one)
    before, _ = model.measure(ids, torch.tensor([0]), net.begin(1))
    assert not before.any()


def test_noise_stays_out_of_what_it_learns() -> None:
    net = make_net().train()
    net.dropout.p = net.weight_dropout = net.piece_dropout = 0.5
    ids = over_and_over(10)
    first, second = (nats_of(Dynamic(net, rate=0.1), net, ids) for _ in range(2))
    assert torch.equal(first, second)


def test_what_is_as_sure_as_can_be_teaches_nothing() -> None:
    """A gradient of nothing has no norm to be divided by."""
    net = make_net()
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        net.bias[5] = 1000.0
    ids = torch.full((1, 24), 5)
    assert not nats_of(Dynamic(net, rate=0.1), net, ids).any()

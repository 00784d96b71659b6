"""Noise while training: one mask a row, gaps, and recurrent weights left out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seqpipe.nets.cells import Cell, make_cell, run_cell, thinned
from seqpipe.nets.decoder import Decoder
from seqpipe.nets.dropout import Fixed, Gaps, Locked, set_dropout
from seqpipe.nets.encoder import Encoder

every_cell = pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])


def test_a_row_keeps_its_mask_from_step_to_step() -> None:
    found = Locked(0.25)(torch.ones(50, 7, 40))
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert {round(value, 4) for value in found.unique().tolist()} == {0.0, 1.3333}
    assert abs((found == 0).float().mean().item() - 0.25) < 0.05
    assert len(found[:, 0].unique(dim=0)) > 40, "rows share a mask"


def test_what_is_dropped_gets_no_gradient() -> None:
    x = torch.randn(3, 4, 5, requires_grad=True)
    found = Locked(0.5)(x)
    torch.autograd.backward(found.sum())
    assert x.grad is not None
    assert torch.equal(x.grad != 0, found != 0)


@pytest.mark.parametrize("kind", [Locked, Fixed])
def test_evaluation_and_a_rate_of_zero_leave_all_as_it_is(kind: type[Locked]) -> None:
    x = torch.randn(2, 3, 4)
    assert kind(0.5).eval()(x) is x
    assert kind(0.0)(x) is x


def test_a_rate_of_one_drops_all() -> None:
    assert torch.equal(Locked(1.0)(torch.ones(2, 3, 4)), torch.zeros(2, 3, 4))


def test_the_driver_sets_every_rate_but_those_that_are_fixed() -> None:
    net = nn.ModuleList([Locked(0.0), nn.Sequential(nn.Dropout(0.1)), Fixed(0.2)])
    set_dropout(net, 0.6)
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.6, 0.6, 0.2]


def test_gaps_take_a_share_of_the_pieces_while_training_only() -> None:
    ids = torch.randint(4, 20, (40, 50))
    gaps = Gaps(0.3, piece=1)
    found = gaps(ids)
    gone = found == 1
    assert abs(gone.float().mean().item() - 0.3) < 0.05
    assert torch.equal(found[~gone], ids[~gone])
    assert gaps.eval()(ids) is ids
    assert Gaps(0.0, piece=1)(ids) is ids


def recurrent_weights(drop: float) -> tuple[Tensor, Tensor]:
    """What stands in the recurrent weights, and what two rows at once are multiplied by: from
    each state with a single one, torch's plain cell goes to the tanh of a column."""
    module = make_cell("rnn", inputs=1, width=8)
    state = torch.eye(8).repeat(2, 1)[None]
    found, _ = run_cell(module, torch.zeros(16, 1, 1), state, weights=thinned(module, drop))
    seen = torch.atanh(found[:, 0].double()).view(2, 8, 8)
    return dict(module.named_parameters())["weight_hh_l0"].double(), seen.transpose(1, 2)


def test_a_share_of_the_recurrent_weights_is_dropped_for_the_whole_batch() -> None:
    weight, (first, second) = recurrent_weights(0.5)
    kept = first.abs() > 1e-4
    assert 0.3 < kept.float().mean() < 0.7
    assert torch.allclose(first[kept], 2 * weight[kept], atol=1e-4)
    assert torch.equal(first, second)


def test_without_a_rate_all_weights_count() -> None:
    weight, (first, _) = recurrent_weights(0.0)
    assert torch.allclose(first, weight, atol=1e-4)


@every_cell
def test_the_same_are_dropped_at_every_step(cell: Cell) -> None:
    """A state comes to rest under steady inputs only if the weights hold still as well."""
    module = make_cell(cell, inputs=3, width=4)
    for weight in module.parameters():
        nn.init.uniform_(weight, -0.3, 0.3)
    x, weights = torch.randn(1, 1, 3).expand(1, 200, 3), thinned(module, 0.5)
    found = run_cell(module, x, weights=weights)[0][0]
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert torch.allclose(found[-1], found[-2], atol=1e-6)


Run = Callable[[], Tensor]
Make = Callable[[Cell, float], tuple[nn.Module, Run]]


def recurrent_weights_of(net: nn.Module) -> list[nn.Parameter]:
    return [weight for name, weight in net.named_parameters() if "weight_hh" in name]


def make_encoder(cell: Cell, rate: float) -> tuple[nn.Module, Run]:
    net = Encoder(cell=cell, inputs=3, width=4, layers=2, weight_dropout=rate)
    x, lengths = torch.randn(2, 5, 3), torch.tensor([5, 3])
    return net, lambda: torch.as_tensor(net(x, lengths))


def make_decoder(cell: Cell, rate: float, *, feeding: bool = False) -> tuple[nn.Module, Run]:
    net = Decoder(
        cell=cell,
        inputs=3,
        width=4,
        layers=2,
        memory=4,
        attention="general",
        feeding=feeding,
        weight_dropout=rate,
    )
    x, memory = torch.randn(2, 5, 3), net.remember(torch.randn(2, 4, 4), torch.tensor([4, 2]))
    return net, lambda: torch.as_tensor(net(x, memory)[0])


every_net = pytest.mark.parametrize(
    "make", [make_encoder, make_decoder, partial(make_decoder, feeding=True)]
)


@every_cell
@every_net
def test_evaluation_sees_all_weights_and_two_passes_of_training_others(
    cell: Cell, make: Make
) -> None:
    net, run = make(cell, 0.5)
    first, second = run(), run()
    assert not torch.allclose(first, second)
    net.eval()
    steady = run()
    assert torch.equal(run(), steady) and not torch.allclose(steady, first)
    net.train()
    for module in net.modules():
        if isinstance(module, Encoder | Decoder):
            module.weight_dropout = 0.0
    assert torch.equal(run(), steady)


@every_cell
@every_net
def test_gradients_reach_the_weights_themselves(cell: Cell, make: Make) -> None:
    net, run = make(cell, 0.5)
    torch.autograd.backward(run().square().sum())
    for weight in recurrent_weights_of(net):
        assert weight.grad is not None and weight.grad.any()
    # what is dropped for one pass is no part of the net
    assert copy.deepcopy(net).state_dict().keys() == dict(net.named_parameters()).keys()


@every_cell
@every_net
def test_weights_left_out_of_a_pass_learn_nothing_from_it(cell: Cell, make: Make) -> None:
    net, run = make(cell, 0.5)
    torch.autograd.backward(run().square().sum())
    for weight in recurrent_weights_of(net):
        assert weight.grad is not None
        assert 0.2 < (weight.grad == 0).float().mean() < 0.8


@every_cell
@pytest.mark.parametrize("feeding", [False, True])
def test_all_noise_of_a_decoder_holds_for_all_steps(cell: Cell, feeding: bool) -> None:
    """Under steady inputs it comes to rest, one step at a time too."""
    net, _ = make_decoder(cell, 0.5, feeding=feeding)
    assert isinstance(net, Decoder)
    for weight in net.parameters():
        nn.init.uniform_(weight, -0.3, 0.3)
    set_dropout(net, 0.5)
    memory = net.remember(torch.randn(2, 4, 4), torch.tensor([4, 2]))
    found, _ = net(torch.randn(2, 1, 3).expand(2, 200, 3), memory)
    assert not torch.allclose(found[:, 0], found[:, 1], atol=1e-4)
    assert torch.allclose(found[:, -1], found[:, -2], atol=1e-6)


@every_cell
def test_packed_rows_have_weights_dropped_too(cell: Cell) -> None:
    module = make_cell(cell, inputs=3, width=4)
    packed = pack_padded_sequence(
        torch.randn(2, 5, 3), torch.tensor([5, 2]), batch_first=True, enforce_sorted=False
    )
    plain, _ = run_cell(module, packed)
    torch.manual_seed(3)
    found, _ = run_cell(module, packed, weights=thinned(module, 0.5))
    assert not torch.allclose(found.data, plain.data)
    module.eval()
    assert torch.equal(run_cell(module, packed, weights=thinned(module, 0.5))[0].data, plain.data)

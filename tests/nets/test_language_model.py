"""A language model is what torch's own modules say, however its text is cut and told."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast, get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqpipe.errors import CheckpointError
from seqpipe.nets.carry import Carry
from seqpipe.nets.cells import Cell, Recurrent
from seqpipe.nets.dropout import set_dropout
from seqpipe.nets.language_model import BEGIN, LanguageModel

PIECES, EMBEDDING, WIDTH = 11, 6, 5
END = 3  # the lowest piece that a text may hold
every_cell = pytest.mark.parametrize("cell", get_args(Cell))
every_depth = pytest.mark.parametrize("layers", [1, 2])
# How the output is made: of its own weights, of the pieces' behind a projection, of the pieces'.
every_output = pytest.mark.parametrize(
    "output",
    [{}, {"tie_output": True}, {"tie_output": True, "embedding": WIDTH}],
    ids=["untied", "projected", "tied"],
)


def make_net(cell: Cell = "lstm", *, layers: int = 2, **settings: Any) -> LanguageModel:
    settings = {"pieces": PIECES, "embedding": EMBEDDING, "width": WIDTH, **settings}
    net = LanguageModel(cell=cell, layers=layers, **settings)
    with torch.no_grad():
        for weight in net.parameters():  # fresh biases are zero, and would hide a mistake
            weight.uniform_(-0.7, 0.7)
    return net.eval()


def make_ids(rows: int, steps: int) -> Tensor:
    return torch.randint(END, PIECES, (rows, steps))


def targets_of(ids: Tensor, lengths: Sequence[int]) -> Tensor:
    steps = torch.arange(ids.shape[1])
    return ids.masked_fill(steps >= torch.tensor(lengths)[:, None], -1)


def by_torch(net: LanguageModel, ids: Tensor, *, x: Tensor | None = None) -> Tensor:
    """The states of the top layer (B, S, H), each before the piece that it tells."""
    read = torch.cat([torch.full_like(ids[:, :1], BEGIN), ids[:, :-1]], dim=1)
    if x is None:
        x = F.embedding(read, net.pieces.weight) * net.pieces.embedding_dim**0.5
    for layer in net.layers:
        x, _ = cast(Recurrent, layer)(x)
    return x


def scores_by_torch(net: LanguageModel, states: Tensor) -> Tensor:
    """(B, S, V)"""
    if net.top is not None:
        states = F.linear(states, net.top.weight, net.top.bias)
    weight = net.pieces.weight if net.output is None else net.output.weight
    return states @ weight.t() + net.bias


def nats_by_torch(net: LanguageModel, ids: Tensor) -> Tensor:
    """(B, S)"""
    scores = scores_by_torch(net, by_torch(net, ids))
    return F.cross_entropy(scores.transpose(1, 2), ids, reduction="none")


def measured(net: LanguageModel, ids: Tensor, lengths: Sequence[int], *cuts: int) -> Tensor:
    """The same by the net itself, a window at a time."""
    carry, found = net.begin(len(ids)), []
    for first, last in pairwise([0, *sorted(cuts), ids.shape[1]]):
        some = (torch.tensor(lengths) - first).clamp(0, last - first)
        nats, carry = net.measure(ids[:, first:last], some, carry)
        found.append(nats)
    return torch.cat(found, dim=1)


# Learning -----------------------------------------------------------------------------------


@every_cell
@every_depth
@every_output
@pytest.mark.parametrize("steps", [4, 7], ids=["vectors", "tables"])  # of 3 rows and 11 pieces
def test_the_loss_and_its_gradients_are_those_of_torch(
    cell: Cell, layers: int, output: dict[str, Any], steps: int
) -> None:
    net = make_net(cell, layers=layers, **output)
    ids, lengths = make_ids(3, steps), [steps, 2, 3]
    loss, extra, _ = net.loss(ids, targets_of(ids, lengths), net.begin(3))
    real = targets_of(ids, lengths) >= 0
    expected = nats_by_torch(net, ids)[real].sum()
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-5)
    assert not extra
    weights = dict(net.named_parameters())
    grads = [torch.autograd.grad(one, [*weights.values()]) for one in (loss, expected)]
    for name, ours, theirs in zip(weights, *grads, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4, msg=name)


@every_cell
@every_depth
def test_windows_learn_as_the_whole_does_but_for_what_runs_back_over_the_cut(
    cell: Cell, layers: int
) -> None:
    net = make_net(cell, layers=layers)
    ids = make_ids(2, 9)
    whole, _, _ = net.loss(ids, ids, net.begin(2))
    first, _, carry = net.loss(ids[:, :4], ids[:, :4], net.begin(2))
    second, _, _ = net.loss(ids[:, 4:], ids[:, 4:], carry)
    torch.testing.assert_close(first + second, whole)
    assert not any(tensor.requires_grad for tensor in carry.tensors().values())
    nats = nats_by_torch(net, ids)
    torch.testing.assert_close(second, nats[:, 4:].sum())


@every_output
def test_the_loss_is_what_it_measures(output: dict[str, Any]) -> None:
    net = make_net(**output)
    ids, lengths = make_ids(4, 6), [6, 0, 1, 4]
    loss, _, carry = net.loss(ids, targets_of(ids, lengths), net.begin(4))
    torch.testing.assert_close(loss, measured(net, ids, lengths).sum())
    _, after = net.measure(ids, torch.full((4,), 6), net.begin(4))
    for name, value in after.tensors().items():
        torch.testing.assert_close(carry.tensors()[name], value, msg=name)


def test_nothing_to_tell_is_a_loss_of_nothing() -> None:
    net = make_net(activation=1.0, change=1.0)
    ids = make_ids(2, 3)
    loss, extra, _ = net.loss(ids, torch.full_like(ids, -1), net.begin(2))
    torch.autograd.backward(loss + extra)
    assert not loss and not extra
    assert net.bias.grad is not None and not net.bias.grad.any()


@every_cell
def test_a_table_of_gates_is_the_vectors_themselves(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = make_net(cell)
    ids = make_ids(3, 8)  # more than there are pieces: looked up
    found: list[Tensor] = []
    assert net._vectors(ids.t()).shape == (PIECES, EMBEDDING)
    for _ in range(2):
        loss, _, _ = net.loss(ids, ids, net.begin(3))
        found += [loss, *torch.autograd.grad(loss, [*net.parameters()])]
        monkeypatch.setattr(net, "_vectors", net.pieces.__call__)
    half = len(found) // 2
    for ours, theirs in zip(found[:half], found[half:], strict=True):
        torch.testing.assert_close(ours, theirs)


# Telling ------------------------------------------------------------------------------------


@every_cell
@every_depth
@every_output
def test_what_is_measured_is_what_torch_says(
    cell: Cell, layers: int, output: dict[str, Any]
) -> None:
    net = make_net(cell, layers=layers, **output)
    ids = make_ids(4, 7)
    with torch.no_grad():
        expected = nats_by_torch(net, ids)
    torch.testing.assert_close(measured(net, ids, [7] * 4), expected, atol=1e-5, rtol=1e-5)


NETS = {cell: make_net(cell) for cell in get_args(Cell)}


@given(
    cell=st.sampled_from(get_args(Cell)),
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 12), max_size=4),
    seed=st.integers(0, 999),
)
def test_rows_of_any_lengths_in_windows_of_any_cut_are_each_row_as_a_whole(
    cell: Cell, lengths: list[int], cuts: list[int], seed: int
) -> None:
    torch.manual_seed(seed)
    net, ids = NETS[cell], make_ids(len(lengths), 12)
    found = measured(net, ids, lengths, *cuts)
    for row, length in enumerate(lengths):
        with torch.no_grad():
            alone = nats_by_torch(net, ids[row : row + 1, :length])[0] if length else ids[0, :0]
        torch.testing.assert_close(found[row, :length], alone.float(), atol=1e-5, rtol=1e-5)
        assert not found[row, length:].any()


@every_cell
def test_a_row_that_has_ended_stays_where_it_was(cell: Cell) -> None:
    net = make_net(cell)
    ids, lengths = make_ids(3, 5), [2, 0, 5]
    _, carry = net.measure(ids, torch.tensor(lengths), net.begin(3))
    for row, length in enumerate(lengths):
        begun = net.begin(1)
        _, alone = net.measure(ids[row : row + 1, :length], torch.tensor([length]), begun)
        for name, value in carry.pick(torch.tensor([row])).tensors().items():
            torch.testing.assert_close(value, alone.tensors()[name], msg=name)
    assert carry.last.tolist() == [ids[0, 1], BEGIN, ids[2, 4]]


@every_cell
@every_depth
@every_output
@torch.no_grad()
def test_a_step_says_of_all_pieces_what_is_measured_of_one(
    cell: Cell, layers: int, output: dict[str, Any]
) -> None:
    net = make_net(cell, layers=layers, **output)
    ids = make_ids(2, 6)
    expected = scores_by_torch(net, by_torch(net, ids))
    teller, carry = net.teller(), net.begin(2)
    for at in range(6):
        before = [tensor.clone() for tensor in carry.tensors().values()]
        scores, looked, after = teller.step(carry.last, carry)
        assert looked is None and after.pieces is None
        assert (scores[:, :END] == -torch.inf).all()  # which no text holds
        torch.testing.assert_close(scores[:, END:], expected[:, at, END:], atol=1e-5, rtol=1e-5)
        assert all(map(torch.equal, before, carry.tensors().values()))
        carry = Carry(ids[:, at], after.halves, after.cells)
    _, measured_on = net.measure(ids, torch.tensor([6, 6]), net.begin(2))
    torch.testing.assert_close(carry.halves, measured_on.halves)
    torch.testing.assert_close(carry.cells, measured_on.cells)


@torch.no_grad()
def test_texts_are_picked_in_any_order_and_as_often_as_named() -> None:
    net = make_net()
    ids, rows = make_ids(3, 4), torch.tensor([2, 0, 2])
    _, carry = net.measure(ids, torch.tensor([4, 4, 4]), net.begin(3))
    teller = net.teller()
    scores, _, _ = teller.step(carry.last, carry)
    picked = carry.pick(rows)
    torch.testing.assert_close(teller.step(picked.last, picked)[0], scores[rows])


def test_a_carry_is_made_again_of_its_tensors_alone() -> None:
    carry = make_net().begin(2)
    again = Carry.of(carry.tensors(), torch.device("cpu"))
    assert all(map(torch.equal, carry.tensors().values(), again.tensors().values()))
    with pytest.raises(CheckpointError, match="it holds \\['cells', 'last'\\]"):
        Carry.of({"last": carry.last, "cells": carry.cells}, torch.device("cpu"))


def test_each_weight_counts_as_soon_as_it_changes() -> None:
    for tied in (False, True):
        net, ids = make_net(tie_output=tied), make_ids(2, 5)
        before = measured(net, ids, [5, 5])
        for name, weight in net.named_parameters():
            with torch.no_grad():
                weight.mul_(1.5)
            after = measured(net, ids, [5, 5])
            assert not torch.equal(before, after), name
            before = after


def test_a_copy_tells_by_its_own_weights() -> None:
    net, ids = make_net(), make_ids(2, 5)
    before = measured(net, ids, [5, 5])
    other = copy.deepcopy(net)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    torch.testing.assert_close(
        measured(other, ids, [5, 5]).exp(), torch.full((2, 5), float(PIECES))
    )
    assert torch.equal(measured(net, ids, [5, 5]), before)


@pytest.mark.parametrize("tied", [False, True])
def test_what_is_tied_is_one_parameter_saved_once(tied: bool) -> None:
    names = make_net(layers=1, tie_output=tied).state_dict().keys()
    assert {name for name in names if not name.startswith("layers.")} == (
        {"pieces.weight", "top.weight", "top.bias", "bias"}
        if tied
        else {"pieces.weight", "output.weight", "bias"}
    )
    assert "layers.0.weight_ih_l0" in names and "layers.0.bias_hh_l0" in names


# Regularizers -------------------------------------------------------------------------------

NOISES = ["piece_dropout", "embedding_dropout", "weight_dropout", "dropout"]


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("steps", [3, 9], ids=["vectors", "tables"])
def test_noise_comes_while_training_only(noise: str, steps: int) -> None:
    rates: dict[str, Any] = {noise: 0.5} if noise != "dropout" else {}
    net, ids = make_net(**rates), make_ids(3, steps)
    set_dropout(net, 0.5 if noise == "dropout" else 0.0)
    with torch.no_grad():
        losses = [float(net.train().loss(ids, ids, net.begin(3))[0]) for _ in range(2)]
        assert losses[0] != losses[1]
        net.eval()
        steady = make_net()
        steady.load_state_dict(net.state_dict())
        expected, _, _ = steady.loss(ids, ids, net.begin(3))
        assert torch.equal(net.loss(ids, ids, net.begin(3))[0], expected)
        torch.testing.assert_close(measured(net, ids, [steps] * 3).sum(), expected)


@pytest.mark.parametrize("steps", [3, 9], ids=["vectors", "tables"])
@torch.no_grad()
def test_a_dropped_piece_is_dropped_wherever_it_stands(steps: int) -> None:
    net, ids = make_net(piece_dropout=0.5), make_ids(3, steps)
    torch.manual_seed(7)
    found, _, _ = net.train().loss(ids, ids, net.begin(3))
    torch.manual_seed(7)
    kept = F.dropout(torch.ones(PIECES, 1), 0.5)
    assert 0 < int((kept == 0).sum()) < PIECES and kept.max() == 2
    net.pieces.weight.mul_(kept)
    expected, _, _ = net.eval().loss(ids, ids, net.begin(3))  # the output has weights of its own
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_embeddings_lose_the_same_places_all_along_a_row() -> None:
    net, ids = make_net(embedding_dropout=0.5), make_ids(3, 9)
    torch.manual_seed(7)
    found, _, _ = net.train().loss(ids, ids, net.begin(3))
    torch.manual_seed(7)
    mask = F.dropout(torch.ones(3, 1, EMBEDDING), 0.5)
    read = torch.cat([torch.full((3, 1), BEGIN), ids[:, :-1]], dim=1)
    states = by_torch(net, ids, x=net.pieces(read) * mask)
    scores = scores_by_torch(net, states)
    expected = F.cross_entropy(scores.transpose(1, 2), ids, reduction="sum")
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@torch.no_grad()
def test_recurrent_weights_are_dropped_for_a_whole_window(cell: Cell) -> None:
    net, ids = make_net(cell, layers=1, weight_dropout=0.5), make_ids(3, 6)
    torch.manual_seed(7)
    found, _, _ = net.train().loss(ids, ids, net.begin(3))
    torch.manual_seed(7)
    (layer,) = net.layers
    weight = cast(Tensor, layer.weight_hh_l0)
    weight.copy_(F.dropout(weight, 0.5))
    torch.testing.assert_close(found, nats_by_torch(net, ids).sum())


@torch.no_grad()
def test_dropout_takes_the_same_places_all_along_a_row_behind_each_layer() -> None:
    net, ids = make_net(layers=1), make_ids(3, 6)
    set_dropout(net, 0.5)
    torch.manual_seed(7)
    found, _, _ = net.train().loss(ids, ids, net.begin(3))
    torch.manual_seed(7)
    mask = F.dropout(torch.ones(3, 1, WIDTH), 0.5)
    scores = scores_by_torch(net, by_torch(net, ids) * mask)
    expected = F.cross_entropy(scores.transpose(1, 2), ids, reduction="sum")
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_large_and_restless_activations_cost_extra() -> None:
    ids = make_ids(3, 5)
    targets = targets_of(ids, [5, 5, 3])
    net = make_net(activation=0.5)
    states = by_torch(net, ids)
    _, extra, _ = net.loss(ids, targets, net.begin(3))
    torch.testing.assert_close(extra, 0.5 * states.square().mean() * 13)
    net.activation, net.change = 0.0, 2.0
    _, extra, _ = net.loss(ids, targets, net.begin(3))
    torch.testing.assert_close(extra, 2 * (states[:, 1:] - states[:, :-1]).square().mean() * 13)
    _, extra, _ = net.loss(ids[:, :1], ids[:, :1], net.begin(3))
    assert not extra  # one step alone has not changed from anything

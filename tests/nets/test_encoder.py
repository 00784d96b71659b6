"""The encoder says what torch's own packed modules say, forwards and backwards."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from single import MinGRUCell
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqpipe.nets.cells import Cell, Recurrent
from seqpipe.nets.encoder import Encoder, length_mask, turned

CELLS: tuple[Cell, ...] = get_args(Cell)
WEIGHTS = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
every_cell = pytest.mark.parametrize("cell", CELLS)
every_depth = pytest.mark.parametrize("layers", [1, 2, 3])
both_ways = pytest.mark.parametrize("bidirectional", [False, True])
ragged = pytest.mark.parametrize(
    "lengths", [[5, 1, 7, 3], [0, 4, 0, 2], [6, 6], [0, 0], [1]], ids=str
)


def make_encoder(cell: Cell, layers: int = 1, bidirectional: bool = True) -> Encoder:
    encoder = Encoder(cell=cell, inputs=3, width=4, layers=layers, bidirectional=bidirectional)
    for weight in encoder.parameters():  # fresh biases are zero, and would hide a mistake
        nn.init.uniform_(weight, -0.6, 0.6)
    return encoder


def pairs(encoder: Encoder, reference: Recurrent) -> list[tuple[nn.Parameter, nn.Parameter]]:
    """Our weights beside those of torch's stacked module."""
    found = []
    for suffix, modules in (("", encoder.onward), ("_reverse", encoder.backward_)):
        for layer, module in enumerate(modules):
            for name in WEIGHTS:
                ours = getattr(module, f"{name}_l0")
                found.append((ours, getattr(reference, f"{name}_l{layer}{suffix}")))
    return found


def make_reference(encoder: Encoder, cell: Cell, layers: int, bidirectional: bool) -> Recurrent:
    kinds: dict[Cell, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    reference: Recurrent = kinds[cell](
        3, 4, num_layers=layers, bidirectional=bidirectional, batch_first=True
    )
    with torch.no_grad():
        for ours, theirs in pairs(encoder, reference):
            theirs.copy_(ours)
    return reference


def run_packed(reference: Recurrent, x: Tensor, lengths: Tensor) -> Tensor:
    """Rows without a step cannot be packed: they are left out and come back as zeros."""
    some = lengths > 0
    outputs = x.new_zeros(len(x), x.shape[1], 4 * (2 if reference.bidirectional else 1))
    if some.any():
        packed = pack_padded_sequence(
            x[some], lengths[some], batch_first=True, enforce_sorted=False
        )
        padded, _ = pad_packed_sequence(
            reference(packed)[0], batch_first=True, total_length=x.shape[1]
        )
        outputs = outputs.masked_scatter(some[:, None, None], padded)
    return outputs


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@every_depth
@both_ways
@ragged
def test_outputs_and_gradients_equal_those_of_packed_torch(
    cell: Cell, layers: int, bidirectional: bool, lengths: list[int]
) -> None:
    encoder = make_encoder(cell, layers, bidirectional)
    reference = make_reference(encoder, cell, layers, bidirectional)
    sizes = torch.tensor(lengths)
    x = torch.randn(len(lengths), 7, 3)  # wider than the longest row, with noise in the padding
    mine, its = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours, theirs = encoder(mine, sizes), run_packed(reference, its, sizes)
    assert torch.allclose(ours, theirs, atol=1e-5)
    pull = torch.randn_like(ours)
    torch.autograd.backward((ours * pull).sum())
    if sum(lengths):
        torch.autograd.backward((theirs * pull).sum())
        assert its.grad is not None
    assert mine.grad is not None
    expected = torch.zeros_like(x) if its.grad is None else its.grad
    assert torch.allclose(mine.grad, expected, atol=1e-4)
    for weight, other in pairs(encoder, reference):
        assert weight.grad is not None
        expected = torch.zeros_like(other) if other.grad is None else other.grad
        assert torch.allclose(weight.grad, expected, atol=1e-4)


def plain_layer(module: nn.Module, x: Tensor) -> Tensor:
    """One row of a minGRU step by step: (S, D) to (S, H)."""
    single, h = MinGRUCell(x.shape[1], 4), torch.zeros(1, 4)
    for name, weight in module.named_parameters():
        setattr(single, name.removesuffix("_l0"), weight)
    states = []
    for step in x.split(1):
        h = single(step, h)
        states.append(h)
    return torch.cat([torch.zeros(0, 4), *states])


@every_depth
@both_ways
@ragged
def test_outputs_and_gradients_of_a_mingru_are_those_of_plain_loops(
    layers: int, bidirectional: bool, lengths: list[int]
) -> None:
    encoder = make_encoder("mingru", layers, bidirectional)
    x = torch.randn(len(lengths), 7, 3, requires_grad=True)
    found = encoder(x, torch.tensor(lengths))
    expected = torch.zeros_like(found)
    for i, length in enumerate(lengths):
        row = x[i, :length]
        for layer, module in enumerate(encoder.onward):
            ways = [plain_layer(module, row)]
            if bidirectional:
                ways.append(plain_layer(encoder.backward_[layer], row.flip(0)).flip(0))
            row = torch.cat(ways, dim=1)
        expected = expected.index_put((torch.tensor(i), torch.arange(length)), row)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    into, leaves = torch.randn_like(found), [x, *encoder.parameters()]
    grads = (
        torch.autograd.grad(y, leaves, into, materialize_grads=True) for y in (found, expected)
    )
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@every_cell
@both_ways
def test_a_batch_equals_its_rows_one_by_one(cell: Cell, bidirectional: bool) -> None:
    encoder = make_encoder(cell, layers=2, bidirectional=bidirectional)
    lengths = [4, 0, 6, 1, 6]
    x = torch.randn(5, 6, 3)
    together = encoder(x, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone = encoder(x[row : row + 1, :length], torch.tensor([length]))
        assert torch.allclose(together[row, :length], alone[0], atol=1e-6)
        assert not together[row, length:].any()


@every_cell
def test_what_stands_in_the_padding_does_not_count(cell: Cell) -> None:
    encoder = make_encoder(cell, layers=2)
    lengths = torch.tensor([2, 5, 0])
    x = torch.randn(3, 5, 3)
    noise = x.masked_fill(length_mask(lengths, 5)[:, :, None], 0.0) * 100
    assert torch.equal(encoder(x, lengths), encoder(x + noise, lengths))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)], ids=str)
@every_cell
def test_nothing_in_nothing_out(cell: Cell, shape: tuple[int, int]) -> None:
    rows, steps = shape
    lengths = torch.zeros(rows, dtype=torch.long)
    assert make_encoder(cell)(torch.zeros(rows, steps, 3), lengths).shape == (rows, steps, 8)


def test_a_mask_is_true_where_a_row_goes_on() -> None:
    assert length_mask(torch.tensor([2, 0, 3]), 3).tolist() == [
        [True, True, False],
        [False, False, False],
        [True, True, True],
    ]


def test_rows_turn_within_their_length_and_so_do_gradients() -> None:
    x = torch.arange(8.0).view(2, 4, 1).requires_grad_()
    lengths = torch.tensor([3, 0])
    result = turned(x, lengths)
    assert result.flatten().tolist() == [2, 1, 0, 3, 4, 5, 6, 7]
    torch.autograd.backward((result * torch.arange(8.0).view(2, 4, 1)).sum())
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [2, 1, 0, 3, 4, 5, 6, 7]
    assert torch.equal(turned(result, lengths), x)


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_turning_twice_changes_nothing(lengths: list[int]) -> None:
    x = torch.randn(len(lengths), max(*lengths, 1), 2)
    sizes = torch.tensor(lengths)
    assert torch.equal(turned(turned(x, sizes), sizes), x)


def test_dropout_lies_between_layers_and_only_there() -> None:
    x, lengths = torch.randn(2, 5, 3), torch.tensor([5, 3])
    for layers, changes in ((1, False), (2, True)):
        encoder = make_encoder("lstm", layers)
        encoder.dropout.p = 0.5
        steady = encoder.eval()(x, lengths)
        assert torch.equal(encoder.train()(x, lengths), steady) is not changes

"""One text by numpy is the same text as in a batch of torch."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from seqpipe.nets.carry import Carry
from seqpipe.nets.cells import Cell
from seqpipe.nets.language_model import LanguageModel

PIECES = 11
TOKENS = [4, 9, 4, 10, 5, 5, 7]


def make_model(cell: Cell, layers: int, *, seed: int = 0) -> LanguageModel:
    torch.manual_seed(seed)
    model = LanguageModel(pieces=PIECES, cell=cell, embedding=6, width=9, layers=layers)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)  # biases too
    return model.eval()


def begun(model: LanguageModel) -> Carry:
    """A state that is not zero."""
    ids = torch.tensor([[8, 6, 4]])
    return model.measure(ids, torch.tensor([3]), model.begin())[1]


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", get_args(Cell))
def test_steps_are_those_of_torch(cell: Cell, layers: int) -> None:
    model = make_model(cell, layers)
    teller, carry = model.teller(), begun(model)
    solo = teller.solo(carry)
    with torch.no_grad():
        for token in TOKENS:
            scores, _, carry = teller.step(torch.tensor([token]), carry)
            np.testing.assert_allclose(solo.step(token), scores[0].numpy(), atol=1e-5)
    halves, cells = solo.states()
    torch.testing.assert_close(halves, carry.halves[:, 0], atol=1e-6, rtol=0)
    if cell == "lstm":
        torch.testing.assert_close(cells, carry.cells[:, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", get_args(Cell))
def test_reading_is_stepping(cell: Cell) -> None:
    model = make_model(cell, 2)
    carry = begun(model)
    one, other = model.teller().solo(carry), model.teller().solo(carry)
    tops = one.read(np.array(TOKENS))
    for token in TOKENS:
        other.step(token)
    for here, there in zip(one.states(), other.states(), strict=True):
        torch.testing.assert_close(here, there, atol=0, rtol=0)
    np.testing.assert_array_equal(tops[-1], other.states()[0][-1].numpy())


def test_what_is_carried_stays_as_it_is() -> None:
    model = make_model("lstm", 2)
    carry = begun(model)
    before = {name: tensor.clone() for name, tensor in carry.tensors().items()}
    model.teller().solo(carry).read(np.array(TOKENS))
    for name, tensor in carry.tensors().items():
        torch.testing.assert_close(tensor, before[name], atol=0, rtol=0)


def test_large_numbers_are_no_warning() -> None:
    model = make_model("lstm", 1)
    with torch.no_grad():
        model.pieces.weight.mul_(1e4)
    with np.errstate(all="raise", under="ignore"):
        scores = model.teller().solo(model.begin()).step(5)
    assert np.isfinite(scores[4:]).all()


def test_one_row_costs_what_it_costs_among_others() -> None:
    model = make_model("gru", 2)
    ids = torch.tensor([TOKENS, TOKENS[::-1]])
    lengths = torch.tensor([7, 7])
    together, carry = model.measure(ids, lengths, model.begin(2))
    for i in range(2):
        alone, own = model.measure(ids[i : i + 1], lengths[:1], model.begin())
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=0)
        torch.testing.assert_close(own.halves[:, 0], carry.halves[:, i], atol=1e-6, rtol=0)
        assert int(own.last) == int(carry.last[i])


def test_one_row_that_ends_before_its_columns_do() -> None:
    model = make_model("rnn", 1)
    padded = torch.tensor([[*TOKENS, 0, 0]])
    costs, carry = model.measure(padded, torch.tensor([7]), model.begin())
    whole, _ = model.measure(torch.tensor([TOKENS]), torch.tensor([7]), model.begin())
    torch.testing.assert_close(costs[:, :7], whole, atol=0, rtol=0)
    assert costs[:, 7:].eq(0).all()
    assert int(carry.last) == TOKENS[-1]

"""A fresh cell: orthogonal recurrent weights gate by gate, open forget gates, still biases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.nets.cells import Cell, make_cell

GATES: dict[Cell, int] = {"rnn": 1, "lstm": 4, "gru": 3, "mingru": 2}


def make(cell: Cell, *, inputs: int = 3, width: int = 2) -> dict[str, Tensor]:
    """The weights of a fresh cell by torch's names for them."""
    return dict(make_cell(cell, inputs=inputs, width=width).named_parameters())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_each_gates_recurrent_weights_are_orthogonal(cell: Cell) -> None:
    gates = torch.split(make(cell, width=5)["weight_hh_l0"], 5)
    assert len(gates) == GATES[cell]
    for gate in gates:
        assert torch.allclose(gate @ gate.T, torch.eye(5), atol=1e-5)
    assert not torch.allclose(gates[0], gates[-1]) or len(gates) == 1


@pytest.mark.parametrize("cell", GATES)
def test_each_gates_input_weights_are_bounded_by_its_own_sizes(cell: Cell) -> None:
    weight = make(cell, inputs=30, width=50)["weight_ih_l0"]
    bound = (6 / 80) ** 0.5  # Glorot and Bengio (2010): sqrt(6 / (fan in + fan out))
    for gate in torch.split(weight, 50):
        assert 0.95 * bound < gate.abs().max() <= bound


def test_only_the_forget_gate_of_an_lstm_starts_open() -> None:
    weights = make("lstm")
    assert weights["bias_ih_l0"].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert not weights["bias_hh_l0"].any()


@pytest.mark.parametrize("cell", ["rnn", "gru", "mingru"])
def test_other_biases_start_at_zero(cell: Cell) -> None:
    assert not any(weight.any() for name, weight in make(cell).items() if "bias" in name)


@pytest.mark.parametrize("cell", ["gru", "mingru"])
def test_a_cell_is_one_layer_one_way_and_takes_rows_first(cell: Cell) -> None:
    outputs, state = make_cell(cell, inputs=3, width=2)(torch.zeros(4, 7, 3))
    assert outputs.shape == (4, 7, 2) and state.shape == (1, 4, 2)


def test_what_has_no_recurrent_weights_drops_none() -> None:
    make_cell("gru", inputs=3, width=2, weight_dropout=0.2)
    with pytest.raises(SettingError) as caught:
        make_cell("mingru", inputs=3, width=2, weight_dropout=0.2)
    assert str(caught.value) == (
        "The setting weight_dropout = 0.2 is not allowed: give 0.0, as a mingru has no recurrent "
        "weights, or one of the cells rnn, lstm, gru."
    )


def test_an_unknown_cell_is_one_sentence() -> None:
    with pytest.raises(SettingError) as caught:
        make_cell("qrnn", inputs=3, width=2)  # type: ignore[arg-type]
    expected = "The setting cell = 'qrnn' is not allowed: give one of rnn, lstm, gru, mingru."
    assert str(caught.value) == expected

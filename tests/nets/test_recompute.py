"""Stretches of time computed twice give what one pass gives, and hold less of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seqpipe.nets.cells import Cell
from seqpipe.nets.dropout import set_dropout
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.language_model import LanguageModel
from seqpipe.nets.recompute import Recomputing, in_stretches, set_recompute

CELLS = st.sampled_from(get_args(Cell))
Loss = Callable[[], Tensor]


def weights_dropped(cell: Cell) -> float:
    return 0.0 if cell == "mingru" else 0.2  # which has no recurrent weights


def encoder_loss(cell: Cell, lengths: Sequence[int]) -> tuple[nn.Module, Loss]:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"layers": 2, "weight_dropout": weights_dropped(cell)}
    net = Encoder(cell=cell, inputs=3, width=4, **sizes)
    x = torch.randn(len(lengths), max(lengths), 3)
    set_dropout(net, 0.3)

    def loss() -> Tensor:
        states: Tensor = net(x, torch.tensor(lengths))
        return states.square().sum()

    return net, loss


def model_loss(cell: Cell, steps: int, pieces: int, *, tie: bool) -> tuple[nn.Module, Loss]:
    torch.manual_seed(0)
    noise = {"piece_dropout": 0.1, "activation": 0.1, "change": 0.1}
    noise["weight_dropout"] = weights_dropped(cell)
    sizes: dict[str, Any] = {"embedding": 3, "width": 4, "layers": 2, "tie_output": tie, **noise}
    net = LanguageModel(pieces=pieces, cell=cell, **sizes)
    set_dropout(net, 0.3)
    ids = torch.randint(4, pieces, (2, steps))

    def loss() -> Tensor:
        first, extra, carry = net.loss(ids, ids, net.begin(2))
        second, more, _ = net.loss(ids, ids, carry)
        return first + extra + second + more

    return net, loss


def gradients(net: nn.Module, loss: Loss, steps: int) -> list[Tensor]:
    torch.manual_seed(1)  # the noise is the same
    set_recompute(net, steps)
    return [*torch.autograd.grad(loss(), [*net.parameters()])]


def alike(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
    pairs = zip(ours, theirs, strict=True)
    return all(torch.allclose(one, other, rtol=1e-5, atol=1e-6) for one, other in pairs)


@settings(max_examples=30, deadline=None)
@given(
    cell=CELLS,
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    steps=st.integers(1, 10),
)
def test_an_encoder_has_the_same_gradients(cell: Cell, lengths: list[int], steps: int) -> None:
    net, loss = encoder_loss(cell, lengths)
    assert alike(gradients(net, loss, steps), gradients(net, loss, 0))


@settings(max_examples=30, deadline=None)
@given(
    cell=CELLS,
    length=st.integers(1, 9),
    pieces=st.sampled_from([6, 40]),  # fewer than are read, and more: of a table, and not
    tie=st.booleans(),
    steps=st.integers(1, 10),
)
def test_a_language_model_has_the_same_gradients(
    cell: Cell, length: int, pieces: int, tie: bool, steps: int
) -> None:
    net, loss = model_loss(cell, length, pieces, tie=tie)
    assert alike(gradients(net, loss, steps), gradients(net, loss, 0))


@pytest.mark.parametrize("cell", ["lstm", "gru"])  # an rnn keeps nothing but its states
def test_what_is_kept_for_the_way_back_is_less(cell: Cell) -> None:
    """Of the cells' own numbers; inputs and outputs of a layer are kept as they were."""
    net, loss = model_loss(cell, 60, 6, tie=False)

    def kept(steps: int) -> int:
        set_recompute(net, steps)
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        held: list[Tensor] = []  # or storages would take the place of others
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            held.append(loss())
        return sum(sizes.values())

    assert kept(10) < 0.8 * kept(0)


def test_short_rows_and_rows_without_gradients_run_at_once() -> None:
    seen: list[int] = []

    def run(x: Tensor, state: int) -> tuple[Tensor, int]:
        seen.append(x.shape[1])
        return x, state + 1

    x = torch.zeros(1, 5)
    for steps, grad in ((0, True), (5, True), (2, False), (2, True)):
        with torch.set_grad_enabled(grad):
            y, state = in_stretches(run, x, 0, steps=steps, dim=1)
        assert torch.equal(y, x) and state == (3 if (steps, grad) == (2, True) else 1)
    assert seen == [5, 5, 5, 2, 2, 1]


def test_every_part_of_a_net_is_told() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.ModuleList([Encoder(cell="rnn", inputs=1, width=1)]))
    set_recompute(net, 7)
    assert [m.recompute for m in net.modules() if isinstance(m, Recomputing)] == [7]

"""The tagger's scores, its loss worked out by hand, and that batches do not matter."""

from __future__ import annotations

from math import log
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from seqpipe.nets.cells import Cell
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.tagger import CLASSES, Tagger


def make_net(cell: Cell = "lstm", **settings: Any) -> Tagger:
    torch.manual_seed(0)
    embedding = Embedding(pieces=20, width=6, kinds=[0, 1] * 10, marks=[3])
    encoder = Encoder(cell=cell, inputs=6, width=5)
    return Tagger(embedding=embedding, encoder=encoder, **settings)


def with_scores(net: Tagger, scores: list[float]) -> Tagger:
    """A net that says the same of every step."""
    with torch.no_grad():
        net.output.weight.zero_()
        net.output.bias.copy_(torch.tensor(scores))
    return net


def loss_of(net: Tagger, targets: list[int]) -> float:
    ids = torch.ones(1, len(targets), dtype=torch.long)
    return net.loss(ids, torch.tensor([len(targets)]), torch.tensor([targets])).item()


def test_the_loss_is_the_sum_over_known_steps() -> None:
    net = with_scores(make_net(), [0.0, log(2.0), log(5.0)])  # 1/8, 2/8, 5/8
    assert loss_of(net, [0]) == pytest.approx(log(8))
    assert loss_of(net, [1, 2]) == pytest.approx(log(4) + log(8 / 5))
    assert loss_of(net, [1, -1, -1]) == pytest.approx(log(4))


def test_an_end_of_either_kind_is_right_with_both() -> None:
    net = with_scores(make_net(), [0.0, log(2.0), log(5.0)])
    assert loss_of(net, [CLASSES]) == pytest.approx(log(8 / 7))


def test_the_gradient_of_either_kind_leaves_their_ratio() -> None:
    net = with_scores(make_net(), [0.0, 0.0, 0.0])
    ids = torch.ones(1, 1, dtype=torch.long)
    net.loss(ids, torch.tensor([1]), torch.tensor([[CLASSES]])).backward()
    assert net.output.bias.grad is not None
    assert torch.allclose(net.output.bias.grad, torch.tensor([1 / 3, -1 / 6, -1 / 6]))


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("conv", [0, 2])
@pytest.mark.parametrize("rows", [7, 40])
def test_a_batch_equals_its_rows_one_by_one(cell: Cell, conv: int, rows: int) -> None:
    net = make_net(cell, conv=conv).eval()
    ids, lengths = torch.randint(0, 60, (rows, 9)), torch.randint(0, 10, (rows,))
    with torch.inference_mode():
        together = net(ids, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = net(ids[row : row + 1, : max(length, 1)], lengths[row : row + 1])
            assert torch.allclose(together[row, :length], alone[0, :length], atol=1e-5)


def test_what_lies_beyond_a_row_does_not_matter() -> None:
    net = make_net(conv=2).eval()
    ids, lengths = torch.randint(0, 60, (2, 6)), torch.tensor([3, 6])
    other = ids.clone()
    other[0, 3:] = 59
    assert torch.allclose(net(ids, lengths)[0, :3], net(other, lengths)[0, :3])


def test_gaps_take_the_piece_or_its_marks_and_come_while_training_only() -> None:
    net = make_net(unit_dropout=1.0, unknown=4)
    ids = torch.tensor([[3 * 7 + 2, 3 * 9]])

    def read(given: Tensor) -> list[int]:
        return net._with_gaps(given).flatten().tolist()

    assert read(ids) == [3 * 4 + 2, 3 * 4]
    net.gaps.rate, net.unmarked.rate = 0.0, 1.0
    assert read(ids) == [3 * 7, 3 * 9]
    net.eval()
    assert read(ids) == ids.flatten().tolist()


def test_the_best_class_is_the_prediction() -> None:
    net = with_scores(make_net(), [0.0, 1.0, 0.5]).eval()
    ids = torch.ones(1, 2, dtype=torch.long)
    assert net.predict(ids, torch.tensor([2])).tolist() == [[1, 1]]

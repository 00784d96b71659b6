"""What goes from one process of a training to the others."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from seqpipe.train.team import Team

ROWS = 3000  # of a vocabulary
READ = [0, 7, 2999]  # of them, by a batch


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many numbers each exchange holds, between two that have the same of everything."""
    counts: list[int] = []

    def double(tensor: Tensor, how: dist.ReduceOp.RedOpType) -> None:
        counts.append(tensor.numel())
        if how == dist.ReduceOp.SUM:
            tensor.mul_(2)

    monkeypatch.setattr(dist, "all_reduce", double)
    return counts


def gradient(rows: int = ROWS) -> Tensor:
    table = torch.zeros(rows, 4)
    table[READ if rows == ROWS else [0]] = torch.tensor([1.0, 0.0, -2.0, 0.5])
    return table


def test_all_tensors_are_summed(sent: list[int]) -> None:
    tensors = [gradient(), torch.ones(5), gradient(6), torch.tensor([[1.5]])]
    wanted = [2 * tensor for tensor in tensors]
    Team(0, 2).add(tensors)
    for found, one in zip(tensors, wanted, strict=True):
        torch.testing.assert_close(found, one)


def test_of_a_vocabulary_only_what_was_read_is_sent(sent: list[int]) -> None:
    Team(0, 2).add([gradient(), torch.ones(5)])
    assert sent == [ROWS, len(READ) * 4 + 5]


def test_small_tables_are_sent_whole(sent: list[int]) -> None:
    Team(0, 2).add([gradient(6), torch.ones(5)])
    assert sent == [6 * 4 + 5]


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_is_not_finite_is_sent(sent: list[int], odd: float) -> None:
    table = gradient()
    table[5, 3] = odd
    Team(0, 2).add([table])
    assert not torch.isfinite(table[5, 3])


def test_two_that_read_other_rows_both_have_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = torch.zeros(ROWS, 2), torch.zeros(ROWS, 2)
    mine[3], theirs[8] = 1.0, 2.0
    held = [theirs.any(dim=1).byte(), theirs[[3, 8]].flatten()]
    monkeypatch.setattr(dist, "all_reduce", lambda tensor, how: tensor.add_(held.pop(0)))
    Team(0, 2).add([mine])
    wanted = torch.zeros(ROWS, 2)
    wanted[3], wanted[8] = 1.0, 2.0
    torch.testing.assert_close(mine, wanted)


def test_one_alone_sends_nothing(sent: list[int]) -> None:
    table = gradient()
    Team().add([table])
    torch.testing.assert_close(table, gradient())
    assert not sent

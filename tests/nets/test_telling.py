"""The loss of telling is torch's cross entropy, and so are its gradients."""

from __future__ import annotations

from math import log

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqpipe.nets.telling import _ROWS, told_loss

Told = tuple[Tensor, Tensor, Tensor, Tensor]
smoothed_or_not = pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])


def make(
    rows: int, pieces: int, *, width: int = 5, dtype: torch.dtype = torch.float64, size: float = 1
) -> Told:
    x, weight = (size * torch.randn(n, width, dtype=dtype) for n in (rows, pieces))
    bias = torch.randn(pieces, dtype=dtype)
    for given_ in (x, weight, bias):
        given_.requires_grad_()
    return x, weight, bias, torch.randint(0, pieces, (rows,))


def by_torch(told: Told, smoothing: float) -> Tensor:
    x, weight, bias, targets = told
    scores = F.linear(x, weight, bias)
    return F.cross_entropy(scores, targets, reduction="sum", label_smoothing=smoothing)


def check(told: Told, smoothing: float) -> None:
    """The value and all gradients, of a multiple of the loss."""
    parts = []
    for loss in (told_loss(*told, smoothing=smoothing), by_torch(told, smoothing)):
        parts.append([loss.detach(), *torch.autograd.grad(loss * 0.7, told[:3])])
    for found, expected in zip(*parts, strict=True):
        torch.testing.assert_close(found, expected)


def test_by_hand() -> None:
    x, weight = torch.zeros(2, 1), torch.zeros(2, 1)
    bias = torch.tensor([0.0, log(3.0)])  # says 1/4 and 3/4
    loss = told_loss(x, weight, bias, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(-log(1 / 4) - log(3 / 4))
    smooth = told_loss(x[:1], weight, bias, torch.tensor([1]), smoothing=0.2)
    assert smooth.item() == pytest.approx(-0.1 * log(1 / 4) - 0.9 * log(3 / 4))


@smoothed_or_not
@pytest.mark.parametrize("rows", [1, _ROWS - 1, _ROWS, _ROWS + 1, 2 * _ROWS + 3])
def test_it_is_torchs_cross_entropy_however_many_portions(smoothing: float, rows: int) -> None:
    check(make(rows, 17), smoothing)


@given(
    rows=st.integers(1, 9),
    pieces=st.integers(1, 9),
    smoothing=st.floats(0, 1),
    size=st.sampled_from([1e-3, 1.0, 30.0]),
)
def test_any_sizes(rows: int, pieces: int, smoothing: float, size: float) -> None:
    check(make(rows, pieces, size=size), smoothing)


def test_single_precision_and_large_scores() -> None:
    check(make(40, 300, dtype=torch.float32), 0.1)
    sure = make(4, 7, dtype=torch.float32, size=1e4)
    assert told_loss(*sure).isfinite()
    for grad in torch.autograd.grad(told_loss(*sure), sure[:3]):
        assert grad.isfinite().all()


@smoothed_or_not
def test_gradients_are_those_of_small_differences(smoothing: float) -> None:
    x, weight, bias, targets = make(4, 6)

    def loss(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return told_loss(x, weight, bias, targets, smoothing=smoothing)

    assert torch.autograd.gradcheck(loss, (x, weight, bias))


def test_nothing_told_costs_nothing() -> None:
    told = make(0, 6)
    loss = told_loss(*told, smoothing=0.1)
    assert loss == 0
    assert not any(grad.any() for grad in torch.autograd.grad(loss, told[:3]))


def test_without_gradients_it_says_the_same() -> None:
    told = make(5, 6)
    with torch.inference_mode():
        found = told_loss(*told, smoothing=0.1)
    torch.testing.assert_close(found, by_torch(told, 0.1).detach())

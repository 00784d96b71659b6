"""The loss of telling is torch's cross entropy, and so are its gradients."""

from __future__ import annotations

from math import log

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.nets.telling import _ROWS, told_from, told_loss

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


# Told from a few ---------------------------------------------------------------------------


def sampled(told: Told, few: int, *, seed: int = 0, smoothing: float = 0.0) -> list[Tensor]:
    """The loss and all its gradients."""
    torch.manual_seed(seed)
    loss = told_loss(*told, smoothing=smoothing, sampled=few)
    return [loss.detach(), *torch.autograd.grad(loss, told[:3])]


@smoothed_or_not
def test_those_drawn_stand_for_those_left_out(smoothing: float) -> None:
    """What is drawn hangs on chance, so the rows with a gradient tell which they were."""
    told = x, weight, bias, targets = make(9, 200)
    loss, of_x, of_weight, of_bias = sampled(told, 20, smoothing=smoothing)
    wanted = targets.unique()
    some = of_weight.abs().sum(dim=1).nonzero()[:, 0]
    assert len(some) == len(wanted) + 20 and set(wanted.tolist()) <= set(some.tolist())
    drawn = ~torch.isin(some, wanted)
    times = torch.ones(len(some), dtype=x.dtype)
    times[drawn] = (200 - len(wanted)) / 20
    scores = F.linear(x, weight[some], bias[some])
    total = (scores.exp() * times).sum(dim=1).log()
    right = scores[torch.arange(9), torch.searchsorted(some, targets)]
    smooth = (scores * times).sum(dim=1) / 200
    expected = (total - (1 - smoothing) * right - smoothing * smooth).sum()
    torch.testing.assert_close(loss, expected.detach())
    for found, of in zip((of_x, of_weight, of_bias), (x, weight, bias), strict=True):
        torch.testing.assert_close(found, torch.autograd.grad(expected, of, retain_graph=True)[0])


@smoothed_or_not
def test_it_is_exact_where_all_others_are_alike(smoothing: float) -> None:
    x, weight, bias, _ = make(6, 90)
    alike = torch.arange(90) >= 6
    with torch.no_grad():
        weight[alike], bias[alike] = weight[-1].clone(), bias[-1].clone()
    told = x, weight, bias, torch.arange(6)
    found = sampled(told, 7, smoothing=smoothing)
    expected = by_torch(told, smoothing)
    torch.testing.assert_close(found[0], expected.detach())
    torch.testing.assert_close(found[1], torch.autograd.grad(expected, x)[0])


@given(rows=st.integers(0, 9), pieces=st.integers(1, 12), few=st.integers(0, 14))
def test_enough_are_all(rows: int, pieces: int, few: int) -> None:
    told = make(rows, pieces)
    whole = few == 0 or len(told[3].unique()) + few >= pieces
    found = told_loss(*told, smoothing=0.1, sampled=few)
    if whole:
        torch.testing.assert_close(found, by_torch(told, 0.1))
    assert found.isfinite()


def test_others_are_drawn_each_time_and_the_same_by_seed() -> None:
    told = make(4, 500)
    assert sampled(told, 9)[0] == sampled(told, 9)[0] != sampled(told, 9, seed=1)[0]
    losses = torch.stack([sampled(told, 60, seed=seed)[0] for seed in range(200)])
    assert losses.std() > 0
    torch.testing.assert_close(losses.mean(), by_torch(told, 0.0).detach(), rtol=0.05, atol=0)


def test_fewer_than_none_are_refused() -> None:
    with pytest.raises(SettingError, match=r"model\.sampled_softmax = -1 .* 0 for all"):
        told_from(-1)

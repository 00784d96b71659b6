"""Losses computed in 16 bits: what stays in 32, and a scale that follows what overflows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from seqpipe.errors import SettingError
from seqpipe.nets.full import full
from seqpipe.train.learner import Learner, Step

STEP = Step(learn_rate=0.1, clip=1.0, average=True)


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 1)

    def loss(self, x: Tensor, factor: float = 1.0) -> Tensor:
        loss: Tensor = full(self.layer(x)).square().sum() * factor
        return loss


X = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))


def scaled(scale: float = 2.0**10, *, interval: int = 2000) -> Learner:
    """As on a GPU; there is no other way to have it on a CPU."""
    learner = Learner(Line())
    learner._precision.scaler = GradScaler("cpu", init_scale=scale, growth_interval=interval)
    return learner


def take(learner: Learner, factor: float = 1.0) -> bool:
    learner.accumulate(learner.loss(X, factor), len(X))
    return learner.step(STEP).skipped


def weights(learner: Learner) -> list[list[float]]:
    tensors = [*learner.weights, *(learner.averages or [])]
    return [weight.detach().flatten().tolist() for weight in tensors]


@pytest.mark.parametrize(("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_loss_is_computed_in_what_is_asked_for(name: str, dtype: torch.dtype) -> None:
    learner = Learner(Line())
    learner.compute_in(name)
    seen: list[torch.dtype] = []
    line = learner.net
    assert isinstance(line, Line)
    line.layer.register_forward_hook(lambda module, args, y: seen.append(y.dtype))
    take(learner)
    assert seen == [dtype]
    assert {weight.dtype for weight in learner.weights} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "said"), [("fp16", "fp16 needs a GPU"), ("half", "fp32, bf16 or fp16")]
)
def test_what_cannot_be_computed_in_is_refused(name: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Learner(Line()).compute_in(name)


def test_what_is_scaled_by_a_power_of_two_learns_to_the_same_bits() -> None:
    plain, other = Learner(Line()), scaled()
    for _ in range(4):
        assert take(plain) == take(other) is False
    assert weights(plain) == weights(other)


def test_the_scale_falls_where_gradients_overflow_and_rises_again() -> None:
    learner = scaled(2.0**100, interval=2)
    scales = []
    for factor in (1e30, 1e30, 1.0, 1.0):
        before = weights(learner)
        skipped = take(learner, factor)
        assert skipped == (factor > 1) and (weights(learner) == before) == skipped
        scales.append(math.log2(learner._precision.scaler.get_scale()))
    assert scales == [99, 98, 98, 99]
    assert (learner.steps, learner.skipped) == (2, 2)


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_scale_is_gone_on_with(stop: int) -> None:
    factors = [1.0, 1e30, 1.0, 1.0, 1.0, 1.0]
    straight, first, second = (scaled(2.0**100, interval=3) for _ in range(3))
    for factor in factors:
        take(straight, factor)
    for factor in factors[:stop]:
        take(first, factor)
    second.load({name: tensor.clone() for name, tensor in first.state().items()})
    for factor in factors[stop:]:
        take(second, factor)
    assert weights(second) == weights(straight)
    found = [one._precision.scaler.state_dict() for one in (second, straight)]
    assert found[0] == found[1]


def test_without_a_scale_the_state_says_nothing_of_it() -> None:
    learner = Learner(Line())
    take(learner)
    assert "scale" not in learner.state()

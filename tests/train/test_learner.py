"""One step: what the driver asks for really reaches the weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqpipe.errors import CheckpointError
from seqpipe.train.learner import Learner, Step


class Line(nn.Module):
    """Two weights, one that decays and one that doesn't, and a sum of squares to bring down."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[1.0, -2.0]]))
            self.layer.bias.fill_(0.5)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = ((self.layer(x).squeeze(1) - y) ** 2).sum()
        return loss


X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0], [1.0, 3.0]])
Y = torch.tensor([2.0, -1.0, 0.0, 1.0])
STEP = Step(learn_rate=0.1)


def weights_of(learner: Learner) -> list[Tensor]:
    return [weight.detach().clone() for weight in learner.weights]


def equal(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def take(learner: Learner, how: Step, *, cut: int = 4) -> list[Tensor]:
    """The weights after one step over all rows, given `cut` at a time."""
    net = learner.net
    assert isinstance(net, Line)
    for x, y in zip(torch.split(X, cut), torch.split(Y, cut), strict=True):
        learner.accumulate(net.loss(x, y), len(x))
    learner.step(how)
    return weights_of(learner)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_gradients_in_parts_are_those_of_the_whole(cut: int) -> None:
    # a small eps would hide the size of the gradient from Adam's first step
    how = Step(learn_rate=0.1, eps=1.0)
    whole, parts = take(Learner(Line()), how), take(Learner(Line()), how, cut=cut)
    assert all(torch.allclose(one, other) for one, other in zip(whole, parts, strict=True))


def test_a_step_is_torchs_adamw_on_the_mean_over_rows() -> None:
    how = Step(learn_rate=0.1, weight_decay=0.3, betas=(0.8, 0.9), eps=1e-3)
    reference = Line()
    adam = torch.optim.AdamW(
        [
            {"params": [reference.layer.weight], "weight_decay": 0.3},
            {"params": [reference.layer.bias], "weight_decay": 0.0},
        ],
        lr=0.1,
        betas=(0.8, 0.9),
        eps=1e-3,
    )
    learner = Learner(Line())
    for _ in range(3):
        adam.zero_grad()
        torch.autograd.backward(reference.loss(X, Y) / len(X))
        adam.step()
        found = take(learner, how)
        expected = [reference.layer.weight, reference.layer.bias]
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))


def test_the_learning_rate_may_change_at_each_step() -> None:
    learner = Learner(Line())
    before = weights_of(learner)
    assert equal(take(learner, Step(learn_rate=0.0)), before)
    after = take(learner, Step(learn_rate=0.25))
    # Adam's step is the learning rate, where the gradient keeps its sign
    moved = [(a - b).abs() for a, b in zip(after, before, strict=True)]
    assert all(torch.allclose(m, torch.full_like(m, 0.25), atol=1e-4) for m in moved)


def test_decay_pulls_matrices_and_not_biases() -> None:
    plain = take(Learner(Line()), Step(learn_rate=0.1))
    pulled = take(Learner(Line()), Step(learn_rate=0.1, weight_decay=0.5))
    start = torch.tensor([[1.0, -2.0]])
    assert torch.allclose(plain[0] - pulled[0], 0.1 * 0.5 * start)
    assert torch.equal(plain[1], pulled[1])


def test_the_norm_is_that_of_all_weights_together_and_clipped_as_one() -> None:
    learner, net = Learner(Line()), Line()
    torch.autograd.backward(net.loss(X, Y) / len(X))
    grads = [weight.grad for weight in net.parameters()]
    norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads if grad is not None))
    assert isinstance(learner.net, Line)
    learner.accumulate(learner.net.loss(X, Y), len(X))
    taken = learner.step(Step(learn_rate=0.1, clip=norm / 10, eps=1.0, betas=(0.0, 0.0)))
    assert taken.norm == pytest.approx(norm) and not taken.skipped
    # with betas of zero a step is lr * g / (|g| + eps), g the clipped gradient
    for weight, before, grad in zip(learner.weights, Line().parameters(), grads, strict=True):
        assert grad is not None
        small = grad / 10
        assert torch.allclose(weight, before - 0.1 * small / (small.abs() + 1.0), atol=1e-6)


def test_a_norm_below_the_limit_is_left_alone() -> None:
    how = Step(learn_rate=0.1, eps=1.0)
    free, wide = Learner(Line()), Learner(Line())
    assert equal(take(free, how), take(wide, Step(learn_rate=0.1, eps=1.0, clip=1e6)))


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1.0])
@pytest.mark.parametrize("more", [math.nan, math.inf, -math.inf])
def test_losses_and_gradients_that_are_no_number_are_dropped(factor: float, more: float) -> None:
    """A loss may be infinite and its gradient a number."""
    learner, clean = Learner(Line()), Learner(Line())
    before = weights_of(learner)
    assert isinstance(learner.net, Line)
    learner.accumulate(learner.net.loss(X, Y) * factor + more, len(X))
    learner.accumulate(learner.net.loss(X, Y), len(X))  # a good one does not make up for it
    taken = learner.step(STEP)
    assert taken.skipped and learner.skipped == 1 and learner.steps == 0
    assert equal(weights_of(learner), before)
    assert equal(take(learner, STEP), take(clean, STEP))  # nothing of it is left


def test_a_step_without_gradients_is_none() -> None:
    learner = Learner(Line())
    before = weights_of(learner)
    assert not learner.step(STEP).skipped and learner.steps == learner.skipped == 0
    assert equal(weights_of(learner), before)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_seen(bad: float) -> None:
    learner = Learner(Line())
    assert learner.finite
    with torch.no_grad():
        learner.weights[0][0, 1] = bad
    assert not learner.finite


def test_averages_follow_the_weights_from_the_first_step_on() -> None:
    learner = Learner(Line())
    how = Step(learn_rate=0.1, average=True)
    expected = take(learner, how)
    for step in range(2, 6):
        weights = take(learner, how)
        kept = min(0.99, (1 + step) / (10 + step))
        expected = [kept * e + (1 - kept) * w for e, w in zip(expected, weights, strict=True)]
    assert learner.averages is not None
    for average, other in zip(learner.averages, expected, strict=True):
        assert torch.allclose(average, other, atol=1e-6)


def test_averages_stand_in_for_the_weights_for_a_while() -> None:
    learner = Learner(Line())
    for _ in range(3):
        before = take(learner, Step(learn_rate=0.1, average=True))
    assert learner.averages is not None
    with pytest.raises(ZeroDivisionError), learner.averaged():
        assert equal(weights_of(learner), learner.averages)
        assert not equal(weights_of(learner), before)
        raise ZeroDivisionError
    assert equal(weights_of(learner), before)


def test_without_averages_the_weights_stay() -> None:
    learner = Learner(Line())
    before = take(learner, STEP)
    with learner.averaged():
        assert equal(weights_of(learner), before)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("used", [False, True])
def test_a_loaded_learner_goes_on_to_the_same_bits(average: bool, used: bool) -> None:
    how = Step(learn_rate=0.1, weight_decay=0.1, clip=1.0, average=average)
    first, second = Learner(Line()), Learner(Line())
    for _ in range(3):
        take(first, how)
    if used:  # what was there before leaves no trace
        take(second, Step(learn_rate=0.7, average=True))
    second.load({name: tensor.clone() for name, tensor in first.state().items()})
    for _ in range(3):
        assert equal(take(first, how), take(second, how))
    assert (first.averages is None) is (second.averages is None)
    if first.averages is not None and second.averages is not None:
        assert equal(first.averages, second.averages)
    assert (first.steps, first.skipped) == (second.steps, second.skipped) == (6, 0)


def test_a_state_is_not_changed_by_later_steps_of_the_loaded() -> None:
    first, second = Learner(Line()), Learner(Line())
    take(first, Step(learn_rate=0.1, average=True))
    kept = {name: tensor.clone() for name, tensor in first.state().items()}
    second.load(first.state())
    take(second, Step(learn_rate=0.1, average=True))
    assert all(torch.equal(tensor, kept[name]) for name, tensor in first.state().items())


def test_a_state_before_the_first_step_is_whole() -> None:
    learner = Learner(Line())
    for _ in range(3):
        take(learner, STEP)
    learner.load(Learner(Line()).state())
    assert equal(take(learner, STEP), take(Learner(Line()), STEP))


@pytest.mark.parametrize("missing", ["steps", "net.layer.bias"])
def test_the_state_of_another_net_is_refused(missing: str) -> None:
    learner = Learner(Line())
    take(learner, STEP)
    state = learner.state()
    del state[missing]
    with pytest.raises(CheckpointError, match="it is of another net"):
        Learner(Line()).load(state)


def test_weights_that_are_frozen_stay() -> None:
    net = Line()
    net.layer.bias.requires_grad_(False)
    learner = Learner(net)
    take(learner, Step(learn_rate=0.1, average=True))
    assert len(learner.weights) == 1 and net.layer.bias.item() == 0.5


def test_loading_drops_gradients_that_had_gathered() -> None:
    learner = Learner(Line())
    state = learner.state()
    assert isinstance(learner.net, Line)
    learner.accumulate(learner.net.loss(X * 9, Y), len(X))
    learner.load(state)
    how = Step(learn_rate=0.1, eps=1.0)
    assert equal(take(learner, how), take(Learner(Line()), how))


def test_a_step_raises_the_version_of_every_weight() -> None:
    """What is cached by version, as a sweep's tables are, must not outlive a step."""
    learner = Learner(Line())
    before = [weight._version for weight in learner.weights]
    take(learner, STEP)
    assert all(w._version > v for w, v in zip(learner.weights, before, strict=True))


class Tower(nn.Module):
    """A head above two layers, each a line by itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.low = nn.Linear(2, 2)
        self.high = nn.Linear(2, 2)
        self.head = nn.Linear(2, 1)

    def below(self) -> list[nn.Module]:
        return [self.high, self.low]

    def loss(self) -> Tensor:
        loss: Tensor = (self.head(self.high(self.low(X))).squeeze(1) - Y).square().sum()
        return loss


def climb(learner: Learner, how: Step) -> None:
    assert isinstance(learner.net, Tower)
    learner.accumulate(learner.net.loss(), len(X))
    learner.step(how)


def test_each_layer_down_learns_at_a_smaller_rate_to_the_bit() -> None:
    """As AdamW does it that is given the rate of each layer."""
    tower, learner = Tower(), Learner(Tower())
    rates = {tower.head: 0.1, tower.high: 0.1 / 2.6, tower.low: 0.1 / 2.6**2}
    groups = [
        {"params": [weight], "lr": rate, "weight_decay": decay}
        for layer, rate in rates.items()
        for weight, decay in [(layer.weight, 0.3), (layer.bias, 0.0)]
    ]
    adam = torch.optim.AdamW(groups, fused=True)
    for _ in range(3):
        adam.zero_grad()
        torch.autograd.backward(tower.loss())
        grads = [weight.grad for weight in tower.parameters() if weight.grad is not None]
        torch._foreach_mul_(grads, 1.0 / len(X))
        adam.step()
        climb(learner, Step(learn_rate=0.1, weight_decay=0.3, layer_decay=2.6))
    assert equal(weights_of(learner), list(tower.parameters()))


def test_what_a_net_does_not_name_is_its_head() -> None:
    assert Learner(Tower()).depths == [2, 2, 1, 1, 0, 0] and Learner(Tower()).layers == 3
    assert Learner(Line()).depths == [0, 0] and Learner(Line()).layers == 1


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_layer_moves_once_it_is_thawed(depth: int) -> None:
    learner = Learner(Tower())
    learner.thaw(depth)
    before = weights_of(learner)
    for _ in range(2):
        climb(learner, Step(learn_rate=0.1, weight_decay=0.3, average=True))
    moved = [not torch.equal(a, b) for a, b in zip(weights_of(learner), before, strict=True)]
    assert moved == [own <= depth for own in learner.depths]
    assert learner.averages is not None
    averaged = [not torch.equal(a, b) for a, b in zip(learner.averages, before, strict=True)]
    assert averaged == moved


def test_what_is_frozen_counts_for_nothing_in_the_norm() -> None:
    whole, part = Learner(Tower()), Learner(Tower())
    part.thaw(0)
    norms = []
    for learner in (whole, part):
        assert isinstance(learner.net, Tower)
        learner.accumulate(learner.net.loss(), len(X))
        norms.append(learner.step(STEP).norm)
    assert norms[1] < norms[0]


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_learner_loaded_among_thaws_goes_on_to_the_same_bits(stop: int) -> None:
    def walk(learner: Learner, start: int, end: int) -> None:
        for step in range(start, end):
            learner.thaw(step // 2)
            climb(learner, Step(learn_rate=0.1, layer_decay=2.0, average=True, clip=1.0))

    straight, first, second = Learner(Tower()), Learner(Tower()), Learner(Tower())
    walk(straight, 0, 6)
    walk(first, 0, stop)
    second.load({name: tensor.clone() for name, tensor in first.state().items()})
    walk(second, stop, 6)
    assert equal(weights_of(second), weights_of(straight))
    assert second.averages is not None and straight.averages is not None
    assert equal(second.averages, straight.averages)


def test_a_state_of_layers_is_one_without_them() -> None:
    """A run may be gone on with that was begun before its net told its layers."""
    flat = Tower()
    flat.below = list  # type: ignore[method-assign]
    first, second = Learner(flat), Learner(Tower())
    for learner in (first, second):
        climb(learner, STEP)
    assert first.state().keys() == second.state().keys()
    second.load(first.state())
    for learner in (first, second):
        climb(learner, STEP)
    assert equal(weights_of(first), weights_of(second))

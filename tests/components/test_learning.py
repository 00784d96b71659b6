"""What spaCy's drivers ask for reaches the torch weights: each would fail silently otherwise."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import torch
from small import cats_of, make_examples, make_nlp, stage_of, texts_of
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam, Optimizer, fix_random_seed

from seqpipe.train.learner import Step


def weights_of(nlp: Language) -> dict[str, torch.Tensor]:
    net: torch.nn.Module = stage_of(nlp).shim.net
    return {name: weight.detach().clone() for name, weight in net.named_parameters()}


def furthest(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> float:
    return max((after[name] - before[name]).abs().max().item() for name in before)


def make_optimizer(learn_rate: float = 0.01, *, averages: bool = False, **how: float) -> Optimizer:
    optimizer: Optimizer = Adam(learn_rate, use_averages=averages, **how)  # type: ignore[arg-type]
    return optimizer


@pytest.mark.parametrize("size", [1, 3])
def test_gradients_accumulate_over_updates_as_in_one(size: int) -> None:
    whole, parts = make_nlp(), make_nlp()
    examples = make_examples(whole)
    # eps far above the gradients keeps Adam's first step in proportion to them
    first, second = (make_optimizer(eps=1.0, grad_clip=0.0) for _ in range(2))
    before = weights_of(whole)
    whole.update(examples, sgd=first)
    for start in range(0, len(examples), size):
        parts.update(examples[start : start + size], sgd=False)  # type: ignore[arg-type]
    assert furthest(before, weights_of(parts)) == 0
    stage_of(parts).finish_update(second)
    assert (
        furthest(weights_of(whole), weights_of(parts)) < 1e-6 < furthest(before, weights_of(whole))
    )


def test_losses_of_parts_add_up_under_the_name_of_the_stage() -> None:
    nlp = make_nlp()
    examples = make_examples(nlp)
    losses: dict[str, float] = {}
    for _ in range(2):
        nlp.update(examples, sgd=False, losses=losses)  # type: ignore[arg-type]
    once = nlp.update(examples, sgd=False)  # type: ignore[arg-type]
    assert losses == {"sentiment": pytest.approx(2 * once["sentiment"])}


def test_the_drivers_dropout_reaches_torch() -> None:
    def loss(drop: float) -> float:
        fix_random_seed(0)
        stage = stage_of(nlp)
        return stage.update(examples, drop=drop)["sentiment"]

    nlp = make_nlp()
    examples = make_examples(nlp)
    assert loss(0.0) == loss(0.0) != loss(0.5) == loss(0.5) != loss(0.1)
    steady = cats_of(nlp.pipe(texts_of()))
    assert steady == cats_of(nlp.pipe(texts_of()))  # and predicting is free of it


def test_schedules_reach_the_step() -> None:
    def rates() -> Generator[float, None, None]:
        yield from (0.0, 0.0, 0.02, 0.01)

    nlp = make_nlp()
    examples = make_examples(nlp)
    optimizer = Adam(rates(), use_averages=False, grad_clip=0.0)  # type: ignore[arg-type]
    moved = []
    for _ in range(3):
        before = weights_of(nlp)
        nlp.update(examples, sgd=optimizer)
        moved.append(furthest(before, weights_of(nlp)))
        optimizer.step_schedules()
    # thinc takes the first value when it is made, the next at each step_schedules
    assert moved[0] == 0
    assert max(moved) == pytest.approx(0.02, rel=0.2)


def test_weight_decay_reaches_matrices_and_no_bias() -> None:
    start = weights_of(make_nlp())
    ends = []
    for decay in (0.0, 0.5):
        nlp = make_nlp()
        nlp.update(make_examples(nlp), sgd=make_optimizer(0.1, L2=decay, grad_clip=0.0))
        ends.append(weights_of(nlp))
    for name, weight in start.items():
        pulled = ends[0][name] - ends[1][name]
        expected = 0.1 * 0.5 * weight if weight.dim() > 1 else torch.zeros_like(weight)
        assert torch.allclose(pulled, expected, atol=1e-6), name


def test_clipping_is_of_the_norm_over_all_weights() -> None:
    nlp = make_nlp()
    learner = stage_of(nlp).shim.learner
    seen: list[Step] = []
    step = learner.step
    learner.step = lambda how: seen.append(how) or step(how)  # type: ignore[func-returns-value]
    nlp.update(make_examples(nlp), sgd=make_optimizer(grad_clip=1e-9, eps=1.0))
    nlp.update(make_examples(nlp), sgd=make_optimizer(0.25, beta1=0.5, beta2=0.7, L2=0.1))
    assert seen[0].clip == 1e-9
    assert seen[1] == Step(
        learn_rate=0.25, weight_decay=0.1, betas=(0.5, 0.7), eps=1e-8, clip=1.0, average=False
    )


def test_a_clipped_step_is_a_small_one() -> None:
    moved = []
    for clip in (0.0, 1e-6):
        nlp = make_nlp()
        before = weights_of(nlp)
        nlp.update(make_examples(nlp), sgd=make_optimizer(0.1, grad_clip=clip, eps=1.0))
        moved.append(furthest(before, weights_of(nlp)))
    assert moved[1] < 1e-6 < moved[0]


def train(nlp: Language, optimizer: Optimizer, steps: int = 4) -> list[Example]:
    examples = make_examples(nlp)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return examples


def test_averages_are_what_is_evaluated_and_what_is_saved() -> None:
    nlp = make_nlp()
    optimizer = make_optimizer(0.05, averages=True)
    examples = train(nlp, optimizer)
    plain, last = nlp.evaluate(examples), nlp.to_bytes()
    assert optimizer.averages
    with nlp.use_params(optimizer.averages):
        averaged, saved = nlp.evaluate(examples), nlp.to_bytes()
        expected = stage_of(nlp).shim.learner.averages
        assert expected is not None
        for weight, average in zip(weights_of(nlp).values(), expected, strict=True):
            assert torch.equal(weight, average)
    assert averaged["cats_ece"] != plain["cats_ece"]
    assert nlp.to_bytes() == last != saved
    again = make_nlp().from_bytes(saved)
    assert again.evaluate(make_examples(again))["cats_ece"] == averaged["cats_ece"]


def test_without_averages_there_is_nothing_to_put_in() -> None:
    nlp = make_nlp()
    optimizer = make_optimizer(0.05)
    train(nlp, optimizer)
    before = nlp.to_bytes()
    assert optimizer.averages is None
    with nlp.use_params({}):
        assert nlp.to_bytes() == before


def test_averages_of_another_optimizer_are_not_ours() -> None:
    nlp = make_nlp()
    train(nlp, make_optimizer(0.05, averages=True))
    before = nlp.to_bytes()
    with nlp.use_params({(-1, "W"): None}):
        assert nlp.to_bytes() == before


def test_weights_come_back_when_evaluation_fails() -> None:
    nlp = make_nlp()
    optimizer = make_optimizer(0.05, averages=True)
    train(nlp, optimizer)
    before = nlp.to_bytes()
    with pytest.raises(ZeroDivisionError), nlp.use_params(optimizer.averages):
        raise ZeroDivisionError
    assert nlp.to_bytes() == before


def test_learning_goes_on_after_averages_were_looked_at() -> None:
    looked, straight = make_nlp(), make_nlp()
    first, second = (make_optimizer(0.05, averages=True) for _ in range(2))
    train(looked, first, 2)
    with looked.use_params(first.averages):
        looked.evaluate(make_examples(looked))
    train(looked, first, 2)
    train(straight, second, 4)
    assert looked.to_bytes() == straight.to_bytes()


def test_a_gradient_that_is_no_number_costs_one_step_and_no_weight() -> None:
    nlp = make_nlp()
    shim = stage_of(nlp).shim
    before = weights_of(nlp)
    shim.net.class_weights[0] = torch.nan
    nlp.update(make_examples(nlp), sgd=make_optimizer())
    assert shim.learner.skipped == 1 and furthest(before, weights_of(nlp)) == 0
    shim.net.class_weights[0] = 1.0
    nlp.update(make_examples(nlp), sgd=make_optimizer())
    assert furthest(before, weights_of(nlp)) > 0


def test_long_rows_are_cut_for_learning_only() -> None:
    short, long = make_nlp(longest=3), make_nlp(longest=3)
    more = [("good good good", "positive"), ("good good good bad dull", "positive")]
    losses = [
        nlp.update(make_examples(nlp, [row]))["sentiment"]
        for nlp, row in zip((short, long), more, strict=True)
    ]
    assert losses[0] == losses[1]
    assert short(more[0][0]).cats != short(more[1][0]).cats

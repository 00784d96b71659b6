"""Attention of each kind worked by hand, and what it says where there is little to look at."""

from __future__ import annotations

from math import log, sqrt, tanh

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from seqpipe.errors import SettingError
from seqpipe.nets.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    make_attention,
)
from seqpipe.nets.encoder import length_mask

KINDS = ("general", "dot", "additive")
every_kind = pytest.mark.parametrize("kind", KINDS)


def look(
    attention: Attention, query: Tensor, memory: Tensor, lengths: list[int]
) -> tuple[Tensor, Tensor]:
    mask = length_mask(torch.tensor(lengths), memory.shape[1])
    context, weights = attention(query, attention.keys(memory), memory, mask)
    return context, weights


def scores_by_formula(attention: Attention, q: Tensor, s: Tensor) -> Tensor:
    """What one query gives to one place."""
    match attention:
        case GeneralAttention():
            return q @ attention.key.weight @ s
        case DotAttention():
            return q @ s / sqrt(len(s))
        case AdditiveAttention():
            inner = attention.asked.weight @ q + attention.key.weight @ s + attention.key.bias
            return attention.weight.weight[0] @ torch.tanh(inner)
    raise AssertionError(attention)


def test_a_place_three_times_as_likely_has_three_quarters() -> None:
    general = GeneralAttention(query=1, memory=1)
    nn.init.constant_(general.key.weight, 2.0)
    memory = torch.tensor([[[0.0], [log(3.0)]]])
    context, weights = look(general, torch.tensor([[[0.5], [-0.5]]]), memory, [2])
    assert torch.allclose(weights, torch.tensor([[[1 / 4, 3 / 4], [3 / 4, 1 / 4]]]))
    assert torch.allclose(context, weights[:, :, 1:] * log(3.0))


def test_the_product_is_scaled_by_the_root_of_the_width() -> None:
    memory = torch.tensor([[[0.0] * 4, [log(3.0)] * 4]])
    _, weights = look(DotAttention(query=4, memory=4), torch.full((1, 1, 4), 0.5), memory, [2])
    assert torch.allclose(weights, torch.tensor([[[1 / 4, 3 / 4]]]))


def test_the_small_net_adds_query_and_place() -> None:
    additive = AdditiveAttention(query=1, memory=1)
    for weight, value in ((additive.key.weight, 1.0), (additive.key.bias, 0.25)):
        nn.init.constant_(weight, value)
    nn.init.constant_(additive.asked.weight, -0.5)
    nn.init.constant_(additive.weight.weight, log(3.0) / tanh(1.0))
    memory = torch.tensor([[[0.25], [1.25]]])
    _, weights = look(additive, torch.tensor([[[1.0]]]), memory, [2])  # tanh of 0 and of 1
    assert torch.allclose(weights, torch.tensor([[[1 / 4, 3 / 4]]]))


@every_kind
def test_each_query_meets_each_place_by_the_formula(kind: str) -> None:
    attention = make_attention(kind, query=5, memory=5)
    query, memory, lengths = torch.randn(3, 4, 5), torch.randn(3, 6, 5), [6, 2, 4]
    context, weights = look(attention, query, memory, lengths)
    for row, length in enumerate(lengths):
        for step in range(4):
            places = memory[row, :length]
            scores = [scores_by_formula(attention, query[row, step], s) for s in places]
            expected = torch.softmax(torch.stack(scores), dim=0)
            torch.testing.assert_close(weights[row, step, :length], expected)
            torch.testing.assert_close(context[row, step], expected @ places)


@every_kind
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_weights_lie_on_a_rows_own_places_alone(kind: str, lengths: list[int]) -> None:
    attention = make_attention(kind, query=4, memory=4)
    memory = 50 * torch.randn(len(lengths), 7, 4)  # noise beyond the rows as well
    context, weights = look(attention, torch.randn(len(lengths), 3, 4), memory, lengths)
    assert context.isfinite().all()
    for row, length in enumerate(lengths):
        assert not weights[row, :, length:].any()
        assert torch.allclose(weights[row].sum(dim=1), torch.full((3,), float(length > 0)))
        assert length or not context[row].any()


@every_kind
@pytest.mark.parametrize("steps", [0, 3])
def test_a_row_of_nothing_has_zeros_and_sound_gradients(kind: str, steps: int) -> None:
    attention = make_attention(kind, query=4, memory=4)
    query = torch.randn(2, 2, 4, requires_grad=True)
    memory = torch.randn(2, steps, 4, requires_grad=True)
    context, weights = look(attention, query, memory, [0, steps])
    assert not context[0].any() and not weights[0].any()
    torch.autograd.backward(context.square().sum() + weights.square().sum())
    for given_ in (query, memory, *attention.parameters()):
        assert given_.grad is not None and given_.grad.isfinite().all()
    assert query.grad is not None and not query.grad[0].any()
    assert memory.grad is not None and not memory.grad[0].any()


@every_kind
def test_gradients_are_those_of_the_formula(kind: str) -> None:
    attention = make_attention(kind, query=3, memory=3).double()
    query, memory = (torch.randn(3, n, 3, dtype=torch.double) for n in (2, 4))

    def of(query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        return look(attention, query, memory, [4, 0, 2])

    assert torch.autograd.gradcheck(of, (query.requires_grad_(), memory.requires_grad_()))


@every_kind
def test_all_steps_at_once_equal_each_alone(kind: str) -> None:
    attention = make_attention(kind, query=4, memory=4)
    query, memory, lengths = torch.randn(2, 5, 4), torch.randn(2, 6, 4), [6, 3]
    context, weights = look(attention, query, memory, lengths)
    for step in range(5):
        alone = look(attention, query[:, step : step + 1], memory, lengths)
        assert torch.allclose(context[:, step : step + 1], alone[0], atol=1e-6)
        assert torch.allclose(weights[:, step : step + 1], alone[1], atol=1e-6)


@pytest.mark.parametrize("kind", ["general", "additive"])
def test_query_and_memory_may_differ_in_width(kind: str) -> None:
    attention = make_attention(kind, query=3, memory=5)
    context, weights = look(attention, torch.randn(2, 4, 3), torch.randn(2, 6, 5), [6, 1])
    assert context.shape == (2, 4, 5) and weights.shape == (2, 4, 6)


def test_a_product_of_unequal_widths_is_one_sentence() -> None:
    with pytest.raises(SettingError, match=r"attention = 'dot'.*another one where 3 meets 5"):
        make_attention("dot", query=3, memory=5)


def test_an_unknown_kind_is_one_sentence() -> None:
    with pytest.raises(SettingError) as caught:
        make_attention("sideways", query=3, memory=3)
    expected = "The setting attention = 'sideways' is not allowed: give one of general, dot, "
    assert str(caught.value) == expected + "additive."

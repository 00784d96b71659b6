"""Pools give the vectors worked out by hand, whole or in stretches of any length."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqpipe.errors import SettingError
from seqpipe.nets.encoder import length_mask
from seqpipe.nets.pooling import AttentionPool, LastPool, MaxPool, MeanPool, Pool, make_pool

POOLS = ["attention", "max", "mean", "last"]
every_pool = pytest.mark.parametrize("name", POOLS)

# (B, S, H): a row of three steps and one of a single step, the rest of which is padding.
STATES = torch.tensor(
    [
        [[1.0, -4.0], [3.0, -2.0], [2.0, -6.0]],
        [[-1.0, -2.0], [9.0, 9.0], [9.0, 9.0]],
    ]
)
MASK = torch.tensor([[True, True, True], [True, False, False]])


@every_pool
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_states_of_16_bits_are_pooled_in_32(name: str, dtype: torch.dtype) -> None:
    """The lowest number of a mask fits into no fewer, and a sum over thousands of steps neither."""
    torch.manual_seed(0)
    pool = make_pool(name, width=4, bidirectional=True)
    states = torch.rand(2, 3000, 4).to(dtype)
    mask = length_mask(torch.tensor([3000, 2]), 3000)
    with torch.autocast("cpu", dtype):
        found = pool(states, mask)
    assert found.dtype == torch.float32
    assert torch.allclose(found, pool(states.float(), mask), rtol=0.02)


def test_mean() -> None:
    pool = MeanPool(width=2, bidirectional=False)
    assert pool(STATES, MASK).tolist() == [[2, -4], [-1, -2]]


def test_max_of_negative_values_is_negative() -> None:
    pool = MaxPool(width=2, bidirectional=False)
    assert pool(STATES, MASK).tolist() == [[3, -2], [-1, -2]]


def test_last_one_way_is_the_last_state() -> None:
    pool = LastPool(width=2, bidirectional=False)
    assert pool(STATES, MASK).tolist() == [[2, -6], [-1, -2]]


def test_last_both_ways_takes_the_backward_half_where_it_ends() -> None:
    pool = LastPool(width=2, bidirectional=True)
    assert pool(STATES, MASK).tolist() == [[2, -4], [-1, -2]]


def test_attention_weighs_by_a_softmax_over_the_row() -> None:
    pool = AttentionPool(width=2, bidirectional=False)
    with torch.no_grad():
        pool.key.weight.copy_(torch.eye(2))
        pool.key.bias.zero_()
        pool.query.weight.copy_(torch.tensor([[2.0, 0.0]]))  # scores 2 tanh(first unit)
    raised = [math.exp(2 * math.tanh(unit)) for unit in (1.0, 3.0, 2.0)]
    shares = [one / sum(raised) for one in raised]
    expected = [
        [
            shares[0] * 1 + shares[1] * 3 + shares[2] * 2,
            -shares[0] * 4 - shares[1] * 2 - shares[2] * 6,
        ],
        [-1, -2],
    ]
    assert torch.allclose(pool(STATES, MASK), torch.tensor(expected), atol=1e-6)


@every_pool
def test_rows_without_a_step_give_zeros_and_no_gradient(name: str) -> None:
    pool = make_pool(name, width=4, bidirectional=True)
    x = torch.randn(3, 5, 4, requires_grad=True)
    mask = length_mask(torch.tensor([0, 5, 0]), 5)
    pooled = pool(x, mask)
    assert not pooled[0].any() and not pooled[2].any() and pooled[1].any()
    torch.autograd.backward(pooled.sum())
    assert x.grad is not None and x.grad.isfinite().all()
    assert not x.grad[0].any() and x.grad[1].any()


@every_pool
def test_no_steps_at_all_give_zeros(name: str) -> None:
    pool = make_pool(name, width=4, bidirectional=True)
    pooled = pool(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.bool))
    assert pooled.tolist() == [[0] * 4] * 2


def in_stretches(pool: Pool, x: Tensor, mask: Tensor, sizes: list[int]) -> Tensor:
    state = pool.begin(len(x), x)
    for part, part_mask in zip(torch.split(x, sizes, 1), torch.split(mask, sizes, 1), strict=True):
        state = pool.add(state, part, part_mask)
    return pool.end(state)


@given(
    name=st.sampled_from(POOLS),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any),
    bidirectional=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_cut_of_the_rows_gives_the_same_vectors_and_gradients(
    name: str, sizes: list[int], bidirectional: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    steps = sum(sizes)
    pool = make_pool(name, width=4, bidirectional=bidirectional)
    mask = length_mask(torch.randint(0, steps + 1, (3,)), steps)
    x = (torch.randn(3, steps, 4) * 3).requires_grad_()
    pull = torch.randn(3, 4)
    whole, cut = pool(x, mask), in_stretches(pool, x, mask, sizes)
    assert torch.allclose(cut, whole, atol=1e-5)
    (by_whole,) = torch.autograd.grad((whole * pull).sum(), x)
    (by_cut,) = torch.autograd.grad((cut * pull).sum(), x)
    assert torch.allclose(by_cut, by_whole, atol=1e-4)


@every_pool
def test_padding_does_not_count(name: str) -> None:
    pool = make_pool(name, width=4, bidirectional=True)
    x = torch.randn(2, 5, 4)
    mask = length_mask(torch.tensor([3, 1]), 5)
    loud = x.masked_fill(~mask[:, :, None], 1e4)
    assert torch.allclose(pool(x, mask), pool(loud, mask), atol=1e-6)


def test_attention_survives_scores_beyond_the_range_of_exp() -> None:
    pool = AttentionPool(width=2, bidirectional=False)
    with torch.no_grad():
        pool.query.weight.fill_(500.0)
    x, mask = torch.randn(1, 6, 2), torch.ones(1, 6, dtype=torch.bool)
    assert pool(x, mask).isfinite().all()
    assert torch.allclose(in_stretches(pool, x, mask, [2, 4]), pool(x, mask), atol=1e-5)


def test_an_unknown_pool_is_one_sentence() -> None:
    with pytest.raises(SettingError) as caught:
        make_pool("median", width=4, bidirectional=True)
    assert str(caught.value) == (
        "The setting pooling = 'median' is not allowed: give some of attention, last, max, mean."
    )

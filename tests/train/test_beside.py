"""Sums in memory that processes of one machine share; threads stand for them here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqpipe.errors import TeamBroken
from seqpipe.train import beside as room
from seqpipe.train.beside import Beside, beside

STRETCH = 1 << 20


def together(size: int, work: Callable[[Beside, int], object]) -> list[object]:
    """What each makes of it, by rank."""
    said: Future[str] = Future()

    def tell(word: str) -> str:
        if word:
            said.set_result(word)
        return said.result(timeout=60)

    def one(rank: int) -> object:
        shared = beside(rank, size, tell)
        assert shared is not None
        with closing(shared):
            return work(shared, rank)

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))


def sums(tensors: Sequence[Sequence[Tensor]]) -> list[object]:
    def work(shared: Beside, rank: int) -> list[Tensor]:
        shared.add(tensors[rank])
        return list(tensors[rank])

    return together(len(tensors), work)


def own(count: int, rank: int, kind: torch.dtype = torch.float32) -> Tensor:
    made = torch.Generator().manual_seed(rank)
    return torch.randn(count, generator=made).to(kind)


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(2, 4),
    counts=st.lists(st.integers(0, 2000), min_size=1, max_size=4),
    kind=st.sampled_from([torch.float32, torch.float64]),
)
def test_everybody_finds_the_same_sum(size: int, counts: list[int], kind: torch.dtype) -> None:
    tensors = [[own(count, rank, kind) for count in counts] for rank in range(size)]
    wanted = [sum(each[1:], each[0].clone()) for each in zip(*tensors, strict=True)]
    for found in sums(tensors):
        assert isinstance(found, list)
        for sum_, one in zip(found, wanted, strict=True):
            assert torch.equal(sum_, one)


def test_more_than_a_place_holds() -> None:
    count = STRETCH // 4 * 2 + 7
    tensors = [[own(9, rank), own(count, rank)] for rank in range(2)]
    wanted = tensors[0][1] + tensors[1][1]
    for found in sums(tensors):
        assert isinstance(found, list) and torch.equal(found[1], wanted)


def test_what_lies_in_no_order_is_added_too() -> None:
    tensors = [own(12, rank).view(3, 4).t() for rank in range(2)]
    wanted = tensors[0] + tensors[1]
    together(2, lambda shared, rank: shared.add([tensors[rank]]))
    assert all(torch.equal(tensor, wanted) for tensor in tensors)


def test_who_waits_long_is_woken() -> None:
    def work(shared: Beside, rank: int) -> None:
        if rank == 0:
            time.sleep(20 * room._SPIN)
        shared.meet()
        shared.meet()  # asks again and again, as at first

    together(2, work)


def test_another_that_is_gone_is_told() -> None:
    def work(shared: Beside, rank: int) -> str:
        if rank == 1:
            return "gone"
        with pytest.raises(TeamBroken):
            for _ in range(2):  # a byte may still be on its way
                shared.meet()
        return "told"

    assert together(2, work) == ["told", "gone"]


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_SHARED", tmp_path)

    def work(shared: Beside, rank: int) -> list[str]:
        shared.meet()
        return os.listdir(tmp_path)

    assert together(2, work) == [[], []]


def test_without_room_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "_reserve", full)
    told: list[str] = []

    def tell(word: str) -> str:
        told.append(word)
        return word

    assert beside(0, 2, tell) is None and told == [""]
    assert beside(1, 2, lambda word: "") is None

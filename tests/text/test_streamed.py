"""The way through a stream: stretch by stretch, and found again at any part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.errors import DataEmpty
from seqpipe.text.course import Buckets
from seqpipe.text.portions import Place
from seqpipe.text.rows import Rows
from seqpipe.text.streamed import Streamed, Stretch

Shards = list[list[int]]


def read_of(shards: Shards, size: int) -> list[Stretch]:
    """Stretches of so many rows, each a number as often as it says."""
    found = []
    for number, shard in enumerate(shards):
        for at in range(0, len(shard), size):
            some = shard[at : at + size]
            rows = [np.full(n, n, np.int32) for n in some]
            answers = [np.array([n], np.int32) for n in some]
            end = Place(number, at + len(some))
            found.append(Stretch(Rows.of(rows), Rows.of(answers), end))
    return found


class Source:
    """Gives the stretches behind a place, and counts those that were read."""

    def __init__(self, shards: Shards, size: int) -> None:
        self.stretches, self.read = read_of(shards, size), 0

    def __call__(self, epoch: int, at: Place) -> Iterator[Stretch]:
        for stretch in self.stretches:
            if (stretch.end.shards, stretch.end.rows) > (at.shards, at.rows):
                self.read += 1
                yield stretch


def course(rows: Rows, answers: Rows) -> Buckets:
    return Buckets(rows, answers, rows.lengths, side_by_side=2, budget=20, seed=0)


def make_streamed(source: Source) -> Streamed:
    return Streamed(source, course, data="numbers")


def walked(way: Streamed, epoch: int, *, first: int = 0, each: int = 1) -> list[list[int]]:
    """The answers of each group of parts, from one on."""
    parts, found = way.parts(epoch), []
    while group := parts[first : first + each]:
        found.append([int(a[0]) for part in group for a in way.take(part)[1]])
        first += len(group)
    return found


shards_of = st.lists(st.lists(st.integers(1, 9), max_size=9), min_size=1, max_size=4).filter(any)


@given(shards=shards_of, size=st.integers(1, 5), each=st.integers(1, 3))
def test_an_epoch_has_every_row_once(shards: Shards, size: int, each: int) -> None:
    way = make_streamed(Source(shards, size))
    every = sorted(n for shard in shards for n in shard)
    for epoch in range(2):
        assert sorted(n for group in walked(way, epoch, each=each) for n in group) == every


@given(shards=shards_of, size=st.integers(1, 5), data=st.data())
def test_from_any_place_it_goes_on_as_if_it_had_come_there(
    shards: Shards, size: int, data: st.DataObject
) -> None:
    way = make_streamed(Source(shards, size))
    walked(way, 0)
    whole = walked(way, 1)
    first = data.draw(st.integers(0, len(whole)))
    way = make_streamed(Source(shards, size))
    walked(way, 0)
    parts = way.parts(1)
    for at in range(first):
        for part in parts[at : at + 1]:
            way.take(part)
    again = make_streamed(Source(shards, size))
    again.go_to(way.place())
    assert walked(again, 1, first=first) == whole[first:]


def test_what_lies_before_is_not_read_again() -> None:
    source = Source([[1] * 6, [2] * 6], 3)
    way = make_streamed(source)
    way.parts(0)[5:6]
    assert source.read == 3
    again = Source([[1] * 6, [2] * 6], 3)
    later = make_streamed(again)
    later.go_to(way.place())
    later.parts(0)[5:6]
    assert again.read == 1


def test_each_stretch_and_each_epoch_has_an_order_of_its_own() -> None:
    numbers = [*range(1, 9)]
    way = make_streamed(Source([numbers, numbers], 8))
    orders = [walked(way, epoch) for epoch in range(2)]
    halves = [order[at : at + 4] for order in orders for at in (0, 4)]
    assert len({str(half) for half in halves}) == 4


def test_a_group_ends_with_its_stretch() -> None:
    way = make_streamed(Source([[1] * 6], 3))
    assert [len(group) for group in walked(way, 0, each=2)] == [3, 3]


def test_stretches_of_nothing_are_passed_over() -> None:
    empty = Stretch(Rows.of([]), Rows.of([]), Place(0, 3))
    source = Source([[1, 2]], 2)
    source.stretches = [empty, *source.stretches, empty]
    assert walked(make_streamed(source), 0) == [[1, 2]]


def test_a_stream_of_nothing_is_one_sentence() -> None:
    with pytest.raises(DataEmpty, match="'numbers' holds no usable row"):
        make_streamed(Source([[]], 2)).parts(0)[0:1]


def test_a_stream_without_end_is_read_as_far_as_it_is_asked_for() -> None:
    taken = []

    def read(epoch: int, at: Place) -> Iterator[Stretch]:
        for number in count(at.rows):
            taken.append(number)
            row = Rows.of([np.array([number], np.int32)])
            yield Stretch(row, row, Place(0, number + 1))

    way = Streamed(read, course, data="all")
    parts = way.parts(0)
    for at in range(5):
        (part,) = parts[at : at + 1]
        assert way.take(part)[0][0].tolist() == [at]
    assert taken == [0, 1, 2, 3, 4]

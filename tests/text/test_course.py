"""The ways of a training through its rows: whole rows in buckets, and text that runs on."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqpipe.errors import SettingError
from seqpipe.text.batches import shuffled
from seqpipe.text.course import Buckets, Running
from seqpipe.text.rows import Rows

END = 3
Documents = list[int]


def make_rows(sizes: Documents, *, open_end: bool = False) -> Rows:
    """A document a row: its number in thousands, counted on from piece to piece, and an end; with
    an open end the last one may go on."""
    rows = [np.arange(n, dtype=np.int32) + 1000 * (i + 1) for i, n in enumerate(sizes)]
    ends = [np.array([END], np.int32)] * len(rows)
    if open_end and rows:
        ends[-1] = ends[-1][:0]
    return Rows.of([np.concatenate(pair) for pair in zip(rows, ends, strict=True)])


def make_running(rows: Rows, *, places: int = 3, window: int = 4, seed: int = 0) -> Running:
    return Running(rows, end=END, side_by_side=places, window=window, seed=seed)


def read(course: Running, epoch: int) -> list[list[int]]:
    """What is read in each place in an epoch, its windows put together."""
    found: list[list[int]] = []
    for n, part in enumerate(course.parts(epoch)):
        rows, answers = course.take(part)
        assert part.follows is (n > 0) and len(part.at) == len(rows)
        assert [len(row) for row in rows] == part.lengths.tolist()
        assert all(map(np.array_equal, rows, answers))
        found = found or [[] for _ in rows]
        for place, row in zip(found, rows, strict=True):
            place += row.tolist()
    return found


sizes_of = st.lists(st.integers(0, 9), min_size=1, max_size=12)


@given(
    sizes=sizes_of,
    places=st.integers(1, 6),
    window=st.integers(1, 7),
    seed=st.integers(0, 99),
    open_end=st.booleans(),
)
def test_all_is_read_once_but_for_less_than_a_piece_a_place(
    sizes: Documents, places: int, window: int, seed: int, open_end: bool
) -> None:
    """All places read as much, so what is left over are fewer pieces than there are places, and
    another few each epoch."""
    rows = make_rows(sizes, open_end=open_end)
    found = read(make_running(rows, places=places, window=window, seed=seed), 5)
    every, total = Counter(rows.ids.tolist()), len(rows.ids)
    said = Counter(piece for place in found for piece in place)
    assert not said - every
    used = max(1, min(places, total // window))  # each has a window at least, or there is one
    assert len(found) == (used if total else 0)
    assert said.total() == total - total % used


@given(sizes=sizes_of, places=st.integers(1, 6), seed=st.integers(0, 99))
def test_documents_come_as_wholes_and_one_place_ends_where_the_next_began(
    sizes: Documents, places: int, seed: int
) -> None:
    rows = make_rows(sizes)
    course = make_running(rows, places=places, seed=seed)
    found = [piece for place in read(course, 1) for piece in place]
    whole = {row[0]: row.tolist() for row in rows}
    documents = "".join(f"{piece} " if piece != END else "\n" for piece in found).split("\n")
    for document in documents[1:-1]:  # the first and the last may be parts of one
        pieces = [int(piece) for piece in document.split()]
        assert [*pieces, END] == whole[pieces[0] if pieces else END]


def test_stretches_of_a_place_follow_one_another() -> None:
    course = make_running(make_rows([100]), places=3, window=8)
    parts = course.parts(0)
    for before, after in pairwise(parts):
        assert ((before.at + before.lengths) % 101 == after.at).all()
    assert [part.lengths.tolist() for part in parts] == [[8] * 3] * 4 + [[1] * 3]
    assert [part.follows for part in parts] == [False, True, True, True, True]


def order_of(course: Running, epoch: int) -> list[int]:
    """The documents in the order of their ends."""
    (found,) = read(course, epoch)
    return [before // 1000 for before, now in pairwise(found) if now == END]


def test_each_epoch_has_an_order_of_its_own_and_begins_elsewhere() -> None:
    course = make_running(make_rows([4] * 30), places=1)
    orders = [order_of(course, epoch) for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    begins = {read(course, epoch)[0][0] for epoch in range(8)}
    assert len(begins) > 4
    alone = make_running(make_rows([50]), places=1)
    assert len({read(alone, epoch)[0][0] for epoch in range(8)}) > 4


def test_an_epoch_is_the_same_whenever_it_is_asked_for() -> None:
    rows = make_rows([5, 0, 9, 2, 7])
    course = make_running(rows)
    first = [read(course, epoch) for epoch in range(4)]
    assert [read(course, epoch) for epoch in (3, 0)] == [first[3], first[0]]
    assert [read(make_running(rows), epoch) for epoch in range(4)] == first
    assert read(make_running(rows, seed=1), 0) != first[0]


def test_rows_up_to_one_that_ends_are_one_document() -> None:
    """As a long text comes in several rows: its parts never change places."""
    parts = [[11, 12], [13], [], [14, END], [21, END], [31, 32, END], [41]]
    rows = Rows.of([np.array(part, np.int32) for part in parts])
    whole = {11: [11, 12, 13, 14, END], 21: [21, END], 31: [31, 32, END], 41: [41]}
    seen = set()
    for epoch in range(12):
        (found,) = read(make_running(rows, places=1, seed=2), epoch)
        while found[0] not in whole or found[-len(whole[found[0]]) :] == whole[found[0]]:
            found = found[1:] + found[:1]
        order = []
        while found:
            first = found[0]
            assert found[: len(whole[first])] == whole[first]
            order.append(first)
            found = found[len(whole[first]) :]
        seen.add(tuple(order))
    assert len(seen) > 3


@pytest.mark.parametrize("total", [0, 1, 2, 3, 4, 5])
def test_the_shortest_of_texts(total: int) -> None:
    rows = Rows.of([np.arange(10, 10 + total, dtype=np.int32)])
    found = read(make_running(rows, places=2, window=2), 0)
    assert len(found) == min(1 + total // 4, total)
    assert {len(place) for place in found} <= {total // max(len(found), 1)}


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"places": 0}, "rows = 0 .* from 1 on"),
        ({"window": 0}, "window = 0 .* from 1 on"),
    ],
)
def test_a_course_of_nothing_is_refused(how: dict[str, int], sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        make_running(make_rows([5]), **how)


def test_text_is_read_where_it_lies() -> None:
    """Nothing of the size of the text is made besides what it holds."""
    rows = make_rows([9] * 50)
    course = make_running(rows)
    assert course._ids is rows.ids
    assert len(course._bounds) == 51


def test_buckets_are_those_of_before() -> None:
    lengths: NDArray[np.int64] = np.array([3, 1, 7, 2, 9, 4, 4], np.int64)
    rows = Rows.of([np.full(n, i, np.int32) for i, n in enumerate(lengths.tolist())])
    answers = Rows.of([np.array([i], np.int32) for i in range(7)])
    how = {"budget": 12, "seed": 4}
    course = Buckets(rows, answers, lengths, side_by_side=3, budget=12, seed=4)
    for epoch in range(3):
        parts = course.parts(epoch)
        expected = shuffled(lengths, rows=3, epoch=epoch, **how)
        assert [part.at.tolist() for part in parts] == [places.tolist() for places in expected]
        for part in parts:
            assert not part.follows and part.lengths.tolist() == lengths[part.at].tolist()
            some, said = course.take(part)
            assert [row.tolist() for row in some] == [[i] * lengths[i] for i in part.at]
            assert [answer.tolist() for answer in said] == [[i] for i in part.at]


def test_parts_tell_the_lengths_of_each_side() -> None:
    rows = make_rows([3, 1, 2, 5])
    sides = np.stack([rows.lengths, rows.lengths[::-1]], axis=1)
    for part in Buckets(rows, rows, sides, side_by_side=2, budget=99, seed=0).parts(1):
        assert part.lengths.tolist() == sides[part.at].tolist()

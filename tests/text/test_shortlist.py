"""A shortlist of target pieces: who is likely to become whom, who is always there, and the file."""

from __future__ import annotations

import numpy as np
import pytest

from seqpipe.errors import CodecError, SettingError
from seqpipe.text.codec import Ids
from seqpipe.text.shortlist import FREQUENT, Shortlist

# 4 becomes 14, 5 becomes 15 and 6 becomes 16, in other orders.
SOURCES = [[4, 5], [5, 6], [6, 4], [5], [4, 5, 6]]
TARGETS = [[15, 14], [15, 16], [14, 16], [15], [16, 15, 14]]


def rows(*ids: list[int]) -> list[Ids]:
    return [np.array(row, np.int32) for row in ids]


def learned(best: int = 2, size: int = 8) -> Shortlist:
    return Shortlist.learn(rows(*SOURCES), rows(*TARGETS), size=size, best=best)


def test_what_each_piece_most_likely_becomes_comes_first() -> None:
    table = learned().table
    assert table.shape == (8, 2)
    assert table[[4, 5, 6], 0].tolist() == [14, 15, 16]


def test_more_than_counting_who_stands_beside_whom() -> None:
    """3 is in every target, as 4 in every source: each other word still finds its own."""
    sources = [[4, 10 + n] for n in range(5)] * 2
    targets = [[3, 20 + n] for n in range(5)] * 2
    table = Shortlist.learn(rows(*sources), rows(*targets), size=16, best=1).table
    assert table[4, 0] == 3
    assert table[10:15, 0].tolist() == [20, 21, 22, 23, 24]


def test_pieces_that_were_never_seen_have_what_is_always_there() -> None:
    found = learned()
    assert found.always.tolist() == [14, 15, 16]
    assert found.of(np.array([7])).tolist() == [14, 15, 16]


def test_only_the_most_frequent_are_always_there() -> None:
    often = [[piece] for piece in range(10, 10 + FREQUENT)] * 2
    found = Shortlist.learn(rows(*[[4]] * len(often), [5]), rows(*often, [9]), size=6, best=1)
    assert 9 not in found.always and len(found.always) == FREQUENT
    assert 9 in found.of(np.array([5])) and 9 not in found.of(np.array([4]))


def test_a_batch_has_the_pieces_of_all_its_rows_once_and_ascending() -> None:
    table = np.array([[1, 1], [9, 2], [5, 2], [7, 8]], np.int32)
    found = Shortlist(table, np.array([1], np.int32))
    pieces = found.of(np.array([[1, 2, 2], [1, 0, 0]]), besides=[6, 2])
    assert pieces.tolist() == [1, 2, 5, 6, 9] and pieces.dtype == np.int64


def test_a_corpus_without_pairs_has_an_empty_one() -> None:
    found = Shortlist.learn([], [], size=5, best=2)
    assert found.of(np.array([3]), besides=[2]).tolist() == [0, 2]
    empty = Shortlist.learn(rows([], [4]), rows([9], []), size=5, best=2)
    assert empty.of(np.array([4])).tolist() == [9]


def test_it_comes_back_from_bytes() -> None:
    found = learned(best=3)
    again = Shortlist.from_bytes(found.to_bytes())
    assert (again.table == found.table).all() and (again.always == found.always).all()
    assert again.to_bytes() == found.to_bytes()
    assert again.of(np.array([4, 5])).tolist() == found.of(np.array([4, 5])).tolist()


def test_its_bytes_are_the_same_each_time() -> None:
    assert learned().to_bytes() == learned().to_bytes()


@pytest.mark.parametrize("cut", [0, 5, 60, 140, -1, -20])
def test_damaged_bytes_are_one_sentence(cut: int) -> None:
    with pytest.raises(CodecError, match="No codec can be read from the shortlist: it is damaged"):
        Shortlist.from_bytes(learned().to_bytes()[:cut])


def test_bytes_of_something_else_are_one_sentence() -> None:
    import io

    held = io.BytesIO()
    for array in (np.arange(5), np.array([3, 3])):
        np.save(held, array)
    for data in (held.getvalue(), b"{}"):
        with pytest.raises(CodecError, match="it is damaged") as caught:
            Shortlist.from_bytes(data)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("best", [0, -1])
def test_a_list_of_nothing_is_refused(best: int) -> None:
    with pytest.raises(SettingError, match=r"shortlist = .*0 for none"):
        learned(best=best)

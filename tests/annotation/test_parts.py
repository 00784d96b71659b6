"""Parts are cut in the same places however the input comes, and a changed input is noticed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.annotation.parts import Parts, cut, digest_of, packed, unpacked
from seqpipe.errors import JobChanged

TEXTS = [f"text {i}" for i in range(10)]


def tables(texts: Sequence[str], size: int = 3) -> list[pa.Table]:
    return [pa.table({"text": texts[i : i + size]}) for i in range(0, len(texts), size)]


@given(
    st.lists(st.text(max_size=5), max_size=30),
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(1, 60),
)
def test_parts_have_all_rows_in_order(texts: list[str], size: int, rows: int, weight: int) -> None:
    parts = [*cut(tables(texts, size), rows=rows, size=weight)]
    assert [text for part in parts for text in part["text"].to_pylist()] == texts
    assert all(0 < part.num_rows <= rows for part in parts)


def test_a_part_ends_at_its_rows_or_its_bytes() -> None:
    assert [len(part) for part in cut(tables(TEXTS), rows=4)] == [4, 4, 2]
    assert [len(part) for part in cut(tables(TEXTS), rows=4, size=1)] == [3, 3, 3, 1]


def test_a_digest_is_of_rows_and_nothing_else() -> None:
    whole = pa.table({"text": TEXTS})
    (sliced,) = cut([whole.slice(2, 3)], rows=3)
    (fresh,) = cut([pa.table({"text": TEXTS[2:3]}), pa.table({"text": TEXTS[3:5]})], rows=3)
    assert digest_of(sliced) == digest_of(fresh)
    assert digest_of(sliced) != digest_of(pa.table({"text": TEXTS[3:6]}))
    assert unpacked(packed(whole).to_pybytes()) == whole


def test_tasks_know_where_their_rows_stand() -> None:
    tasks = [*Parts("x", tables(TEXTS), rows=4)()]
    assert [(task.part, task.first, len(task.rows)) for task in tasks] == [
        (0, 0, 4),
        (1, 4, 4),
        (2, 8, 2),
    ]


def test_what_is_done_is_passed_over() -> None:
    digests = {task.part: task.digest for task in Parts("x", tables(TEXTS), rows=4)()}
    done = {part: digests[part] for part in (0, 2)}
    assert [task.part for task in Parts("x", tables(TEXTS), rows=4, done=done)()] == [1]


def test_rows_are_asked_for_again() -> None:
    parts = Parts("x", tables(TEXTS), rows=4, again={1: [0, 3]})
    (task,) = parts()
    assert (task.part, task.only) == (1, [0, 3])


def test_a_changed_input_is_noticed() -> None:
    done = {task.part: task.digest for task in Parts("x", tables(TEXTS), rows=4)()}
    other = [*TEXTS[:5], "another", *TEXTS[6:]]
    with pytest.raises(JobChanged, match="other rows from 4 to 7"):
        [*Parts("x", tables(other), rows=4, done=done)()]
    with pytest.raises(JobChanged, match="ends at its row 4"):
        [*Parts("x", tables(TEXTS[:4]), rows=4, done=done)()]

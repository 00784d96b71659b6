"""Codecs, runs and shortlists that go on from earlier ones: all that was known stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.text.codec import UNK, Codec, Unit
from seqpipe.text.lexicon import Runs
from seqpipe.text.shortlist import Shortlist

OLD = ["the sea is blue", "我们 see it", "a ship, a ship!"]
NEW = ["the Ωmega ship", "нет und 他们", "é e\u0301 \u0130"]
HOLDER = "\ue000"

texts = st.lists(st.text("ab Ωн他é.'", max_size=12), max_size=6)
known_text = st.text("the saiblu我们", max_size=20)


def learned(unit: Unit, lines: list[str], **how: object) -> Codec:
    return Codec.train(lines, unit=unit, size=300, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", ["word", "char"])
@given(lines=texts, text=known_text)
def test_what_was_known_keeps_its_ids(unit: Unit, lines: list[str], text: str) -> None:
    old = learned(unit, OLD)
    new = old.extended(learned(unit, lines).pieces())
    assert new.pieces()[: len(old)] == old.pieces()
    before, now = old.encode([text])[0], new.encode([text])[0]
    assert (now[before != UNK] == before[before != UNK]).all()
    assert np.array_equal(Codec.from_bytes(new.to_bytes()).encode([text])[0], now)


@pytest.mark.parametrize("unit", ["word", "char"])
def test_what_is_new_is_known_by_now(unit: Unit) -> None:
    old, other = learned(unit, OLD), learned(unit, NEW)
    new = old.extended(other.pieces())
    for ids in new.encode(NEW):
        assert UNK not in ids
    assert {*new.pieces()} == {*old.pieces(), *other.pieces()}
    assert len(new) == len({*new.pieces()})
    assert new.extended(other.pieces()).pieces() == new.pieces()


@pytest.mark.parametrize("unit", ["word", "char"])
def test_what_is_reserved_keeps_its_id(unit: Unit) -> None:
    old = learned(unit, OLD, reserved=[HOLDER])
    new = old.extended(learned(unit, NEW, reserved=[HOLDER]).pieces())
    new = Codec.from_bytes(new.to_bytes())
    assert new.pieces()[: len(old)] == old.pieces()
    for text in (HOLDER, f"the {HOLDER} ship"):
        assert new.encode([text])[0].tolist() == old.encode([text])[0].tolist()


@pytest.mark.parametrize("unit", ["bpe", "unigram"])
def test_what_spells_everything_stays_as_it_is(unit: Unit) -> None:
    old = learned(unit, OLD)
    assert old.extended(learned(unit, NEW).pieces()) is old


counts = st.dictionaries(st.text("abcd", min_size=1, max_size=3), st.integers(2, 9), max_size=12)


@given(before=counts, now=counts, most=st.integers(0, 15))
def test_runs_that_were_known_stay(before: dict[str, int], now: dict[str, int], most: int) -> None:
    old = Runs(before)
    new = old.extended(now, most)
    assert {*old.counts} <= {*new.counts} <= {*before, *now}
    assert len(new) <= max(most, len(old))
    if not before:
        assert new.counts == Runs(now, most).counts
    assert Runs.from_bytes(new.to_bytes()).marks("ab cd a").tolist() == (
        new.marks("ab cd a").tolist()
    )


def test_a_shortlist_keeps_what_no_new_pair_shows() -> None:
    def ids(*rows: list[int]) -> list[np.ndarray]:
        return [np.array(row, np.int32) for row in rows]

    old = Shortlist.learn(ids([4, 5], [4]), ids([10, 11], [10]), size=6, best=2)
    learned = Shortlist.learn(ids([6], [6]), ids([12], [12]), size=8, best=2)
    both = learned.after(old)
    assert {10, 11} <= {*both.of(ids([4, 5])[0]).tolist()}
    assert 12 in both.of(ids([6])[0])
    assert both.table.shape == (8, 2)
    assert {*old.always.tolist(), *learned.always.tolist()} == {*both.always.tolist()}

"""What a journal remembers, after a kill and after a change too."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqpipe.annotation.journal import JOURNAL, Entry, Journal
from seqpipe.annotation.work import Done, Failure, Tally
from seqpipe.errors import JobChanged, JobUnfit

FACTS = {"model": {"digest": "a"}, "input": [1, 2], "options": {"text": "text", "split": None}}


def done(part: int, *failed: int, body: bytes = b"body") -> Done:
    tally = Tally(documents=4, words=9, failed=len(failed), seconds={"sentiment": 0.5})
    failures = [Failure(part * 4 + place, place, "sentiment", "no") for place in failed]
    return Done(part, part * 4, "digest", body, tally, failures, absent=failed)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, FACTS)
    for part in (1, 0):
        journal.note(done(part, 2))
    again = Journal.resume(tmp_path, FACTS)
    assert again.entries == journal.entries and again.ended is None
    assert again.entries[1].present == [4, 5, 7]
    assert again.tally() == Tally(8, 18, 0, 2, {"sentiment": 1.0})
    journal.end({"parts": 2})
    assert Journal.resume(tmp_path, FACTS).ended == {"parts": 2}
    journal.note(done(1))  # tried once more
    assert Journal.resume(tmp_path, FACTS).ended is None
    assert Journal.resume(tmp_path, FACTS).entries[1] == Entry.of(done(1))


def test_half_a_line_never_happened(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, FACTS)
    journal.note(done(0))
    whole = (tmp_path / JOURNAL).read_bytes()
    for end in range(len(whole)):
        (tmp_path / JOURNAL).write_bytes(whole + whole[:end])
        again = Journal.resume(tmp_path, FACTS)
        again.note(done(1))
        assert [*Journal.resume(tmp_path, FACTS).entries] == [0, 1]


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    Journal.begin(tmp_path, FACTS).note(done(0))
    (tmp_path / JOURNAL).write_bytes(b'{"part": 0}\n')
    with pytest.raises(JobUnfit, match=r"line 1 of its journal\.jsonl is damaged"):
        Journal.resume(tmp_path, FACTS)
    with pytest.raises(JobUnfit, match=r"no job\.json"):
        Journal.resume(tmp_path / "nowhere", FACTS)


def test_every_difference_is_named(tmp_path: Path) -> None:
    Journal.begin(tmp_path, FACTS)
    now = {"model": {"digest": "b"}, "input": [1, 3], "options": {"text": "body", "split": None}}
    with pytest.raises(JobChanged) as caught:
        Journal.resume(tmp_path, now)
    for change in ('model digest was "a" and is "b"', "input 2 was 2 and is 3", "options text was"):
        assert change in str(caught.value)
    assert "split" not in str(caught.value)

"""Where known words begin, end and pass, and which words a lexicon is asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.errors import SourceMissing, SourceUnreadable
from seqpipe.text.lexicon import MARKS, Lexicon, Runs, runs_of

WORDS = {"研究": 3, "研究生": 2, "生命": 1, "Việt Nam": 4, "cat": 9, "a": 2, "起源": 1}


def sides(text: str, own: dict[str, int] | None = None) -> list[tuple[int, int, int]]:
    """Passed over, ending, begun: by the parts of the longest word."""
    marks = Lexicon(WORDS).marks(text, own=own).tolist()
    return [(mark // 36, mark // 6 % 6, mark % 6) for mark in marks]


def test_words_begin_end_and_pass() -> None:
    assert sides("研究生命") == [(0, 0, 3), (1, 2, 0), (0, 3, 2), (0, 2, 0)]


def test_syllables_are_the_parts_of_words_with_spaces() -> None:
    assert sides("Việt Nam")[0] == (0, 0, 2)
    assert sides("Việt Nam")[-1] == (0, 2, 0)
    assert not np.any(sides("Việt Namx"))
    assert not np.any(sides("xViệt Nam"))
    assert np.any(sides("(Việt Nam)"))


def test_words_set_apart_already_are_not_kept() -> None:
    assert set(Lexicon(WORDS).counts) == {"研究", "研究生", "生命", "Việt Nam", "起源"}
    assert not np.any(sides("cat"))


def test_a_word_no_other_text_holds_is_unknown_in_its_own() -> None:
    assert sides("生命", own={"生命": 1}) == [(0, 0, 0), (0, 0, 0)]
    assert sides("研究", own={"研究": 2}) == [(0, 0, 2), (0, 2, 0)]


@given(st.text(alphabet="研究生命起源 aViệtNam.\n", max_size=40))
def test_every_character_has_a_mark(text: str) -> None:
    marks = Lexicon(WORDS).marks(text)
    assert marks.shape == (len(text),)
    assert marks.min(initial=0) >= 0
    assert marks.max(initial=0) < MARKS


@given(st.text(alphabet="研究生命起源", max_size=30))
def test_marks_are_those_of_a_plain_search(text: str) -> None:
    begun = [0] * len(text)
    for start in range(len(text)):
        for word in ("研究", "研究生", "生命", "起源"):
            if text.startswith(word, start):
                begun[start] = max(begun[start], len(word))
    assert [side[2] for side in sides(text)] == begun


def test_it_is_saved_and_read_back(tmp_path: Path) -> None:
    lexicon = Lexicon(WORDS)
    assert Lexicon.from_bytes(lexicon.to_bytes()).counts == lexicon.counts
    (tmp_path / "words.txt").write_bytes(lexicon.to_bytes())
    assert Lexicon.load(tmp_path / "words.txt").counts == lexicon.counts


@pytest.mark.parametrize("word", ["研\t究", "研\n究", "研\u2028究", " 研究", "研  究", "研\x85究"])
def test_a_word_that_fits_on_no_line_is_not_kept(word: str) -> None:
    lexicon = Lexicon({word: 1, "研究": 2})
    assert Lexicon.from_bytes(lexicon.to_bytes()).counts == lexicon.counts == {"研究": 2}


def test_a_list_of_words_is_a_lexicon(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("\ufeff研究生\n\n  起源  \n", encoding="utf-8")
    assert Lexicon.load(tmp_path / "words.txt").counts == {"研究生": 1, "起源": 1}


def test_a_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="words"):
        Lexicon.load(tmp_path / "words.txt")
    (tmp_path / "words.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SourceUnreadable):
        Lexicon.load(tmp_path / "words.txt")
    for count in ("many", "²"):
        (tmp_path / "words.txt").write_text(f"研究\t{count}\n", encoding="utf-8")
        with pytest.raises(SourceUnreadable, match="line 1"):
            Lexicon.load(tmp_path / "words.txt")


def test_a_run_seen_twice_is_known_as_a_whole() -> None:
    runs = Runs(Counter(runs_of("Dr. Who and Dr. No Who? Việt việt 研究 研究 x1 x2")), 9)
    assert set(runs.counts) == {"dr", "who", "việt", "x"}
    marks = runs.marks("DR.Who no 研究")
    assert marks[0] == marks[1] != 0
    assert marks[2] == 0
    assert marks[3] == marks[5] not in (0, marks[0])
    assert not marks[6:].any()


def test_the_commonest_runs_are_kept_and_read_back_the_same() -> None:
    runs = Runs({"a": 3, "b": 2, "c": 4, "d": 1}, 2)
    assert list(runs.counts) == ["c", "a"]
    again = Runs.from_bytes(runs.to_bytes())
    assert again.marks("a c b").tolist() == runs.marks("a c b").tolist()
    assert not Runs({}).marks("a c b").any()

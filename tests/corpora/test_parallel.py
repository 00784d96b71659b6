"""Parallel text files: which files belong together, and lines that belong to each other."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from seqpipe.corpora.pairs import open_pairs
from seqpipe.corpora.sources import column_names, dev_split, open_split, splits_of
from seqpipe.errors import ColumnMissing, DataEmpty, LinesUneven, SourceMissing, SourceUnreadable


def write(path: Path, *lines: str) -> None:
    text = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, words in {"train": ["one", "two"], "dev": ["three"], "test": ["four"]}.items():
        write(tmp_path / f"{part}.en", *words)
        write(tmp_path / f"{part}.de", *(word.upper() for word in words))
    write(tmp_path / "README.md", "about")
    return tmp_path


def pairs_of(data: Path, *, streaming: bool = False) -> list[tuple[str, str]]:
    pairs = open_pairs(str(data), split="train", source="en", target="de", streaming=streaming)
    return [(pair.source, pair.target) for pair in pairs]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_folder_has_parts_and_its_suffixes_are_columns(folder: Path, streaming: bool) -> None:
    data = str(folder)
    assert splits_of(data) == ["train", "validation", "test"]
    assert dev_split(data) == "validation"
    assert sorted(column_names(open_split(data, split="test"))) == ["de", "en"]
    assert pairs_of(folder, streaming=streaming) == [("one", "ONE"), ("two", "TWO")]


@pytest.mark.parametrize("name", ["corpus", "corpus.*"])
def test_a_common_beginning_names_the_files(name: str, tmp_path: Path) -> None:
    write(tmp_path / "corpus.en", "a", "b")
    write(tmp_path / "corpus.de.gz", "A", "B")
    assert splits_of(str(tmp_path / name)) == ["train"]
    assert pairs_of(tmp_path / name) == [("a", "A"), ("b", "B")]


def test_several_files_of_a_part_follow_one_another(tmp_path: Path) -> None:
    for stem in ("books", "news"):
        for code in ("en", "de"):
            write(tmp_path / f"{stem}.de-en.{code}", f"{stem} {code}")
    write(tmp_path / "lonely.en", "nobody")
    assert pairs_of(tmp_path) == [("books en", "books de"), ("news en", "news de")]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_bytes("\ufeffa\u2028b\x0cc\r\nd".encode())
    (tmp_path / "train.de").write_bytes(b"A\nD\n")
    assert pairs_of(tmp_path) == [("a\u2028b\x0cc", "A"), ("d", "D")]


def test_an_empty_line_is_a_pair_that_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "train.en", "a", "", "c")
    write(tmp_path / "train.de", "A", "B", "C")
    with pytest.warns(UserWarning, match="1 of 3 pairs skipped: 1 empty"):
        assert pairs_of(tmp_path) == [("a", "A"), ("c", "C")]


@pytest.mark.parametrize("streaming", [False, True])
def test_lines_that_do_not_match_are_told(folder: Path, streaming: bool) -> None:
    write(folder / "train.de", "ONE", "TWO", "THREE", "FOUR")
    with pytest.raises(LinesUneven, match=r"train\.de' has 4 lines and '.*train\.en' has 2:"):
        pairs_of(folder, streaming=streaming)


def test_what_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(ColumnMissing, match="no column 'fr': it has"):
        open_pairs(str(folder), split="train", source="en", target="fr")
    with pytest.raises(SourceMissing):
        pairs_of(folder / "corpus")
    (folder / "train.en").write_bytes(b"\xff\xfe\n")
    with pytest.raises(SourceUnreadable, match=r"train\.en"):
        pairs_of(folder)


def test_files_that_are_no_text_are_no_pairs(tmp_path: Path) -> None:
    write(tmp_path / "setup.py", "x")
    write(tmp_path / "setup.cfg", "y")
    with pytest.raises(DataEmpty, match="file that can be read"):
        splits_of(str(tmp_path))

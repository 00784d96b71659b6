"""`.conllu` files: what a sentence's text and tokens are, and what a damaged line says."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from seqpipe.corpora.sources import dev_split, locate, open_split, splits_of
from seqpipe.errors import SourceUnreadable, SplitMissing


def line(place: str, form: str, misc: str = "_") -> str:
    return "\t".join([place, form, *"_______", misc])


def sentence(*lines: str) -> str:
    return "\n".join(lines) + "\n\n"


ONE = sentence(
    "# newdoc id = letters",
    "# newpar id = p1",
    "# sent_id = 1",
    "# text = Don't (go)!",
    line("1-2", "Don't"),
    line("1", "Do", "SpaceAfter=No"),
    line("2", "n't"),
    line("3", "(", "SpaceAfter=No"),
    line("4", "go", "Gloss=x|SpaceAfter=No"),
    line("4.1", "went"),
    line("5", ")", "SpaceAfter=No"),
    line("6", "!"),
)
TWO = sentence(line("1", "Tiếng Việt"), line("2-3", "du", "SpaceAfter=No"), line("2", "de"))
TWO = TWO[:-1] + sentence(line("3", "le"), line("4", "."))
THREE = sentence("# newdoc", line("1", "Ja"))

ROWS: list[dict[str, Any]] = [
    {
        "text": "Don't (go)!",
        "tokens": ["Don't", "(", "go", ")", "!"],
        "space_after": [True, False, False, False, True],
        "newpar": True,
        "doc_id": "letters",
    },
    {
        "text": "Tiếng Việt du.",
        "tokens": ["Tiếng Việt", "du", "."],
        "space_after": [True, False, True],
        "newpar": False,
        "doc_id": "letters",
    },
    {
        "text": "Ja",
        "tokens": ["Ja"],
        "space_after": [True],
        "newpar": True,
        "doc_id": "a.conllu:1",
    },
]


def written(path: Path, text: str = ONE + TWO + THREE) -> str:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode("utf-8")))
    else:
        path.write_text(text, encoding="utf-8", newline="\n")
    return str(path)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_row_is_a_sentence_with_its_surface_tokens(streaming: bool, tmp_path: Path) -> None:
    table = open_split(written(tmp_path / "a.conllu"), split="train", streaming=streaming)
    assert list(table) == ROWS
    assert list(table.features) == list(ROWS[0])


def test_line_ends_byte_order_marks_and_gzip_change_nothing(tmp_path: Path) -> None:
    text = "\ufeff" + (ONE + TWO).replace("\n", "\r\n").rstrip()
    for name in ("a.conllu", "a.conllu.gz"):
        data = written(tmp_path / name, text)
        assert list(open_split(data, split="train")) == ROWS[:2]


def test_a_file_without_documents_has_no_doc_id(tmp_path: Path) -> None:
    written(tmp_path / "a.conllu", ONE)
    data = written(tmp_path / "b.conllu", TWO).replace("b.conllu", "*.conllu")
    rows = list(open_split(data, split="train"))
    assert [row["doc_id"] for row in rows] == ["letters", None]


def test_a_folder_as_universal_dependencies_ships_it(tmp_path: Path) -> None:
    for part, text in {"train": ONE + TWO, "dev": ONE, "test": TWO}.items():
        written(tmp_path / f"en_ewt-ud-{part}.conllu", text)
        (tmp_path / f"en_ewt-ud-{part}.txt").write_text("the bare text", encoding="utf-8")
    (tmp_path / "LICENSE.txt").write_text("free", encoding="utf-8")
    data = str(tmp_path)
    assert splits_of(data) == ["train", "validation", "test"]
    assert dev_split(data) == "validation"
    assert [open_split(data, split=part).num_rows for part in splits_of(data)] == [2, 1, 1]
    with pytest.raises(SplitMissing, match="it has train, validation and test"):
        open_split(data, split="dev")
    assert list(locate(f"{data}/*.conllu").sentences) == ["train"]


def test_a_folder_of_two_kinds_must_be_said_more_clearly(tmp_path: Path) -> None:
    written(tmp_path / "train.conllu")
    (tmp_path / "train.spacy").touch()
    with pytest.raises(SourceUnreadable, match=r"it holds \.conllu and \.spacy: name the files"):
        locate(str(tmp_path))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ("1\tYes\n", "line 15 is not 10 fields between tabs"),
        (line("one", "Yes"), "line 15 is not 10 fields"),
        (line("1", " "), "line 15 is not 10 fields"),
        (line("2", "Yes"), "line 15 has the number 2 where 1 should be"),
        (line("1", "Yes") + "\n" + line("1", "No"), "line 16 has the number 1 where 2"),
    ],
)
def test_a_damaged_line_is_named(damaged: str, said: str, streaming: bool, tmp_path: Path) -> None:
    data = written(tmp_path / "a.conllu", ONE + "\n" + damaged)
    with pytest.raises(SourceUnreadable, match=rf"a\.conllu' cannot be read: {said}"):
        list(open_split(data, split="train", streaming=streaming))


@pytest.mark.parametrize("name", ["a.conllu", "a.conllu.gz"])
def test_a_file_of_other_bytes_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00nothing")
    with pytest.raises(SourceUnreadable, match=name):
        open_split(str(tmp_path / name), split="train")

"""Every name that data can have, and one sentence for every name it cannot."""

from __future__ import annotations

import gc
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Value,
    are_progress_bars_disabled,
)
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from seqpipe.corpora.labelled import labelled_rows
from seqpipe.corpora.sources import carve, column_names, dev_split, locate, open_split, splits_of
from seqpipe.errors import (
    ColumnMissing,
    DataEmpty,
    DataError,
    SourceMissing,
    SourceUnreachable,
    SourceUnreadable,
    SplitMissing,
    SubsetMissing,
)

# What `datasets` reads CSV with leaves its file to the garbage collector, called before the end.
OPEN_CSV = pytest.mark.filterwarnings(r"ignore:unclosed file.*\.[ct]sv:ResourceWarning")

ROWS = [{"text": f"text {at}", "label": "yes" if at % 3 else "no"} for at in range(12)]


def jsonl(path: Path, rows: Sequence[Mapping[str, Any]] = ROWS) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def gzipped(path: Path) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in ROWS)


def docbin(path: Path) -> None:
    docs = [Doc(Vocab(), words=row["text"].split(), spaces=[True, False]) for row in ROWS]
    for doc, row in zip(docs, ROWS, strict=True):
        doc.cats = {name: float(name == row["label"]) for name in ("yes", "no")}
    DocBin(docs=docs).to_disk(path)


def table() -> Dataset:
    return Dataset.from_list(ROWS)


WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.jsonl": jsonl,
    "rows.jsonl.gz": gzipped,
    "rows.json": lambda path: path.write_text(json.dumps(ROWS)),
    "rows.parquet": lambda path: table().to_parquet(path),
    "rows.csv": lambda path: table().to_csv(path, index=False),
    "rows.tsv": lambda path: table().to_csv(path, index=False, sep="\t"),
    "rows.spacy": docbin,
}


@OPEN_CSV
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(name: str, streaming: bool, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    rows = labelled_rows(str(tmp_path / name), split="train", streaming=streaming)
    assert [(row.text, row.labels) for row in rows] == [
        (row["text"], (row["label"],)) for row in ROWS
    ]
    assert splits_of(str(tmp_path / name)) == ["train"]
    gc.collect()


@pytest.mark.parametrize("streaming", [False, True])
def test_a_text_file_has_a_row_a_line(streaming: bool, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one\ntwo words\n", encoding="utf-8")
    data = str(tmp_path / "lines.txt")
    rows = labelled_rows(data, split="train", label=None, streaming=streaming)
    assert [(row.text, row.labels) for row in rows] == [("one", ()), ("two words", ())]


def test_a_folder_has_its_parts(tmp_path: Path) -> None:
    for part, count in {"train": 8, "dev": 3, "test": 1}.items():
        jsonl(tmp_path / f"{part}.jsonl", ROWS[:count])
    data = str(tmp_path)
    assert splits_of(data) == ["train", "validation", "test"]
    assert dev_split(data) == "validation"
    assert open_split(data, split="validation").num_rows == 3
    assert open_split(data, split="train[:2]").num_rows == 2


def test_a_folder_of_docs_has_its_parts(tmp_path: Path) -> None:
    for name in ("train.spacy", "reviews-dev.spacy"):
        docbin(tmp_path / name)
    assert splits_of(str(tmp_path)) == ["train", "validation"]
    rows = labelled_rows(str(tmp_path), split="validation")
    assert rows.labels == ("no", "yes")
    assert len(list(rows)) == len(ROWS)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst", ".zstd"])
def test_a_packed_file_is_what_it_holds(suffix: str, tmp_path: Path) -> None:
    for name in ("train.csv", "dev.csv", ".hidden.jsonl"):
        (tmp_path / f"{name}{suffix}").touch()
    source = locate(str(tmp_path))
    assert source.suffixes == [".csv"]
    found = {part: [file.name for file in files] for part, files in source.files.items()}
    assert found == {"train": [f"train.csv{suffix}"], "validation": [f"dev.csv{suffix}"]}
    assert locate(str(tmp_path / f"dev.csv{suffix}")).loader == "csv"


def test_files_of_a_mixed_folder_belong_to_no_part(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl")
    (tmp_path / "b.csv").write_text("text\nhello\n")
    source = locate(str(tmp_path))
    assert (source.files, source.suffixes) == ({}, [".csv", ".jsonl"])


def test_a_pattern_is_one_part(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        jsonl(tmp_path / name)
    pattern = str(tmp_path / "*.jsonl")
    assert splits_of(pattern) == ["train"]
    assert open_split(pattern, split="train").num_rows == 2 * len(ROWS)


@pytest.mark.parametrize("streaming", [False, True])
def test_what_was_saved_to_disk_is_read(streaming: bool, tmp_path: Path) -> None:
    DatasetDict({"train": table(), "valid": table()}).save_to_disk(tmp_path / "both")
    table().save_to_disk(tmp_path / "one")
    assert dev_split(str(tmp_path / "both")) == "valid"
    assert splits_of(str(tmp_path / "one")) == ["train"]
    for name in ("both", "one"):
        rows = labelled_rows(str(tmp_path / name), split="train", streaming=streaming)
        assert len(list(rows)) == len(ROWS)


def test_only_train_means_no_part_to_measure_on(tmp_path: Path) -> None:
    assert dev_split(str(jsonl(tmp_path / "rows.jsonl"))) is None


def test_a_carved_table_is_the_same_every_time() -> None:
    kept, held = carve(table(), share=0.25, seed=3)
    again, held_again = carve(table(), share=0.25, seed=3)
    assert (kept["text"][:], held["text"][:]) == (again["text"][:], held_again["text"][:])
    assert held.num_rows == 3
    assert sorted([*kept["text"], *held["text"]]) == sorted(row["text"] for row in ROWS)


@OPEN_CSV
def test_words_that_pandas_takes_for_nothing_stay(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\nnull,None\nNA,n/a\n", encoding="utf-8")
    rows = list(labelled_rows(str(tmp_path / "rows.csv"), split="train"))
    assert [(row.text, row.labels[0]) for row in rows] == [("null", "None"), ("NA", "n/a")]
    gc.collect()


def test_columns_of_a_stream_that_does_not_know_them() -> None:
    stream = table().to_iterable_dataset().map(lambda row: row)
    assert column_names(stream) == ["text", "label"]


@pytest.mark.parametrize("name", ["rowz.jsonl", "./rows", "~/no/such/folder", "rows.csv.gz"])
def test_a_path_that_is_not_there_says_what_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "rows.jsonl")
    (tmp_path / "other").mkdir()
    with pytest.raises(SourceMissing) as caught:
        splits_of(name)
    assert not isinstance(caught.value, SourceUnreachable)
    if not name.startswith("~"):
        said = f"no file, folder or data set {name!r}. Beside it there are "
        assert said in str(caught.value)
        assert "rows.jsonl" in str(caught.value)
        assert "other/" in str(caught.value)


@pytest.mark.parametrize("name", ["here/rows", "nothing-*.jsonl", ""])
def test_what_stands_in_a_folder_is_never_asked_of_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with pytest.raises(SourceMissing) as caught:
        locate(name)
    assert not isinstance(caught.value, SourceUnreachable)


def test_a_hub_that_does_not_answer_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").mkdir()
    with pytest.raises(SourceUnreachable, match="hub could not be asked") as caught:
        open_split("reviewz", split="train")
    assert isinstance(caught.value.__cause__, OSError)
    assert str(caught.value).endswith("Do you mean reviews?")


def test_a_subset_follows_a_colon() -> None:
    source = locate("group/name:subset")
    assert (source.loader, source.options) == ("group/name", {"name": "subset"})


def test_subsets_are_named(tmp_path: Path) -> None:
    subset = "- config_name: {}\n  data_files: {}\n"
    subsets = subset.format("one", "a.jsonl") + subset.format("two", "b.jsonl")
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{subsets}---\n")
    jsonl(tmp_path / "a.jsonl")
    jsonl(tmp_path / "b.jsonl", ROWS[:5])
    with pytest.raises(SubsetMissing, match="name one of one and two after a colon"):
        open_split(str(tmp_path), split="train")
    with pytest.raises(SubsetMissing, match=r"has no subset 'tow'.*Did you mean 'two'"):
        open_split(f"{tmp_path}:tow", split="train")
    assert open_split(f"{tmp_path}:two", split="train").num_rows == 5
    with pytest.raises(SplitMissing, match="it has train"):
        open_split(f"{tmp_path}:two", split="dev")


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.spacy"])
def test_a_missing_part_names_those_there_are(name: str, streaming: bool, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    with pytest.raises(SplitMissing, match=r"no split 'trian': it has train\. Did you mean"):
        open_split(str(tmp_path / name), split="trian", streaming=streaming)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_missing_column_names_those_there_are(streaming: bool, tmp_path: Path) -> None:
    data = str(jsonl(tmp_path / "rows.jsonl"))
    with pytest.raises(ColumnMissing, match=r"no column 'txt': it has text and label\. Did you"):
        labelled_rows(data, split="train", text="txt", streaming=streaming)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of datasets 4
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("bad.jsonl", b'{"text": "a"}\n{nothing\n', SourceUnreadable),
        ("bad.parquet", b"PAR1 but no more", SourceUnreadable),
        ("bad.spacy", b"no doc bin", SourceUnreadable),
        ("empty.jsonl", b"", DataEmpty),
        ("empty.csv", b"", DataEmpty),
        ("empty.txt", b"", DataEmpty),
        ("blank.jsonl", b"\n\n", DataEmpty),
        ("header.csv", b"text,label\n", DataEmpty),
        ("strange.xyz", b"something", SourceUnreadable),
    ],
)
def test_a_damaged_file_is_one_sentence(
    name: str, content: bytes, error: type[DataError], streaming: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=name):
        list(labelled_rows(str(tmp_path / name), split="train", label=None, streaming=streaming))


def test_a_folder_without_data_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing to see")
    with pytest.raises(DataEmpty, match="holds no file that can be read: parquet"):
        splits_of(str(tmp_path))


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl")
    (tmp_path / "b.csv").write_text("text\nhello\n")
    with pytest.raises(SourceUnreadable, match=r"it is \.csv and \.jsonl"):
        splits_of(str(tmp_path / "*"))


def test_names_of_a_class_label_are_kept(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["worse", "better"])})
    rows = {"text": ["a", "b", "c"], "label": [1, 0, -1]}
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "rows.parquet")
    for streaming in (False, True):
        found = labelled_rows(str(tmp_path / "rows.parquet"), split="train", streaming=streaming)
        assert found.labels == ("worse", "better")
        with pytest.warns(UserWarning, match="1 of 3 rows skipped"):
            assert [row.labels for row in found] == [("better",), ("worse",)]


def test_no_progress_bar_and_the_setting_as_it_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = are_progress_bars_disabled()
    open_split(str(jsonl(tmp_path / "rows.jsonl")), split="train")
    assert capfd.readouterr().err == ""
    assert are_progress_bars_disabled() == before

"""Inputs as small tables: the same rows whatever they lie in, and nothing lost on the way."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from seqpipe.corpora import _opening
from seqpipe.corpora._cells import FAULT
from seqpipe.corpora._lines import MOST_BYTES, MOST_ROWS
from seqpipe.corpora.documents import Documents, open_documents
from seqpipe.errors import (
    ColumnMissing,
    DataEmpty,
    SourceUnreadable,
    SplitMissing,
    UsageError,
)

ROWS = [{"text": f"text {at}", "note": "yes" if at % 3 else None} for at in range(600)]

PACKERS: dict[str, Callable[[Path, bytes], object]] = {
    "": lambda path, content: path.write_bytes(content),
    ".gz": lambda path, content: path.write_bytes(gzip.compress(content)),
    ".zst": lambda path, content: zstd(path, content),
    ".zstd": lambda path, content: zstd(path, content),
}


def zstd(path: Path, content: bytes) -> None:
    with pa.output_stream(path, compression="zstd") as file:
        file.write(content)


def packed(path: Path, content: bytes | str) -> str:
    content = content.encode() if isinstance(content, str) else content
    PACKERS[path.suffix if path.suffix in PACKERS else ""](path, content)
    return str(path)


def table(documents: Documents) -> pa.Table:
    return pa.concat_tables(documents)


def column(data: str, name: str = "line", **settings: Any) -> list[Any]:
    tables = list(open_documents(data, **settings))
    return [value for part in tables for value in part.column(name).to_pylist()]


def jsonl(rows: Sequence[dict[str, Any]] = ROWS) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def cells(rows: Sequence[dict[str, Any]] = ROWS, delimiter: str = ",") -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def docbin(path: Path, cats: Sequence[dict[str, float]]) -> None:
    words = [["text", str(at)] for at in range(len(cats))]
    docs = [Doc(Vocab(), words=found, spaces=[True, False]) for found in words]
    for doc, found in zip(docs, cats, strict=True):
        doc.cats = found
    DocBin(docs=docs).to_disk(path)


def texts(documents: Documents) -> list[str]:
    """What a worker will take for the texts, for rows without a fault."""
    found = table(documents).to_pylist()
    if documents.kind == "json":
        return [json.loads(row["line"])["text"] for row in found]
    if documents.kind == "text":
        return [row["line"].decode() for row in found]
    return [row["text"] for row in found]


WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.jsonl": lambda path: packed(path, jsonl()),
    "rows.jsonl.gz": lambda path: packed(path, jsonl()),
    "rows.jsonl.zst": lambda path: packed(path, jsonl()),
    "rows.json": lambda path: packed(path, jsonl()),
    "array.json.gz": lambda path: packed(path, json.dumps(ROWS, indent=1)),
    "rows.csv": lambda path: packed(path, cells()),
    "rows.csv.zstd": lambda path: packed(path, cells()),
    "rows.tsv.gz": lambda path: packed(path, cells(delimiter="\t")),
    "rows.txt": lambda path: packed(path, "\n".join(row["text"] or "" for row in ROWS)),
    "rows.txt.zst": lambda path: packed(path, "\r\n".join(row["text"] or "" for row in ROWS)),
    "rows.parquet": lambda path: Dataset.from_list(ROWS).to_parquet(path),
    "rows.spacy": lambda path: docbin(path, [{}] * len(ROWS)),
    "saved": lambda path: Dataset.from_list(ROWS).save_to_disk(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_tells_the_same_rows(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    documents = pickle.loads(pickle.dumps(open_documents(str(tmp_path / name))))
    assert texts(documents) == [row["text"] for row in ROWS]
    assert [part.to_pylist() for part in documents] == [part.to_pylist() for part in documents]
    assert max(map(len, documents)) == MOST_ROWS
    assert documents.total in (None, len(ROWS))
    assert documents.size == sum(file.stat().st_size for file in documents.files)
    assert all(file.is_absolute() for file in documents.files)
    assert json.loads(json.dumps(documents.identity)) == documents.identity


@given(
    found=st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b" "))),
    suffix=st.sampled_from([*PACKERS]),
    block=st.integers(1, 9),
    rows=st.integers(1, 4),
    size=st.integers(1, 20),
)
def test_lines_come_back(found: list[bytes], suffix: str, block: int, rows: int, size: int) -> None:
    found = [line.rstrip(b"\r").replace(b"\xef", b"") for line in found]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(_opening, "_BLOCK", block)
        patch.setattr("seqpipe.corpora._lines.MOST_ROWS", rows)
        patch.setattr("seqpipe.corpora._lines.MOST_BYTES", size)
        data = packed(Path(folder, f"lines.txt{suffix}"), b"".join(line + b"\n" for line in found))
        tables = list(open_documents(data))
        assert [line for part in tables for line in part["line"].to_pylist()] == found
        for part in tables:
            lines = part["line"].to_pylist()
            assert len(lines) == 1 or (len(lines) <= rows and sum(map(len, lines)) <= size)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.text("ab\"'\n,")
        ),
        min_size=1,
    )
)
def test_cells_come_back(found: list[tuple[str, str]]) -> None:
    rows = [{"text": text, "note": note} for text, note in found]
    with tempfile.TemporaryDirectory() as folder:
        data = packed(Path(folder, "rows.csv"), cells(rows))
        told = [{**row, FAULT: None} for row in table(open_documents(data)).to_pylist()]
    assert told == [{"text": t or None, "note": n or None, FAULT: None} for t, n in found]


DAMAGED = [
    (b"a,text\n1,x\n2,\xff\n3,z\n", ["x", "\ufffd", "z"], "not UTF-8"),
    (b"a,text\n1,x\n2\n3,z\n", ["x", None, "z"], "has 1 cells and the header has 2"),
    (b"a,text\n1,x\n2,y,y\n3,z\n", ["x", "y", "z"], "has 3 cells"),
    (b'a,text\n1,x\n2,"y\n3,z\n', ["x", '2,"y', "z"], "a quote is opened"),
    (b'a,text\n1,x\n2,"y\n3,z\n4,"q"\n', ["x", '2,"y', "z", "q"], "a quote is opened"),
    (b"a,text\n1,x\n2,y\ry\n3,z\n", ["x", "2,y\ry", "z"], "no csv"),
]


@pytest.mark.parametrize(("content", "found", "fault"), DAMAGED)
def test_a_damaged_row_of_csv_costs_only_itself(
    content: bytes, found: list[str], fault: str, tmp_path: Path
) -> None:
    data = packed(tmp_path / "rows.csv", content)
    assert column(data, "text") == found
    faults = column(data, FAULT)
    assert fault in faults.pop(1)
    assert set(faults) == {None}


def test_every_open_quote_costs_its_own_row(tmp_path: Path) -> None:
    torn = "".join(f'{at},"x\n' for at in range(3000))
    data = packed(tmp_path / "rows.csv", f"a,text\n{torn}last,row\n")
    assert column(data, "text") == [*torn.splitlines(), "row"]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    data = packed(tmp_path / "rows.csv", f"text\nshort\n{'x' * 2_000_000}\nshort\n")
    assert [len(part) for part in open_documents(data)] == [1, 1, 1]
    assert set(column(data, FAULT)) == {None}


def test_columns_of_csv_have_names_of_their_own(tmp_path: Path) -> None:
    data = packed(tmp_path / "rows.csv", "\ufeff,text,text\n1,a,b\n")
    assert open_documents(data).names == ["Unnamed: 0", "text", "text.1"]


def test_files_of_csv_may_order_their_columns(tmp_path: Path) -> None:
    packed(tmp_path / "a.csv", "text,note\na,1\n")
    packed(tmp_path / "b.csv", "note,text\n2,b\n")
    packed(tmp_path / "c.csv", "")
    assert column(str(tmp_path), "text") == ["a", "b"]
    packed(tmp_path / "d.csv", "text,rating\nd,4\n")
    with pytest.raises(SourceUnreadable, match=r"d\.csv.*note and rating is not in the header"):
        open_documents(str(tmp_path))


def test_lines_keep_their_numbers_and_objects_do_not(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfone\r\n\r\n \n\xff\xe2\x80\xa8last"
    assert column(packed(tmp_path / "a.txt", content)) == [
        b"one",
        b"",
        b" ",
        b"\xff\xe2\x80\xa8last",
    ]
    assert column(packed(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n\n \r\n{')) == [
        b'{"a": 1}',
        b"{",
    ]


def test_a_long_row_stands_alone(tmp_path: Path) -> None:
    lines = ["a", "b" * (MOST_BYTES + 1), "c", "d" * MOST_BYTES, "e"]
    documents = open_documents(packed(tmp_path / "a.txt", "\n".join(lines)))
    assert [len(part) for part in documents] == [1, 1, 1, 1, 1]
    rows = Dataset.from_dict({"text": [line * 5 for line in lines]})
    rows.to_parquet(tmp_path / "a.parquet")
    assert [len(part) for part in open_documents(str(tmp_path / "a.parquet"))] == [1] * 5


def test_a_file_may_be_a_document(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "sub/c.txt.gz", "a.txt", "sub/.hidden.txt"):
        packed(tmp_path / name, f"\ufeff{name}\nand more\n")
    documents = open_documents(str(tmp_path), whole_files=True)
    assert (documents.kind, documents.total) == ("text", 3)
    assert table(documents)["file"].to_pylist() == ["a.txt", "b.txt", "sub/c.txt.gz"]
    assert table(documents)["line"].to_pylist()[2] == b"sub/c.txt.gz\nand more\n"
    with pytest.raises(SourceUnreadable, match=r"only \.txt files"):
        open_documents(packed(tmp_path / "a.jsonl", jsonl()), whole_files=True)


def test_types_that_take_in_what_all_files_hold(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"n": [0.5], "m": pa.nulls(1), "text": ["b"]}), tmp_path / "b.parquet")
    tag = pa.array(["t", None]).dictionary_encode()
    pq.write_table(pa.table({"text": ["c", None], "tag": tag}), tmp_path / "c.parquet")
    documents = open_documents(str(tmp_path))
    assert documents.total == 4
    assert table(documents).to_pylist() == [
        {"text": "a", "n": 1.0, "m": None, "tag": None},
        {"text": "b", "n": 0.5, "m": None, "tag": None},
        {"text": "c", "n": None, "m": None, "tag": "t"},
        {"text": None, "n": None, "m": None, "tag": None},
    ]
    pq.write_table(pa.table({"text": [3]}), tmp_path / "d.parquet")
    with pytest.raises(SourceUnreadable, match=r"d\.parquet.*do not go with those of.*a\.parquet"):
        open_documents(str(tmp_path))


def test_docs_bring_their_cats(tmp_path: Path) -> None:
    docbin(tmp_path / "a.spacy", [{"good": 1.0, "bad": 0.0}, {}])
    docbin(tmp_path / "b.spacy", [{"odd": 0.5}])
    documents = open_documents(str(tmp_path))
    assert (documents.names, documents.total) == (["text", "cats"], 3)
    assert table(documents)["cats"].to_pylist() == [
        {"bad": 0.0, "good": 1.0, "odd": None},
        None,
        {"bad": None, "good": None, "odd": 0.5},
    ]


def test_sentences_and_parallel_lines_are_rows(tmp_path: Path) -> None:
    line = "\t".join(["1", "Ja", *"_" * 8])
    data = packed(tmp_path / "a.conllu.zst", f"# newdoc id = x\n{line}\n\n{line}\n\n")
    assert open_documents(data).names == ["text", "tokens", "space_after", "newpar", "doc_id"]
    assert column(data, "tokens") == [["Ja"], ["Ja"]]
    packed(tmp_path / "c.en.zst", "a\nb\n")
    packed(tmp_path / "c.de.gz", "ä\nb\n")
    assert column(str(tmp_path / "c"), "de", text="en") == ["ä", "b"]
    assert [file.name for file in open_documents(str(tmp_path / "c"), text="en").files] == [
        "c.de.gz",
        "c.en.zst",
    ]


def test_one_part_is_read_and_several_are_named(tmp_path: Path) -> None:
    for name in ("train-2.jsonl", "train-1.jsonl.gz", "dev.jsonl"):
        packed(tmp_path / name, jsonl([{"text": name}]))
    found = column(str(tmp_path), split="train")
    assert found == [b'{"text": "train-1.jsonl.gz"}', b'{"text": "train-2.jsonl"}']
    with pytest.raises(UsageError, match="parts train and validation: name one with --split"):
        open_documents(str(tmp_path))
    with pytest.raises(SplitMissing, match="it has train and validation"):
        open_documents(str(tmp_path), split="test")


def test_saved_tables_have_their_parts(tmp_path: Path) -> None:
    parts = {"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:2])}
    DatasetDict(parts).save_to_disk(tmp_path / "both")
    documents = open_documents(str(tmp_path / "both"), split="test")
    assert (documents.total, documents.names) == (2, ["text", "note"])
    assert table(documents).to_pylist() == ROWS[:2]
    with pytest.raises(UsageError, match="the parts train and test"):
        open_documents(str(tmp_path / "both"))


def test_a_page_that_names_the_files_of_parts_is_heeded(tmp_path: Path) -> None:
    card = (
        "---\nconfigs:\n- config_name: one\n  data_files:\n  - split: odd\n    path: b.jsonl\n---\n"
    )
    packed(tmp_path / "README.md", card)
    packed(tmp_path / "a.jsonl", jsonl())
    packed(tmp_path / "b.jsonl", jsonl([{"text": "b"}]))
    for data in (str(tmp_path), f"{tmp_path}:one"):
        documents = open_documents(data)
        assert table(documents).to_pylist() == [{"text": "b"}]
        assert (documents.files, documents.identity["split"]) == ([tmp_path / "b.jsonl"], "odd")


def test_the_revision_of_a_data_set_on_the_hub_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Dataset.from_list(ROWS).to_parquet(tmp_path / "local" / "train.parquet")
    asked: list[str | None] = []

    def locally(original: Callable[..., Any]) -> Callable[..., Any]:
        def load(name: str, *, revision: str | None = None, **options: Any) -> Any:
            assert name == "group/reviews"
            asked.append(revision)
            return original(str(tmp_path / "local"), **options)

        return load

    for name in ("load_dataset", "load_dataset_builder"):
        monkeypatch.setattr(datasets, name, locally(getattr(datasets, name)))
    documents = open_documents("group/reviews", revision="main")
    assert asked[:2] == ["main", "main"]
    seen = documents.identity["revision"]
    assert documents.identity == {"data": "group/reviews", "split": "train", "revision": seen}
    assert table(documents)["text"].to_pylist() == [row["text"] for row in ROWS]
    assert asked[2:] == [seen, seen]
    assert (documents.files, documents.size) == ((), None)


@pytest.mark.parametrize(
    ("suffix", "content", "name"),
    [
        (None, jsonl(), "line"),
        ("jsonl", jsonl(), "line"),
        (".txt", "\n".join(json.dumps(row) for row in ROWS), "line"),
        ("csv", cells(), "text"),
        ("tsv", cells(delimiter="\t"), "text"),
    ],
)
def test_standard_input(
    suffix: str | None, content: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(content.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    documents = open_documents("-", suffix=suffix)
    assert (documents.files, documents.size, documents.total) == ((), None, None)
    found = table(documents)[name].to_pylist()
    lines = [json.dumps(row).encode() for row in ROWS]
    assert found == (lines if name == "line" else [row["text"] for row in ROWS])
    assert not stdin.buffer.closed


def test_what_cannot_come_from_standard_input_is_named() -> None:
    with pytest.raises(SourceUnreadable, match="can be jsonl, txt, csv and tsv, not 'parquet'"):
        open_documents("-", suffix="parquet")


def test_an_identity_is_what_the_files_are_and_not_where(tmp_path: Path) -> None:
    identities = []
    for place in ("here", "there"):
        (tmp_path / place / "sub").mkdir(parents=True)
        packed(tmp_path / place / "sub" / "a.jsonl", jsonl())
        identities.append(open_documents(str(tmp_path / place)).identity)
    assert identities[0] == identities[1]
    assert identities[0]["files"] == [["sub/a.jsonl", len(jsonl())]]
    packed(tmp_path / "there" / "sub" / "a.jsonl", jsonl() + "\n")
    assert open_documents(str(tmp_path / "there")).identity != identities[0]


def test_an_identity_of_many_files_is_short(tmp_path: Path) -> None:
    for at in range(1100):
        (tmp_path / f"{at}.txt").touch()
    identity = open_documents(str(tmp_path)).identity
    assert identity["files"] == 1100
    assert len(json.dumps(identity)) < 200


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        # without the time of its making, or each process that collects the tests has a name for it
        (
            "a.jsonl.gz",
            gzip.compress(jsonl().encode(), mtime=0)[:-9],
            SourceUnreadable,
            "Truncated",
        ),
        ("a.txt.zst", b"no archive", SourceUnreadable, "ZSTD"),
        ("a.parquet", b"PAR1 but no more", SourceUnreadable, "Parquet"),
        ("a.parquet.gz", b"", SourceUnreadable, "packed in itself"),
        ("a.spacy", b"no docs", SourceUnreadable, "no DocBin"),
        ("a.json", b'[{"text": "a"},\n', SourceUnreadable, "no JSON"),
        ("a.conllu", b"one\ttwo\n", SourceUnreadable, "line 1 is not"),
        ("a.csv", b"", DataEmpty, "no header"),
        ("a.csv", b"a,b\n1,2\n", ColumnMissing, "it has a and b"),
        ("a.csv", b"a,\xff\n1,2\n", SourceUnreadable, "in its header"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    name: str, content: bytes, error: type[Exception], said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=said) as caught:
        list(open_documents(str(tmp_path / name)))
    assert name in str(caught.value)


def test_a_damaged_page_of_parquet_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    Dataset.from_list(ROWS).to_parquet(path)
    content = bytearray(path.read_bytes())
    content[20:400] = b"\xff" * 380
    path.write_bytes(content)
    documents = open_documents(str(path))
    with pytest.raises(SourceUnreadable, match=r"a\.parquet"):
        list(documents)


def test_columns_that_are_known_are_asked_for(tmp_path: Path) -> None:
    WRITERS["rows.parquet"](tmp_path / "rows.parquet")
    docbin(tmp_path / "rows.spacy", [{}])
    WRITERS["saved"](tmp_path / "saved")
    for name in ("rows.parquet", "rows.spacy", "saved"):
        with pytest.raises(ColumnMissing, match="no column 'txt': it has text"):
            open_documents(str(tmp_path / name), text="txt")


def test_a_folder_of_several_kinds_is_one_sentence(tmp_path: Path) -> None:
    packed(tmp_path / "a.jsonl", jsonl())
    packed(tmp_path / "b.csv.gz", cells())
    with pytest.raises(SourceUnreadable, match=r"it holds \.csv and \.jsonl: name the files"):
        open_documents(str(tmp_path))
    assert len(column(f"{tmp_path}/**/*.csv*", "text")) == len(ROWS)

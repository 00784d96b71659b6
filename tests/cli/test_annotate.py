"""`seqpipe annotate`: every format, order, and what happens when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import spacy
from commands import LABELS, Command, read_lines, write_lines
from spacy.language import Language
from verses import POEMS, trained

from seqpipe import annotate
from seqpipe.components._search import SearchRecipe

TEXTS = ["a good room", "bad", "", "the room was cold\tand we left", "好"]


def as_file(folder: Path, suffix: str) -> Path:
    """The same texts in each of the formats."""
    path = folder / f"input.{suffix}"
    rows = [{"text": text or None, "n": i} for i, text in enumerate(TEXTS)]
    if suffix == "jsonl":
        return write_lines(path, rows)
    if suffix == "parquet":
        import pyarrow as pa

        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    lines = TEXTS if suffix == "txt" else ["text,n", *(f"{t},{i}" for i, t in enumerate(TEXTS))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("target", ["jsonl", "parquet"])
@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv", "txt"])
def test_formats(suffix: str, target: str, pipeline: Path, tmp_path: Path) -> None:
    output = tmp_path / f"output.{target}"
    done = annotate(pipeline, as_file(tmp_path, suffix), output, batch_size=2)
    found: list[dict[str, Any]]
    found = read_lines(output) if target == "jsonl" else pq.read_table(output).to_pylist()
    assert [row["text"] or "" for row in found] == TEXTS
    numbers = [str(n) for n in range(5)] if suffix == "csv" else [*range(5)]  # cells are text
    assert suffix == "txt" or [row["n"] for row in found] == numbers
    nlp = spacy.load(pipeline)
    for row in found:
        cats = nlp(row["text"]).cats if row["text"] else None
        assert row["cats"] == (cats and pytest.approx(cats, abs=1e-6))
        assert row["sentiment"] is None or row["sentiment"]["label"] in LABELS
    assert (done.documents, done.empty, done.failed) == (5, 1, 0)
    names = [f"input.{suffix}", output.name, f"{output.name}.job"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_it_tells_what_it_did(
    seqpipe: Command, pipeline: Path, reviews: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "out.jsonl"
    ran = seqpipe("annotate", pipeline, reviews, "--split", "test", "-o", output)
    assert (ran.code, ran.out) == (0, "")
    assert ran.sentence.startswith(f"12 documents in {output} (")
    assert [row["id"] for row in read_lines(output)] == list(range(12))


def test_stdout(seqpipe: Command, pipeline: Path, reviews: Path) -> None:
    words = ["--fields", "sentiment=mood", "--output", "-"]
    ran = seqpipe("annotate", pipeline, reviews / "test.jsonl", *words)
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0 and len(found) == 12
    assert list(found[0]) == ["id", "text", "label", "mood"]


@pytest.mark.parametrize("target", ["jsonl", "parquet"])
def test_tokens_and_sentences(target: str, both: Path, tmp_path: Path) -> None:
    texts = ["Bob paid $5. Ann isn't here.", "", "\n Bob took 3-4 boxes. "]
    data = write_lines(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    output = tmp_path / f"out.{target}"
    annotate(both, data, output)
    found = read_lines(output) if target == "jsonl" else pq.read_table(output).to_pylist()
    assert [row["tokens"] for row in found] == [
        ["Bob", "paid", "$", "5", ".", "Ann", "is", "n't", "here", "."],
        None,
        ["Bob", "took", "3", "-", "4", "boxes", "."],
    ]
    assert [row["sentences"] for row in found] == [
        ["Bob paid $5.", "Ann isn't here."],
        None,
        ["Bob took 3-4 boxes."],
    ]
    assert [row["sentiment"] is None for row in found] == [False, True, False]


def test_sentences_alone_in_a_column_of_another_name(
    seqpipe: Command, tokenizer: Path, sentences: Path
) -> None:
    words = ["--fields", "sentences=found", "--output", "-"]  # `tokens` is taken by the data
    ran = seqpipe("annotate", tokenizer, sentences / "test.jsonl", *words)
    first = json.loads(ran.out.splitlines()[0])
    assert ran.code == 0 and first["found"] == [first["text"]]
    ran = seqpipe("annotate", tokenizer, sentences / "test.jsonl", "--output", "-")
    assert ran.code == 2 and "--fields tokens=tokens_found,sentences" in ran.sentence


@pytest.mark.parametrize("target", ["jsonl", "parquet"])
def test_translations(target: str, translator: Path, tmp_path: Path) -> None:
    texts = ["gj", "", "h jd", " \n"]
    data = write_lines(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    output = tmp_path / f"out.{target}"
    done = annotate(translator, data, output)
    found = read_lines(output) if target == "jsonl" else pq.read_table(output).to_pylist()
    assert [row["translation"] for row in found] == ["GJ", None, "H JD", None]
    assert [row["translation_score"] is None for row in found] == [False, True, False, True]
    assert [line[:4] for line in found[0]["alignment"]] == [[0, 1, 0, 1], [1, 2, 1, 2]]
    assert done.empty == 2 and done.failed == 0


def test_translations_alone_and_several(seqpipe: Command, translator: Path, tmp_path: Path) -> None:
    nlp = spacy.load(translator, config={"components.translator.search.nbest": 2})
    nlp.to_disk(tmp_path / "model")
    data = write_lines(tmp_path / "in.jsonl", [{"text": "gj"}])
    words = ["--fields", "translation=de,translation_nbest", "--output", "-"]
    ran = seqpipe("annotate", tmp_path / "model", data, *words)
    (row,) = map(json.loads, ran.out.splitlines())
    assert ran.code == 0 and list(row) == ["id", "text", "de", "translation_nbest"]
    assert row["de"] == row["translation_nbest"][0]["text"] == "GJ"
    output = tmp_path / "out.parquet"
    annotate(tmp_path / "model", data, output)
    (row,) = pq.read_table(output).to_pylist()
    assert row["translation_nbest"][0]["text"] == row["translation"] == "GJ"


@Language.component("fails_on_boom")
def fails_on_boom(doc: Any) -> Any:
    if "boom" in doc.text:
        raise ValueError("it went boom")
    return doc


@pytest.mark.parametrize("target", ["jsonl", "parquet"])
def test_failures_are_written_counted_and_told(
    target: str, seqpipe: Command, pipeline: Path, tmp_path: Path
) -> None:
    nlp = spacy.load(pipeline)
    nlp.add_pipe("fails_on_boom", first=True)
    nlp.to_disk(tmp_path / "model")
    texts = ["a", "boom", "b", "boom c", "d"]
    data = write_lines(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    output = tmp_path / f"out.{target}"
    ran = seqpipe("annotate", tmp_path / "model", data, "-o", output)
    assert ran.code == 1
    told, sentence = ran.err.splitlines()
    assert "2 failed" in told
    assert sentence.startswith("error: 2 of 5 documents could not be annotated")
    found = read_lines(output) if target == "jsonl" else pq.read_table(output).to_pylist()
    assert [row["text"] for row in found] == texts
    assert [row.get("error") for row in found] == [
        "ValueError: it went boom" if "boom" in text else None for text in texts
    ]


def test_an_output_in_use_is_left_alone(
    seqpipe: Command, pipeline: Path, reviews: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("mine")
    words = ["annotate", pipeline, reviews / "test.jsonl", "-o", output]
    ran = seqpipe(*words)
    assert ran.code == 1 and ran.sentence.endswith("say --resume or --overwrite.")
    assert output.read_text() == "mine"
    assert seqpipe(*words, "--overwrite").code == 0
    assert len(read_lines(output)) == 12


def test_the_input_is_never_the_output(seqpipe: Command, pipeline: Path, tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data" / "in.jsonl", [{"text": "a"}])
    before = data.read_bytes()
    os.symlink(data, tmp_path / "link.jsonl")
    for source, output in (
        (data, data),
        (data, tmp_path / "link.jsonl"),
        (data.parent, data.parent / "out.jsonl"),
        (f"{data.parent}/*.jsonl", data),
    ):
        ran = seqpipe("annotate", pipeline, source, "-o", output, "--overwrite")
        assert ran.code == 1 and "it is, or lies in, the input" in ran.sentence
    assert data.read_bytes() == before and len(list(data.parent.iterdir())) == 1


@pytest.mark.parametrize("suffix", ["conllu", "spacy"])
def test_files_that_are_read_here_are_inputs_too(
    suffix: str, seqpipe: Command, pipeline: Path, tmp_path: Path
) -> None:
    data = tmp_path / f"in.{suffix}"
    data.write_bytes(b"mine")
    words = ["-o", data, "--format", "jsonl", "--overwrite"]
    ran = seqpipe("annotate", pipeline, data, *words)
    assert ran.code == 1 and "it is, or lies in, the input" in ran.sentence
    ran = seqpipe("annotate", pipeline, tmp_path, *words)
    assert ran.code == 1 and "it is, or lies in, the input" in ran.sentence
    assert data.read_bytes() == b"mine"


def test_what_breaks_off_leaves_what_was_there(
    seqpipe: Command, pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out.jsonl").write_text("mine")
    words = ["annotate", pipeline, as_file(tmp_path, "txt"), "-o", "out.jsonl"]
    with monkeypatch.context() as patch:
        patch.setattr("seqpipe.annotation.annotator.Annotator.__call__", interrupted)
        ran = seqpipe(*words, "--overwrite")
    assert (ran.code, ran.err) == (130, "Stopped.\n")
    assert (tmp_path / "out.jsonl").read_text() == "mine"
    ran = seqpipe(*words, "--resume")
    assert ran.code == 0 and len(read_lines(tmp_path / "out.jsonl")) == len(TEXTS)


def test_a_damaged_line_costs_only_itself(seqpipe: Command, pipeline: Path, tmp_path: Path) -> None:
    lines = [b'{"text": "a"}', b'{"text": oh', b'{"text": "\xff"}', b"", b'{"text": "b"}']
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    ran = seqpipe("annotate", pipeline, tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl")
    assert ran.code == 1 and "2 of 4 documents" in ran.err
    errors = [row.get("error") for row in read_lines(tmp_path / "out.jsonl")]
    assert [error and error[:14] for error in errors] == [
        None,
        "the line is no",
        "the line is no",
        None,
    ]


def test_stdin_and_workers(pipeline: Path, tmp_path: Path) -> None:
    rows = [{"text": f"a room {i}"} for i in range(9)]
    data = write_lines(tmp_path / "in.jsonl", rows)
    words = [sys.executable, "-m", "seqpipe", "annotate", str(pipeline), "-", "--part-rows", "2"]
    found = []
    for options in (["--workers", "1"], ["--workers", "2"]):
        with data.open("rb") as lines:
            ran = subprocess.run([*words, *options, "-o", "-"], stdin=lines, capture_output=True)
        assert ran.returncode == 0, ran.stderr.decode()
        found.append(ran.stdout)
    assert found[0] == found[1]
    assert [json.loads(line)["id"] for line in found[0].splitlines()] == [*range(9)]


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_bad_input_is_one_sentence(
    seqpipe: Command, pipeline: Path, reviews: Path, tmp_path: Path
) -> None:
    data, out = reviews / "test.jsonl", tmp_path / "out.jsonl"
    taken = write_lines(tmp_path / "taken.jsonl", [{"text": "a", "sentiment": 1, "error": 2}])
    for suffix in ("jsonl", "csv", "txt", "parquet"):
        (tmp_path / f"empty.{suffix}").touch()
    spacy.blank("en").to_disk(tmp_path / "blank")
    cases: list[tuple[list[object], int, str]] = [
        (["nowhere", data, "-o", out], 1, "There is no folder or installed package"),
        ([reviews, data, "-o", out], 1, "is no pipeline"),
        ([tmp_path / "blank", data, "-o", out], 1, "it writes nothing"),
        ([pipeline, reviews, "-o", out], 2, "has the parts train, validation and test"),
        ([pipeline, reviews, "--split", "tst", "-o", out], 1, "has no split 'tst'"),
        ([pipeline, tmp_path / "no.csv", "-o", out], 1, "no file, folder or data set"),
        ([pipeline, data, "--text", "txt", "-o", out], 1, "Did you mean 'text'?"),
        ([pipeline, data, "--id", "ident", "-o", out], 1, "has no column 'ident': it has "),
        ([pipeline, data, "--fields", "cat", "-o", out], 1, "Did you mean 'cats'?"),
        ([pipeline, data, "--fields", "cats,,", "-o", out], 2, "between commas"),
        ([pipeline, taken, "-o", out], 2, "cats,sentiment=sentiment_found,error=error_found"),
        ([pipeline, data, "--batch-size", 0, "-o", out], 2, "give 1 or more"),
        ([pipeline, data, "-o", tmp_path / "out.xml"], 2, "end it in .jsonl, "),
        ([pipeline, data, "-o", "-", "--format", "parquet"], 2, "cannot be written to stdout"),
        ([pipeline, data, "-o", tmp_path, "--format", "jsonl"], 1, "is in use"),
        ([pipeline, data, "-o", taken / "x.jsonl"], 1, "no file can be made there"),
        *(
            ([pipeline, tmp_path / f"empty.{suffix}", "-o", out], 1, f"empty.{suffix}' ")
            for suffix in ("jsonl", "csv", "txt", "parquet")
        ),
    ]
    for words, code, said in cases:
        ran = seqpipe("annotate", *words)
        assert (ran.code, ran.out) == (code, ""), (words, ran)
        assert said in ran.sentence, ran.sentence
        assert not out.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(
    seqpipe: Command, pipeline: Path, reviews: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    ran = seqpipe("annotate", pipeline, reviews / "test.jsonl", "-o", tmp_path / "x.jsonl")
    assert ran.code == 1 and "no file can be made there (Permission denied)" in ran.sentence


@pytest.mark.parametrize("target", ["out.jsonl", "out.parquet"])
def test_a_generator_writes_and_measures(target: str, generator: Path, tmp_path: Path) -> None:
    data = write_lines(tmp_path / "in.jsonl", [{"text": t} for t in ("The rain", "春", "")])
    annotate(generator, data, output := tmp_path / target)
    found: list[dict[str, Any]]
    found = read_lines(output) if target == "out.jsonl" else pq.read_table(output).to_pylist()
    assert [row["generated"] for row in found[:1]] == [POEMS[0].removeprefix("The rain")]
    doc = spacy.load(generator)("The rain")
    for name in ("perplexity", "bits_per_char", "surprisal"):
        assert found[0][name] == pytest.approx(getattr(doc._, name), rel=1e-4)
        assert found[2][name] is None


def test_a_generator_writes_nothing_that_nobody_asks_for(
    generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it writes")

    monkeypatch.setattr(SearchRecipe, "run", never)
    data = write_lines(tmp_path / "in.jsonl", [{"text": text} for text in POEMS])
    annotate(generator, data, tmp_path / "out.jsonl", fields={"bits_per_char": "bits"})
    assert all(0 < row["bits"] < 1 for row in read_lines(tmp_path / "out.jsonl"))


def test_several_texts_of_each(tmp_path: Path) -> None:
    trained(search={"sampling": True, "nbest": 3}).to_disk(tmp_path / "model")
    data = write_lines(tmp_path / "in.jsonl", [{"text": "The rain"}])
    fields = {"generated_nbest": "texts"}
    annotate(tmp_path / "model", data, tmp_path / "out.jsonl", fields=fields)
    (row,) = read_lines(tmp_path / "out.jsonl")
    assert [list(one) for one in row["texts"]] == [["text", "score"]] * 3

"""`seqpipe explain`: a text, files and stdin; the words on the terminal, the page, the refusals."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from commands import Command, in_a_process, write_lines
from small import make_nlp

from seqpipe.cli.explain import explain

TEXTS = ["a good room", "the <b>staff</b> were bad"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_lines(
        tmp_path / "new.jsonl", [{"text": text, "id": i} for i, text in enumerate(TEXTS)]
    )


@pytest.fixture
def attentive(tmp_path: Path, pipeline: Path) -> Path:
    make_nlp(steps=5).to_disk(tmp_path / "attentive")
    return tmp_path / "attentive"


def test_a_text_on_the_terminal(seqpipe: Command, pipeline: Path) -> None:
    ran = seqpipe("explain", pipeline, "a good room")
    assert (ran.code, ran.err) == (0, "")
    first, head, *lines = ran.out.splitlines()
    assert first.endswith("%  a good room") and first.split(":")[0] in ("negative", "positive")
    assert head.split() == ["word", "adds", "without", "it"]
    assert {line.split()[0] for line in lines} == {"a", "good", "room"}
    adds = [abs(float(line.split()[1].replace("−", "-"))) for line in lines]
    assert adds == sorted(adds, reverse=True)


def test_the_same_text_twice_is_the_same_page(
    seqpipe: Command, pipeline: Path, tmp_path: Path
) -> None:
    pages = [tmp_path / "one.html", tmp_path / "new" / "two.html"]
    for page in pages:
        assert seqpipe("explain", pipeline, "a good room", "-o", page).code == 0
    one, two = (page.read_bytes() for page in pages)
    assert one == two and one.startswith(b"<!DOCTYPE html>") and one.count(b"<section") == 1
    assert [path.name for path in tmp_path.glob("*.html")] == ["one.html"]


def test_a_file_of_rows(seqpipe: Command, pipeline: Path, rows: Path, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    ran = seqpipe("explain", pipeline, rows, "--output", page, "--label", "negative")
    assert (ran.code, ran.err) == (0, "") and ran.out.count("negative: ") == 2
    told = page.read_text(encoding="utf-8")
    assert told.count("<section") == 2 and "<b>" not in told and "&lt;" in told


def test_lines_of_a_file_and_of_stdin(
    seqpipe: Command, pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "\n\n".join(TEXTS) + "\n"
    (tmp_path / "lines.txt").write_text(lines, encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    ours = [seqpipe("explain", pipeline, data) for data in (tmp_path / "lines.txt", "-")]
    assert ours[0] == ours[1] and ours[0].code == 0 and ours[0].out.count("%  ") == 2


def test_only_so_many_texts(pipeline: Path, rows: Path) -> None:
    with pytest.warns(UserWarning, match=r"more texts than the 1 .* --limit 0 takes all"):
        assert [text for text, _ in explain(pipeline, str(rows), limit=1)] == TEXTS[:1]
    assert [text for text, _ in explain(pipeline, str(rows), limit=0)] == TEXTS


def test_where_attention_lay(seqpipe: Command, attentive: Path) -> None:
    ran = seqpipe("explain", attentive, "good film", "--style", "attention")
    assert ran.code == 0 and ran.out.splitlines()[1].split() == ["word", "share"]


def test_what_surprises_a_generator(seqpipe: Command, generator: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = seqpipe("explain", generator, "the moon zzz", "--style", "surprisal", "-o", page)
    assert (ran.code, ran.err) == (0, "") and ran.out.splitlines()[2].split()[0] == "z"
    assert page.read_text(encoding="utf-8").count("<mark") == len("the moon zzz")


def test_where_a_translation_comes_from(seqpipe: Command, translator: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = seqpipe("explain", translator, "h jd", "--style", "alignment", "-o", page)
    assert (ran.code, ran.err) == (0, "") and ran.out.startswith("H JD  h jd\n")
    assert page.read_text(encoding="utf-8").count("<line ") == 2


def test_without_a_style_the_stage_has_its_own(
    seqpipe: Command, both: Path, generator: Path, translator: Path
) -> None:
    told = [
        ("tive: ", seqpipe("explain", both, "Ann saw the sea.")),
        ("token", seqpipe("explain", both, "Ann saw the sea.", "--stage", "tokenizer")),
        ("bits", seqpipe("explain", generator, "the moon")),
        ("H JD", seqpipe("explain", translator, "h jd")),
    ]
    for part, ran in told:
        assert (ran.code, ran.err) == (0, "") and part in ran.out.splitlines()[0]


def test_the_units_of_several_texts_are_the_same(
    seqpipe: Command, pipeline: Path, rows: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    ran = seqpipe("explain", pipeline, rows, "--style", "states", "-o", page)
    assert (ran.code, ran.err) == (0, "")
    one, other = ran.out.strip().split("\n\n")
    assert one.splitlines()[1:] == other.splitlines()[1:] and "of 16 units" in one
    assert page.read_text(encoding="utf-8").count("<svg") == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x", "--label", "good"], "label = 'good' is not allowed: give one of negative, positive"),
        (["x", "--style", "heat"], "style = 'heat' is not allowed: give one of saliency"),
        (["x", "--style", "attention"], "without model.pooling attention"),
        (["x", "--style", "surprisal"], "The pipeline writes no 'surprisal'"),
        (["gone.jsonl"], "There is no file, folder or data set 'gone.jsonl'"),
        (["broken.jsonl"], "'broken.jsonl' cannot be read: in row 2 the line is no JSON"),
        (["other.jsonl"], "in row 1 the row has no column 'text'"),
        (["empty.txt"], "'empty.txt' holds no text"),
        (["x", "-o", "there.html"], "there.html is in use: name another output, or say --overwr"),
        (["x", "-o", "."], "it is a folder"),
    ],
)
def test_what_is_refused(
    words: list[str],
    sentence: str,
    seqpipe: Command,
    pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.jsonl").write_text('{"text": "good"}\n{"text"\n', encoding="utf-8")
    Path("other.jsonl").write_text('{"words": "good"}\n', encoding="utf-8")
    Path("empty.txt").write_text("\n", encoding="utf-8")
    Path("there.html").write_text("mine", encoding="utf-8")
    ran = seqpipe("explain", pipeline, *words)
    assert ran.code == 1 and sentence in ran.sentence
    assert Path("there.html").read_text(encoding="utf-8") == "mine"


def test_a_pipeline_without_labels(seqpipe: Command, generator: Path) -> None:
    ran = seqpipe("explain", generator, "x", "--style", "saliency")
    assert "writes no 'sentiment'" in ran.sentence


def test_a_page_may_be_written_over(seqpipe: Command, pipeline: Path, tmp_path: Path) -> None:
    page = tmp_path / "there.html"
    page.write_text("old", encoding="utf-8")
    assert seqpipe("explain", pipeline, "x", "-o", page, "--overwrite").code == 0
    assert "<section" in page.read_text(encoding="utf-8")


def test_a_limit_below_nothing_is_no_command(seqpipe: Command, pipeline: Path) -> None:
    assert seqpipe("explain", pipeline, "x", "--limit", -1).code == 2


def test_in_a_process_of_its_own(pipeline: Path, tmp_path: Path) -> None:
    ran = in_a_process("explain", pipeline, "a good room", "-o", "why.html", folder=tmp_path)
    assert ran.code == 0 and (tmp_path / "why.html").is_file()

"""`seqpipe remember`: pairs from data sets, and the pipeline that is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import spacy
from commands import Command, write_lines
from letters import PAIRS, TEXTS, letters_stage
from verses import POEMS, verses_stage

from seqpipe.cli.export import export
from seqpipe.cli.remember import remember

ODD = [("gj", "JG."), ("h jd", "DJ H")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pairs to remember, and others to fit trust to."""
    folder = tmp_path / "pairs"
    parts = {"train": [*ODD, *PAIRS[:60]], "validation": PAIRS[60:80]}
    for part, pairs in parts.items():
        write_lines(folder / f"{part}.jsonl", [{"low": s, "high": t} for s, t in pairs])
    return folder


SIDES = ("--source", "low", "--target", "high")


def said(folder: Path) -> list[str]:
    return [doc._.translation for doc in spacy.load(folder).pipe([text for text, _ in ODD])]


def test_what_is_written_remembers(
    seqpipe: Command, translator: Path, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    ran = seqpipe("remember", translator, data, *SIDES, "--output", output)
    first, second, third = ran.out.splitlines()
    assert (ran.code, first) == (0, "62 pairs remembered, 62 of them new")
    assert second.startswith("a piece of 20 pairs held out costs ") and second.endswith(" without")
    assert third == f"written to {output}"
    assert seqpipe("translate", output, "gj").out == "JG.\n"
    assert re.search(r"^remembers +62$", seqpipe("info", output).out, re.MULTILINE)
    assert said(output) == [target for _, target in ODD]
    assert said(translator) == ["GJ", "H JD"]  # which stays as it was


def test_more_behind_it_and_in_its_place(
    seqpipe: Command, translator: Path, data: Path, tmp_path: Path
) -> None:
    output, more = tmp_path / "out", tmp_path / "more.jsonl"
    write_lines(more, [{"low": "ifbd", "high": "BIF"}, {"low": "gj", "high": "JG."}])
    remember(translator, data, output, source="low", target="high", held_out="none")
    ran = seqpipe("remember", output, more, *SIDES, "--output", output)
    assert ran.code == 1 and "--overwrite" in ran.err
    ran = seqpipe("remember", output, more, *SIDES, "--output", output, "--overwrite")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "63 pairs remembered, 1 of them new")
    assert said(output) == [target for _, target in ODD]
    done = remember(
        output, more, output, source="low", target="high", afresh=True, beside=3, overwrite=True
    )
    assert (done.count, done.new, done.fit) == (2, 2, None)
    memory = letters_stage(spacy.load(output)).memory
    assert memory is not None and memory.beside == 3


def test_an_export_remembers(translator: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    output = tmp_path / "out"
    remember(translator, data, output, source="low", target="high")
    export(output, tmp_path / "drawn")
    drawn, net = spacy.load(tmp_path / "drawn"), spacy.load(output)
    texts = [*TEXTS, *(text for text, _ in ODD)]
    for one, other in zip(drawn.pipe(texts), net.pipe(texts), strict=True):
        assert one._.translation == other._.translation
        assert one._.translation_recalled == other._.translation_recalled


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source", "low", "--target", "none"], "none"),
        ([*SIDES, "--split", "nowhere"], "nowhere"),
        ([*SIDES, "--held-out", "nowhere"], "nowhere"),
        ([*SIDES, "--beside", "0"], "1 or more"),
    ],
)
def test_what_it_refuses(
    seqpipe: Command, translator: Path, data: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    ran = seqpipe("remember", translator, data, *words, "--output", tmp_path / "out")
    assert ran.code == 1 and said in ran.err and ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_pipeline_without_a_translator(
    seqpipe: Command, pipeline: Path, data: Path, tmp_path: Path
) -> None:
    ran = seqpipe("remember", pipeline, data, *SIDES, "--output", tmp_path / "out")
    assert ran.code == 1 and "translation" in ran.err and ran.err.count("\n") == 1


def test_a_pipeline_exported_before(
    seqpipe: Command, translator: Path, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    export(translator, tmp_path / "drawn")
    ran = seqpipe("remember", tmp_path / "drawn", data, *SIDES, "--output", tmp_path / "out")
    assert ran.code == 1 and "exported" in ran.err and ran.err.count("\n") == 1


def test_a_generator_remembers_texts(seqpipe: Command, generator: Path, tmp_path: Path) -> None:
    output, poems = tmp_path / "out", tmp_path / "poems"
    verse = "Five carts are gone\nand none of them came home.\n"
    write_lines(poems / "train.jsonl", [{"poem": verse}, {"poem": POEMS[0]}])
    write_lines(poems / "dev.jsonl", [{"poem": verse.replace("Five", "Six")}])
    ran = seqpipe("remember", generator, poems, "--text", "poem", "--output", output)
    first, second, _ = ran.out.splitlines()
    assert (ran.code, first) == (0, "2 texts remembered, 2 of them new")
    assert second.startswith("a piece of 1 texts held out costs ")
    stages = [verses_stage(spacy.load(folder)) for folder in (generator, output)]
    alone, beside = (stage.stream(verse) for stage in stages)
    assert sum(t.bits for t in beside.finish()) + beside.bits < alone.bits / 2
    ran = seqpipe("generate", output, "Five ca", "--characters", "40", "--temperature", "0.1")
    assert ran.code == 0 and "carts are" in ran.out

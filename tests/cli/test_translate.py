"""`seqpipe translate`: one text, a file, stdin; what it puts out, and what it refuses."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command, in_a_process
from letters import TEXTS

from seqpipe.cli.translate import translate

RIGHT = [text.upper() for text in TEXTS]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_one_text(seqpipe: Command, translator: Path) -> None:
    ran = seqpipe("translate", translator, "h jd")
    assert (ran.code, ran.out, ran.err) == (0, "H JD\n", "")


@pytest.mark.parametrize("beam", [[], ["--beam", 1], ["--beam", 5]])
def test_a_file_line_by_line(
    seqpipe: Command, translator: Path, lines: Path, beam: list[object]
) -> None:
    ran = seqpipe("translate", translator, "--file", lines, *beam)
    assert (ran.code, ran.err) == (0, "") and ran.out.splitlines() == RIGHT


def test_an_empty_line_stays_empty(seqpipe: Command, translator: Path, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\ngj\n\n  \nh jd", encoding="utf-8")
    ran = seqpipe("translate", translator, "--file", path)
    assert ran.out == "\nGJ\n\n\nH JD\n"
    path.write_text("")
    assert seqpipe("translate", translator, "--file", path).out == ""


def test_stdin(seqpipe: Command, translator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("gj\nh jd\n"))
    ran = seqpipe("translate", translator, "--file", "-")
    assert (ran.code, ran.out) == (0, "GJ\nH JD\n")


def test_more_lines_than_are_taken_at_once(
    translator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqpipe.cli.translate._AT_ONCE", 3)
    taken: list[str] = []

    def stream() -> Any:
        for text in TEXTS:
            taken.append(text)
            yield text

    found = translate(translator, stream(), beam=1)
    next(found)
    assert len(taken) == 3
    assert [some[0].text for _, some in found] == RIGHT[1:]


def test_several_of_each(seqpipe: Command, translator: Path, lines: Path) -> None:
    ran = seqpipe("translate", translator, "gj", "--nbest", 2)
    assert ran.code == 0 and ran.out.splitlines()[0] == "GJ" and len(ran.out.splitlines()) == 2
    ran = seqpipe("translate", translator, "--file", lines, "--nbest", 7, "--json")
    assert [len(row["translations"]) for row in rows(ran.out)] == [7] * len(TEXTS)


def test_json_holds_scores_and_alignment(seqpipe: Command, translator: Path) -> None:
    ran = seqpipe("translate", translator, "h jd", "--nbest", 2, "--json")
    (row,) = rows(ran.out)
    assert list(row) == ["source", "translations"] and row["source"] == "h jd"
    best, second = row["translations"]
    assert list(best) == ["text", "score", "alignment", "confidence"] and best["text"] == "H JD"
    assert second["score"] < best["score"] < 0
    assert [line[:4] for line in best["alignment"]] == [[i, i + 1, i, i + 1] for i in range(4)]
    assert [line[:2] for line in best["confidence"]] == [[0, 1], [2, 4]]
    assert json.loads(seqpipe("translate", translator, "fe溪", "--json").out)["source"] == "fe溪"


def test_words_with_their_probabilities(seqpipe: Command, translator: Path) -> None:
    ran = seqpipe("translate", translator, "h jd", "--nbest", 2, "--confidence")
    first, second = ran.out.splitlines()
    assert re.fullmatch(r"H JD\tH=(0\.[5-9]\d|1\.00) JD=(0\.[5-9]\d|1\.00)", first)
    assert second.count("\t") == 1
    assert seqpipe("translate", translator, " ", "--confidence").out == "\t\n"


def test_the_best_is_what_the_pipeline_says(translator: Path) -> None:
    nlp = spacy.load(translator)
    for text, found in translate(translator, TEXTS):
        doc = nlp(text)
        assert found[0].text == doc._.translation
        assert found[0].score == pytest.approx(doc._.translation_score, abs=1e-4)


def test_words_that_must_and_must_not_come(seqpipe: Command, translator: Path) -> None:
    words = ["--require", "E", "--require", "BA", "--forbid", "J"]
    out = seqpipe("translate", translator, "gj", *words).out.strip()
    assert "E" in out and "BA" in out and "J" not in out
    assert seqpipe("translate", translator, "gj", "--prefix", "AB").out.startswith("AB")


def test_limits(seqpipe: Command, translator: Path) -> None:
    assert seqpipe("translate", translator, "ebji", "--max-length", 2).out == "EB\n"
    assert len(seqpipe("translate", translator, "gj", "--min-length", 5).out) >= 6
    out = seqpipe("translate", translator, "b f ge.", "--no-repeat", 1).out.strip()
    assert len(set(out)) == len(out)


def test_chance_by_seed(seqpipe: Command, translator: Path, lines: Path) -> None:
    words = ["translate", translator, "--file", lines, "--temperature", 5]
    first, again, other = (seqpipe(*words, "--seed", seed).out for seed in (1, 1, 2))
    assert first == again != other and first.splitlines() != RIGHT


def test_a_translation_is_one_line(
    seqpipe: Command, translator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqpipe.components._translation import Translation
    from seqpipe.components.translator import TranslatorStage

    found = [[Translation("a\nb\u2028c", -1.0, [], [])]]
    monkeypatch.setattr(TranslatorStage, "translate", lambda self, texts, **how: found)
    assert seqpipe("translate", translator, "gj").out == "a b c\n"


def test_in_a_process_of_its_own(translator: Path, lines: Path, tmp_path: Path) -> None:
    ran = in_a_process("translate", translator, "--file", lines, "--device", "cpu", folder=tmp_path)
    assert (ran.code, ran.err) == (0, "") and ran.out.splitlines() == RIGHT


def test_bad_input_is_one_sentence(
    seqpipe: Command, translator: Path, pipeline: Path, lines: Path, tmp_path: Path
) -> None:
    cases: list[tuple[list[object], int, str]] = [
        ([translator], 2, "Give one text to translate, or a file of them with --file"),
        ([translator, "gj", "--file", lines], 2, "Give one text to translate, or a file"),
        ([translator, "--file", tmp_path / "none.txt"], 1, "no file, folder or data set"),
        ([translator, "--file", tmp_path], 1, "no file, folder or data set"),
        (["nowhere", "gj"], 1, "There is no folder or installed package 'nowhere'"),
        ([pipeline, "gj"], 1, "The pipeline writes no 'translation': it writes cats and sent"),
        ([translator, "gj", "--beam", 0], 1, "search.beam = 0"),
        ([translator, "gj", "--beam", 2, "--nbest", 3], 1, "search.nbest = 3"),
        ([translator, "gj", "--nbest", 0], 1, "search.nbest = 0"),
        ([translator, "gj", "--temperature", 0], 1, "temperature = 0.0"),
        ([translator, "gj", "--max-length", -1], 1, "search.max_length = -1"),
        ([translator, "gj", "--device", "abacus"], 1, "The device 'abacus' cannot be used"),
    ]
    for words, code, said in cases:
        ran = seqpipe("translate", *words)
        assert (ran.code, ran.out) == (code, ""), words
        assert said in ran.sentence, ran.sentence


@pytest.mark.parametrize("words", [["--beam", "wide"], ["--bem", "3"]])
def test_wrong_usage(seqpipe: Command, translator: Path, words: list[str]) -> None:
    ran = seqpipe("translate", translator, "gj", *words)
    assert ran.code == 2 and ran.out == "" and words[0] in ran.err

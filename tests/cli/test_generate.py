"""`seqpipe generate`: what is typed, what is put out side by side, and what is refused."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command, in_a_process
from verses import POEMS, begun, trained, verses_stage

from seqpipe.__main__ import main
from seqpipe.cli.generate import generate
from seqpipe.components.generator import Generator

PROMPTS, REST = zip(*map(begun, POEMS), strict=True)
WILD = ["--temperature", 3]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
    return path


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("poem", POEMS)
def test_a_text_goes_on_behind_its_prompt(seqpipe: Command, generator: Path, poem: str) -> None:
    ran = seqpipe("generate", generator, begun(poem)[0])
    assert (ran.code, ran.out, ran.err) == (0, poem, "")


def test_the_last_line_is_always_ended(seqpipe: Command, generator: Path) -> None:
    prompt = PROMPTS[0]
    words = ["generate", generator, prompt, "--characters"]
    assert seqpipe(*words, 3).out == f"{prompt}{REST[0][:3]}\n"
    assert seqpipe("generate", generator, prompt, "--stop", REST[0][0]).out == f"{prompt}\n"
    assert seqpipe("generate", generator, "", "--stop", "A", "--stop", "O").out.endswith("\n")


class Watched(io.StringIO):
    """What was written, as it stood at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def flush(self) -> None:
        self.seen.append(self.getvalue())


def test_each_bit_is_shown_as_it_is_known(generator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", watched := Watched())
    assert main(["generate", str(generator), PROMPTS[0], "--stop", "stony"]) == 0
    assert len(set(watched.seen)) >= len(REST[0]) - len("stony")
    assert watched.seen[0] == PROMPTS[0]
    assert all(POEMS[0].startswith(text) for text in watched.seen)


def test_an_empty_prompt_begins_with_nothing(seqpipe: Command, generator: Path) -> None:
    ran = seqpipe("generate", generator, "", "--characters", 30)
    assert ran.code == 0 and any(poem.startswith(ran.out[:-1]) for poem in POEMS)


def test_a_file_of_prompts(seqpipe: Command, generator: Path, prompts: Path) -> None:
    ran = seqpipe("generate", generator, "--file", prompts)
    assert (ran.code, ran.out, ran.err) == (0, "\n".join(POEMS), "")
    ran = seqpipe("generate", generator, "--file", prompts, "--json")
    found = [{"prompt": a, "texts": [b]} for a, b in zip(PROMPTS, REST, strict=True)]
    assert rows(ran.out) == found and "春" in ran.out
    prompts.write_text("")
    assert seqpipe("generate", generator, "--file", prompts).out == ""


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_stdin(
    seqpipe: Command, generator: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("The rain\n\nA candle"))
    ran = seqpipe("generate", generator, "--file", "-", "--characters", 9, *more)
    assert ran.code == 0 and " came dow" in ran.out and " burns be" in ran.out
    assert len(ran.out.splitlines()) == (3 if more else 5)


@pytest.mark.parametrize("way", [[], ["--beam", 3], [*WILD, "--samples", 3]])
def test_typed_as_side_by_side(
    seqpipe: Command, generator: Path, prompts: Path, way: list[object]
) -> None:
    """Chance is a matter of the prompt and the seed, whatever else is written."""
    words = ["generate", generator, "--file", prompts, "--stop", r"\n", *way]
    texts = [
        row["prompt"] + text for row in rows(seqpipe(*words, "--json").out) for text in row["texts"]
    ]
    assert len(texts) == len(POEMS) * (3 if "--samples" in way else 1)
    assert seqpipe(*words).out.split("\n\n") == "\n\n".join([*texts, ""])[:-1].split("\n\n")


def test_more_prompts_than_are_taken_at_once(
    generator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqpipe.cli.generate._AT_ONCE", 2)
    taken: list[str] = []

    def stream() -> Any:
        for text in PROMPTS:
            taken.append(text)
            yield text

    found = generate(generator, stream())
    assert next(found) == (PROMPTS[0], [REST[0]])
    assert len(taken) == 2
    assert [texts for _, texts in found] == [[rest] for rest in REST[1:]]


def test_it_writes_what_the_pipeline_writes(generator: Path) -> None:
    nlp = spacy.load(generator, config={"components.generator.search.sampling": True})
    settings: dict[str, Any] = {"sampling": True, "temperature": 2.0}
    stage = verses_stage(nlp)
    stage.search = stage.search.changed(**settings)
    for prompt, (text,) in generate(generator, PROMPTS, **settings):
        assert nlp(prompt)._.generated == text == "".join(stage.write(prompt))


def test_chance_by_seed(seqpipe: Command, generator: Path, prompts: Path) -> None:
    words = ["generate", generator, "--file", prompts, *WILD]
    first, again, other = (seqpipe(*words, "--seed", seed).out for seed in (1, 1, 2))
    assert first == again != other


def test_several_of_each(seqpipe: Command, generator: Path) -> None:
    """Another seed each, counted from the one that is given."""
    words = ["generate", generator, "The", *WILD, "--characters", 20, "--json"]
    (row,) = rows(seqpipe(*words, "--samples", 3, "--seed", 5).out)
    alone = [rows(seqpipe(*words, "--seed", seed).out)[0]["texts"] for seed in (5, 6, 7)]
    assert [[text] for text in row["texts"]] == alone and len(set(row["texts"])) == 3


def test_drawing_of_a_model_that_else_does_not(seqpipe: Command, generator: Path) -> None:
    """Each of these draws; as sharply as can be, and what is surest comes out."""
    for way in (["--top-k", 1], ["--top-p", 1e-6], ["--typical", 1e-6], ["--temperature", 0.01]):
        assert seqpipe("generate", generator, "The rain", *way).out == POEMS[0]
    (row,) = rows(seqpipe("generate", generator, "The", "--samples", 2, "--json").out)
    assert len(row["texts"]) == 2


def test_instead_of_drawing(seqpipe: Command, generator: Path, tmp_path: Path) -> None:
    trained(search={"sampling": True, "nbest": 3, "temperature": 5.0}).to_disk(tmp_path)
    assert seqpipe("generate", tmp_path, "The rain", "--greedy").out == POEMS[0]
    assert seqpipe("generate", tmp_path, "The rain", "--beam", 2).out == POEMS[0]
    (row,) = rows(seqpipe("generate", tmp_path, "The", "--json").out)
    assert len(row["texts"]) == 3  # as the model has it
    (row,) = rows(seqpipe("generate", tmp_path, "The", "--beam", 4, "--samples", 2, "--json").out)
    assert row["texts"][0] == "".join(
        verses_stage(spacy.load(tmp_path)).write("The", sampling=False, beam=4, nbest=1)
    )
    ran = seqpipe("generate", tmp_path, "The", "--beam", 4, "--samples", 2)
    assert ran.out.count("The") >= 2 and ran.out.startswith("The" + row["texts"][0])


def test_limits(seqpipe: Command, generator: Path) -> None:
    assert seqpipe("generate", generator, "The rain", "--max-length", 4).out == "The rain cam\n"
    assert (
        seqpipe("generate", generator, "春雨落石上", "--characters", 3).out == "春雨落石上\n独行\n"
    )
    ran = seqpipe("generate", generator, "The rain", "--stop", "was", "--stop", "stone")
    assert ran.out == "The rain came down upon the \n"
    assert (
        seqpipe("generate", generator, "The rain", "--stop", r"\n").out
        == POEMS[0].split("\n")[0] + "\n"
    )
    out = seqpipe("generate", generator, "The rain", "--no-repeat", 1, "--max-length", 12).out
    written = out.removeprefix("The rain").rstrip("\n")
    assert len(set(written)) == len(written)
    ran = seqpipe("generate", generator, "The rain", "--repetition-penalty", 1e6)
    assert ran.code == 0 and ran.out != POEMS[0]


def test_a_reader_that_has_seen_enough(generator: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seqpipe", "generate", str(generator), "", *map(str, WILD)]
    long = ["--max-length", "100000", "--samples", "1000000000"]
    with subprocess.Popen(
        [*command, *long], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.read(20)
        child.stdout.close()
        assert (child.wait(60), child.stderr.read()) == (0, b"")


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="a run in the background hears none"
)
def test_stopped_by_hand_it_ends_its_line_and_is_quiet(generator: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seqpipe", "generate", str(generator), "", *map(str, WILD)]
    long = ["--max-length", "100000", "--samples", "1000000000"]
    with subprocess.Popen(
        [*command, *long], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.read(20)
        child.send_signal(signal.SIGINT)
        rest, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, b"") and rest.endswith(b"\n")


def test_in_a_process_of_its_own(generator: Path, prompts: Path, tmp_path: Path) -> None:
    words = ["generate", generator, "--file", prompts, "--device", "cpu"]
    ran = in_a_process(*words, folder=tmp_path)
    assert (ran.code, ran.out, ran.err) == (0, "\n".join(POEMS), "")


def test_a_generator_that_keeps_nothing_writes_too(seqpipe: Command, tmp_path: Path) -> None:
    trained(generated="").to_disk(tmp_path)
    assert seqpipe("generate", tmp_path, "The rain").out == POEMS[0]


def test_bad_input_is_one_sentence(
    seqpipe: Command, generator: Path, pipeline: Path, prompts: Path, tmp_path: Path
) -> None:
    cases: list[tuple[list[object], int, str]] = [
        ([generator], 2, "Give one prompt ('' for none), or a file of them with --file"),
        ([generator, "The", "--file", prompts], 2, "Give one prompt"),
        ([generator, "--file", tmp_path / "none.txt"], 1, "no file, folder or data set"),
        (["nowhere", "The"], 1, "There is no folder or installed package 'nowhere'"),
        ([pipeline, "The"], 1, "The pipeline writes no 'generated': it writes cats and sent"),
        ([generator, "The", "--beam", 0], 1, "search.beam = 0"),
        ([generator, "The", "--beam", 2, "--samples", 3], 1, "search.nbest = 3"),
        ([generator, "The", "--samples", 0], 1, "search.nbest = 0"),
        ([generator, "The", "--greedy", "--samples", 2], 1, "search.nbest = 2"),
        ([generator, "The", "--temperature", 0], 1, "temperature = 0.0"),
        ([generator, "The", "--top-p", 0], 1, "top_p = 0.0"),
        ([generator, "The", "--characters", -1], 1, "characters = -1"),
        ([generator, "The", "--max-length", -1], 1, "search.max_length = -1"),
        ([generator, "The", "--stop", ""], 1, "stops = ['']"),
        ([generator, "The", "--beam", 3, "--top-k", 4], 2, "--top-k is for what is drawn, and --b"),
        ([generator, "The", "--greedy", *WILD], 2, "--temperature is for what is drawn, and --g"),
        ([generator, "The", "--device", "abacus"], 1, "The device 'abacus' cannot be used"),
    ]
    for words, code, said in cases:
        ran = seqpipe("generate", *words)
        assert (ran.code, ran.out) == (code, ""), words
        assert said in ran.sentence, ran.sentence


@pytest.mark.parametrize(
    "words",
    [
        ["--beam", "wide"],
        ["--bem", "3"],
        ["--beam", "2", "--greedy"],
        ["--characters", "3", "--max-length", "2"],
    ],
)
def test_wrong_usage(seqpipe: Command, generator: Path, words: list[str]) -> None:
    ran = seqpipe("generate", generator, "The", *words)
    assert ran.code == 2 and ran.out == "" and words[0] in ran.err


def test_a_failure_while_it_writes_is_told(
    seqpipe: Command, generator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Generator, prompt: str, **settings: Any) -> Any:
        yield "a"
        raise RuntimeError("no more ink")

    monkeypatch.setattr(Generator, "write", broken)
    ran = seqpipe("generate", generator, "The ")
    assert ran.code == 1 and ran.out == "The a" and "no more ink" in ran.sentence

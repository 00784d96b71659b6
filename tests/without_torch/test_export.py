"""Exported pipelines: what they write, and that nobody asks for torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Ran, write_lines
from house import settings
from small import add_stage, make_nlp, stage_of, texts_of
from spacy.language import Language
from words import make_words_nlp

from seqpipe.cli.export import export
from seqpipe.components.tokenizer import as_tokenizer
from seqpipe.errors import GraphsAlone, NotInitialized, OutputInUse, TorchNeeded
from seqpipe.models import settle
from seqpipe.onnx.shim import GraphShim
from seqpipe.pipelines import load_pipeline

ROOT = Path(__file__).parents[2]
TEXTS = [*texts_of(), "", "good " * 40]
BLOCKED = ("torch", "datasets", "sacrebleu", "onnx")
WITHOUT = f"""
import sys
sys.modules |= dict.fromkeys({BLOCKED!r})
from seqpipe.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    make_nlp(steps=2).to_disk(folder / "mood")
    make_words_nlp(steps=2).to_disk(folder / "words")
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    export(trained / "mood", trained / "mood-onnx")
    export(trained / "words", trained / "words-onnx")
    return trained


def cats_of(nlp: Language) -> list[list[float]]:
    return [[*doc.cats.values()] for doc in nlp.pipe(TEXTS)]


def alone(*words: object, folder: Path) -> Ran:
    """A command in a Python that has none of the packages it can do without."""
    command = [sys.executable, "-c", WITHOUT, *map(str, words)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def test_it_says_what_the_pipeline_says(exported: Path) -> None:
    before, after = (spacy.load(exported / name) for name in ("mood", "mood-onnx"))
    assert isinstance(stage_of(after).shim, GraphShim)
    for one, other in zip(cats_of(before), cats_of(after), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    again = spacy.blank("en")
    add_stage(again, device="onnx")
    assert cats_of(again.from_bytes(after.to_bytes())) == cats_of(after)


def test_a_tokenizer_cuts_the_same(exported: Path) -> None:
    docs = [
        [
            (t.text, t.is_sent_start)
            for t in load_pipeline(exported / name)("The film is good. Is it?")
        ]
        for name in ("words", "words-onnx")
    ]
    assert docs[0] == docs[1]


def test_a_pipeline_with_weights_is_drawn_as_it_is_loaded(trained: Path, tmp_path: Path) -> None:
    nlp = load_pipeline(trained / "mood", device="onnx")
    assert cats_of(nlp)[0] == pytest.approx(cats_of(spacy.load(trained / "mood"))[0], abs=1e-5)
    words = spacy.load(trained / "words")
    as_tokenizer(words)
    words.to_disk(tmp_path / "cutter")
    cutter: Any = load_pipeline(tmp_path / "cutter", device="onnx")
    assert isinstance(cutter.tokenizer.stage.shim, GraphShim)
    assert [t.text for t in cutter("It is good.")] == [t.text for t in words("It is good.")]


def test_a_net_in_torch_becomes_graphs_and_stays_them() -> None:
    nlp = make_nlp(steps=1)
    before = cats_of(nlp)
    settle(stage_of(nlp).model, "onnx")
    assert cats_of(nlp)[0] == pytest.approx(before[0], abs=1e-5)
    settle(stage_of(nlp).model, "cpu")  # which they run on already
    assert isinstance(stage_of(nlp).shim, GraphShim)
    with pytest.raises(GraphsAlone, match="no weights for torch"):
        settle(stage_of(nlp).model, "cuda")


def test_eight_bits_are_smaller_and_nearly_as_good(exported: Path, tmp_path: Path) -> None:
    done = export(exported / "mood", tmp_path / "int8", int8=True)
    assert list(done.graphs) == ["sentiment/model.classifier.onnx"]
    for one, other in zip(
        *map(cats_of, map(spacy.load, [exported / "mood-onnx", done.output])), strict=True
    ):
        assert one == pytest.approx(other, abs=0.05)


def test_it_cannot_learn_and_says_so(exported: Path) -> None:
    nlp = spacy.load(exported / "mood-onnx")
    stage = stage_of(nlp)
    refused: list[Callable[[], Any]] = [
        lambda: stage.shim.learner,
        lambda: stage.shim.inside,
        lambda: stage.shim.device,
    ]
    for act in refused:
        with pytest.raises(TorchNeeded, match="that it was exported from"):
            act()
    with pytest.raises(TorchNeeded, match="cannot be initialized"):
        make_nlp(device="onnx")
    with pytest.raises(NotInitialized):
        nothing = add_stage(spacy.blank("en"), device="onnx")
        nothing.predict([nlp.make_doc("good")])


def test_a_pipeline_runs_on_the_short_list_alone(exported: Path) -> None:
    code = f"""
import json, sys
sys.modules |= dict.fromkeys({(*BLOCKED, "pyarrow", "huggingface_hub")!r})
import spacy, seqpipe
nlp = spacy.load(sys.argv[1])
asked = seqpipe.pipeline("text-classification", nlp, top_k=2)("good")
print(json.dumps([[*nlp("good").cats.values()], sorted(one["score"] for one in asked)]))
"""
    command = [sys.executable, "-c", code, str(exported / "mood-onnx")]
    found, asked = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    wanted = [*spacy.load(exported / "mood")("good").cats.values()]
    assert found == pytest.approx(wanted, abs=1e-5)
    assert asked == pytest.approx(sorted(wanted), abs=1e-5)


def test_outputs_are_not_lost(exported: Path) -> None:
    with pytest.raises(OutputInUse, match="--overwrite"):
        export(exported / "mood", exported / "mood-onnx")
    export(exported / "mood", exported / "mood-onnx", overwrite=True)


def test_commands_run_without_torch(exported: Path, tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "new.jsonl", [{"text": text} for text in TEXTS])
    ran = alone("annotate", exported / "mood-onnx", rows, "--output", "-", folder=tmp_path)
    assert ran.code == 0, ran.err
    found = [json.loads(line)["cats"] for line in ran.out.splitlines()]
    wanted = cats_of(spacy.load(exported / "mood"))
    for one, other in zip(found, wanted, strict=True):
        assert [*(one or {}).values()] == pytest.approx(other if one else [], abs=1e-5)


@pytest.mark.parametrize(
    "words", [("annotate", "mood", "new.jsonl", "-o", "-"), ("explain", "mood-onnx", "good")]
)
def test_what_needs_torch_says_so_in_a_sentence(
    words: tuple[str, ...], exported: Path, tmp_path: Path
) -> None:
    write_lines(exported / "new.jsonl", [{"text": "good"}])
    ran = alone(*words, folder=exported)
    assert ran.code == 1 and "torch is not installed" in ran.sentence


def test_the_short_list_is_the_long_one_without_what_graphs_do_not_need() -> None:
    asked = settings(ROOT)
    everybody = asked.get("options", "install_requires").strip().splitlines()
    extra = asked.get("options.extras_require", "onnx").strip().splitlines()
    lines = (ROOT / "requirements-onnx.txt").read_text(encoding="utf-8").splitlines()
    named = [line for line in lines if not line.startswith("#")]
    assert set(named) <= {*everybody, *extra}
    rest = {line.split()[0] for line in everybody if line not in named}
    assert rest == {"datasets", "huggingface_hub", "pyarrow", "sacrebleu", "torch"}

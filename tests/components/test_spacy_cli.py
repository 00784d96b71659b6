"""spaCy's own commands, run as they are, on a pipeline with our stage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import spacy
import srsly
from small import LABELS, TEXTS, cats_of, make_examples, stage_of, texts_of
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import seqpipe.components.sentiment

SHORT = """
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = ["sentiment"]

[components]

[components.sentiment]
factory = "seqpipe_sentiment"
multi_label = {multi_label}
device = "cpu"

[components.sentiment.codec]
@misc = "seqpipe.Codec.v1"
min_count = 1

[components.sentiment.model]
@architectures = "seqpipe.Classifier.v1"
embedding = 8
width = 6
word_dropout = 0.0

[training]
max_steps = 3
eval_frequency = 2

# the default, v1, is one that `debug config --show-functions` does not find
[training.logger]
@loggers = "spacy.ConsoleLogger.v3"

[training.before_to_disk]
@callbacks = "seqpipe.calibrate.v1"

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.05
use_averages = true
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, data, and what the commands make of them."""
    folder = tmp_path_factory.mktemp("cli")
    nlp = spacy.blank("en")
    docs = [eg.reference for eg in make_examples(nlp)]
    DocBin(docs=docs * 13).to_disk(folder / "train.spacy")  # debug data wants a hundred
    DocBin(docs=docs).to_disk(folder / "data.spacy")
    for multi_label in (False, True):
        name = "many" if multi_label else "one"
        text = SHORT.format(multi_label=json.dumps(multi_label))
        (folder / f"short_{name}.cfg").write_text(text, encoding="utf-8")
        short, full = folder / f"short_{name}.cfg", folder / f"{name}.cfg"
        spacy_says("init", "fill-config", short, full)
        spacy_says("train", full, "-o", folder / name, *data(folder))
    return folder


def spacy_says(*arguments: object, code: int = 0) -> str:
    """What `python -m spacy ...` prints, without a Python of its own."""
    ran = CliRunner().invoke(app, [str(a) for a in arguments])
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == code, ran.output
    return ran.output


def data(home: Path) -> Sequence[object]:
    return "--paths.train", home / "train.spacy", "--paths.dev", home / "data.spacy"


def test_fill_config_fills_all_and_then_nothing(home: Path, tmp_path: Path) -> None:
    filled = spacy.util.load_config(home / "one.cfg")
    stage = filled["components"]["sentiment"]
    shipped = Path(seqpipe.components.sentiment.__file__).with_suffix(".cfg")
    defaults = spacy.util.load_config(shipped)["components"]["sentiment"]
    assert stage.keys() == defaults.keys()
    assert stage["model"] == {**defaults["model"], "embedding": 8, "width": 6, "word_dropout": 0.0}
    assert filled["training"]["score_weights"]["cats_score"] == 1.0
    spacy_says("init", "fill-config", home / "one.cfg", tmp_path / "again.cfg")
    again = (tmp_path / "again.cfg").read_text(encoding="utf-8")
    assert again == (home / "one.cfg").read_text(encoding="utf-8")


def test_debug_config(home: Path) -> None:
    assert "Config is valid" in spacy_says("debug", "config", home / "one.cfg", "-F", *data(home))
    said = spacy_says(
        "debug", "config", home / "one.cfg", "--components.sentiment.widht", "3", code=1
    )
    assert "widht" in said


def test_the_config_that_is_shipped_is_valid_once_filled(tmp_path: Path) -> None:
    shipped = Path(seqpipe.components.sentiment.__file__).with_suffix(".cfg")
    paths = ["--paths.train", "bundled:reviews_en", "--paths.dev", "bundled:reviews_en"]
    spacy_says("init", "fill-config", shipped, tmp_path / "full.cfg")
    assert "Config is valid" in spacy_says("debug", "config", tmp_path / "full.cfg", *paths)


def test_debug_data(home: Path) -> None:
    said = spacy_says("debug", "data", home / "one.cfg", *data(home))
    assert (
        "Pipeline can be initialized with data" in said
        and f"{13 * len(TEXTS)} training docs" in said
    )


def test_debug_model(home: Path) -> None:
    said = spacy_says(
        "debug", "model", home / "one.cfg", "sentiment", "-P0", "-P1", "-P2", "-P3",
        "-DIM", "-PAR", "-GRAD", "-ATTR", *data(home),
    )  # fmt: skip
    assert "model looks good" in said


def test_train_saves_what_it_has_evaluated(home: Path) -> None:
    for part in ("model-best", "model-last"):
        folder = home / "one" / part
        meta = srsly.read_json(folder / "meta.json")
        nlp = spacy.load(folder)
        scores = nlp.evaluate(make_examples(nlp))
        assert meta["labels"]["sentiment"] == list(LABELS)
        assert stage_of(nlp).temperatures != [1.0]
        if part == "model-best":  # spaCy keeps the scores of the best only
            assert meta["performance"]["cats_ece"] == pytest.approx(scores["cats_ece"], abs=1e-5)


def test_train_is_the_same_in_every_run(home: Path, tmp_path: Path) -> None:
    spacy_says("train", home / "one.cfg", "-o", tmp_path, *data(home))
    name = "model-last/sentiment/model.safetensors"
    assert (tmp_path / name).read_bytes() == (home / "one" / name).read_bytes()


def test_train_saves_averages_when_asked_to(home: Path, tmp_path: Path) -> None:
    plain = ["--training.optimizer.use_averages", "false"]
    spacy_says("train", home / "one.cfg", "-o", tmp_path, *data(home), *plain)
    name = "model-last/sentiment/model.safetensors"
    assert (tmp_path / name).read_bytes() != (home / "one" / name).read_bytes()


def test_train_beside_a_borrowed_and_frozen_stage(home: Path, tmp_path: Path) -> None:
    config = spacy.util.load_config(home / "one.cfg")
    config["nlp"]["pipeline"] = ["mood", "sentiment"]
    source = str(home / "one" / "model-last")
    config["components"]["mood"] = {"source": source, "component": "sentiment"}
    config["training"] |= {"frozen_components": ["mood"], "annotating_components": ["mood"]}
    config.to_disk(tmp_path / "two.cfg")
    spacy_says("train", tmp_path / "two.cfg", "-o", tmp_path, *data(home))
    both, one = spacy.load(tmp_path / "model-last"), spacy.load(source)
    assert stage_of(both, "mood").shim.to_bytes() == stage_of(one).shim.to_bytes()
    assert stage_of(both).shim.learner.steps == 0 and both("good").cats.keys() == set(LABELS)


def test_evaluate(home: Path, tmp_path: Path) -> None:
    said = spacy_says(
        "evaluate", home / "many/model-last", home / "data.spacy", "-o", tmp_path / "scores.json"
    )
    assert "TEXTCAT" in said
    scores = srsly.read_json(tmp_path / "scores.json")
    assert 0 <= scores["cats_acc"] <= 1 and 0 <= scores["cats_ece"] <= 1
    assert scores["cats_f_per_type"].keys() == set(LABELS)


def test_apply(home: Path, tmp_path: Path) -> None:
    texts = [*texts_of(), "an unheard of text"]
    srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in texts])
    spacy_says("apply", home / "one/model-last", tmp_path / "texts.jsonl", tmp_path / "out.spacy")
    nlp = spacy.load(home / "one/model-last")
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert [doc.text for doc in docs] == texts
    assert all(doc._.sentiment["label"] in LABELS for doc in docs)
    for doc, cats in zip(docs, cats_of(nlp.pipe(texts)), strict=True):
        assert doc.cats == pytest.approx(cats, abs=1e-5)


def test_benchmark_speed(home: Path) -> None:
    said = spacy_says(
        "benchmark", "speed", home / "one/model-last", home / "data.spacy",
        "--batches", 30, "--warmup", 0, "-b", 2,
    )  # fmt: skip
    assert "words/s" in said


def test_find_threshold(home: Path) -> None:
    said = spacy_says(
        "find-threshold", home / "many/model-last", home / "data.spacy",
        "sentiment", "threshold", "cats_acc", "-n", 3,
    )  # fmt: skip
    assert "Best threshold" in said


def test_labels_found_once_serve_a_stream(home: Path, tmp_path: Path) -> None:
    spacy_says("init", "labels", home / "one.cfg", tmp_path / "labels", *data(home))
    path = tmp_path / "labels" / "sentiment.json"
    assert srsly.read_json(path) == list(LABELS)
    config = spacy.util.load_config(home / "one.cfg")
    labels = {"@readers": "spacy.read_labels.v1", "path": str(path)}
    config["initialize"]["components"]["sentiment"] = {"labels": labels}
    config["training"]["max_epochs"] = -1
    config.to_disk(tmp_path / "stream.cfg")
    spacy_says("train", tmp_path / "stream.cfg", "-o", tmp_path, *data(home))
    assert stage_of(spacy.load(tmp_path / "model-last")).labels == LABELS


def test_assemble(home: Path, tmp_path: Path) -> None:
    config = spacy.util.load_config(home / "one.cfg")
    config["components"]["sentiment"] = {"source": str(home / "one/model-last")}
    config.to_disk(tmp_path / "parts.cfg")
    spacy_says("assemble", tmp_path / "parts.cfg", tmp_path / "whole")
    source, whole = (spacy.load(p) for p in (home / "one/model-last", tmp_path / "whole"))
    assert cats_of(whole.pipe(texts_of())) == cats_of(source.pipe(texts_of()))


def test_find_function_knows_ours() -> None:
    said = spacy_says("find-function", "seqpipe.Classifier.v1", "-r", "architectures")
    assert "_classifier.py" in said

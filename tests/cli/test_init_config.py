"""`seqpipe init-config`: a config without gaps that spaCy takes as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Command, write_lines
from letters import make_pairs
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import fill_config
from spacy.util import load_config, load_config_from_str

from seqpipe.cli.init_config import init_config
from seqpipe.cli.train import train

STAGES = ["sentiment", "tokenizer", "translator", "generator"]


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_complete(
    stage: str, seqpipe: Command, reviews: Path, sentences: Path, pairs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "config.cfg"
    data = dict(zip(STAGES, (reviews, sentences, pairs, reviews), strict=True))[stage]
    ran = seqpipe("init-config", stage, "--train", data, "--output", path)
    assert ran.code == 0 and f"python -m spacy train {path}" in ran.err
    debug_config(path)
    before, after = fill_config(tmp_path / "filled.cfg", path, silent=True)
    assert before.to_str() == after.to_str()


@pytest.mark.parametrize("stage", STAGES)
def test_stdout_holds_the_config_alone(stage: str, seqpipe: Command) -> None:
    ran = seqpipe("init-config", stage)
    assert (ran.code, ran.err) == (0, "")
    config = load_config_from_str(ran.out)
    assert config["paths"]["train"] is None
    sections = [
        line[1:].split(".")[0].rstrip("]") for line in ran.out.splitlines() if "[" in line[:1]
    ]
    groups = [a for a, b in zip(sections, ["", *sections], strict=False) if a != b]
    assert len(groups) == len(set(groups)), "a section is torn apart"


def test_options_and_dotted_settings(seqpipe: Command) -> None:
    short = ["--lang", "en", "--cell", "rnn", "--width", 24, "--layers", 2]
    words = [*short, "--unit", "bpe", "--size", 500, "--seed", 4]
    dotted = ["--components.sentiment.model.pooling", '["max"]', "--training.max_epochs=3"]
    config = load_config_from_str(seqpipe("init-config", "sentiment", *words, *dotted).out)
    stage = config["components"]["sentiment"]
    assert (stage["model"]["cell"], stage["model"]["width"]) == ("rnn", 24)
    assert (stage["model"]["layers"], stage["model"]["pooling"]) == (2, ["max"])
    assert (stage["codec"]["unit"], stage["codec"]["size"]) == ("bpe", 500)
    assert (config["nlp"]["lang"], config["system"]["seed"]) == ("en", 4)
    assert config["training"]["max_epochs"] == 3


def test_data_and_columns(reviews: Path, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "rows.jsonl", [{"said": "a", "mood": "b"}])
    config = init_config("sentiment", train=str(file), text="said", label="mood").interpolate()
    for corpus in config["corpora"].values():
        assert (corpus["path"], corpus["text"], corpus["label"]) == (str(file), "said", "mood")
    config = init_config("sentiment", train=str(reviews), dev=str(reviews / "test.jsonl"))
    assert config.interpolate()["corpora"]["dev"]["path"] == str(reviews / "test.jsonl")
    assert config["corpora"]["dev"]["split"] == "train"  # the one part a file has


def test_what_it_writes_trains(seqpipe: Command, reviews: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    words = ["--train", reviews, "--width", 8, "--training.max_steps", 2, "--output", path]
    assert seqpipe("init-config", "sentiment", *words).code == 0
    assert train(str(path), output=tmp_path / "out").step == 2


def test_a_tokenizer(seqpipe: Command, tmp_path: Path) -> None:
    rows = [{"said": "He can't.", "pieces": ["He", "ca", "n't", "."]}] * 300
    data = write_lines(tmp_path / "rows.jsonl", rows)
    columns = ["--text", "said", "--tokens", "pieces"]
    path = tmp_path / "config.cfg"
    short = ["--cell", "gru", "--width", 8, "--training.max_steps", 2]
    words = ["init-config", "tokenizer", "--train", data, *columns, *short, "--output", path]
    assert seqpipe(*words).code == 0
    config = load_config(path, interpolate=False)
    assert config["nlp"]["tokenizer"] == {"@tokenizers": "seqpipe.RawText.v1"}
    assert config["components"]["tokenizer"]["model"]["cell"] == "gru"
    for corpus in config["corpora"].values():
        assert (corpus["@readers"], corpus["tokens"]) == ("seqpipe.Tokens.v1", "pieces")
    assert train(str(path), output=tmp_path / "out").step == 2


def test_a_translator(seqpipe: Command, tmp_path: Path) -> None:
    rows = [{"en": source, "de": target} for source, target in make_pairs(60)]
    data = write_lines(tmp_path / "rows.jsonl", rows)
    path = tmp_path / "config.cfg"
    short = ["--source", "en", "--target", "de", "--cell", "gru", "--width", 8, "--size", 300]
    dotted = ["--training.max_steps", 2, "--components.translator.search.beam=2"]
    words = ["init-config", "translator", "--train", data, *short, *dotted, "--output", path]
    assert seqpipe(*words).code == 0
    config = load_config(path, interpolate=False)
    stage = config["components"]["translator"]
    assert (stage["model"]["cell"], stage["model"]["width"]) == ("gru", 8)
    assert (stage["codec"]["size"], stage["search"]["beam"]) == (300, 2)
    for corpus in config["corpora"].values():
        assert corpus["@readers"] == "seqpipe.Pairs.v1"
        assert (corpus["source"], corpus["target"]) == ("en", "de")
    assert train(str(path), output=tmp_path / "out").step == 2


def test_a_file_in_use_is_left_alone(seqpipe: Command, tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    path.write_text("mine")
    ran = seqpipe("init-config", "sentiment", "-o", path)
    assert ran.code == 1 and "say --overwrite" in ran.sentence
    assert path.read_text() == "mine"
    assert seqpipe("init-config", "sentiment", "-o", path, "--overwrite").code == 0
    assert load_config(path)["nlp"]["pipeline"] == ["sentiment"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sentimnt"], 2, "Did you mean 'sentiment'?"),
        (["sentiment", "--dev", "x"], 2, "beside --train"),
        (["sentiment", "--a.b"], 2, "lacks its value"),
        (["tokenizer", "--train", "bundled:sentences_en", "--label", "text"], 2, "another stage"),
        (["tokenizer", "--train", "bundled:sentences_en", "--tokens", "words"], 1, "'words'"),
        (["tokenizer", "--label", "text"], 2, "another stage"),
        (["translator", "--text", "text"], 2, "another stage"),
        (["translator", "--train", "nowhere.csv", "--target", "fr"], 1, "no file"),
        (["tokenizer", "--unit", "word"], 1, "codec.unit"),
        (["sentiment", "--train", "nowhere.csv"], 1, "no file, folder or data set"),
        (["sentiment", "--lang", "qq"], 1, "spaCy refuses this config"),
        (["sentiment", "--components.sentiment.model.width", "x"], 1, "width"),
        (["sentiment", "--components.sentiment.model.wdth", "9"], 1, "unexpected argument: 'wdth'"),
        (["sentiment", "--training.max_epoch", "9"], 1, "Did you mean 'max_epochs'?"),
        (["sentiment", "--nlp.batch_siz", "9"], 1, "Did you mean 'batch_size'?"),
        (["sentiment", "--trainng.dropout", "0.1"], 1, "Did you mean 'training'?"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str], code: int, said: str, seqpipe: Command
) -> None:
    ran = seqpipe("init-config", *words)
    assert (ran.code, ran.out) == (code, "") and said in ran.sentence


def test_a_missing_column_is_seen_before_training(
    seqpipe: Command, reviews: Path, pairs: Path
) -> None:
    ran = seqpipe("init-config", "sentiment", "--train", reviews, "--label", json.dumps("x"))
    assert ran.code == 1 and "it has id, text and label" in ran.sentence
    ran = seqpipe("init-config", "translator", "--train", pairs, "--target", "fr")
    assert ran.code == 1 and "no column 'fr': it has source and target" in ran.sentence


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of datasets 4
@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_data_without_a_row_is_seen_before_training(
    content: str, seqpipe: Command, tmp_path: Path
) -> None:
    (tmp_path / "empty.csv").write_text(content)
    ran = seqpipe("init-config", "sentiment", "--train", tmp_path / "empty.csv")
    assert ran.code == 1 and "empty.csv' holds no usable row" in ran.sentence

"""spaCy's own commands, run as they are, on pipelines that begin with our stage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.cli.package import package
from spacy.tokens import DocBin
from typer.testing import CliRunner
from words import blank, drawn, facts_of, make_doc, make_examples, text_of, tokens_of, words_stage

import seqpipe.components.tokenizer

SHORT = """
[paths]
train = null
dev = null

[nlp]
lang = "xx"
pipeline = ["tokenizer"]

[nlp.tokenizer]
@tokenizers = "seqpipe.RawText.v1"

[components]

[components.tokenizer]
factory = "seqpipe_tokenizer"
lexicon = false
device = "cpu"

[components.tokenizer.codec]
@misc = "seqpipe.Codec.v1"
unit = "char"
min_count = 1

[components.tokenizer.model]
@architectures = "seqpipe.Tagger.v1"
embedding = 8
width = 8

[training]
max_steps = 40
eval_frequency = 20
dropout = 0.0

# the default, v1, is one that `debug config --show-functions` does not find
[training.logger]
@loggers = "spacy.ConsoleLogger.v3"

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.03
use_averages = true
"""
SENTIMENT = {
    "factory": "seqpipe_sentiment",
    "reads": "tokens",
    "device": "cpu",
    "codec": {"@misc": "seqpipe.Codec.v1", "min_count": 1},
    "model": {"@architectures": "seqpipe.Classifier.v1", "embedding": 8, "width": 6},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, data, and what the commands make of them."""
    folder = tmp_path_factory.mktemp("cli")
    nlp = blank()
    docs = [example.reference for example in make_examples(nlp)]
    for number, doc in enumerate(docs):
        doc.cats = {"bad": float(number % 2), "good": float(not number % 2)}
    DocBin(docs=docs * 17).to_disk(folder / "train.spacy")  # debug data wants a hundred
    DocBin(docs=docs).to_disk(folder / "data.spacy")
    (folder / "short.cfg").write_text(SHORT, encoding="utf-8")
    spacy_says("init", "fill-config", folder / "short.cfg", folder / "full.cfg")
    spacy_says("train", folder / "full.cfg", "-o", folder / "out", *data(folder))
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
    filled = spacy.util.load_config(home / "full.cfg")
    shipped = Path(seqpipe.components.tokenizer.__file__).with_suffix(".cfg")
    defaults = spacy.util.load_config(shipped)["components"]["tokenizer"]
    stage = filled["components"]["tokenizer"]
    assert stage.keys() == defaults.keys()
    assert stage["model"] == {**defaults["model"], "embedding": 8, "width": 8}
    weights = filled["training"]["score_weights"]
    assert weights["token_f"] == weights["sents_f"] == 0.5
    spacy_says("init", "fill-config", home / "full.cfg", tmp_path / "again.cfg")
    again = (tmp_path / "again.cfg").read_text(encoding="utf-8")
    assert again == (home / "full.cfg").read_text(encoding="utf-8")


def test_debug_config(home: Path) -> None:
    assert "Config is valid" in spacy_says("debug", "config", home / "full.cfg", "-F", *data(home))
    said = spacy_says(
        "debug", "config", home / "full.cfg", "--components.tokenizer.windw", "3", code=1
    )
    assert "windw" in said


def test_the_config_that_is_shipped_is_valid_once_filled(tmp_path: Path) -> None:
    shipped = Path(seqpipe.components.tokenizer.__file__).with_suffix(".cfg")
    paths = ["--paths.train", "bundled:sentences_en", "--paths.dev", "bundled:sentences_en"]
    spacy_says("init", "fill-config", shipped, tmp_path / "full.cfg")
    assert "Config is valid" in spacy_says("debug", "config", tmp_path / "full.cfg", *paths)


def test_debug_data(home: Path) -> None:
    said = spacy_says("debug", "data", home / "full.cfg", *data(home))
    assert "Pipeline can be initialized with data" in said


def test_debug_model(home: Path) -> None:
    said = spacy_says(
        "debug", "model", home / "full.cfg", "tokenizer", "-P0", "-P1", "-P2", "-P3",
        "-DIM", "-PAR", "-GRAD", "-ATTR", *data(home),
    )  # fmt: skip
    assert "model looks good" in said


def test_train_saves_what_it_has_evaluated(home: Path) -> None:
    folder = home / "out" / "model-best"
    nlp = spacy.load(folder)
    scores = nlp.evaluate(make_examples(nlp))
    performance = srsly.read_json(folder / "meta.json")["performance"]
    for name in ("token_f", "sents_f"):
        assert performance[name] == pytest.approx(scores[name], abs=1e-5)
    assert scores["token_f"] > 0.9


def test_train_is_the_same_in_every_run(home: Path, tmp_path: Path) -> None:
    spacy_says("train", home / "full.cfg", "-o", tmp_path, *data(home))
    name = "model-last/tokenizer/model.safetensors"
    assert (tmp_path / name).read_bytes() == (home / "out" / name).read_bytes()


def test_train_reads_rows_of_text_and_tokens(home: Path, tmp_path: Path) -> None:
    nlp = blank()
    rows = [make_doc(nlp, [line]) for line in drawn(count=60)]
    for part in ("train", "validation"):
        srsly.write_jsonl(
            tmp_path / f"{part}.jsonl",
            [{"text": doc.text, "tokens": tokens_of(doc)} for doc in rows],
        )
    config = spacy.util.load_config(home / "full.cfg")
    for name, split in (("train", "train"), ("dev", "validation")):
        reader = {"@readers": "seqpipe.Tokens.v1", "path": str(tmp_path), "split": split}
        config["corpora"][name] = {**reader, "group": 10}
    config["training"] |= {"max_steps": 2, "eval_frequency": 2}
    config.to_disk(tmp_path / "rows.cfg")
    said = spacy_says("train", tmp_path / "rows.cfg", "-o", tmp_path / "out")
    assert "TOKEN_F" in said and "SENTS_F" in said
    again = spacy.load(tmp_path / "out" / "model-last")
    assert again(text_of()).text == text_of()


def test_train_with_a_sentiment_stage_that_reads_its_tokens(home: Path, tmp_path: Path) -> None:
    config = spacy.util.load_config(home / "full.cfg")
    config["nlp"]["pipeline"] = ["tokenizer", "sentiment"]
    config["components"]["sentiment"] = SENTIMENT
    config["training"]["annotating_components"] = ["tokenizer"]
    config.to_disk(tmp_path / "short.cfg")
    spacy_says("init", "fill-config", tmp_path / "short.cfg", tmp_path / "two.cfg")
    spacy_says("train", tmp_path / "two.cfg", "-o", tmp_path, *data(home))
    nlp = spacy.load(tmp_path / "model-last")
    doc = nlp("It's cold.")
    assert doc.cats.keys() == {"bad", "good"} and doc.text == "It's cold."
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["token_f"] > 0.9


def test_train_with_the_tokenizer_frozen_and_annotating(home: Path, tmp_path: Path) -> None:
    config = spacy.util.load_config(home / "full.cfg")
    source = str(home / "out" / "model-best")
    config["nlp"]["pipeline"] = ["tokenizer", "sentiment"]
    config["components"] = {"tokenizer": {"source": source}, "sentiment": SENTIMENT}
    config["training"] |= {
        "frozen_components": ["tokenizer"],
        "annotating_components": ["tokenizer"],
        "max_steps": 2,
        "score_weights": {"cats_score": 1.0},
    }
    config.to_disk(tmp_path / "short.cfg")
    spacy_says("init", "fill-config", tmp_path / "short.cfg", tmp_path / "two.cfg")
    spacy_says("train", tmp_path / "two.cfg", "-o", tmp_path, *data(home))
    both, one = spacy.load(tmp_path / "model-last"), spacy.load(source)
    assert words_stage(both).shim.to_bytes() == words_stage(one).shim.to_bytes()
    assert facts_of(both(text_of())) == facts_of(one(text_of()))


def test_evaluate(home: Path, tmp_path: Path) -> None:
    said = spacy_says(
        "evaluate", home / "out/model-best", home / "data.spacy", "-o", tmp_path / "scores.json"
    )
    assert "TOK" in said and "SENT F" in said
    scores = srsly.read_json(tmp_path / "scores.json")
    performance = srsly.read_json(home / "out/model-best/meta.json")["performance"]
    assert scores["token_f"] == pytest.approx(performance["token_f"], abs=1e-5)


def test_apply(home: Path, tmp_path: Path) -> None:
    texts = [text_of(), "It's\n\nnot known 未见"]
    srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in texts])
    spacy_says("apply", home / "out/model-best", tmp_path / "texts.jsonl", tmp_path / "out.spacy")
    nlp = spacy.load(home / "out/model-best")
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert [doc.text for doc in docs] == texts
    assert [facts_of(doc) for doc in docs] == [facts_of(nlp(text)) for text in texts]


def test_assemble(home: Path, tmp_path: Path) -> None:
    config = spacy.util.load_config(home / "full.cfg")
    config["components"]["tokenizer"] = {"source": str(home / "out/model-best")}
    config.to_disk(tmp_path / "parts.cfg")
    spacy_says("assemble", tmp_path / "parts.cfg", tmp_path / "whole")
    source, whole = (spacy.load(p) for p in (home / "out/model-best", tmp_path / "whole"))
    assert facts_of(whole(text_of())) == facts_of(source(text_of()))


# spaCy leaves the files that it writes there for the collector to close
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_package_asks_for_us(home: Path, tmp_path: Path) -> None:
    package(home / "out/model-best", tmp_path, name="cut", create_sdist=False, silent=True)
    (folder,) = tmp_path.glob("xx_cut-*")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    assert [name for name in meta["requirements"] if name.startswith("seqpipe")]
    (inner,) = (folder / "xx_cut").glob("xx_cut-*")
    packed, source = spacy.load(inner), spacy.load(home / "out/model-best")
    assert facts_of(packed(text_of())) == facts_of(source(text_of()))


def test_find_function_knows_ours() -> None:
    for kind, name in (("tokenizers", "RawText"), ("architectures", "Tagger")):
        assert ".py" in spacy_says("find-function", f"seqpipe.{name}.v1", "-r", kind)

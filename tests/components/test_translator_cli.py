"""spaCy's own commands, run as they are, on pipelines that translate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import spacy
import srsly
from letters import PAIRS, TEXTS, add_stage, make_examples, said, trained
from spacy.cli._util import app
from spacy.cli.package import package
from spacy.tokens import DocBin
from typer.testing import CliRunner

import seqpipe.components.translator

SHORT = """
[paths]
train = null
dev = null

[nlp]
lang = "xx"
pipeline = ["translator"]

[components]

[components.translator]
factory = "seqpipe_translator"
device = "cpu"

[components.translator.codec]
@misc = "seqpipe.Codec.v1"
unit = "char"
min_count = 3

[components.translator.search]
@misc = "seqpipe.Search.v1"
beam = 2

[components.translator.model]
@architectures = "seqpipe.Translator.v1"
embedding = 16
width = 16
decoder_width = 16
decoder_layers = 1

[training]
max_steps = 80
eval_frequency = 40
dropout = 0.0

# the default, v1, is one that `debug config --show-functions` does not find
[training.logger]
@loggers = "spacy.ConsoleLogger.v3"

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.02
use_averages = true
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, data, and what the commands make of them."""
    folder = tmp_path_factory.mktemp("cli")
    nlp = spacy.blank("xx")
    add_stage(nlp)  # for its extensions
    docs = [example.reference for example in make_examples(nlp, PAIRS[:320])]
    DocBin(docs=docs, store_user_data=True).to_disk(folder / "train.spacy")
    DocBin(docs=docs[:20], store_user_data=True).to_disk(folder / "data.spacy")
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
    shipped = Path(seqpipe.components.translator.__file__).with_suffix(".cfg")
    defaults = spacy.util.load_config(shipped)["components"]["translator"]
    stage = filled["components"]["translator"]
    assert stage.keys() == defaults.keys()
    assert stage["search"] == {**defaults["search"], "beam": 2}
    assert filled["training"]["score_weights"] == {"bleu": 1.0, "chrf": None}
    spacy_says("init", "fill-config", home / "full.cfg", tmp_path / "again.cfg")
    again = (tmp_path / "again.cfg").read_text(encoding="utf-8")
    assert again == (home / "full.cfg").read_text(encoding="utf-8")


def test_debug_config(home: Path) -> None:
    assert "Config is valid" in spacy_says("debug", "config", home / "full.cfg", "-F", *data(home))
    wrong = ["--components.translator.bem", "3"]
    assert "bem" in spacy_says("debug", "config", home / "full.cfg", *wrong, code=1)


def test_the_config_that_is_shipped_is_valid_once_filled(tmp_path: Path) -> None:
    shipped = Path(seqpipe.components.translator.__file__).with_suffix(".cfg")
    paths = ["--paths.train", "bundled:phrases_en_de", "--paths.dev", "bundled:phrases_en_de"]
    spacy_says("init", "fill-config", shipped, tmp_path / "full.cfg")
    assert "Config is valid" in spacy_says("debug", "config", tmp_path / "full.cfg", *paths)


def test_debug_data(home: Path) -> None:
    said = spacy_says("debug", "data", home / "full.cfg", *data(home))
    assert "Pipeline can be initialized with data" in said


def test_debug_model(home: Path) -> None:
    said = spacy_says(
        "debug", "model", home / "full.cfg", "translator", "-P0", "-P1", "-P2", "-P3",
        "-DIM", "-PAR", "-GRAD", "-ATTR", *data(home),
    )  # fmt: skip
    assert "model looks good" in said


def test_train_saves_what_it_has_evaluated(home: Path) -> None:
    folder = home / "out" / "model-best"
    nlp = spacy.load(folder)
    scores = nlp.evaluate(make_examples(nlp, PAIRS[:20]))
    performance = srsly.read_json(folder / "meta.json")["performance"]
    for name in ("bleu", "chrf"):
        assert performance[name] == pytest.approx(scores[name], abs=1e-5)
    assert scores["chrf"] > 0.1  # gold came through the file


def test_train_is_the_same_in_every_run(home: Path, tmp_path: Path) -> None:
    spacy_says("train", home / "full.cfg", "-o", tmp_path, *data(home))
    name = "model-last/translator/model.safetensors"
    assert (tmp_path / name).read_bytes() == (home / "out" / name).read_bytes()


def test_train_reads_rows_of_two_columns(home: Path, tmp_path: Path) -> None:
    rows = [{"small": source, "big": target} for source, target in PAIRS[:60]]
    srsly.write_jsonl(tmp_path / "train.jsonl", rows)
    srsly.write_jsonl(tmp_path / "validation.jsonl", rows[:9])
    config = spacy.util.load_config(home / "full.cfg")
    for name, split in (("train", "train"), ("dev", "validation")):
        reader = {"@readers": "seqpipe.Pairs.v1", "path": str(tmp_path), "split": split}
        config["corpora"][name] = {**reader, "source": "small", "target": "big"}
    config["training"] |= {"max_steps": 2, "eval_frequency": 2}
    config.to_disk(tmp_path / "rows.cfg")
    told = spacy_says("train", tmp_path / "rows.cfg", "-o", tmp_path / "out")
    assert "BLEU" in told
    assert len(said(spacy.load(tmp_path / "out" / "model-last"))) == len(TEXTS)


def test_train_behind_a_sentencizer_by_sentences(home: Path, tmp_path: Path) -> None:
    config = spacy.util.load_config(home / "full.cfg")
    config["nlp"]["pipeline"] = ["sentencizer", "translator"]
    config["components"]["sentencizer"] = {"factory": "sentencizer"}
    config["components"]["translator"]["unit"] = "sent"
    config["training"] |= {"max_steps": 2, "eval_frequency": 2, "score_weights": {"bleu": 1.0}}
    config.to_disk(tmp_path / "two.cfg")
    spacy_says("train", tmp_path / "two.cfg", "-o", tmp_path, *data(home))
    doc = spacy.load(tmp_path / "model-last")("ad ij. ja cb.")
    assert [sent._.translation is None for sent in doc.sents] == [False, False]


def test_train_with_the_translator_frozen_and_annotating(home: Path, tmp_path: Path) -> None:
    source = str(home / "out" / "model-best")
    config = spacy.util.load_config(home / "full.cfg")
    config["nlp"]["pipeline"] = ["translator", "textcat"]
    config["components"] = {"translator": {"source": source}, "textcat": {"factory": "textcat"}}
    config["training"] |= {
        "frozen_components": ["translator"],
        "annotating_components": ["translator"],
        "max_steps": 2,
        "score_weights": {"cats_score": 1.0},
    }
    docs = [eg.reference for eg in make_examples(spacy.blank("xx"), PAIRS[:20])]
    for number, doc in enumerate(docs):
        doc.cats = {"a": float(number % 2), "b": float(not number % 2)}
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "cats.spacy")
    paths = ["--paths.train", tmp_path / "cats.spacy", "--paths.dev", tmp_path / "cats.spacy"]
    config.to_disk(tmp_path / "short.cfg")
    spacy_says("init", "fill-config", tmp_path / "short.cfg", tmp_path / "two.cfg")
    spacy_says("train", tmp_path / "two.cfg", "-o", tmp_path, *paths)
    name = "translator/model.safetensors"
    trained_on = (tmp_path / "model-last" / name).read_bytes()
    assert trained_on == (home / "out" / "model-best" / name).read_bytes()


def test_evaluate(home: Path, tmp_path: Path) -> None:
    best = home / "out/model-best"
    spacy_says("evaluate", best, home / "data.spacy", "-o", tmp_path / "scores.json")
    scores = srsly.read_json(tmp_path / "scores.json")
    performance = srsly.read_json(best / "meta.json")["performance"]
    assert scores["bleu"] == pytest.approx(performance["bleu"], abs=1e-3)


def test_apply(home: Path, tmp_path: Path) -> None:
    srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in TEXTS])
    spacy_says("apply", home / "out/model-best", tmp_path / "texts.jsonl", tmp_path / "out.spacy")
    nlp = spacy.load(home / "out/model-best")
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert [doc._.translation for doc in docs] == said(nlp)


def test_assemble(home: Path, tmp_path: Path) -> None:
    config = spacy.util.load_config(home / "full.cfg")
    config["components"]["translator"] = {"source": str(home / "out/model-best")}
    config.to_disk(tmp_path / "parts.cfg")
    spacy_says("assemble", tmp_path / "parts.cfg", tmp_path / "whole")
    source, whole = (spacy.load(p) for p in (home / "out/model-best", tmp_path / "whole"))
    assert said(whole) == said(source)


# spaCy leaves the files that it writes there for the collector to close
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_package_asks_for_us(tmp_path: Path) -> None:
    trained().to_disk(tmp_path / "model")
    package(tmp_path / "model", tmp_path, name="upper", create_sdist=False, silent=True)
    (folder,) = tmp_path.glob("xx_upper-*")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    assert [name for name in meta["requirements"] if name.startswith("seqpipe")]
    (inner,) = (folder / "xx_upper").glob("xx_upper-*")
    assert said(spacy.load(inner)) == [text.upper() for text in TEXTS]


def test_find_function_knows_ours() -> None:
    for kind, name in (("scorers", "translation_scorer"), ("architectures", "Translator")):
        assert ".py" in spacy_says("find-function", f"seqpipe.{name}.v1", "-r", kind)

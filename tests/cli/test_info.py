"""`seqpipe info`: facts of a pipeline of ours, of `spacy train`, and of one that says nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import spacy
from commands import LABELS, Command

from seqpipe.cli.info import info


def test_what_a_pipeline_is_made_of(pipeline: Path) -> None:
    (stage,) = info(pipeline).stages
    assert (stage.name, stage.factory) == ("sentiment", "seqpipe_sentiment")
    assert sorted(stage.labels) == list(LABELS)
    assert stage.codec is not None and stage.net is not None and stage.parameters is not None
    assert stage.codec["unit"] == "word" and stage.codec["pieces"] > 50
    assert (stage.net["cell"], stage.net["width"]) == ("gru", 8)
    assert stage.parameters > stage.codec["pieces"] * 8
    weights = pipeline / "sentiment" / "model.safetensors"
    assert weights.stat().st_size < stage.size < info(pipeline).size


def test_what_nobody_wrote_down_is_unknown(seqpipe: Command, pipeline: Path) -> None:
    found = info(pipeline)
    assert (found.trained_on, found.seed, found.versions, found.scores) == (None,) * 4
    lines = seqpipe("info", pipeline).out.splitlines()
    told = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in lines}
    assert {told[name] for name in ("trained on", "seed", "trained with", "scores")} == {"unknown"}


def test_what_training_wrote_down(seqpipe: Command, pipeline: Path, tmp_path: Path) -> None:
    nlp = spacy.load(pipeline)
    columns = {"split": "train", "text": "said", "label": "mood"}
    corpora = {"train": {"path": "some/reviews", **columns, "without": 0.1}}
    nlp.meta["seqpipe"] = {
        "trained_on": {"corpora": corpora, "rows": 1234},
        "versions": {"seqpipe": "0.0.9", "torch": "2.4.0"},
        "seed": 7,
    }
    nlp.meta["performance"] = {"cats_acc": 0.75, "cats_score_desc": "macro F"}
    nlp.to_disk(tmp_path)
    out = seqpipe("info", tmp_path).out
    for told in (
        "some/reviews (train, all but 10%), text 'said', label 'mood'",
        "1,234",
        "seqpipe 0.0.9",
    ):
        assert told in out
    found = json.loads(seqpipe("info", tmp_path, "--json").out)
    assert (found["seed"], found["scores"]) == (7, {"cats_acc": 0.75})


def test_a_pipeline_of_spacy_train(pipeline: Path, tmp_path: Path) -> None:
    nlp = spacy.load(pipeline)
    nlp.config["paths"]["train"] = "train.spacy"
    corpus = {"@readers": "spacy.Corpus.v1", "path": "${paths.train}"}
    nlp.config["corpora"] = {"train": corpus}
    nlp.config["training"]["seed"] = 3
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    found = info(tmp_path)
    assert found.trained_on == {"corpora": {"train": {**corpus, "path": "train.spacy"}}}
    assert (found.seed, found.versions) == (3, None)
    assert [stage.parameters is None for stage in found.stages] == [False, True]


def test_a_missing_model_is_one_sentence(seqpipe: Command, tmp_path: Path) -> None:
    ran = seqpipe("info", tmp_path / "model-best")
    assert ran.code == 1 and ran.sentence.startswith("error: There is no folder or installed")


def test_a_tokenizer(seqpipe: Command, tokenizer: Path, sentences: Path) -> None:
    (stage,) = info(tokenizer).stages
    assert stage.codec is not None and stage.codec["unit"] == "char"
    assert stage.parameters is not None and stage.size > 4 * stage.parameters
    out = seqpipe("info", tokenizer).out
    assert f"{sentences} (train), text 'text', tokens 'tokens'" in out
    assert re.search(r"scores +token_f [01]\.\d+, sents_f [01]\.\d+\n", out)

"""To disk, to bytes and back: the same predictions, in files that anyone may read."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from safetensors.torch import load_file
from small import add_stage, cats_of, make_examples, make_nlp, stage_of, texts_of
from spacy.language import Language
from spacy.tokens import DocBin

from seqpipe.errors import CheckpointError, CodecError, NotInitialized
from seqpipe.text.codec import Codec


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make_nlp(steps=3)


def fresh(**config: Any) -> Language:
    blank = spacy.blank("en")
    add_stage(blank, **config)
    return blank


def said(nlp: Language) -> list[dict[str, float]]:
    return cats_of(nlp.pipe(texts_of()))


def test_a_pipeline_comes_back_from_disk(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert said(again) == said(nlp)
    assert stage_of(again).labels == stage_of(nlp).labels
    assert again.config == nlp.config


def test_a_pipeline_comes_back_from_bytes(nlp: Language) -> None:
    again = fresh().from_bytes(nlp.to_bytes())
    assert said(again) == said(nlp)
    assert again.to_bytes() == nlp.to_bytes()


def test_the_stage_alone_comes_back(nlp: Language, tmp_path: Path) -> None:
    stage = stage_of(nlp)
    by_bytes, by_disk = fresh(), fresh()
    stage_of(by_bytes).from_bytes(stage.to_bytes())
    stage.to_disk(tmp_path / "stage")
    stage_of(by_disk).from_disk(tmp_path / "stage")
    assert said(by_bytes) == said(by_disk) == said(nlp)


def test_what_is_saved_is_readable_without_us(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    folder = tmp_path / "sentiment"
    names = {path.name for path in folder.iterdir()}
    assert names == {"cfg", "model.safetensors", "tokenizer.json"}
    weights = load_file(folder / "model.safetensors")
    net: torch.nn.Module = stage_of(nlp).shim.net
    assert weights.keys() == net.state_dict().keys()
    assert all(torch.equal(weights[k], v) for k, v in net.state_dict().items())
    cfg = json.loads((folder / "cfg").read_text(encoding="utf-8"))
    fitted = {"temperature": 1.0, "thresholds": {}}
    known = {"labels": ["negative", "positive"], "multi_label": False, "threshold": 0.5}
    assert cfg == {**known, **fitted}
    assert len(Codec.load(folder / "tokenizer.json")) == len(weights["embedding.single.weight"])
    suffixes = {path.suffix for path in tmp_path.rglob("*")}
    assert not suffixes & {".pkl", ".pickle", ".pt", ".pth", ".ckpt"}


def test_saving_twice_gives_the_same_files(nlp: Language, tmp_path: Path) -> None:
    for name in ("a", "b", "b"):  # over what is there, too
        stage_of(nlp).to_disk(tmp_path / name)
    left, right = (sorted((tmp_path / name).rglob("*")) for name in "ab")
    assert [p.name for p in left] == [p.name for p in right]
    files = [(a, b) for a, b in zip(left, right, strict=True) if a.is_file()]
    assert all(a.read_bytes() == b.read_bytes() for a, b in files)


@pytest.mark.parametrize("part", ["model", "vocab", "cfg", "tokenizer"])
def test_what_is_excluded_is_not_written(nlp: Language, tmp_path: Path, part: str) -> None:
    files = {"model": "model.safetensors", "tokenizer": "tokenizer.json"}
    stage_of(nlp).to_disk(tmp_path, exclude=[part])
    assert not (tmp_path / files.get(part, part)).exists()
    assert len(stage_of(nlp).to_bytes(exclude=[part])) < len(stage_of(nlp).to_bytes())


@pytest.mark.parametrize("part", ["model", "model.safetensors"])
def test_what_is_excluded_is_not_read(nlp: Language, tmp_path: Path, part: str) -> None:
    stage_of(nlp).to_disk(tmp_path)
    other = make_nlp(steps=1, seed=5)
    before = said(other)
    stage_of(other).from_disk(tmp_path, exclude=[part, "tokenizer"])
    assert said(other) == before
    stage_of(other).from_disk(tmp_path)
    assert said(other) == said(nlp)


def test_a_stage_without_weights_is_saved_too(tmp_path: Path) -> None:
    blank = fresh()
    stage_of(blank).add_label("positive")
    blank.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert stage_of(again).labels == ("positive",) and not stage_of(again).shim.ready
    again.from_bytes(blank.to_bytes())
    with pytest.raises(NotInitialized):
        again("good")


def test_weights_that_do_not_fit_are_refused(nlp: Language) -> None:
    with pytest.raises(CheckpointError, match="it does not fit"):
        fresh(model={"width": 7}).from_bytes(nlp.to_bytes())


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_damaged_files_are_refused(nlp: Language, tmp_path: Path, file: str) -> None:
    nlp.to_disk(tmp_path)
    path = tmp_path / "sentiment" / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises((CheckpointError, CodecError)):
        spacy.load(tmp_path)


def test_a_loaded_stage_learns_on(nlp: Language) -> None:
    again = fresh().from_bytes(nlp.to_bytes())
    optimizer = again.resume_training()
    examples = make_examples(again)
    first = again.update(examples, sgd=optimizer)["sentiment"]
    for _ in range(20):
        last = again.update(examples, sgd=optimizer)["sentiment"]
    assert last < first


@pytest.mark.parametrize("trained", [False, True])
def test_pickled_and_copied(trained: bool) -> None:
    source = make_nlp(steps=2) if trained else make_nlp()
    for again in (pickle.loads(pickle.dumps(source)), copy.deepcopy(source)):
        assert said(again) == said(source)
        again.update(make_examples(again), sgd=again.create_optimizer())
        assert said(again) != said(source)


def test_docs_keep_what_was_said(nlp: Language) -> None:
    docs = list(nlp.pipe(texts_of()))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    again = list(DocBin().from_bytes(data).get_docs(nlp.vocab))
    assert cats_of(again) == cats_of(docs)
    assert [doc._.sentiment for doc in again] == [doc._.sentiment for doc in docs]
    assert [doc.copy()._.sentiment for doc in docs] == [doc._.sentiment for doc in docs]
    assert docs[0].to_json(underscore=["sentiment"])["_"]["sentiment"] == docs[0]._.sentiment

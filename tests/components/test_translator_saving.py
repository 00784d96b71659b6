"""To disk, to bytes and back: the same translations, in files that anyone may read."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import spacy
from letters import (
    APART,
    BPE,
    TEXTS,
    add_stage,
    letters_stage,
    lines_of,
    make_examples,
    make_letters_nlp,
    make_pairs,
    said,
    trained,
)
from safetensors.torch import load_file
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from seqpipe.errors import CheckpointError, CodecError, NotInitialized
from seqpipe.text.codec import Codec

FEW = make_pairs(40)
RICH: dict[str, Any] = {**APART, "shortlist": 5}  # all that there is to be saved


@pytest.fixture(scope="module")
def nlp() -> Language:
    return trained()


@pytest.fixture(scope="module")
def rich() -> Language:
    return make_letters_nlp(5, pairs=FEW, **RICH)


def fresh(**config: Any) -> Language:
    blank = spacy.blank("xx")
    add_stage(blank, **config)
    return blank


def test_a_pipeline_comes_back_from_disk(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert said(again) == said(nlp) and again.config == nlp.config
    assert [lines_of(doc) for doc in again.pipe(TEXTS)] == [
        lines_of(doc) for doc in nlp.pipe(TEXTS)
    ]


def test_two_codecs_and_a_shortlist_come_back_too(rich: Language, tmp_path: Path) -> None:
    rich.to_disk(tmp_path)
    by_disk, by_bytes = spacy.load(tmp_path), fresh(**RICH).from_bytes(rich.to_bytes())
    assert said(by_disk) == said(by_bytes) == said(rich)
    assert by_bytes.to_bytes() == rich.to_bytes()
    for again in map(letters_stage, (by_disk, by_bytes)):
        assert again._target().pieces() == letters_stage(rich)._target().pieces()
        assert again.extra("shortlist") == letters_stage(rich).extra("shortlist")


def test_the_stage_alone_comes_back(rich: Language, tmp_path: Path) -> None:
    by_bytes, by_disk = fresh(**RICH), fresh(**RICH)
    letters_stage(by_bytes).from_bytes(letters_stage(rich).to_bytes())
    letters_stage(rich).to_disk(tmp_path / "stage")
    letters_stage(by_disk).from_disk(tmp_path / "stage")
    assert said(by_bytes) == said(by_disk) == said(rich)


def test_what_is_saved_is_readable_without_us(rich: Language, tmp_path: Path) -> None:
    letters_stage(rich).to_disk(tmp_path, exclude=["vocab"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cfg", "model.safetensors", "shortlist.npy", "target.json", "tokenizer.json"}
    weights = load_file(tmp_path / "model.safetensors")
    assert weights.keys() == letters_stage(rich).shim.net.state_dict().keys()
    assert len(Codec.load(tmp_path / "target.json")) == len(weights["target.weight"])
    assert len(Codec.load(tmp_path / "tokenizer.json")) == len(weights["source.weight"])
    assert json.loads((tmp_path / "cfg").read_text()) == {}


@pytest.mark.parametrize(
    ("tied", "names"),
    [
        ({}, {"target.weight"}),
        ({"tie_source": False}, {"target.weight", "source.weight"}),
        ({"tie_output": False}, {"target.weight", "output.weight"}),
    ],
)
def test_tied_weights_are_there_once(tied: dict[str, Any], names: set[str], tmp_path: Path) -> None:
    nlp = make_letters_nlp(1, pairs=FEW, model=tied)
    nlp.to_disk(tmp_path)
    weights = load_file(tmp_path / "translator" / "model.safetensors")
    tables = {"target.weight", "source.weight", "output.weight"}
    assert weights.keys() & tables == names
    assert said(spacy.load(tmp_path)) == said(nlp)
    files = {path.name for path in (tmp_path / "translator").iterdir()}
    assert files == {"cfg", "model.safetensors", "tokenizer.json"}


def test_tied_weights_stay_tied_after_loading(nlp: Language) -> None:
    again = fresh().from_bytes(nlp.to_bytes())
    before = letters_stage(again).shim.net.target.weight.clone()
    again.update(make_examples(again, FEW), sgd=again.create_optimizer())
    net = letters_stage(again).shim.net
    assert net.source is None and net.output is None
    assert not (net.target.weight == before).all()


@pytest.mark.parametrize("part", ["model", "vocab", "cfg", "tokenizer", "target", "shortlist"])
def test_what_is_excluded_is_not_written(rich: Language, tmp_path: Path, part: str) -> None:
    files = {
        "model": "model.safetensors",
        "tokenizer": "tokenizer.json",
        "target": "target.json",
        "shortlist": "shortlist.npy",
    }
    letters_stage(rich).to_disk(tmp_path, exclude=[part])
    assert not (tmp_path / files.get(part, part)).exists()
    whole = letters_stage(rich).to_bytes()
    assert len(letters_stage(rich).to_bytes(exclude=[part])) < len(whole)


def test_what_is_excluded_is_not_read(rich: Language, tmp_path: Path) -> None:
    letters_stage(rich).to_disk(tmp_path)
    other = make_letters_nlp(1, pairs=FEW, **RICH)
    before = said(other)
    letters_stage(other).from_disk(
        tmp_path, exclude=["model", "tokenizer", "target", "shortlist", "cfg"]
    )
    assert said(other) == before
    letters_stage(other).from_disk(tmp_path)
    assert said(other) == said(rich)


def test_saving_twice_gives_the_same_files(rich: Language, tmp_path: Path) -> None:
    for name in ("a", "b", "b"):  # over what is there, too
        letters_stage(rich).to_disk(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_stage_without_weights_is_saved_too(tmp_path: Path) -> None:
    fresh(**RICH).to_disk(tmp_path)
    again = spacy.load(tmp_path).from_bytes(fresh(**RICH).to_bytes())
    with pytest.raises(NotInitialized):
        again("a")


def test_weights_that_do_not_fit_are_refused(nlp: Language) -> None:
    with pytest.raises(CheckpointError, match="it does not fit"):
        fresh(model={"width": 7}).from_bytes(nlp.to_bytes())


@pytest.mark.parametrize(
    "file", ["model.safetensors", "tokenizer.json", "target.json", "shortlist.npy"]
)
def test_damaged_files_are_refused(rich: Language, tmp_path: Path, file: str) -> None:
    letters_stage(rich).to_disk(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises((CheckpointError, CodecError)):
        letters_stage(fresh(**RICH)).from_disk(tmp_path)


@pytest.mark.parametrize("config", [{}, RICH, {"codec": BPE, "bpe_dropout": 0.2}])
def test_pickled_and_copied(config: dict[str, Any]) -> None:
    source = make_letters_nlp(2, pairs=FEW, **config)  # it has looked at pieces and weights
    before = said(source)
    for again in (pickle.loads(pickle.dumps(source)), copy.deepcopy(source)):
        assert said(again) == before
        weights = letters_stage(again).shim.to_bytes()
        again.update(make_examples(again, FEW), sgd=again.create_optimizer())
        assert letters_stage(again).shim.to_bytes() != weights
        assert letters_stage(source).shim.to_bytes() == weights


def test_a_loaded_stage_learns_on(nlp: Language) -> None:
    again = fresh().from_bytes(nlp.to_bytes())
    optimizer = again.resume_training()
    examples = make_examples(again, [(source, source) for source, _ in FEW])
    first = again.update(examples, sgd=optimizer)["translator"]
    for _ in range(10):
        last = again.update(examples, sgd=optimizer)["translator"]
    assert last < first


def test_docs_keep_what_was_said(nlp: Language) -> None:
    names = ["translation", "translation_score", "translation_confidence", "alignment"]
    docs = list(nlp.pipe([*TEXTS, ""]))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    for doc, again in zip(docs, DocBin().from_bytes(data).get_docs(nlp.vocab), strict=True):
        assert [again._.get(name) for name in names[:2]] == [doc._.get(name) for name in names[:2]]
        assert lines_of(again) == lines_of(doc)  # a doc bin makes tuples of lists
    copied = [docs[0].copy(), Doc(nlp.vocab).from_bytes(docs[0].to_bytes())]
    for again in copied:
        assert said_of(again) == said_of(docs[0])
    assert json.dumps(docs[0].to_json(underscore=names)["_"])


def said_of(doc: Doc) -> list[Any]:
    return [doc._.translation, doc._.translation_score, [tuple(line) for line in doc._.alignment]]


def test_gold_survives_a_doc_bin() -> None:
    nlp = make_letters_nlp(pairs=FEW)
    docs = [example.reference for example in make_examples(nlp, FEW)]
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    again = list(DocBin().from_bytes(data).get_docs(nlp.vocab))
    assert [doc._.translation for doc in again] == [target for _, target in FEW]
    lost = DocBin().from_bytes(DocBin(docs=docs).to_bytes())
    assert {doc._.translation for doc in lost.get_docs(nlp.vocab)} == {None}

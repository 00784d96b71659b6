"""To disk, to bytes and back: the same tokens, in files that anyone may read."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import spacy
from safetensors.torch import load_file
from spacy.language import Language
from spacy.tokens import DocBin
from words import (
    VIETNAMESE,
    Facts,
    add_stage,
    blank,
    facts_of_all,
    make_examples,
    make_words_nlp,
    text_of,
    trained,
    words_stage,
)

from seqpipe.errors import CheckpointError, CodecError, NotInitialized
from seqpipe.text.codec import Codec

TEXTS = [text_of(VIETNAMESE), "", "Việt Nam\n\nlà", " 未见 🙂"]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return trained(VIETNAMESE)


def fresh(**config: Any) -> Language:
    nlp = blank()
    add_stage(nlp, **config)
    return nlp


def said(nlp: Language) -> list[Facts]:
    return facts_of_all(nlp.pipe(TEXTS))


def test_a_pipeline_comes_back_from_disk(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert said(again) == said(nlp)
    assert again.config == nlp.config and words_stage(again).cfg == words_stage(nlp).cfg


def test_a_pipeline_comes_back_from_bytes(nlp: Language) -> None:
    again = fresh().from_bytes(nlp.to_bytes())
    assert said(again) == said(nlp) and again.to_bytes() == nlp.to_bytes()


def test_the_stage_alone_comes_back(nlp: Language, tmp_path: Path) -> None:
    by_bytes, by_disk = fresh(), fresh()
    words_stage(by_bytes).from_bytes(words_stage(nlp).to_bytes())
    words_stage(nlp).to_disk(tmp_path / "stage")
    words_stage(by_disk).from_disk(tmp_path / "stage")
    assert said(by_bytes) == said(by_disk) == said(nlp)


def test_what_is_saved_is_readable_without_us_and_small(nlp: Language, tmp_path: Path) -> None:
    words_stage(nlp).to_disk(tmp_path, exclude=["vocab"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cfg", "lexicon.txt", "words.txt", "model.safetensors", "tokenizer.json"}
    cfg = json.loads((tmp_path / "cfg").read_text(encoding="utf-8"))
    assert cfg == {"lexicon": False, "sentences": True, "spaces": True}
    weights = load_file(tmp_path / "model.safetensors")
    assert weights.keys() == words_stage(nlp).shim.net.state_dict().keys()
    assert Codec.load(tmp_path / "tokenizer.json").unit == "char"


@pytest.mark.parametrize("part", ["model", "vocab", "cfg", "tokenizer", "lexicon"])
def test_what_is_excluded_is_not_written(nlp: Language, tmp_path: Path, part: str) -> None:
    files = {
        "model": "model.safetensors",
        "tokenizer": "tokenizer.json",
        "lexicon": "lexicon.txt",
    }
    words_stage(nlp).to_disk(tmp_path, exclude=[part])
    assert not (tmp_path / files.get(part, part)).exists()
    whole = words_stage(nlp).to_bytes()
    assert len(words_stage(nlp).to_bytes(exclude=[part])) < len(whole)


def test_what_is_excluded_is_not_read(nlp: Language, tmp_path: Path) -> None:
    words_stage(nlp).to_disk(tmp_path)
    other = make_words_nlp(1, sentences=VIETNAMESE)
    before = said(other)
    words_stage(other).from_disk(tmp_path, exclude=["model", "tokenizer", "lexicon", "cfg"])
    assert said(other) == before
    words_stage(other).from_disk(tmp_path)
    assert said(other) == said(nlp)


def test_a_stage_without_weights_is_saved_too(tmp_path: Path) -> None:
    fresh().to_disk(tmp_path)
    again = spacy.load(tmp_path).from_bytes(fresh().to_bytes())
    with pytest.raises(NotInitialized):
        again("a")


def test_weights_that_do_not_fit_are_refused(nlp: Language) -> None:
    with pytest.raises(CheckpointError, match="it does not fit"):
        fresh(model={"width": 7}).from_bytes(nlp.to_bytes())


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_damaged_files_are_refused(nlp: Language, tmp_path: Path, file: str) -> None:
    words_stage(nlp).to_disk(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises((CheckpointError, CodecError)):
        words_stage(fresh()).from_disk(tmp_path)


def test_pickled_and_copied() -> None:
    source = trained(VIETNAMESE)
    for again in (pickle.loads(pickle.dumps(source)), copy.deepcopy(source)):
        assert said(again) == said(source)
        weights = words_stage(again).shim.to_bytes()
        again.update(make_examples(again, VIETNAMESE), sgd=again.create_optimizer())
        assert words_stage(again).shim.to_bytes() != weights
        assert words_stage(source).shim.to_bytes() == weights


def test_docs_keep_what_was_said(nlp: Language) -> None:
    docs = list(nlp.pipe(TEXTS))
    again = list(DocBin().from_bytes(DocBin(docs=docs).to_bytes()).get_docs(nlp.vocab))
    assert facts_of_all(again) == facts_of_all(docs)
    assert facts_of_all(type(doc)(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs) == (
        facts_of_all(docs)
    )
    assert facts_of_all(doc.copy() for doc in docs) == facts_of_all(docs)

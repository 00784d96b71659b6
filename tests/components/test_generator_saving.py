"""To disk, to bytes and back: the same texts and figures, in files that anyone may read."""

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
from spacy.tokens import Doc, DocBin
from spacy.tokens.underscore import Underscore
from verses import BPE, POEMS, add_stage, make_examples, make_verses_nlp, verses_stage

from seqpipe.errors import CheckpointError, CodecError, NotInitialized
from seqpipe.text.codec import Codec

RICH: dict[str, Any] = {
    "codec": BPE,
    "model": {"layers": 2, "tie_output": True},
    "search": {"sampling": True, "nbest": 2, "max_length": 15},
    "threshold": 8.0,
    "stops": ["!"],
}
TEXTS = [*POEMS, "", " ", "☃ a"]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make_verses_nlp(5, **RICH)


def fresh(**config: Any) -> Language:
    blank = spacy.blank("xx")
    add_stage(blank, **{**RICH, **config})
    return blank


def facts_of(doc: Doc) -> list[Any]:
    nbest = [(one["text"], one["score"]) for one in doc._.generated_nbest]
    figures = [doc._.perplexity, doc._.bits_per_char, doc._.surprisal]
    spans = [(span.start, span.end, span.label_) for span in doc.spans["unusual"]]
    return [doc._.generated, nbest, figures, [token._.surprisal for token in doc], spans]


def said(nlp: Language) -> list[list[Any]]:
    return [facts_of(doc) for doc in nlp.pipe(TEXTS)]


def test_a_pipeline_comes_back_from_disk(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert said(again) == said(nlp) and again.config == nlp.config


def test_the_stage_alone_comes_back(nlp: Language, tmp_path: Path) -> None:
    by_bytes, by_disk = fresh(), fresh()
    verses_stage(by_bytes).from_bytes(verses_stage(nlp).to_bytes())
    verses_stage(nlp).to_disk(tmp_path / "stage")
    verses_stage(by_disk).from_disk(tmp_path / "stage")
    assert said(by_bytes) == said(by_disk) == said(nlp)
    assert by_bytes.to_bytes() == nlp.to_bytes()


@pytest.mark.parametrize("tied", [False, True])
def test_what_is_saved_is_readable_without_us(tmp_path: Path, tied: bool) -> None:
    stage = verses_stage(make_verses_nlp(1, model={"tie_output": tied}))
    stage.to_disk(tmp_path, exclude=["vocab"])
    assert {path.name for path in tmp_path.iterdir()} == {
        "cfg",
        "model.safetensors",
        "tokenizer.json",
    }
    weights = load_file(tmp_path / "model.safetensors")
    assert weights.keys() == stage.shim.net.state_dict().keys()
    assert ("output.weight" in weights) is not tied
    assert ("top.weight" in weights) is tied
    assert len(Codec.load(tmp_path / "tokenizer.json")) == len(weights["pieces.weight"])
    assert json.loads((tmp_path / "cfg").read_text()) == {}


@pytest.mark.parametrize("part", ["model", "vocab", "cfg", "tokenizer"])
def test_what_is_excluded_is_not_written(nlp: Language, tmp_path: Path, part: str) -> None:
    files = {"model": "model.safetensors", "tokenizer": "tokenizer.json"}
    verses_stage(nlp).to_disk(tmp_path, exclude=[part])
    assert not (tmp_path / files.get(part, part)).exists()
    whole = verses_stage(nlp).to_bytes()
    assert len(verses_stage(nlp).to_bytes(exclude=[part])) < len(whole)


def test_saving_twice_gives_the_same_files(nlp: Language, tmp_path: Path) -> None:
    for name in ("a", "b", "b"):  # over what is there, too
        verses_stage(nlp).to_disk(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_stage_without_weights_is_saved_too(tmp_path: Path) -> None:
    fresh().to_disk(tmp_path)
    again = spacy.load(tmp_path).from_bytes(fresh().to_bytes())
    with pytest.raises(NotInitialized):
        again("a")


@pytest.mark.parametrize("model", [{"width": 7}, {"layers": 1}, {"tie_output": False}], ids=str)
def test_weights_that_do_not_fit_are_refused(nlp: Language, model: dict[str, Any]) -> None:
    other = fresh(model={**RICH["model"], **model})
    with pytest.raises(CheckpointError, match="it does not fit"):
        other.from_bytes(nlp.to_bytes())


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_damaged_files_are_refused(nlp: Language, tmp_path: Path, file: str) -> None:
    verses_stage(nlp).to_disk(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises((CheckpointError, CodecError)):
        verses_stage(fresh()).from_disk(tmp_path)


def test_pickled_and_copied() -> None:
    source = make_verses_nlp(2, **RICH)  # it has looked at pieces and weights
    before = said(source)
    for again in (pickle.loads(pickle.dumps(source)), copy.deepcopy(source)):
        assert said(again) == before
        weights = verses_stage(again).shim.to_bytes()
        again.update(make_examples(again), sgd=again.create_optimizer())
        assert verses_stage(again).shim.to_bytes() != weights
        assert verses_stage(source).shim.to_bytes() == weights
        assert said(again) != before == said(source)


def test_what_workers_are_sent_can_be_pickled(nlp: Language) -> None:
    """Where they are not forked, the extensions go with the pipeline."""
    doc, state = nlp(POEMS[0]), pickle.loads(pickle.dumps(Underscore.get_state()))
    _, getter = state[1]["surprisal"][1:3]
    assert getter(doc[:]) == doc[:]._.surprisal == pytest.approx(doc._.surprisal, rel=1e-5)


def test_a_loaded_stage_learns_on(nlp: Language) -> None:
    again = fresh().from_bytes(nlp.to_bytes())
    optimizer = again.resume_training()
    optimizer.learn_rate = 0.01
    examples = make_examples(again)
    losses = [again.update(examples, sgd=optimizer)["generator"] for _ in range(10)]
    assert losses[-1] < losses[0]


def test_docs_keep_what_was_found(nlp: Language) -> None:
    docs = list(nlp.pipe(TEXTS))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    for doc, again in zip(docs, DocBin().from_bytes(data).get_docs(nlp.vocab), strict=True):
        assert facts_of(again) == facts_of(doc)
    for again in (docs[0].copy(), Doc(nlp.vocab).from_bytes(docs[0].to_bytes())):
        assert facts_of(again) == facts_of(docs[0])
    names = ["generated", "generated_nbest", "perplexity", "bits_per_char", "surprisal"]
    told = docs[0].to_json(underscore=names)
    assert json.loads(json.dumps(told["_"]))["generated"] == docs[0]._.generated

"""`seqpipe.Dataset.v1` as spaCy meets it: in a config, call after call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import spacy
from confection import ConfigValidationError
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import registry

from seqpipe.corpora.reader import read_dataset
from seqpipe.errors import SettingError, SourceMissing, SplitMissing


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("en")


@pytest.fixture
def data(tmp_path: Path) -> str:
    rows = [{"text": f"text number {at}", "label": "ab"[at % 2]} for at in range(40)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def docs(nlp: Language, tmp_path: Path) -> str:
    made = [Doc(nlp.vocab, words=["doc", str(at)], ents=["B-X", "O"]) for at in range(20)]
    for at, doc in enumerate(made):
        doc.cats = {"a": float(at % 2), "b": 0.25}
    DocBin(docs=[*made, Doc(nlp.vocab)]).to_disk(tmp_path / "docs.spacy")
    return str(tmp_path / "docs.spacy")


def resolved(**settings: Any) -> Any:
    config = {"corpora": {"train": {"@readers": "seqpipe.Dataset.v1", **settings}}}
    return registry.resolve(config)["corpora"]["train"]


def texts(corpus: Any, nlp: Language) -> list[str]:
    return [example.reference.text for example in corpus(nlp)]


def test_a_config_makes_examples(data: str, nlp: Language) -> None:
    corpus = resolved(path=data, shuffle=False)
    examples = list(corpus(nlp))
    assert len(examples) == 40
    assert examples[0].reference.cats == {"a": 1.0, "b": 0.0}
    assert examples[0].predicted.cats == {}
    assert examples[0].predicted.text == examples[0].reference.text == "text number 0"


@pytest.mark.parametrize("settings", [{"limit": "many"}, {"shufle": True}, {"text": None}])
def test_a_config_with_a_wrong_setting_is_refused(settings: Mapping[str, Any], data: str) -> None:
    with pytest.raises(ConfigValidationError):
        resolved(path=data, **settings)


def test_every_call_is_another_epoch_and_every_reader_the_same(data: str, nlp: Language) -> None:
    one, other, third = resolved(path=data), resolved(path=data), resolved(path=data, seed=1)
    epochs = [texts(one, nlp) for _ in range(3)]
    assert epochs == [texts(other, nlp) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert {tuple(sorted(epoch)) for epoch in epochs} == {tuple(sorted(epochs[0]))}
    assert texts(third, nlp) != epochs[0]


def test_unshuffled_is_in_order_every_time(data: str, nlp: Language) -> None:
    corpus = read_dataset(data, shuffle=False, limit=5)
    assert texts(corpus, nlp) == texts(corpus, nlp) == [f"text number {at}" for at in range(5)]


def test_texts_alone(data: str, nlp: Language) -> None:
    corpus = read_dataset(data, label=None)
    assert all(example.reference.cats == {} for example in corpus(nlp))


def test_a_stream_is_the_same_set(data: str, nlp: Language) -> None:
    stream = read_dataset(data, streaming=True, buffer=8)
    assert sorted(texts(stream, nlp)) == sorted(texts(read_dataset(data), nlp))
    # what a stream does not know beforehand it does not deny
    assert {tuple(example.reference.cats.items()) for example in stream(nlp)} == {
        (("a", 1.0),),
        (("b", 1.0),),
    }


def test_docs_keep_all_they_carry(docs: str, nlp: Language) -> None:
    examples = list(resolved(path=docs, shuffle=False)(nlp))
    assert len(examples) == 20  # the empty one is left out
    assert examples[1].reference.cats == {"a": 1.0, "b": 0.25}
    assert [ent.label_ for ent in examples[1].reference.ents] == ["X"]
    assert examples[1].predicted.cats == {}


def test_docs_are_shuffled_and_limited_as_rows_are(docs: str, nlp: Language) -> None:
    one, other = read_dataset(docs, limit=9), read_dataset(docs, limit=9)
    epochs = [texts(one, nlp) for _ in range(2)]
    assert epochs == [texts(other, nlp) for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == [f"doc {at} " for at in range(9)]


@pytest.mark.parametrize("kind", ["data", "docs"])
def test_a_part_is_cut_in_two(kind: str, nlp: Language, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    every = texts(read_dataset(path), nlp)
    kept = texts(read_dataset(path, without=0.25), nlp)
    held = texts(read_dataset(path, only=0.25), nlp)
    assert sorted(kept + held) == sorted(every)
    assert round(len(every) / len(held)) == 4
    assert held == texts(read_dataset(path, only=0.25), nlp)


@pytest.mark.parametrize("kind", ["data", "docs"])
@pytest.mark.parametrize(("without", "only"), [(0.1, 0.1), (0.0, 1.0), (-0.5, 0.0)])
def test_a_cut_must_make_sense(
    kind: str, without: float, only: float, nlp: Language, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(kind)
    with pytest.raises(SettingError, match="without, only"):
        texts(read_dataset(path, without=without, only=only), nlp)


def test_a_stream_cannot_be_cut(data: str, nlp: Language) -> None:
    with pytest.raises(SettingError, match="streaming"):
        texts(read_dataset(data, streaming=True, only=0.1), nlp)


def test_what_is_missing_is_said_at_once(docs: str) -> None:
    with pytest.raises(SourceMissing, match=r"docs\.spacy"):
        read_dataset(docs.replace("docs.spacy", "dots.spacy"))
    with pytest.raises(SplitMissing, match="it has train"):
        read_dataset(docs, split="dev")

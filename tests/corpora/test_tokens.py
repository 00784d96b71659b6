"""`seqpipe.Tokens.v1` as spaCy meets it."""

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

from seqpipe.corpora.tokens import read_tokens
from seqpipe.errors import DataEmpty, SettingError, SourceMissing, SplitMissing


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("xx")


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Twenty documents of two sentences."""
    rows = [
        {"text": f"It's {at}!", "tokens": ["It", "'s", str(at), "!"], "doc_id": str(at // 2)}
        for at in range(40)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def docs(nlp: Language, tmp_path: Path) -> str:
    made = [
        Doc(nlp.vocab, words=["A", str(at)], sent_starts=[True, at % 2 == 0]) for at in range(20)
    ]
    DocBin(docs=[*made, Doc(nlp.vocab)]).to_disk(tmp_path / "docs.spacy")
    return str(tmp_path / "docs.spacy")


def resolved(**settings: Any) -> Any:
    config = {"corpora": {"train": {"@readers": "seqpipe.Tokens.v1", **settings}}}
    return registry.resolve(config)["corpora"]["train"]


def texts(corpus: Any, nlp: Language) -> list[str]:
    return [example.reference.text for example in corpus(nlp)]


def test_a_config_makes_examples_of_running_text(data: str, nlp: Language) -> None:
    first, *rest = resolved(path=data, shuffle=False)(nlp)
    assert len(rest) == 19
    assert first.predicted.text == first.reference.text == "It's 0! It's 1!"
    assert [t.text for t in first.reference] == ["It", "'s", "0", "!", "It", "'s", "1", "!"]
    assert [sent.text for sent in first.reference.sents] == ["It's 0!", "It's 1!"]
    assert not first.predicted.has_annotation("SENT_START")


def test_rows_of_their_own_know_no_sentences(data: str, nlp: Language) -> None:
    examples = list(resolved(path=data, sentences=False, limit=3)(nlp))
    assert len(examples) == 3
    assert not any(one.reference.has_annotation("SENT_START") for one in examples)


def test_docs_are_running_texts(docs: str, nlp: Language) -> None:
    examples = list(resolved(path=docs, shuffle=False, limit=2)(nlp))
    assert [len(list(one.reference.sents)) for one in examples] == [2, 1]
    assert [one.reference.text for one in examples] == ["A 0 ", "A 1 "]


@pytest.mark.parametrize("settings", [{"group": "many"}, {"shufle": True}, {"tokens": None}])
def test_a_config_with_a_wrong_setting_is_refused(settings: Mapping[str, Any], data: str) -> None:
    with pytest.raises(ConfigValidationError):
        resolved(path=data, **settings)


@pytest.mark.parametrize("kind", ["data", "docs"])
@pytest.mark.parametrize("streaming", [False, True])
def test_every_call_is_another_epoch_and_every_reader_the_same(
    kind: str, streaming: bool, nlp: Language, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(kind)
    one, other = (resolved(path=path, streaming=streaming) for _ in range(2))
    epochs = [texts(one, nlp) for _ in range(3)]
    assert epochs == [texts(other, nlp) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert {tuple(sorted(epoch)) for epoch in epochs} == {tuple(sorted(epochs[0]))}
    assert texts(resolved(path=path, streaming=streaming, seed=1), nlp) != epochs[0]


@pytest.mark.parametrize("kind", ["data", "docs"])
def test_whole_texts_are_held_out(kind: str, nlp: Language, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    every = texts(read_tokens(path), nlp)
    kept = texts(read_tokens(path, without=0.2), nlp)
    held = texts(read_tokens(path, only=0.2), nlp)
    assert sorted(kept + held) == sorted(every)
    assert len(held) == 4
    assert sorted(held) == sorted(texts(read_tokens(path, only=0.2, seed=3), nlp))


def test_one_text_alone_cannot_be_cut(data: str, nlp: Language) -> None:
    with pytest.raises(DataEmpty, match="no second running text to hold out"):
        texts(read_tokens(data, only=0.5, limit=2), nlp)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"without": 0.1, "only": 0.1}, "without, only"),
        ({"only": 0.1, "streaming": True}, "streaming"),
        ({"group": 0}, "group"),
    ],
)
def test_settings_must_make_sense(settings: Any, said: str, data: str) -> None:
    with pytest.raises(SettingError, match=said):
        read_tokens(data, **settings)


def test_what_is_missing_is_said_at_once(docs: str, nlp: Language) -> None:
    with pytest.raises(SourceMissing, match=r"docs\.spacy"):
        read_tokens(docs.replace("docs.spacy", "dots.spacy"))
    with pytest.raises(SplitMissing, match="it has train"):
        read_tokens(docs, split="dev")(nlp)

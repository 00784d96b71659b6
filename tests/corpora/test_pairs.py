"""`seqpipe.Pairs.v1` and the pairs themselves: what they are read from, what is left out, in which
order they come."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import spacy
from confection import ConfigValidationError
from datasets import Dataset, Features, Translation, Value
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import registry

from seqpipe.corpora.pairs import Pair, Pairs, open_pairs, read_pairs
from seqpipe.errors import ColumnMissing, DataEmpty, SettingError, SourceMissing, SplitMissing
from seqpipe.text.portions import Place

EN, DE = [f"number {at}" for at in range(40)], [f"Nummer {at}" for at in range(40)]
NAMES: dict[str, Any] = {"source": "en", "target": "de"}


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("en")


@pytest.fixture
def data(tmp_path: Path) -> str:
    return saved(tmp_path, {"en": EN, "de": DE, "id": list(range(40))})


@pytest.fixture
def nested(tmp_path: Path) -> str:
    rows = [{"en": one, "de": other} for one, other in zip(EN, DE, strict=True)]
    return saved(tmp_path, {"id": list(range(40)), "translation": rows})


@pytest.fixture
def docs(nlp: Language, tmp_path: Path) -> str:
    if not Doc.has_extension("translation"):
        Doc.set_extension("translation", default=None)
    made = [Doc(nlp.vocab, words=["number", str(at)], ents=["B-X", "O"]) for at in range(20)]
    for at, doc in enumerate(made):
        doc._.translation = f"Nummer {at}"
    lost = Doc(nlp.vocab, words=["lost"])
    DocBin(docs=[*made, lost], store_user_data=True).to_disk(tmp_path / "docs.spacy")
    return str(tmp_path / "docs.spacy")


def saved(folder: Path, columns: dict[str, Any], features: Features | None = None) -> str:
    Dataset.from_dict(columns, features=features).to_parquet(folder / "pairs.parquet")
    return str(folder / "pairs.parquet")


def resolved(**settings: Any) -> Any:
    config = {"corpora": {"train": {"@readers": "seqpipe.Pairs.v1", **settings}}}
    return registry.resolve(config)["corpora"]["train"]


def targets(corpus: Any, nlp: Language) -> list[str]:
    return [example.reference._.translation for example in corpus(nlp)]


def test_the_reference_carries_the_target(data: str, nlp: Language) -> None:
    examples = list(resolved(path=data, shuffle=False, **NAMES)(nlp))
    assert [one.reference._.translation for one in examples] == DE
    assert [one.predicted.text for one in examples] == EN
    assert examples[0].reference.text == "number 0"
    assert examples[0].predicted._.translation is None


def test_each_pair_is_followed_by_the_same_the_other_way_round(
    data: str, docs: str, nlp: Language
) -> None:
    ways = resolved(path=data, shuffle=False, both_ways=True, **NAMES)
    sides = list(zip(EN, DE, strict=True))
    both = [pair for one in sides for pair in (one, one[::-1])]
    assert [(eg.predicted.text, eg.reference._.translation) for eg in ways(nlp)] == both
    assert all(eg.reference.text == eg.predicted.text for eg in ways(nlp))
    of_docs = resolved(path=docs, shuffle=False, both_ways=True)
    with pytest.warns(UserWarning, match="1 of 21 pairs skipped"):
        examples = list(of_docs(nlp))
    assert [one.predicted.text for one in examples[:2]] == ["number 0 ", "Nummer 0"]
    assert len(examples) == 40


def test_a_stream_comes_both_ways_too(data: str, nlp: Language) -> None:
    corpus = resolved(path=data, streaming=True, both_ways=True, **NAMES)
    portions = list(corpus.portions(nlp, epoch=0, size=8, at=Place()))
    pairs = [
        (eg.predicted.text, eg.reference._.translation) for some in portions for eg in some.items
    ]
    assert sorted(pairs) == sorted([*zip(EN, DE, strict=True), *zip(DE, EN, strict=True)])


def test_the_target_goes_where_it_is_wanted(data: str, nlp: Language) -> None:
    corpus = read_pairs(data, source="de", target="en", extension="backwards", shuffle=False)
    assert [example.reference._.backwards for example in corpus(nlp)] == EN
    assert Doc.get_extension("backwards") == (None, None, None, None)


@pytest.mark.parametrize("streaming", [False, True])
def test_dicts_of_translations_are_columns(nested: str, streaming: bool) -> None:
    pairs = open_pairs(nested, split="train", streaming=streaming, **NAMES)
    assert list(pairs) == [Pair(*pair) for pair in zip(EN, DE, strict=True)]


@pytest.mark.parametrize("streaming", [False, True])
def test_dicts_as_the_hub_has_them(tmp_path: Path, streaming: bool) -> None:
    kind = Features({"translation": Translation(languages=["en", "de"]), "id": Value("string")})
    rows = [{"en": "one", "de": "eins"}, {"en": "two", "de": "zwei"}]
    data = saved(tmp_path, {"translation": rows, "id": ["1", "2"]}, kind)
    pairs = open_pairs(data, split="train", source="de", target="en", streaming=streaming)
    assert list(pairs) == [("eins", "one"), ("zwei", "two")]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_missing_name_is_told_with_those_there_are(
    data: str, tmp_path: Path, streaming: bool
) -> None:
    with pytest.raises(ColumnMissing, match="no column 'fr': it has en, de and id"):
        open_pairs(data, split="train", source="en", target="fr", streaming=streaming)
    rows = [{"en": "one", "de": "eins"}]
    nested = saved(tmp_path, {"id": [1], "translation": rows})
    with pytest.raises(
        ColumnMissing, match=r"no column 'fr': it has id and translation \((en, de|de, en)"
    ):
        open_pairs(nested, split="train", source="en", target="fr", streaming=streaming)
    with pytest.raises(ColumnMissing, match="no column 'source'"):
        open_pairs(nested, split="train", streaming=streaming)


@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_left_out_is_counted_and_said_once(tmp_path: Path, streaming: bool) -> None:
    en, de = ["a", " ", "c", "d" * 9, "e", "f"], ["A", "B", None, "D", "E" * 9, "F"]
    data = saved(tmp_path, {"en": en, "de": de})
    pairs = open_pairs(data, split="train", longest=8, streaming=streaming, **NAMES)
    message = "4 of 6 pairs skipped: 2 empty, 2 longer than 8 characters"
    with pytest.warns(UserWarning, match=message) as caught:
        assert [*pairs] == [*pairs] == [("a", "A"), ("f", "F")]
    assert len(caught) == 1
    assert pairs.skipped == 4


def test_a_row_without_its_dict_is_empty(tmp_path: Path) -> None:
    data = saved(tmp_path, {"translation": [{"en": "a", "de": "A"}, None]})
    with pytest.warns(UserWarning, match="1 of 2 pairs skipped: 1 empty"):
        assert list(open_pairs(data, split="train", **NAMES)) == [("a", "A")]


def test_nothing_left_is_an_error(data: str) -> None:
    with pytest.raises(DataEmpty, match=r"text in 'en' and in 'de' \(40 of 40 pairs skipped: 40 l"):
        list(open_pairs(data, split="train", longest=3, **NAMES))
    with pytest.raises(SettingError, match="longest = -1"):
        open_pairs(data, split="train", longest=-1, **NAMES)


@pytest.mark.parametrize("kind", ["data", "nested", "docs"])
def test_every_call_is_another_epoch_and_every_reader_the_same(
    kind: str, nlp: Language, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = (resolved(path=path, **NAMES) for _ in range(2))
        epochs = [targets(one, nlp) for _ in range(3)]
        assert epochs == [targets(other, nlp) for _ in range(3)]
        assert len({tuple(epoch) for epoch in epochs}) == 3
        assert {tuple(sorted(epoch)) for epoch in epochs} == {tuple(sorted(epochs[0]))}
        assert targets(resolved(path=path, seed=1, **NAMES), nlp) != epochs[0]


def test_a_stream_is_the_same_set(data: str, nlp: Language) -> None:
    stream = read_pairs(data, source="en", target="de", streaming=True, buffer=8)
    assert sorted(targets(stream, nlp)) == sorted(DE)


def test_a_source_keeps_its_target(data: str) -> None:
    pairs = open_pairs(data, split="train", **NAMES)
    assert isinstance(pairs, Pairs)
    for source, target in pairs.shuffled(seed=3, epoch=1):
        assert source.split()[1] == target.split()[1]


@pytest.mark.parametrize("kind", ["data", "docs"])
def test_a_part_is_cut_in_two(kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        every = list(open_pairs(path, split="train", **NAMES))
        kept = list(open_pairs(path, split="train", without=0.25, **NAMES))
        held = list(open_pairs(path, split="train", only=0.25, **NAMES))
    assert sorted(kept + held) == sorted(every)
    assert round(len(every) / len(held)) == 4


def test_a_stream_cannot_be_cut(data: str) -> None:
    with pytest.raises(SettingError, match="streaming"):
        open_pairs(data, split="train", streaming=True, only=0.1, **NAMES)


def test_docs_keep_all_they_carry(docs: str, nlp: Language) -> None:
    with pytest.warns(UserWarning, match="1 of 21 pairs skipped: 1 empty"):
        examples = list(resolved(path=docs, shuffle=False)(nlp))
    assert [one.reference._.translation for one in examples] == DE[:20]
    assert [ent.label_ for ent in examples[1].reference.ents] == ["X"]
    assert examples[1].predicted._.translation is None


def test_docs_are_pairs_for_commands_too(docs: str) -> None:
    pairs = open_pairs(docs, split="train", limit=3)
    assert [pair.target for pair in pairs] == [pair.target for pair in pairs] == DE[:3]
    with pytest.raises(DataEmpty, match="no pair of a doc and its 'spoken'"):
        list(open_pairs(docs, split="train", extension="spoken"))


@pytest.mark.parametrize("settings", [{"limit": "many"}, {"sorce": "en"}, {"target": None}])
def test_a_config_with_a_wrong_setting_is_refused(settings: dict[str, Any], data: str) -> None:
    with pytest.raises(ConfigValidationError):
        resolved(path=data, **settings)


def test_what_is_missing_is_said(docs: str, nlp: Language) -> None:
    with pytest.raises(SourceMissing, match=r"docs\.spacy"):
        read_pairs(docs.replace("docs.spacy", "dots.spacy"))
    with pytest.raises(SplitMissing, match="it has train"):
        read_pairs(docs, split="dev")(nlp)

"""A trained stage in the place of nlp.tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.training import Example
from words import facts_of, make_examples, text_of, trained

from seqpipe.components._as_tokenizer import AsTokenizer
from seqpipe.components.tokenizer import as_tokenizer
from seqpipe.errors import SettingError

TEXT = text_of()


@pytest.fixture
def nlp() -> Language:
    nlp = trained()
    as_tokenizer(nlp)
    return nlp


def test_it_finds_what_the_stage_found(nlp: Language) -> None:
    wanted = facts_of(trained()(TEXT))
    assert nlp.pipe_names == []
    assert facts_of(nlp(TEXT)) == wanted
    assert facts_of(nlp.make_doc(TEXT)) == wanted
    assert isinstance(nlp.tokenizer, AsTokenizer)
    many = [facts_of(doc) for doc in nlp.tokenizer.pipe([TEXT, "", TEXT])]
    assert many == [wanted, facts_of(nlp("")), wanted]


def test_it_is_saved_with_the_pipeline(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    assert facts_of(spacy.load(tmp_path)(TEXT)) == facts_of(nlp(TEXT))
    other = spacy.util.load_model_from_config(nlp.config)
    other.from_bytes(nlp.to_bytes())
    assert facts_of(other(TEXT)) == facts_of(nlp(TEXT))


def test_it_keeps_what_it_learned_when_the_pipeline_is_initialized(nlp: Language) -> None:
    before = facts_of(nlp(TEXT))
    nlp.add_pipe("tagger").add_label("X")  # type: ignore[attr-defined]
    nlp.initialize()
    after = nlp.make_doc(TEXT)
    assert facts_of(after) == before


def test_it_is_scored(nlp: Language) -> None:
    examples = [Example(nlp.make_doc(eg.text), eg.reference) for eg in make_examples(nlp)]
    scores = nlp.evaluate(examples)
    assert scores["token_f"] > 0.9
    assert "sents_f" in scores


def test_another_component_is_refused() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    with pytest.raises(SettingError, match="seqpipe_tokenizer"):
        as_tokenizer(nlp, "sentencizer")

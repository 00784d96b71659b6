"""What a generator had thought of at each piece."""

from __future__ import annotations

import json
from functools import cache

import pytest
from spacy.language import Language
from verses import BPE, POEMS, make_verses_nlp, verses_stage

import seqpipe
from seqpipe.errors import SettingError
from seqpipe.explain.foretelling import foretold


@cache
def pipeline(unit: str = "char") -> Language:
    nlp = make_verses_nlp(codec={**BPE, "unit": unit})
    verses_stage(nlp).write_only(["surprisal"])
    return nlp


@pytest.mark.parametrize("unit", ["char", "bpe"])
@pytest.mark.parametrize("text", ["The rain came down", "春雨落石上", "zebras € \n", ""])
def test_pieces_are_the_text_and_cost_what_it_costs(unit: str, text: str) -> None:
    nlp = pipeline(unit)
    doc = nlp(text)
    found = foretold(verses_stage(nlp), doc)
    assert found.bits == pytest.approx(doc._.surprisal, abs=0.01 * len(found.words) + 1e-6)
    for word in found.words:
        assert doc.text[word.start : word.end] == word.text and len(word.others) == 3
        chances = [other.probability for other in word.others]
        assert chances == sorted(chances, reverse=True) and sum(chances) <= 1.001
    if unit == "char":
        assert "".join(word.text for word in found.words) == text
        assert all(o.text != word.text for word in found.words for o in word.others)
    dear = [found.words[at].bits for at in found.ranked]
    assert dear == sorted(dear, reverse=True)
    assert all(found.words[at].text.strip() for at in found.ranked)


def test_the_likeliest_is_what_would_be_written() -> None:
    nlp = pipeline()
    stage = verses_stage(nlp)
    text = "The rain"
    found = foretold(stage, nlp(text))
    for at, word in enumerate(found.words[1:], 1):
        ((first,),) = stage.generate([text[:at]], max_length=1)
        likeliest = word.others[0]
        if 2**-word.bits < likeliest.probability:
            assert first == likeliest.text
        else:
            assert first == word.text


def test_a_doc_keeps_them_as_plain_values() -> None:
    doc = seqpipe.explained(pipeline(), "The moon")
    told = doc._.explanation
    assert told == json.loads(json.dumps(told)) and told["kind"] == "surprisal"
    assert told["words"][0]["others"][0].keys() == {"text", "probability"}


def test_they_are_seen() -> None:
    found = seqpipe.render(seqpipe.explained(pipeline(), "a <b>\n"), "surprisal", page=True)
    assert found.count("<mark") == 6 and "<b>" not in found.partition("<main>")[2]
    assert " bits, else " in found and "instead" in found and 'title="↵: ' in found


def test_labels_are_for_stages_that_have_some() -> None:
    with pytest.raises(SettingError, match="the kind 'surprisal'"):
        seqpipe.explained(pipeline(), "a", kind="surprisal", label="good")
    with pytest.raises(SettingError, match=r"kind = 'mood' .* one of label, boundaries"):
        seqpipe.explained(pipeline(), "a", kind="mood")


def test_what_is_remembered_is_counted() -> None:
    nlp = make_verses_nlp(10)
    alone = foretold(verses_stage(nlp), nlp(POEMS[0]))
    verses_stage(nlp).remember(POEMS)
    found = foretold(verses_stage(nlp), nlp(POEMS[0]))
    assert found.bits < alone.bits / 2
    assert found.bits == pytest.approx(nlp(POEMS[0])._.bits_per_char * len(POEMS[0]), rel=1e-3)
    last = found.words[-1]
    assert last.bits < 1  # the end of the line, as it was remembered

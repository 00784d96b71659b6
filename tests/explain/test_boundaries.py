"""Where a tokenizer cut: its own tokens, and how sure it was of each place."""

from __future__ import annotations

import html
import json
import re
from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from words import STRINGS, any_weights, held, make_words_nlp, words_stage

import seqpipe
from seqpipe.components.tokenizer import as_tokenizer
from seqpipe.errors import FieldMissing, NotExplained
from seqpipe.explain.boundaries import Boundaries, boundaries_of
from seqpipe.explain.explanation import annotate

render = partial(seqpipe.render, style="boundaries")


@cache
def pipeline() -> Language:
    return make_words_nlp()


@cache
def wild() -> Language:
    return make_words_nlp()


def cut(nlp: Language, text: str) -> tuple[Doc, Boundaries]:
    doc = nlp(text)
    return doc, boundaries_of(words_stage(nlp), doc)


def tokens_of(found: Boundaries, text: str) -> list[tuple[str, bool]]:
    """The tokens that the stretches make up, and whether each ends a sentence."""
    tokens, begin = [], None
    for word in found.words:
        begin = word.start if begin is None else begin
        if word.said != "inside":
            tokens.append((text[begin : word.end], word.said == "sentence"))
            begin = None
    assert begin is None
    return tokens


@given(STRINGS, st.integers(0, 9))
@settings(max_examples=40)
def test_stretches_are_the_tokens_of_the_stage(text: str, seed: int) -> None:
    nlp = wild()
    any_weights(words_stage(nlp), seed)
    doc, found = cut(nlp, held(text))
    solid = [token for token in doc if not token.is_space]
    ends = [*(bool(token.is_sent_start) for token in solid[1:]), True][: len(solid)]
    assert tokens_of(found, doc.text) == [(t.text, e) for t, e in zip(solid, ends, strict=True)]
    for word in found.words:
        assert doc.text[word.start : word.end] == word.text
        assert 0 <= word.sentence <= word.token + 1e-9 and 0 <= word.sure <= 1
    annotate(doc, found)
    (seen,) = re.findall(r'<div class="text" dir="auto">(.*?)</div>', render(doc), re.DOTALL)
    seen = html.unescape(re.sub(r'<span class="aloud">.*?</span>|<[^>]+>', "", seen))
    plain = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\u2400-\u2421]")
    assert plain.findall(seen) == plain.findall(doc.text) and len(seen) == len(doc.text)
    surest = [found.words[at].sure for at in found.ranked]
    assert surest == sorted(surest) and sorted(found.ranked) == [*range(len(found.words))]


def test_what_rules_say_is_sure() -> None:
    nlp = wild()
    any_weights(words_stage(nlp), 1)
    _, found = cut(nlp, "we saw\n\nit")
    (before,) = (word for word in found.words if word.end == len("we saw"))
    assert before.said == "sentence" and before.sure == 1
    assert found.words[-1].said == "sentence" and found.words[-1].sure == 1


def test_probabilities_are_those_of_the_net() -> None:
    nlp = pipeline()
    stage = words_stage(nlp)
    text = "Is it bad?"
    _, found = cut(nlp, text)
    (ids,) = stage.encode([nlp.make_doc(text)])
    with torch.no_grad():
        scores = stage.shim.net(torch.tensor(ids.astype(np.int64))[None], torch.tensor([len(ids)]))
    chances = scores.softmax(-1)[0].numpy()
    for word in found.words:
        assert word.token == pytest.approx(1 - chances[word.end - 1, 0], abs=1e-4)
        assert word.sentence == pytest.approx(chances[word.end - 1, 2], abs=1e-4)


def test_windows_see_what_the_stage_sees() -> None:
    nlp = pipeline()
    stage, windows = words_stage(nlp), words_stage(nlp).windows
    text = "I don't like it! Is it bad? " * 5
    try:
        stage.windows = type(windows)(core=16, margin=64)
        doc, found = cut(nlp, text)
    finally:
        stage.windows = windows
    assert [t for t, _ in tokens_of(found, text)] == [t.text for t in doc if not t.is_space]


def test_a_doc_keeps_them_as_plain_values() -> None:
    doc = seqpipe.explained(pipeline(), "I don't like it!")
    told = doc._.explanation
    assert told == json.loads(json.dumps(told)) and told["kind"] == "boundaries"
    assert set(told["words"][0]) == {"text", "start", "end", "said", "token", "sentence", "sure"}


def test_a_tokenizer_of_the_pipeline_is_a_stage_too() -> None:
    nlp = make_words_nlp()
    as_tokenizer(nlp)
    doc = seqpipe.explained(nlp, "I like it!", stage="tokenizer")
    assert doc._.explanation["stage"] == "tokenizer"


def test_bars_stand_where_tokens_end() -> None:
    nlp = pipeline()
    found = seqpipe.render(seqpipe.explained(nlp, "It is <b>warm</b>."), "boundaries")
    assert found.count('<mark class="cut ') >= 4 and "<b>" not in found
    assert 'class="cut sentence' in found and "doubtful place" in found
    assert seqpipe.render(seqpipe.explained(nlp, ""), "boundaries").count("<mark") == 0


def test_what_holds_no_tokenizer_is_refused() -> None:
    nlp = pipeline()
    with pytest.raises(FieldMissing, match="writes no 'translation'"):
        seqpipe.explained(nlp, "x", kind="translation")
    with pytest.raises(NotExplained, match="kind='boundaries'"):
        seqpipe.render(nlp("x"), "boundaries")

"""Measuring: what each token costs, what a text costs, and what of it is unusual."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from verses import CODEC, POEMS, add_stage, make_verses_nlp, trained, verses_stage

from seqpipe.components._surprisal import Costs, bits_of_tokens, unusual_spans
from seqpipe.errors import NotInitialized
from seqpipe.nets.dynamic import Dynamic
from seqpipe.nets.language_model import LanguageModel

UNITS = ["char", "bpe", "unigram"]
every_unit = pytest.mark.parametrize("unit", UNITS)

# Marks alone and on letters, white space of all kinds, letters and signs of one to four bytes,
# some of which no poem has, and one that came after Unicode 14.
ODD = st.text(
    st.sampled_from("ae春雨 \n\t\r\u3000\xa0\x1c\u0301'🙂👩\u200d\ufe0f,.1é落\u1c89"), max_size=25
)
TEXTS = [*POEMS, "", " ", "\n\n  a  b \t", "🙂 👩‍👩‍👧 é", "'s don't 12,5", "x" * 200]


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Language]:
    """With tokens that stand apart, so that white space is among them."""
    return {unit: make_nlp(unit) for unit in UNITS}


def make_nlp(unit: str, **config: Any) -> Language:
    codec = {**CODEC, "unit": unit}
    return make_verses_nlp(10, codec=codec, lang="en", generated="", **config)


def surprisals(doc: Doc) -> list[float]:
    return [token._.surprisal for token in doc]


def by_the_rule(doc: Doc, costs: Costs) -> list[float]:
    """The tokens' bits, each piece looked at by itself."""
    found = [0.0] * len(doc)
    owner = [
        token.i for token in doc for _ in range(len(token.text_with_ws))
    ]  # of each character, a space behind a token being that token's
    for bits, (start, end) in zip(costs.bits.tolist(), costs.offsets.tolist(), strict=True):
        solid = [at for at in range(start, end) if not doc.text[at].isspace()]
        found[owner[solid[0] if solid else start]] += bits
    return found


@every_unit
@settings(max_examples=50)
@given(text=ODD)
def test_tokens_add_up_to_the_text(pipelines: dict[str, Language], unit: str, text: str) -> None:
    doc = pipelines[unit](text)
    assert doc._.surprisal == pytest.approx(sum(surprisals(doc)), rel=1e-5)
    assert doc[:]._.surprisal == pytest.approx(doc._.surprisal, rel=1e-5)
    assert all(isinstance(bits, float) for bits in surprisals(doc))


@every_unit
@settings(max_examples=50)
@given(text=ODD)
def test_each_piece_counts_for_the_token_of_the_rule(
    pipelines: dict[str, Language], unit: str, text: str
) -> None:
    nlp = pipelines[unit]
    (_, costs, _) = verses_stage(nlp).read_on(text, verses_stage(nlp).begin())
    doc = nlp(text)
    assert len(costs.bits) == len(verses_stage(nlp).encode([doc])[0])
    assert surprisals(doc) == pytest.approx(by_the_rule(doc, costs), rel=1e-4, abs=1e-4)


def costed(words: list[str], spaces: list[bool], spans: list[tuple[int, int]]) -> list[float]:
    """The bits of tokens where the pieces cost 1, 2, 4 ..."""
    doc = Doc(spacy.blank("xx").vocab, words=words, spaces=spaces)
    bits = 2.0 ** np.arange(len(spans))
    found = bits_of_tokens(doc, Costs(bits, np.array(spans).reshape(-1, 2)))
    return [float(bits) for bits in found]


def test_white_space_is_with_the_word_behind_it_or_else_before_it() -> None:
    spaced = [True, False]
    assert costed(["ab", "c"], spaced, [(0, 2), (2, 4)]) == [1, 2]  # " c"
    assert costed(["ab", "c"], spaced, [(0, 2), (2, 3), (3, 4)]) == [3, 4]  # " ", "c"
    assert costed(["ab", "c"], spaced, [(0, 4)]) == [1, 0]  # over both
    assert costed(["a", "\n\n", "b"], [False] * 3, [(0, 1), (1, 3), (3, 4)]) == [1, 2, 4]
    assert costed(["a", "\n", "b"], [False] * 3, [(0, 1), (1, 3)]) == [1, 0, 2]  # "\nb"
    assert costed([" ", "a"], [False] * 2, [(0, 1), (1, 2)]) == [1, 2]
    assert costed(["🙂", "a"], [False] * 2, [(0, 1)] * 4 + [(1, 2)]) == [15, 16]  # bytes
    assert costed([], [], []) == []


@every_unit
def test_a_text_costs_what_the_net_says(pipelines: dict[str, Language], unit: str) -> None:
    nlp = pipelines[unit]
    stage = verses_stage(nlp)
    net: LanguageModel = stage.shim.net
    for text in TEXTS[:3]:
        (ids,) = stage.encode([nlp.make_doc(text)])
        row = torch.from_numpy(ids.astype(np.int64))[None]
        with torch.no_grad():
            expected, _, _ = net.loss(row, row, net.begin())
        bits = float(expected) / math.log(2)
        doc = nlp(text)
        assert doc._.surprisal == pytest.approx(bits, rel=1e-4)
        assert doc._.bits_per_char == pytest.approx(bits / len(text), rel=1e-4)
        assert doc._.perplexity == pytest.approx(2 ** (bits / len(ids)), rel=1e-4)


@every_unit
def test_perplexity_and_bits_agree_in_docs_and_in_scores(
    pipelines: dict[str, Language], unit: str
) -> None:
    nlp = pipelines[unit]
    docs = list(nlp.pipe(TEXTS))
    assert docs[5]._.perplexity is None and docs[5]._.bits_per_char is None
    assert docs[5]._.surprisal == 0
    assert docs[5][:]._.surprisal == 0
    pieces = [len(ids) for ids in verses_stage(nlp).encode(docs)]
    bits = 0.0
    for doc, count in zip(docs, pieces, strict=True):
        if len(doc.text):
            own = doc._.bits_per_char * len(doc.text)
            assert math.log2(doc._.perplexity) * count == pytest.approx(own, rel=1e-5)
            bits += own
    chars, words = sum(map(len, TEXTS)), sum(not token.is_space for doc in docs for token in doc)
    scores = nlp.evaluate([Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS])
    assert scores["bits_per_char"] == pytest.approx(bits / chars)
    assert scores["perplexity"] == pytest.approx(2 ** (bits / sum(pieces)))
    assert scores["word_perplexity"] == pytest.approx(2 ** (bits / words))
    assert scores["char_likelihood"] == pytest.approx(2 ** (-bits / chars))
    told = [scores[name] for name in ("pieces", "characters", "words")]
    assert told == [sum(pieces), chars, words]


def test_nothing_has_no_score(pipelines: dict[str, Language]) -> None:
    nlp = pipelines["char"]
    scores = nlp.evaluate([Example(nlp.make_doc(""), nlp.make_doc(""))])
    assert scores["bits_per_char"] is None and scores["char_likelihood"] is None


def test_what_was_learned_costs_less() -> None:
    nlp = trained(generated="")
    known, strange = nlp.pipe([POEMS[0], POEMS[0][::-1]])
    assert known._.bits_per_char < 0.7 < 2 < strange._.bits_per_char


@every_unit
def test_a_batch_is_its_docs_one_by_one(pipelines: dict[str, Language], unit: str) -> None:
    nlp = pipelines[unit]
    together = [surprisals(doc) for doc in nlp.pipe(TEXTS, batch_size=len(TEXTS))]
    for text, found in zip(TEXTS, together, strict=True):
        assert surprisals(nlp(text)) == pytest.approx(found, rel=1e-4, abs=1e-5)


@every_unit
@pytest.mark.parametrize("window", [1, 3, 1000])
def test_windows_change_nothing(pipelines: dict[str, Language], unit: str, window: int) -> None:
    other = make_nlp(unit, window=window).from_bytes(pipelines[unit].to_bytes())
    for doc, again in zip(pipelines[unit].pipe(TEXTS), other.pipe(TEXTS), strict=True):
        assert surprisals(again) == pytest.approx(surprisals(doc), rel=1e-4, abs=1e-5)


def test_a_text_of_any_length_is_seen_a_window_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = trained(generated="", window=50)
    seen: list[tuple[int, ...]] = []
    measure = LanguageModel.measure

    def watched(self: LanguageModel, ids: torch.Tensor, *rest: Any) -> Any:
        seen.append(tuple(ids.shape))
        return measure(self, ids, *rest)

    monkeypatch.setattr(LanguageModel, "measure", watched)
    text = (POEMS[0] * 50)[:3045]
    doc = nlp(text)
    assert seen == [(1, 50)] * 60 + [(1, 45)]
    assert doc._.surprisal == pytest.approx(sum(surprisals(doc)), rel=1e-4)


def test_unknown_characters_cost_too() -> None:
    nlp = make_verses_nlp(texts=["abc", "abd"], generated="")
    known, unknown = nlp.pipe(["abc", "a☃c"])
    assert len(surprisals(unknown)) and unknown._.bits_per_char > 0
    assert verses_stage(nlp).encode([unknown])[0][1] == 1
    assert known._.bits_per_char != unknown._.bits_per_char


# Unusual spans ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ([1, 9, 9, 1, 9], [(1, 3), (4, 5)]),
        ([9, 1, 1, 1, 1], [(0, 1)]),
        ([5, 5, 5, 5, 5], []),  # no more than the threshold
        ([9, 9, 9, 9, 9], [(0, 5)]),
    ],
)
def test_unusual_are_stretches_above_the_threshold(
    bits: list[float], expected: list[tuple[int, int]]
) -> None:
    doc = Doc(spacy.blank("xx").vocab, words=list("abcde"))
    spans = unusual_spans(doc, np.array(bits, float), 5.0)
    assert [(span.start, span.end) for span in spans] == expected
    assert {span.label_ for span in spans} <= {"unusual"}


def test_what_is_strange_is_found_in_a_text() -> None:
    nlp = trained(lang="en", threshold=40.0, generated="")
    doc = nlp("The rain came down qqqwwwzz the stone\nand I was walking home alone.\n")
    (span,) = doc.spans["unusual"]
    assert "qqqwwwzz" in span.text and span._.surprisal > 40
    known, empty = nlp.pipe([POEMS[0], ""])
    assert not known.spans["unusual"] and not empty.spans["unusual"]


def test_no_threshold_is_no_spans() -> None:
    assert "unusual" not in trained(generated="")("zzzzz").spans


# Names --------------------------------------------------------------------------------------

NAMES = ["generated", "perplexity", "bits_per_char", "surprisal"]


@pytest.mark.parametrize("name", [*NAMES, "unusual"])
def test_an_empty_name_leaves_one_thing_out(name: str) -> None:
    config: dict[str, Any] = {name: ""}
    nlp = trained(threshold=1.0, search={"max_length": 5}, **config)
    doc = nlp("The zzz")
    found = {one for one in NAMES if doc._.get(one) is not None}
    assert found == set(NAMES) - {name}
    assert (doc[0]._.surprisal is None) is (name == "surprisal")
    assert ("unusual" in doc.spans) is (name != "unusual")
    assert verses_stage(nlp).fields == [one for one in NAMES if one != name]


def test_without_names_nothing_is_written() -> None:
    nothing: dict[str, Any] = dict.fromkeys([*NAMES, "unusual"], "")
    nlp = trained(threshold=1.0, **nothing)
    doc = nlp("The zzz")
    assert not doc.spans and not doc.user_data
    assert nlp.evaluate([Example(doc, doc)])["bits_per_char"] is None


# Dynamic evaluation -------------------------------------------------------------------------

DYNAMIC: dict[str, Any] = {"dynamic": 0.3, "window": 30, "search": {"max_length": 9}}


def test_a_text_that_comes_again_costs_less_to_a_model_that_learns_on() -> None:
    text = "zxq vkw. " * 30
    still, learning = trained(generated=""), trained(**DYNAMIC)
    weights = verses_stage(learning).shim.to_bytes()
    first, second = (learning(text) for _ in range(2))
    assert first._.bits_per_char < 0.8 * still(text)._.bits_per_char
    assert first._.bits_per_char == second._.bits_per_char  # a copy learns, for one text
    assert verses_stage(learning).shim.to_bytes() == weights


def test_each_text_teaches_itself_alone() -> None:
    nlp = trained(**DYNAMIC)
    texts = ["zxq vkw. " * 9, POEMS[0], "", "zxq vkw. " * 7]
    for text, doc in zip(texts, nlp.pipe(texts), strict=True):
        alone = nlp(text)
        assert surprisals(doc) == pytest.approx(surprisals(alone), rel=1e-4, abs=1e-5)
        assert doc._.generated == alone._.generated


def test_what_is_written_and_streamed_is_by_the_model_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still, learning = trained(search={"max_length": 9}), trained(**DYNAMIC)
    stage = verses_stage(learning)
    for text in ("The rain came down upon the stone", ""):
        expected = still(text)._.generated
        assert learning(text)._.generated == "".join(stage.write(text)) == expected
    stream = stage.stream()
    for part in (POEMS[0][:7], POEMS[0][7:]):
        stream.feed(part)
    assert stream.bits == pytest.approx(still(POEMS[0])._.surprisal, rel=1e-5)

    def failing(*_: Any) -> None:
        raise AssertionError("nothing is to be learned")

    monkeypatch.setattr(Dynamic, "measure", failing)
    stage.stream(POEMS[0])


# Before it can ------------------------------------------------------------------------------


def test_before_training_it_says_so() -> None:
    nlp = spacy.blank("xx")
    stage = add_stage(nlp)
    with pytest.raises(NotInitialized):
        nlp("a")
    with pytest.raises(NotInitialized):
        stage.stream("a")

"""The stage among others: after any tokenizer, before any stage, with all that a doc carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from small import MODEL as CLASSIFIER
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from spacy.training import Example
from thinc.api import Adam
from words import (
    CHINESE,
    blank,
    drawn,
    facts_of,
    facts_of_all,
    make_doc,
    make_examples,
    make_words_nlp,
    text_of,
    tokens_of,
    trained,
    words_stage,
)

from seqpipe.components.raw_text import RawText

TEXTS = [text_of(count=n % 5, seed=n, joint=" " if n % 2 else "\n\n") for n in range(60)]
TEXT = text_of()


@pytest.fixture(scope="module")
def nlp() -> Language:
    return trained()


def test_what_cut_the_text_before_makes_no_difference() -> None:
    after_raw, after_rules = (make_words_nlp(20, raw=raw) for raw in (True, False))
    assert isinstance(after_raw.tokenizer, RawText)
    assert not isinstance(after_rules.tokenizer, RawText)
    stages = [words_stage(nlp) for nlp in (after_raw, after_rules)]
    assert stages[0].shim.to_bytes() == stages[1].shim.to_bytes()
    assert facts_of_all(after_raw.pipe(TEXTS)) == facts_of_all(after_rules.pipe(TEXTS))


def test_after_spacys_tokenizer_it_is_saved_and_loaded(tmp_path: Path) -> None:
    nlp = trained(raw=False)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert type(again.tokenizer) is type(nlp.tokenizer)
    assert facts_of(again(TEXT)) == facts_of(nlp(TEXT))
    again.remove_pipe("tokenizer")
    assert facts_of(again("It's cold."))[0][0] == spacy.blank("xx")("It's cold.")[0].text


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_a_batch_is_its_docs_one_by_one(nlp: Language, batch_size: int) -> None:
    one_by_one = [facts_of(nlp(text)) for text in TEXTS]
    assert facts_of_all(nlp.pipe(TEXTS, batch_size=batch_size)) == one_by_one
    docs = [nlp.make_doc(text) for text in TEXTS]
    assert facts_of_all(nlp.pipe(docs, batch_size=batch_size)) == one_by_one


@pytest.fixture
def extensions() -> Iterator[None]:
    for kind in (Doc, Span, Token):
        kind.set_extension("mine", default=None)
    yield
    for kind in (Doc, Span, Token):
        kind.remove_extension("mine")


@pytest.mark.usefixtures("extensions")
def test_what_a_doc_carries_stays(nlp: Language) -> None:
    doc = nlp.make_doc("It's cold. Is it bad?")
    doc._.mine, doc[:3]._.mine, doc[0]._.mine = "doc", "span", "token"
    doc.cats, doc.sentiment = {"cold": 1.0}, 0.5
    doc.user_data["key"] = "value"
    ((new, context),) = nlp.pipe([(doc, {"n": 1})], as_tuples=True)
    assert new is not doc and context == {"n": 1}
    assert new._.mine == "doc" and new.user_data["key"] == "value"
    assert new.cats == {"cold": 1.0} and new.sentiment == 0.5
    # spans and tokens of the same characters are the same to spaCy
    assert doc[:3].text == new[:2].text == "It's"
    assert new[:2]._.mine == "span" and new[0]._.mine == "token"


def test_a_new_doc_owns_what_it_carries(nlp: Language) -> None:
    doc = nlp.make_doc("Is it bad?")
    doc.cats["a"] = 1.0
    new = words_stage(nlp)(doc)
    new.cats["b"] = 1.0
    new.user_data["key"] = 1
    assert doc.cats == {"a": 1.0} and not doc.user_data


def test_what_was_said_of_tokens_that_are_gone_goes_too(nlp: Language) -> None:
    doc = nlp.make_doc("It's cold. Is it bad?")
    doc.spans["some"] = [doc[0:2]]
    doc.ents = [Span(doc, 0, 1, label="X")]
    doc.tensor = np.ones((len(doc), 2), np.float32)
    new = words_stage(nlp)(doc)
    assert not new.spans and not new.ents and not len(new.tensor)


def test_contexts_are_those_of_their_docs(nlp: Language) -> None:
    found = list(nlp.pipe(((text, n) for n, text in enumerate(TEXTS)), as_tuples=True))
    assert [context for _, context in found] == list(range(len(TEXTS)))
    assert [doc.text for doc, _ in found] == TEXTS


def test_it_can_be_chosen_and_left_out(nlp: Language) -> None:
    raw = [token.text for token in nlp.make_doc(TEXT)]
    with nlp.select_pipes(disable="tokenizer"):
        assert [token.text for token in nlp(TEXT)] == raw
    with nlp.select_pipes(enable="tokenizer"):
        assert [token.text for token in nlp(TEXT)] != raw
    (doc,) = nlp.pipe([TEXT], disable=["tokenizer"])
    assert [token.text for token in doc] == raw


def test_it_may_be_the_tokenizer_itself(nlp: Language) -> None:
    expected = facts_of_all(nlp.pipe(TEXTS))
    own = trained()
    _, stage = own.remove_pipe("tokenizer")
    own.tokenizer = stage
    assert not own.pipe_names
    assert facts_of_all(own.pipe(TEXTS)) == expected
    assert facts_of(own(TEXT)) == facts_of(nlp(TEXT))
    assert facts_of(own.make_doc(TEXT)) == facts_of(nlp(TEXT))
    pairs = list(own.pipe([(TEXT, 1)], as_tuples=True))
    assert [(doc.text, context) for doc, context in pairs] == [(TEXT, 1)]
    scores = own.evaluate(make_examples(own))
    assert scores["token_f"] == scores["sents_f"] == 1
    own.add_pipe("sentencizer")
    assert len(list(own("Is it bad? No.").sents)) == 2


def test_two_pipelines_keep_apart() -> None:
    english, chinese = trained(), trained(CHINESE, joint="")
    text = "我们喜欢电影。"
    before = facts_of(chinese(text)), facts_of(english(TEXT))
    english.update(make_examples(english), sgd=Adam(0.5))
    assert facts_of(chinese(text)) == before[0] and facts_of(english(TEXT)) != before[1]


def test_of_two_instances_the_last_has_the_word() -> None:
    nlp = trained()
    nlp.add_pipe("tokenizer", source=trained(CHINESE, joint=""), name="other", last=True)
    assert nlp.pipe_names == ["tokenizer", "other"]
    text = "我们喜欢电影。"
    assert tokens_of(nlp(text)) == ["我们", "喜欢", "电影", "。"]
    words_stage(nlp).update(make_examples(nlp), sgd=Adam(0.5))
    assert tokens_of(nlp(text)) == ["我们", "喜欢", "电影", "。"]


def test_a_stage_is_borrowed_under_another_name(nlp: Language, tmp_path: Path) -> None:
    target = blank()
    target.add_pipe("tokenizer", source=nlp, name="cut")
    assert facts_of(target(TEXT)) == facts_of(nlp(TEXT))
    target.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert words_stage(again, "cut").windows == words_stage(nlp).windows
    assert facts_of(again(TEXT)) == facts_of(nlp(TEXT))


def test_memory_zones_leave_nothing_behind(nlp: Language) -> None:
    outside = facts_of_all(nlp.pipe(TEXTS))
    strings = len(nlp.vocab.strings)
    for _ in range(2):
        with nlp.memory_zone():
            assert facts_of_all(nlp.pipe(TEXTS)) == outside
            list(nlp.pipe(["quite otherly words 未见", "zone's end"]))
    assert len(nlp.vocab.strings) == strings


def test_a_doc_that_fails_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = trained()
    stage = words_stage(nlp)
    predict = stage.predict
    failed: list[tuple[str, list[str]]] = []

    def failing(docs: Iterable[Doc]) -> Any:
        docs = list(docs)
        if any("poison" in doc.text for doc in docs):
            raise ValueError("bad doc")
        return predict(docs)

    def handler(name: str, _: object, docs: list[Doc], error: Exception) -> Any:
        failed.append((name, [doc.text for doc in docs]))

    monkeypatch.setattr(stage, "predict", failing)
    with pytest.raises(ValueError, match="bad doc"):
        nlp("poison")
    nlp.set_error_handler(handler)
    texts = [*TEXTS[:9], "poison", *TEXTS[9:]]
    found = list(nlp.pipe(((text, text) for text in texts), as_tuples=True))
    assert [doc.text for doc, _ in found] == [context for _, context in found] == TEXTS
    assert failed == [("tokenizer", ["poison"])]
    assert facts_of_all(doc for doc, _ in found) == facts_of_all(trained().pipe(TEXTS))


SEEN: list[list[str]] = []


@Language.component("seqpipe_tokens_spy")
def spy(doc: Doc) -> Doc:
    SEEN.append(tokens_of(doc))
    return doc


@pytest.mark.parametrize("frozen", [[], ["tokenizer"]], ids=["learning", "frozen"])
def test_while_learning_the_next_stage_sees_its_tokens(frozen: list[str]) -> None:
    nlp = trained()
    nlp.add_pipe("seqpipe_tokens_spy")
    SEEN.clear()
    examples = make_examples(nlp)
    nlp.update(
        examples,
        sgd=Adam(0.0),
        exclude=frozen,
        annotates=["tokenizer", "seqpipe_tokens_spy"],
    )
    gold = [tokens_of(example.reference) for example in examples]
    assert gold == SEEN
    assert [tokens_of(nlp.make_doc(example.text)) for example in examples] != gold


def tagged(nlp: Language, sentences: list[str]) -> Example:
    """A tag by the first letter of each token."""
    doc = make_doc(nlp, sentences)
    for token in doc:
        token.tag_ = f"T{token.text[0]}"
    return Example(nlp.make_doc(doc.text), doc)


def test_a_tagger_after_it_learns_of_its_tokens() -> None:
    nlp = trained()
    nlp.add_pipe("tagger")
    examples = [tagged(nlp, drawn(count=6, seed=seed)) for seed in range(4)]
    tagger: Any = nlp.get_pipe("tagger")
    tagger.initialize(lambda: examples, nlp=nlp)
    optimizer = Adam(0.02)
    for _ in range(25):
        nlp.update(examples, sgd=optimizer, exclude=["tokenizer"], annotates=["tokenizer"])
    scores = nlp.evaluate([tagged(nlp, drawn(count=6, seed=9))])
    assert scores["token_f"] == 1 and scores["tag_acc"] > 0.95


def test_a_sentiment_stage_after_it_reads_its_tokens() -> None:
    nlp = trained(CHINESE, joint="")
    stage: Any = nlp.add_pipe(
        "seqpipe_sentiment",
        config={
            "codec": {"@misc": "seqpipe.Codec.v1", "min_count": 1},
            "model": CLASSIFIER,
            "reads": "tokens",
            "device": "cpu",
        },
    )
    texts = {"我们喜欢电影。": "positive", "他不喜欢北京。": "negative"}
    examples = []
    for text, label in texts.items():
        doc = words_stage(nlp)(text)
        doc.cats = {name: float(name == label) for name in ("negative", "positive")}
        examples.append(Example(nlp.make_doc(text), doc))
    stage.initialize(lambda: examples, nlp=nlp)
    assert {"我们", "喜欢", "不"} <= set(stage.codec.pieces())
    assert 1 not in stage.encode([nlp("我们不喜欢")])[0]  # every word is known
    for _ in range(20):
        nlp.update(examples, sgd=Adam(0.05), exclude=["tokenizer"], annotates=["tokenizer"])
    assert nlp("他不喜欢北京。").cats["negative"] > 0.5
    assert nlp("我们喜欢电影。").cats["positive"] > 0.5


def test_evaluation_tells_of_tokens_and_sentences(nlp: Language) -> None:
    scores = nlp.evaluate(make_examples(nlp))
    wanted = {f"{what}_{how}" for what in ("token", "sents") for how in "prf"}
    assert wanted <= scores.keys()
    assert all(scores[name] == 1 for name in wanted) and scores["speed"] > 0
    untrained = make_words_nlp()
    assert untrained.evaluate(make_examples(untrained))["token_f"] < 1

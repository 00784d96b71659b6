"""The stage among others: chosen, frozen, borrowed, doubled, with contexts and memory zones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from small import LABELS, add_stage, cats_of, make_examples, make_nlp, stage_of, texts_of
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Adam


@pytest.fixture
def topic() -> Iterator[str]:
    """The name of an extension that is taken back afterwards."""
    yield "topic"
    if Doc.has_extension("topic"):
        Doc.remove_extension("topic")


def test_it_can_be_chosen_and_left_out() -> None:
    nlp = make_nlp()
    with nlp.select_pipes(disable="sentiment"):
        assert not nlp("good").cats
    with nlp.select_pipes(enable="sentiment"):
        assert nlp("good").cats
    assert not next(iter(nlp.pipe(["good"], disable=["sentiment"]))).cats


def test_contexts_and_docs_pass_through() -> None:
    nlp = make_nlp()
    docs = [nlp.make_doc(text) for text in texts_of()]
    found = list(nlp.pipe([(doc, {"n": n}) for n, doc in enumerate(docs)], as_tuples=True))
    assert [context for _, context in found] == [{"n": n} for n in range(len(docs))]
    assert all(doc is other for (doc, _), other in zip(found, docs, strict=True))


def test_user_data_and_other_cats_are_kept() -> None:
    nlp = make_nlp()
    doc = nlp.make_doc("good")
    doc.user_data["mine"] = 1
    doc.cats["other"] = 0.5
    nlp(doc)
    assert doc.user_data["mine"] == 1 and doc.cats["other"] == 0.5 and "positive" in doc.cats


def test_two_instances_keep_apart(topic: str) -> None:
    nlp = make_nlp()
    add_stage(nlp, "topic", extension=topic)
    examples = make_examples(nlp, [("bread and salt", "food"), ("a film", "art")], ["food", "art"])
    stage_of(nlp, "topic").initialize(lambda: examples, nlp=nlp)
    mood = dict(stage_of(nlp)(nlp.make_doc("bread")).cats)
    doc = nlp("bread")
    assert doc.cats.keys() == {*LABELS, "food", "art"}
    assert {name: doc.cats[name] for name in LABELS} == mood
    assert doc._.sentiment["label"] in LABELS and doc._.topic["label"] in ("food", "art")
    assert doc.sentiment == doc._.sentiment["polarity"] != 0  # topics have no side
    stage_of(nlp, "topic").update(examples, sgd=nlp.create_optimizer())
    assert dict(stage_of(nlp)(nlp.make_doc("bread")).cats) == mood


def test_averages_of_two_instances_keep_apart(topic: str) -> None:
    nlp = make_nlp()
    add_stage(nlp, "topic", extension=topic)
    examples = make_examples(nlp)
    stage_of(nlp, "topic").initialize(lambda: examples, nlp=nlp)
    optimizer = Adam(0.05, use_averages=True)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer, exclude=["topic"])
    still, before = stage_of(nlp, "topic").to_bytes(), stage_of(nlp).to_bytes()
    with nlp.use_params(optimizer.averages):
        assert stage_of(nlp, "topic").to_bytes() == still
        assert stage_of(nlp).to_bytes() != before


SEEN: list[dict[str, float]] = []


@Language.component("seqpipe_spy")
def spy(doc: Doc) -> Doc:
    SEEN.append(dict(doc.cats))
    return doc


@pytest.mark.parametrize("frozen", [[], ["sentiment"]], ids=["learning", "frozen"])
def test_an_annotating_stage_shows_the_next_what_it_says(frozen: list[str]) -> None:
    nlp = make_nlp()
    nlp.add_pipe("seqpipe_spy")
    before = nlp.to_bytes()
    SEEN.clear()
    examples = make_examples(nlp)
    losses = nlp.update(
        examples,
        sgd=nlp.create_optimizer(),
        exclude=frozen,
        annotates=["sentiment", "seqpipe_spy"],
    )
    assert len(SEEN) == len(examples) and all(cats.keys() == set(LABELS) for cats in SEEN)
    assert (nlp.to_bytes() == before) is bool(frozen) is ("sentiment" not in losses)


def test_a_stage_is_borrowed_under_another_name(tmp_path: Path) -> None:
    source = make_nlp(steps=2)
    target = spacy.blank("en")
    target.add_pipe("sentiment", source=source, name="mood")
    assert cats_of(target.pipe(texts_of())) == cats_of(source.pipe(texts_of()))
    target.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert stage_of(again, "mood").labels == LABELS
    assert cats_of(again.pipe(texts_of())) == cats_of(source.pipe(texts_of()))


def test_a_config_may_borrow_from_a_folder(tmp_path: Path) -> None:
    source = make_nlp(steps=2)
    source.to_disk(tmp_path)
    config = source.config.copy()
    config["components"] = {"sentiment": {"source": str(tmp_path)}}
    borrowed = spacy.util.load_model_from_config(config)
    assert cats_of(borrowed.pipe(texts_of())) == cats_of(source.pipe(texts_of()))


def test_memory_zones_leave_nothing_behind() -> None:
    nlp = make_nlp()
    outside = cats_of(nlp.pipe(["good words never met before", "good"]))
    strings = len(nlp.vocab.strings)
    for _ in range(2):
        with nlp.memory_zone():
            assert cats_of(nlp.pipe(["good words never met before", "good"])) == outside
            list(nlp.pipe(["quite other words"]))
    assert len(nlp.vocab.strings) == strings


def test_a_stream_is_read_batch_by_batch() -> None:
    nlp = make_nlp()
    taken = []

    def stream() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield "good"

    docs = nlp.pipe(stream(), batch_size=10)
    next(docs)
    assert len(taken) <= 20


def test_a_document_beyond_every_bucket() -> None:
    nlp = make_nlp(batches={"rows": 2, "budget": 16}, model={"chunk": 50})
    texts = ["good " * 333, "bad", "", "dull " * 20]
    for doc in nlp.pipe(texts):
        assert doc.cats == pytest.approx(nlp(doc.text).cats, abs=1e-5)
    wide = make_nlp()
    assert nlp(texts[0]).cats == pytest.approx(wide(texts[0]).cats, abs=1e-5)

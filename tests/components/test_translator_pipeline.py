"""The stage among others: chosen, frozen, borrowed, doubled, with contexts and memory zones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from letters import (
    TEXTS,
    add_stage,
    letters_stage,
    make_examples,
    make_letters_nlp,
    make_pairs,
    said,
    trained,
)
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from spacy.training import Example
from thinc.api import Adam

from seqpipe.components.translator import TranslatorStage

FEW = make_pairs(40)
RIGHT = [text.upper() for text in TEXTS]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return trained()


@pytest.fixture
def back() -> Iterator[dict[str, Any]]:
    """The names of extensions that are taken back afterwards."""
    yield {"extension": "back", "alignment": "back_alignment"}
    for kind in (Doc, Span, Token):
        for name in ("back", "back_score", "back_nbest", "back_alignment"):
            if kind.has_extension(name):
                kind.remove_extension(name)


def test_it_can_be_chosen_and_left_out(nlp: Language) -> None:
    with nlp.select_pipes(disable="translator"):
        assert nlp("gj")._.translation is None
    with nlp.select_pipes(enable="translator"):
        assert nlp("gj")._.translation == "GJ"
    (doc,) = nlp.pipe(["gj"], disable=["translator"])
    assert doc._.translation is None


def test_contexts_and_docs_pass_through(nlp: Language) -> None:
    docs = [nlp.make_doc(text) for text in TEXTS]
    found = list(nlp.pipe([(doc, {"n": n}) for n, doc in enumerate(docs)], as_tuples=True))
    assert [context for _, context in found] == [{"n": n} for n in range(len(docs))]
    assert all(doc is other for (doc, _), other in zip(found, docs, strict=True))
    assert [doc._.translation for doc in docs] == RIGHT


def test_what_a_doc_carries_stays(nlp: Language) -> None:
    doc = nlp.make_doc("h jd")
    doc.user_data["mine"] = 1
    doc.cats["a"] = 0.5
    doc.spans["some"] = [doc[0:1]]
    nlp(doc)
    assert doc.user_data["mine"] == 1 and doc.cats == {"a": 0.5} and len(doc.spans["some"]) == 1


def test_two_instances_write_under_names_of_their_own(
    nlp: Language, back: dict[str, Any], tmp_path: Path
) -> None:
    both = trained()
    stage = add_stage(both, "back", **back)
    pairs = [("g", "j"), ("j", "g")] * 10
    examples = [Example(both.make_doc(s), both.make_doc(s)) for s, _ in pairs]
    for example, (_, target) in zip(examples, pairs, strict=True):
        example.reference._.back = target
    stage.initialize(lambda: examples, nlp=both)
    for _ in range(20):
        stage.update(examples, sgd=Adam(0.02))
    both.to_disk(tmp_path)
    for one in (both, spacy.load(tmp_path)):
        doc = one("g")
        assert (doc._.translation, doc._.back) == ("G", "j")
        assert doc._.back_alignment and doc._.back_score < 0
        assert [line[:4] for line in doc._.alignment] == [[0, 1, 0, 1]]
    scored = [Example(both(example.text), example.reference) for example in examples]
    assert stage.score(scored)["chrf"] == 1
    assert said(both) == said(nlp)


def test_averages_of_two_instances_keep_apart(back: dict[str, Any]) -> None:
    nlp = make_letters_nlp(pairs=FEW)
    other = add_stage(nlp, "back", **back)
    examples = make_examples(nlp, FEW)
    for example in examples:
        example.reference._.back = "x"
    other.initialize(lambda: examples, nlp=nlp)
    optimizer = Adam(0.05, use_averages=True)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer, exclude=["back"])
    still, before = other.to_bytes(), letters_stage(nlp).to_bytes()
    with nlp.use_params(optimizer.averages):
        assert other.to_bytes() == still and letters_stage(nlp).to_bytes() != before


SEEN: list[str | None] = []


@Language.component("seqpipe_translation_spy")
def spy(doc: Doc) -> Doc:
    SEEN.append(doc._.translation)
    return doc


@pytest.mark.parametrize("frozen", [[], ["translator"]], ids=["learning", "frozen"])
def test_an_annotating_stage_shows_the_next_what_it_says(frozen: list[str]) -> None:
    nlp = trained()
    nlp.add_pipe("seqpipe_translation_spy")
    before = letters_stage(nlp).shim.to_bytes()
    SEEN.clear()
    losses = nlp.update(
        make_examples(nlp, [(text, "X") for text in TEXTS]),
        sgd=Adam(1e-5),
        exclude=frozen,
        annotates=["translator", "seqpipe_translation_spy"],
    )
    assert SEEN == RIGHT
    still = letters_stage(nlp).shim.to_bytes() == before
    assert still is bool(frozen) is ("translator" not in losses)


@pytest.mark.parametrize("annotating", [[], ["sentencizer"]])
def test_it_learns_behind_a_sentencizer(annotating: list[str]) -> None:
    nlp = make_letters_nlp(pairs=FEW, unit="sent")
    nlp.add_pipe("sentencizer", first=True)
    examples = make_examples(nlp, FEW)
    assert nlp.update(examples, sgd=Adam(0.01), annotates=annotating)["translator"] > 0
    assert nlp.evaluate(examples)["bleu"] is not None


def test_a_stage_is_borrowed_under_another_name(nlp: Language, tmp_path: Path) -> None:
    target = spacy.blank("xx")
    target.add_pipe("translator", source=nlp, name="upper")
    assert said(target) == RIGHT
    target.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert isinstance(again.get_pipe("upper"), TranslatorStage) and said(again) == RIGHT


def test_a_config_may_borrow_from_a_folder(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    config = nlp.config.copy()
    config["components"] = {"translator": {"source": str(tmp_path)}}
    assert said(spacy.util.load_model_from_config(config)) == RIGHT


def test_settings_of_the_search_may_be_changed_when_it_is_loaded(
    nlp: Language, tmp_path: Path
) -> None:
    nlp.to_disk(tmp_path)
    config = {"components.translator.search.beam": 3, "components.translator.search.nbest": 2}
    again = spacy.load(tmp_path, config=config)
    assert len(again("gj")._.translation_nbest) == 2


def test_memory_zones_leave_nothing_behind(nlp: Language) -> None:
    texts = [*TEXTS, "never met before"]
    outside = said(nlp, texts)
    strings = len(nlp.vocab.strings)
    for _ in range(2):
        with nlp.memory_zone():
            assert said(nlp, texts) == outside
            list(nlp.pipe(["quite otherly words", "zone's end"]))
    assert len(nlp.vocab.strings) == strings


def test_a_stream_is_read_batch_by_batch(nlp: Language) -> None:
    taken = []

    def stream() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield "gj"

    docs = nlp.pipe(stream(), batch_size=10)
    next(docs)
    assert len(taken) <= 20


def test_a_doc_that_fails_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = trained()
    stage = letters_stage(nlp)
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
    nlp.set_error_handler(handler)
    texts = [*TEXTS[:9], "poison", *TEXTS[9:]]
    found = list(nlp.pipe(((text, text) for text in texts), as_tuples=True))
    assert [doc.text for doc, _ in found] == [context for _, context in found] == list(TEXTS)
    assert [doc._.translation for doc, _ in found] == RIGHT
    assert failed == [("translator", ["poison"])]


def test_missing_sentences_reach_the_error_handler() -> None:
    nlp = trained(unit="sent")
    said_of: list[str] = []
    nlp.set_error_handler(lambda name, proc, docs, error: said_of.append(str(error)))  # type: ignore[arg-type,return-value]
    assert list(nlp.pipe(["gj ab.", "gi jd."])) == []
    assert len(said_of) == 2 and "put a sentencizer" in said_of[0]


def test_an_evaluation_of_the_pipeline_tells_of_it(nlp: Language) -> None:
    scores = nlp.evaluate(make_examples(nlp, list(zip(TEXTS, RIGHT, strict=True))))
    assert scores["chrf"] == 1 and scores["speed"] > 0
    assert "tok:" in scores["bleu_signature"]

"""The stage among others: chosen, borrowed, doubled, failing, with contexts and memory zones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from verses import POEMS, add_stage, make_examples, make_verses_nlp, verses_stage

from seqpipe.components.generator import Generator

SHORT: dict[str, Any] = {"max_length": 8}
TEXTS = [*POEMS, "", "The"]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make_verses_nlp(5, search=SHORT)


@pytest.fixture
def other() -> Iterator[dict[str, Any]]:
    """Names of another stage's, whose extensions are taken back afterwards."""
    names = ("generated", "perplexity", "bits_per_char", "surprisal")
    yield {**{name: f"other_{name}" for name in names}, "unusual": "other_unusual"}
    for kind in (Doc, Span, Token):
        for name in (*names, "generated_nbest"):
            if kind.has_extension(f"other_{name}"):
                kind.remove_extension(f"other_{name}")


def said(nlp: Language, texts: Iterable[str] = TEXTS) -> list[tuple[Any, ...]]:
    return [(doc._.generated, doc._.surprisal) for doc in nlp.pipe(texts)]


def test_it_can_be_left_out(nlp: Language) -> None:
    with nlp.select_pipes(disable="generator"):
        doc = nlp("The")
        assert doc._.generated is None and doc._.surprisal is None
        assert doc[0]._.surprisal is None and doc[:]._.surprisal == 0
    (doc,) = nlp.pipe(["The"], disable=["generator"])
    assert doc._.perplexity is None


def test_contexts_and_docs_pass_through(nlp: Language) -> None:
    docs = [nlp.make_doc(text) for text in TEXTS]
    found = list(nlp.pipe([(doc, {"n": n}) for n, doc in enumerate(docs)], as_tuples=True))
    assert [context for _, context in found] == [{"n": n} for n in range(len(docs))]
    assert all(doc is given for (doc, _), given in zip(found, docs, strict=True))
    assert [(doc._.generated, doc._.surprisal) for doc in docs] == said(nlp)


def test_what_a_doc_carries_stays(nlp: Language) -> None:
    doc = nlp.make_doc("The rain")
    doc.user_data["mine"] = 1
    doc.cats["a"] = 0.5
    doc.spans["some"] = [doc[0:1]]
    nlp(doc)
    assert doc.user_data["mine"] == 1 and doc.cats == {"a": 0.5} and len(doc.spans["some"]) == 1


def test_two_instances_write_under_names_of_their_own(
    other: dict[str, Any], tmp_path: Path
) -> None:
    nlp = make_verses_nlp(5, search=SHORT)
    alone = said(nlp)
    how: dict[str, Any] = {"threshold": 5.0, "model": {"cell": "gru", "width": 9}}
    stage = add_stage(nlp, "other", search=SHORT, **how, **other)
    examples = make_examples(nlp)
    stage.initialize(lambda: examples, nlp=nlp)
    nlp.to_disk(tmp_path)
    for one in (nlp, spacy.load(tmp_path)):
        doc = one(POEMS[0])
        assert said(one) == alone
        assert doc._.other_surprisal != doc._.surprisal
        assert doc[:]._.other_surprisal == pytest.approx(doc._.other_surprisal, rel=1e-5)
        assert doc[0]._.other_surprisal and doc._.other_generated != doc._.generated
        assert "other_unusual" in doc.spans and "unusual" not in doc.spans
    stages = {name: verses_stage(nlp, name) for name in ("generator", "other")}
    docs = [nlp(example.reference.copy()) for example in examples]
    for example, doc in zip(examples, docs, strict=True):
        example.predicted = doc
    found = {name: pipe.score(examples)["bits_per_char"] for name, pipe in stages.items()}
    for name, prefix in (("generator", ""), ("other", "other_")):
        bits = sum(doc._.get(f"{prefix}surprisal") for doc in docs)
        assert found[name] == pytest.approx(bits / sum(len(doc.text) for doc in docs), rel=1e-4)
    assert found["generator"] != found["other"]


def test_it_is_borrowed_under_another_name(nlp: Language, tmp_path: Path) -> None:
    target = spacy.blank("xx")
    target.add_pipe("generator", source=nlp, name="poet")
    assert said(target) == said(nlp)
    target.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert isinstance(again.get_pipe("poet"), Generator) and said(again) == said(nlp)


def test_settings_may_be_changed_when_it_is_loaded(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    config = {"components.generator.characters": 3, "components.generator.perplexity": ""}
    doc = spacy.load(tmp_path, config=config)("The")
    assert len(doc._.generated) <= 3 and doc._.perplexity is None


def test_memory_zones_leave_nothing_behind(nlp: Language) -> None:
    texts = [*TEXTS, "never met before"]
    outside = said(nlp, texts)
    strings = len(nlp.vocab.strings)
    for _ in range(2):
        with nlp.memory_zone():
            assert said(nlp, texts) == outside
    assert len(nlp.vocab.strings) == strings


def test_a_stream_of_docs_is_read_batch_by_batch(nlp: Language) -> None:
    taken = []

    def stream() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield "The"

    docs = nlp.pipe(stream(), batch_size=10)
    next(docs)
    assert len(taken) <= 20


def test_a_doc_that_fails_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make_verses_nlp(5, search=SHORT)
    expected = said(nlp)
    stage = verses_stage(nlp)
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
    found = said(nlp, [*TEXTS[:3], "poison", *TEXTS[3:]])
    for own, whole in zip(found, expected, strict=True):  # of batches of other sizes
        assert own == (whole[0], pytest.approx(whole[1], rel=1e-5))
    assert failed == [("generator", ["poison"])]


def test_an_annotating_stage_shows_the_next_what_it_found() -> None:
    nlp = make_verses_nlp(5, search=SHORT)
    nlp.add_pipe("seqpipe_surprise_spy")
    SEEN.clear()
    examples, annotates = make_examples(nlp), ["generator", "seqpipe_surprise_spy"]
    nlp.update(examples, annotates=annotates, exclude=["generator"])
    seen = SEEN.copy()
    assert seen == [pytest.approx(nlp(text)._.surprisal, rel=1e-5) for text in POEMS]


SEEN: list[float | None] = []


@Language.component("seqpipe_surprise_spy")
def spy(doc: Doc) -> Doc:
    SEEN.append(doc._.surprisal)
    return doc

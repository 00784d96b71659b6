"""A doc that makes a batch fail costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from small import cats_of, make_nlp, stage_of, texts_of
from spacy.language import Language
from spacy.tokens import Doc

Failed = list[tuple[str, list[str], str]]
TEXTS = [*texts_of(), *texts_of(), "good"]


def make_failing(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[[list[Doc]], bool], error: Exception
) -> tuple[Language, list[int]]:
    """A pipeline whose stage raises for some batches, and the sizes of those it was asked for."""
    nlp = make_nlp()
    stage = stage_of(nlp)
    predict, sizes = stage.predict, []

    def failing(docs: Iterable[Doc]) -> Any:
        docs = list(docs)
        sizes.append(len(docs))
        if fails(docs):
            raise error
        return predict(docs)

    monkeypatch.setattr(stage, "predict", failing)
    return nlp, sizes


def collect(nlp: Language) -> Failed:
    failed: Failed = []

    def handler(name: str, _: object, docs: list[Doc], error: Exception) -> Any:
        failed.append((name, [doc.text for doc in docs], str(error)))

    nlp.set_error_handler(handler)
    return failed


def has_poison(docs: list[Doc]) -> bool:
    return any("poison" in doc.text for doc in docs)


@pytest.mark.parametrize("places", [[0], [8], [17], [3, 4, 12]], ids=str)
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_only_the_poisoned_are_lost_and_contexts_stay(
    monkeypatch: pytest.MonkeyPatch, places: list[int], batch_size: int
) -> None:
    nlp, _ = make_failing(monkeypatch, has_poison, ValueError("bad doc"))
    failed = collect(nlp)
    texts = list(TEXTS)
    for place in places:
        texts.insert(place, f"poison {place}")
    pairs = nlp.pipe(
        ((text, number) for number, text in enumerate(texts)),
        as_tuples=True,
        batch_size=batch_size,
    )
    found = [(doc.text, context, dict(doc.cats)) for doc, context in pairs]
    kept = [number for number in range(len(texts)) if number not in places]
    assert [(text, number) for text, number, _ in found] == [(texts[n], n) for n in kept]
    assert failed == [("sentiment", [f"poison {place}"], "bad doc") for place in places]
    plain = make_nlp()
    expected = cats_of(plain.pipe([texts[n] for n in kept]))
    for (_, _, cats), other in zip(found, expected, strict=True):
        assert cats == pytest.approx(other, abs=1e-6)


def test_the_search_for_it_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp, sizes = make_failing(monkeypatch, has_poison, ValueError("bad doc"))
    collect(nlp)
    list(nlp.pipe(["good"] * 37 + ["poison"] + ["bad"] * 26, batch_size=64))
    assert len(sizes) == 1 + 2 * 6  # both halves, six times


def test_by_default_it_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp, _ = make_failing(monkeypatch, has_poison, ValueError("bad doc"))
    with pytest.raises(ValueError, match="bad doc"):
        list(nlp.pipe(["good", "poison", "bad"]))
    with pytest.raises(ValueError, match="bad doc"):
        nlp("poison")


def test_one_doc_by_itself_goes_to_the_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp, _ = make_failing(monkeypatch, has_poison, ValueError("bad doc"))
    failed = collect(nlp)
    doc = nlp("poison")
    assert doc.text == "poison" and not doc.cats
    assert failed == [("sentiment", ["poison"], "bad doc")]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("can't allocate memory"), torch.cuda.OutOfMemoryError("CUDA out of memory")],
)
def test_out_of_memory_halves_the_batch_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    nlp, sizes = make_failing(monkeypatch, lambda docs: len(docs) > 3, error)
    failed = collect(nlp)
    docs = list(nlp.pipe(TEXTS, batch_size=100))
    assert [doc.text for doc in docs] == TEXTS and all(doc.cats for doc in docs)
    assert not failed and sizes[0] == len(TEXTS)


def test_an_interrupt_is_no_failure_of_a_doc(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp, sizes = make_failing(monkeypatch, has_poison, KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        list(nlp.pipe(["good", "poison"]))
    assert sizes == [2]

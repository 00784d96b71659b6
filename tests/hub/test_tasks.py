"""`seqpipe.pipeline` is called as those of transformers are, and answers in their shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from datasets import Dataset
from letters import PAIRS, letters_stage, make_letters_nlp
from small import make_nlp
from spacy.language import Language
from verses import make_verses_nlp, verses_stage
from words import ENGLISH, blank, make_words_nlp, text_of

from seqpipe import pipeline
from seqpipe.components.tokenizer import as_tokenizer
from seqpipe.errors import (
    FieldMissing,
    OptionUnknown,
    PipelineMissing,
    SeqpipeError,
    SettingError,
    TaskUnknown,
    TextUnfit,
)

LABEL = {"label": str, "score": float}
TRANSLATION = {"translation_text": str}
GENERATED = {"generated_text": str}
TOKEN = {"entity": str, "score": float, "index": int, "word": str, "start": int, "end": int}
SENTENCE = {"entity_group": str, "score": float, "word": str, "start": int, "end": int}

TWO = ["gj.", "h jd a"]
# Task, what it is given besides a text, and the shapes of its answers to a string, to two strings
# in a list, and to each of what is walked: transformers has written them down so.
SHAPES: list[tuple[str, dict[str, Any], Any, Any, Any]] = [
    ("text-classification", {}, [LABEL], [LABEL] * 2, LABEL),
    ("sentiment-analysis", {}, [LABEL], [LABEL] * 2, LABEL),
    ("text-classification", {"top_k": None}, [LABEL] * 2, [[LABEL] * 2] * 2, [LABEL] * 2),
    ("text-classification", {"top_k": 2}, [LABEL] * 2, [[LABEL] * 2] * 2, [LABEL] * 2),
    ("text-classification", {"top_k": 1}, [LABEL], [[LABEL]] * 2, [LABEL]),
    ("translation", {}, [TRANSLATION], [TRANSLATION] * 2, [TRANSLATION]),
    ("translation_xx_to_yy", {}, [TRANSLATION], [TRANSLATION] * 2, [TRANSLATION]),
    (
        "translation_en_to_de",
        {"num_return_sequences": 2},
        [TRANSLATION] * 2,
        [[TRANSLATION] * 2] * 2,
        [TRANSLATION] * 2,
    ),
    ("text-generation", {}, [GENERATED], [[GENERATED]] * 2, [GENERATED]),
    (
        "text-generation",
        {"num_return_sequences": 3, "do_sample": True},
        [GENERATED] * 3,
        [[GENERATED] * 3] * 2,
        [GENERATED] * 3,
    ),
    ("token-classification", {}, [TOKEN] * 2, [[TOKEN] * 2, [TOKEN] * 3], [TOKEN] * 2),
    (
        "token-classification",
        {"aggregation_strategy": "simple"},
        [SENTENCE],
        [[SENTENCE]] * 2,
        [SENTENCE],
    ),
]
OPTIONS = [(task, options) for task, options, *_ in SHAPES]


@cache
def nlp_of(task: str) -> Language:
    if task.startswith("translation"):
        return make_letters_nlp(3, pairs=PAIRS[:100])
    if task == "text-generation":
        return make_verses_nlp(3)
    if task == "token-classification":
        return make_words_nlp(1)
    return make_nlp(steps=2)


def shape_of(found: Any) -> Any:
    """What it is made of, by types alone."""
    if isinstance(found, list):
        return [shape_of(one) for one in found]
    if isinstance(found, dict):
        return {name: shape_of(value) for name, value in found.items()}
    return type(found)


def alike(task: str, shape: Any) -> Any:
    """How many tokens there are is a matter of the net: one stands for all."""
    if task != "token-classification" or not isinstance(shape, list):
        return shape
    if shape and isinstance(shape[0], list):
        return [alike(task, one) for one in shape]
    return shape[:1]


@pytest.mark.parametrize(("task", "options", "alone", "together", "each"), SHAPES)
def test_answers_have_the_shapes_of_transformers(
    task: str, options: dict[str, Any], alone: Any, together: Any, each: Any
) -> None:
    ask = pipeline(task, nlp_of(task))
    assert alike(task, shape_of(ask("gj.", **options))) == alike(task, alone)
    assert alike(task, shape_of(ask(TWO, **options))) == alike(task, together)
    (one, _) = ask((text for text in TWO), **options)
    assert alike(task, shape_of(one)) == alike(task, each)
    assert ask([], **options) == []


class Keyed(torch.utils.data.Dataset[str]):
    """As the KeyDataset of transformers: it has a length and places, and cannot be walked."""

    def __len__(self) -> int:
        return len(TWO)

    def __getitem__(self, at: int) -> str:
        return TWO[at]


@pytest.mark.parametrize(("task", "options"), OPTIONS)
def test_whatever_yields_texts_is_answered_alike(task: str, options: dict[str, Any]) -> None:
    ask = pipeline(task, nlp_of(task), **options)
    table = Dataset.from_dict({"text": TWO})
    expected = list(ask(iter(TWO)))
    assert list(ask(table["text"])) == expected  # a column
    assert list(ask(table)) == expected  # rows with a text
    assert list(ask(Keyed())) == expected
    assert list(ask({"text": text} for text in TWO)) == expected
    assert [ask({"text": text}) for text in TWO] == expected


@pytest.mark.parametrize("task", ["text-classification", "token-classification"])
def test_a_batch_equals_its_rows(task: str) -> None:
    ask = pipeline(task, nlp_of(task), batch_size=3)
    texts = ["good", "a bad film. It was dull.", "", "x" * 300, "the end"]
    for batch, text in zip(ask(iter(texts)), texts, strict=True):
        (alone,) = ask(iter([text]))
        assert shape_of(batch) == shape_of(alone)
        assert str(batch)[:20] == str(alone)[:20]


def test_a_generator_is_read_as_it_is_needed() -> None:
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield "good"

    answers = pipeline("text-classification", nlp_of(""), batch_size=4)(texts())
    assert read == 0
    next(answers)
    assert read == 4


def test_labels_come_with_their_probabilities_the_likeliest_first() -> None:
    nlp = make_nlp(steps=20)
    found = pipeline("sentiment-analysis", nlp)("good fun", top_k=None)
    assert found == sorted(found, key=lambda one: -one["score"])
    assert {one["label"]: one["score"] for one in found} == nlp("good fun").cats
    assert found[0]["label"] == "positive"


@pytest.mark.parametrize(
    ("multi_label", "own", "other"), [(False, "softmax", "sigmoid"), (True, "sigmoid", "softmax")]
)
def test_probabilities_are_made_in_one_way(multi_label: bool, own: str, other: str) -> None:
    ask = pipeline("text-classification", make_nlp(steps=1, multi_label=multi_label))
    assert ask("good", function_to_apply=own) == ask("good")
    with pytest.raises(SettingError, match=f"{other}.* give '{own}', for the labels"):
        ask("good", function_to_apply=other)


def test_a_translation_is_that_of_the_pipeline() -> None:
    nlp = nlp_of("translation")
    ask, stage = pipeline("translation", nlp), letters_stage(nlp)
    assert ask(TWO) == [{"translation_text": doc._.translation} for doc in nlp.pipe(TWO)]
    before = stage.search
    found = ask("gj.", num_return_sequences=3)
    assert len(found) == 3 and stage.search is before
    best = stage.translate(["gj."], beam=3, nbest=3)[0]
    assert [one["translation_text"] for one in found] == [one.text for one in best]
    (short,) = ask("h jd a", max_new_tokens=1)
    assert len(short["translation_text"]) <= 1


def test_a_search_is_as_it_was_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = nlp_of("translation")
    stage = letters_stage(nlp)
    before = stage.search
    monkeypatch.setattr(stage, "set_annotations", lambda docs, found: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pipeline("translation", nlp)("gj", num_beams=2)
    assert stage.search is before


def test_languages_are_taken_at_their_word() -> None:
    nlp = make_verses_nlp(0, lang="en")
    nlp.remove_pipe("generator")
    nlp.add_pipe("translator", source=nlp_of("translation"))
    nlp.config["corpora"] = {"train": {"source": "en", "target": "de"}}
    for task in ("translation", "translation_xx_to_yy", "translation_en_to_de"):
        assert pipeline(task, nlp).task == task
    for task in ("translation_fr_to_de", "translation_en_to_fr"):
        with pytest.raises(SettingError, match="'translation_en_to_de'"):
            pipeline(task, nlp)


def test_what_is_written_follows_the_text() -> None:
    nlp = nlp_of("text-generation")
    ask, stage = pipeline("text-generation", nlp, do_sample=False), verses_stage(nlp)
    (full,), (new,) = ask("The", max_new_tokens=9), ask("The", max_new_tokens=9, return_full_text=0)
    assert full["generated_text"] == "The" + new["generated_text"]
    (written,) = stage.generate(["The"], sampling=False, max_length=9)
    assert [new["generated_text"]] == written and len(written[0]) <= 9
    (behind,) = ask("e", prefix="Th", max_new_tokens=9)
    assert behind["generated_text"] == "e" + new["generated_text"]


def test_writing_ends_before_a_stop() -> None:
    ask = pipeline("text-generation", nlp_of("text-generation"), do_sample=False)
    (found,) = ask("The", return_full_text=False)
    text = found["generated_text"]
    stop = text[len(text) // 2]
    for options in ({"stop": stop}, {"stop_sequence": stop}, {"stop": [stop, "never"]}):
        (short,) = ask("The", return_full_text=False, **options)
        assert short["generated_text"] == text[: text.index(stop)]


def test_what_is_drawn_hangs_on_its_seed() -> None:
    ask = pipeline("text-generation", nlp_of("text-generation"), temperature=1.5)
    assert ask("The", seed=1) == ask("The", seed=1) != ask("The", seed=2)


def test_tokens_are_those_of_the_stage() -> None:
    nlp, text = make_words_nlp(20), text_of(count=5)
    doc = nlp(text)
    found = pipeline("token-classification", nlp)(text)
    assert [(one["word"], one["start"]) for one in found] == [(t.text, t.idx) for t in doc]
    assert [one["entity"] == "B-SENT" for one in found] == [t.is_sent_start for t in doc]
    assert [one["index"] for one in found] == list(range(1, len(doc) + 1))
    assert all(text[one["start"] : one["end"]] == one["word"] for one in found)
    assert all(0 < one["score"] <= 1 for one in found)
    sentences = pipeline("token-classification", nlp, aggregation_strategy="simple")(text)
    assert [one["word"] for one in sentences] == [sent.text.strip() for sent in doc.sents]
    assert sentences[-1]["score"] == 1.0


def test_a_tokenizer_that_knows_no_sentences_tells_tokens() -> None:
    nlp = make_words_nlp(1, known=False)
    for way in ("none", "simple"):
        found = pipeline("token-classification", nlp, aggregation_strategy=way)("It is good.")
        assert {one["entity"] for one in found} == {"TOKEN"}


def test_a_stage_in_the_place_of_the_tokenizer_is_found() -> None:
    nlp, text = make_words_nlp(1, sentences=ENGLISH), "It is good."
    before = pipeline("token-classification", nlp)(text)
    as_tokenizer(nlp)
    assert pipeline("token-classification", nlp)(text) == before


def test_a_folder_is_loaded(tmp_path: Any) -> None:
    nlp = nlp_of("")
    nlp.to_disk(tmp_path)
    loaded = pipeline("text-classification", str(tmp_path), device=-1)
    assert loaded("good") == pipeline("text-classification", nlp, device="cpu")("good")
    assert loaded("good") == pipeline("text-classification", nlp, device=torch.device("cpu"))(
        "good"
    )


@pytest.mark.parametrize(
    ("task", "options", "error", "told"),
    [
        ("text-classificaton", {}, TaskUnknown, "Did you mean 'text-classification'?"),
        ("text-classification", {"topk": 2}, OptionUnknown, "Did you mean 'top_k'?"),
        ("text-classification", {"top_k": 0}, SettingError, "None for all labels"),
        ("text-classification", {"batch_size": 0}, SettingError, "1 or more"),
        ("translation", {"src_lang": "en"}, OptionUnknown, "no 'src_lang'"),
        ("translation", {"num_beams": 0}, SettingError, "1 or more"),
        ("text-generation", {"stop": "a", "stop_sequence": "b"}, SettingError, "not both"),
        ("text-generation", {"do_sample": False, "top_k": 3}, SettingError, "nothing is drawn"),
        ("token-classification", {"aggregation_strategy": "max"}, SettingError, "for sentences"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    task: str, options: dict[str, Any], error: type[SeqpipeError], told: str
) -> None:
    with pytest.raises(error, match=re.escape(told)):
        pipeline(task, nlp_of(task), **options)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (3, "given int"),
        (None, "given NoneType"),
        ([["a"]], "list for one of them"),
        ({"text": "a", "text_pair": "b"}, "a pair"),
        ({"sentence": "a"}, "dict for one of them"),
        ([{"role": "user", "content": "a"}], "dict for one of them"),
    ],
)
def test_what_is_no_text_is_refused(inputs: Any, told: str) -> None:
    with pytest.raises(TextUnfit, match=told):
        pipeline("text-classification", nlp_of(""))(inputs)


@pytest.mark.parametrize("task", sorted({task for task, _ in OPTIONS}))
def test_a_pipeline_without_the_stage_is_refused(task: str) -> None:
    with pytest.raises(FieldMissing):
        pipeline(task, blank())


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(PipelineMissing):
        pipeline("text-classification", "nowhere")

"""A lexicon: counted from the corpus, or given, kept beside the weights, asked in every text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from words import (
    CHINESE,
    ENGLISH,
    VIETNAMESE,
    add_stage,
    blank,
    facts_of,
    make_examples,
    make_words_nlp,
    text_of,
    words_stage,
)

from seqpipe.errors import SettingError, SourceMissing
from seqpipe.text.lexicon import MARKS

HOW: dict[str, Any] = {"sentences": CHINESE, "joint": "", "lexicon": True}
TEXT = text_of(CHINESE, joint="")


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make_words_nlp(40, **HOW)


def initialized(path: Path | None, *, lexicon: bool = True) -> Language:
    nlp = blank()
    stage = add_stage(nlp, lexicon=lexicon)
    examples = make_examples(nlp, CHINESE, joint="")
    stage.initialize(lambda: examples, nlp=nlp, lexicon=None if path is None else str(path))
    return nlp


def test_it_holds_the_words_of_the_corpus(nlp: Language) -> None:
    lexicon = words_stage(nlp).lexicon
    assert {"我们", "喜欢", "电影", "北京"} == set(lexicon.counts)
    assert not words_stage(make_words_nlp(sentences=CHINESE, joint="")).lexicon.counts


def test_its_marks_are_part_of_the_ids(nlp: Language) -> None:
    stage = words_stage(nlp)
    (ids,) = stage.encode_texts([TEXT])
    assert np.array_equal(ids % MARKS, stage.lexicon.marks(TEXT)) and (ids % MARKS).any()
    plain = words_stage(make_words_nlp(sentences=CHINESE, joint=""))
    assert np.array_equal(ids // MARKS, plain.encode_texts([TEXT])[0])


def test_it_has_a_say_in_the_result(nlp: Language) -> None:
    assert nlp.evaluate(make_examples(nlp, CHINESE, joint=""))["token_f"] == 1
    stage = words_stage(nlp)
    kept, stage.lexicon = stage.lexicon, type(stage.lexicon)({})
    without = stage.shim.net(*tensors(stage.encode_texts([TEXT])))
    stage.lexicon = kept
    assert (stage.shim.net(*tensors(stage.encode_texts([TEXT]))) != without).any()


def tensors(encoded: list[Any]) -> tuple[Any, Any]:
    ids = torch.from_numpy(encoded[0]).long()[None]
    return ids, torch.tensor([ids.shape[1]])


def test_what_no_other_text_holds_is_not_known_in_its_own() -> None:
    """Else the stage would learn to trust its lexicon more than it may."""
    nlp = make_words_nlp(**HOW)
    stage = words_stage(nlp)
    once = make_examples(nlp, ["上海|很|好|。"], joint="")[:1]
    nlp.initialize(lambda: [*make_examples(nlp, CHINESE, joint=""), *once])
    text = once[0].reference.text
    marks = stage.lessons(once).rows[0] % MARKS
    assert not marks[text.index("上") : text.index("上") + 2].any()
    assert stage.lexicon.marks(text)[:2].all()


def test_words_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("上海\n我们\t3\n", encoding="utf-8")
    stage = words_stage(initialized(path))
    assert {"上海", "我们", "北京"} <= set(stage.lexicon.counts)
    assert stage.lexicon.marks("上海").all()
    # a word that was given is known in any text, even where all of the corpus has it once
    rows = stage.lessons(make_examples(blank(), ["我们|很|好|。"], joint="")[:1]).rows
    assert (rows[0] % MARKS)[:2].all()


def test_a_list_of_words_is_named_in_the_config(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("上海\n", encoding="utf-8")
    nlp = blank()
    stage = add_stage(nlp, lexicon=True)
    nlp.config["initialize"]["components"]["tokenizer"] = {"lexicon": str(path)}
    nlp.initialize(lambda: make_examples(nlp, CHINESE, joint=""))
    assert "上海" in stage.lexicon.counts


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"There is no file.*none\.txt"):
        initialized(tmp_path / "none.txt")


def test_a_list_for_a_stage_without_a_lexicon_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("上海\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"lexicon = False .* true where a file of words"):
        initialized(path, lexicon=False)


def test_it_is_kept(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    counts = words_stage(nlp).lexicon.counts
    assert (tmp_path / "tokenizer" / "lexicon.txt").exists()
    again = [spacy.load(tmp_path), blank()]
    add_stage(again[1], lexicon=True)
    again[1].from_bytes(nlp.to_bytes())
    for one in again:
        assert words_stage(one).lexicon.counts == counts
        assert facts_of(one(TEXT)) == facts_of(nlp(TEXT))


def test_it_may_be_left_out(nlp: Language, tmp_path: Path) -> None:
    stage = words_stage(nlp)
    stage.to_disk(tmp_path, exclude=["lexicon"])
    assert not (tmp_path / "lexicon.txt").exists()
    assert len(stage.to_bytes(exclude=["lexicon"])) < len(stage.to_bytes())


def test_a_stage_learns_on_with_the_lexicon_it_has(nlp: Language) -> None:
    again = blank()
    add_stage(again, lexicon=True)
    again.from_bytes(nlp.to_bytes())
    again.update(
        make_examples(again, CHINESE, joint=""),
        sgd=again.resume_training(),
    )
    assert again(TEXT).text == TEXT


def test_runs_of_letters_are_known_where_tokens_hold_spaces(tmp_path: Path) -> None:
    nlp = make_words_nlp(sentences=VIETNAMESE, lexicon=True, words=3)
    stage = words_stage(nlp)
    assert len(stage.runs) == 3
    (ids,) = stage.encode_texts([text_of(VIETNAMESE)])
    assert set(np.unique(ids % 4).tolist()) == {0, 1, 2, 3}
    nlp.to_disk(tmp_path)
    again = words_stage(spacy.load(tmp_path))
    assert np.array_equal(again.encode_texts([text_of(VIETNAMESE)])[0], ids)


@pytest.mark.parametrize(("sentences", "words"), [(ENGLISH, 50), (VIETNAMESE, 0)])
def test_elsewhere_or_unasked_they_are_not(sentences: tuple[str, ...], words: int) -> None:
    assert not len(words_stage(make_words_nlp(sentences=sentences, words=words)).runs)

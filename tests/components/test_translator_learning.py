"""What is learned from which pairs, how pieces, seeds and averages have their part in it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from letters import (
    BPE,
    TEXTS,
    letters_stage,
    make_examples,
    make_letters_nlp,
    make_pairs,
    said,
    trained,
)
from spacy.language import Language
from thinc.api import Adam, fix_random_seed

from seqpipe.components._stage import Lessons
from seqpipe.components.translator import TranslatorStage
from seqpipe.text.codec import EOS
from seqpipe.text.rows import Rows

FEW = make_pairs(40)
DROPPING: dict[str, Any] = {"codec": BPE, "bpe_dropout": 0.3}


def weights_of(nlp: Language) -> dict[str, torch.Tensor]:
    net: torch.nn.Module = letters_stage(nlp).shim.net
    return {name: weight.detach().clone() for name, weight in net.named_parameters()}


def furthest(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> float:
    return max((after[name] - before[name]).abs().max().item() for name in before)


def test_lessons_are_both_sides_with_their_ends() -> None:
    nlp = make_letters_nlp(pairs=FEW)
    stage = letters_stage(nlp)
    lessons = stage.lessons(make_examples(nlp, [("ab c", "ABC")]))
    (row,), (answer,) = lessons.rows, lessons.answers
    codec = stage._codec()
    assert row.tolist() == [*codec.encode(["ab c"])[0], EOS]
    assert answer.tolist() == [*codec.encode(["ABC"])[0], EOS]
    assert stage.cells(Rows.of([row]), Rows.of([answer])).tolist() == [[4, 5]]


def test_pairs_that_are_too_long_are_left_out_and_counted() -> None:
    nlp = make_letters_nlp(pairs=FEW, longest=4)
    stage = letters_stage(nlp)
    pairs = [("abcd", "ABCD"), ("abcde", "A"), ("a", "ABCDE"), ("a", ""), (" ", "A")]
    lessons = stage.lessons(make_examples(nlp, pairs))
    assert [len(row) for row in lessons.rows] == [5, 2] and stage.skipped == 2
    assert (
        letters_stage(make_letters_nlp(pairs=FEW, longest=0))
        .lessons(make_examples(nlp, [("ab" * 500, "A")]))
        .rows
    )


def test_gradients_accumulate_over_updates_as_in_one() -> None:
    whole, parts = (make_letters_nlp(pairs=FEW) for _ in range(2))
    examples = make_examples(whole, FEW)
    # eps far above the gradients keeps Adam's first step in proportion to them
    first, second = (Adam(0.01, use_averages=False, eps=1.0, grad_clip=0.0) for _ in range(2))
    before = weights_of(whole)
    whole.update(examples, sgd=first)
    for start in range(0, len(examples), 7):
        parts.update(examples[start : start + 7], sgd=False)  # type: ignore[arg-type]
    assert furthest(before, weights_of(parts)) == 0
    letters_stage(parts).finish_update(second)
    moved = furthest(before, weights_of(whole))
    assert furthest(weights_of(whole), weights_of(parts)) < 1e-6 < moved


def test_the_drivers_dropout_reaches_the_net() -> None:
    def loss(drop: float) -> float:
        fix_random_seed(0)
        return letters_stage(nlp).update(examples, drop=drop)["translator"]

    nlp = make_letters_nlp(pairs=FEW)
    examples = make_examples(nlp, FEW)
    assert loss(0.0) == loss(0.0) != loss(0.5) == loss(0.5) != loss(0.1)
    assert said(nlp) == said(nlp)  # and predicting is free of it


@pytest.mark.parametrize(
    "noise", ["embedding_dropout", "piece_dropout", "weight_dropout", "label_smoothing"]
)
def test_each_noise_is_a_switch_of_its_own(noise: str) -> None:
    quiet, loud = (make_letters_nlp(2, pairs=FEW, model={noise: rate}) for rate in (0.0, 0.3))
    assert furthest(weights_of(quiet), weights_of(loud)) > 0
    assert said(loud) == said(loud)


def test_a_sampled_softmax_is_for_learning_alone() -> None:
    few, other, whole = (
        make_letters_nlp(2, pairs=FEW, model={"sampled_softmax": few}) for few in (3, 4, 0)
    )
    assert furthest(weights_of(few), weights_of(whole)) > 0
    assert furthest(weights_of(few), weights_of(other)) > 0
    again = make_letters_nlp(2, pairs=FEW, model={"sampled_softmax": 3})
    assert furthest(weights_of(few), weights_of(again)) == 0
    assert said(few) == said(few)


def test_averages_are_put_in_and_taken_out() -> None:
    nlp = make_letters_nlp(pairs=FEW)
    optimizer = Adam(0.03, use_averages=True)
    examples = make_examples(nlp, FEW)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    last, shown = letters_stage(nlp).shim.to_bytes(), said(nlp)
    with nlp.use_params(optimizer.averages):
        averaged, meanwhile = letters_stage(nlp).shim.to_bytes(), scores_of(nlp)
    assert letters_stage(nlp).shim.to_bytes() == last != averaged
    assert said(nlp) == shown and scores_of(nlp) != meanwhile  # nothing ready-made is left over


def scores_of(nlp: Language) -> list[float]:
    return [doc._.translation_score for doc in nlp.pipe(TEXTS)]


def test_what_was_made_ready_for_writing_follows_the_weights() -> None:
    nlp = make_letters_nlp(pairs=FEW)
    before = scores_of(nlp)
    nlp.update(make_examples(nlp, FEW), sgd=Adam(0.05, use_averages=False))
    after = scores_of(nlp)
    fresh = make_letters_nlp(pairs=FEW).from_bytes(nlp.to_bytes())
    assert after != before and after == scores_of(fresh)


# BPE dropout ------------------------------------------------------------------------------


def recut(stage: TranslatorStage, lessons: Lessons) -> Lessons:
    return stage.recut.of(lessons, stage._codec(), stage._target())


def test_bpe_dropout_cuts_otherwise_each_time_and_the_same_by_seed() -> None:
    def pieces(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        again = recut(stage, lessons)
        assert [codec.decode(row[:-1]) for row in again.rows] == [s for s, _ in FEW]
        assert [codec.decode(row[:-1]) for row in again.answers] == [t for _, t in FEW]
        assert {int(row[-1]) for row in (*again.rows, *again.answers)} == {EOS}
        return [row.tolist() for row in (*again.rows, *again.answers)]

    nlp = make_letters_nlp(pairs=FEW, **DROPPING)
    stage = letters_stage(nlp)
    codec, lessons = stage._codec(), stage.lessons(make_examples(nlp, FEW))
    assert pieces(1) == pieces(1) != pieces(2)


def test_bpe_dropout_gives_the_same_weights_by_seed() -> None:
    first, second = (letters_stage(make_letters_nlp(3, pairs=FEW, **DROPPING)) for _ in range(2))
    assert first.shim.to_bytes() == second.shim.to_bytes()
    plain = make_letters_nlp(3, pairs=FEW, codec=BPE)
    assert letters_stage(plain).shim.to_bytes() != first.shim.to_bytes()


def test_bpe_dropout_is_for_learning_alone() -> None:
    nlp = make_letters_nlp(2, pairs=FEW, **DROPPING)
    stage = letters_stage(nlp)
    docs = [nlp.make_doc(text) for text in TEXTS]
    for row, text in zip(stage.encode(docs), TEXTS, strict=True):
        assert row.tolist() == [*stage._codec().encode([text])[0], EOS]
    assert scores_of(nlp) == scores_of(nlp)


def test_bpe_dropout_knows_the_pieces_of_a_new_beginning() -> None:
    nlp = make_letters_nlp(1, pairs=FEW, **DROPPING)
    others = [("other words", "of another kind")] * 5
    nlp.initialize(lambda: make_examples(nlp, others))
    stage = letters_stage(nlp)
    again = recut(stage, stage.lessons(make_examples(nlp, others[:1])))
    assert stage._codec().decode(again.rows[0][:-1]) == "other words"


def test_bpe_dropout_of_each_side_by_its_codec() -> None:
    apart: dict[str, Any] = {"target_codec": BPE, "model": {"tie_source": False}}
    nlp = make_letters_nlp(1, pairs=FEW, **DROPPING, **apart)
    stage = letters_stage(nlp)
    again = recut(stage, stage.lessons(make_examples(nlp, FEW)))
    assert [stage._target().decode(row[:-1]) for row in again.answers] == [t for _, t in FEW]


# Shortlists -------------------------------------------------------------------------------


def test_a_shortlist_is_learned_with_the_codec_and_only_where_wished() -> None:
    stage = letters_stage(make_letters_nlp(pairs=FEW, shortlist=4))
    assert stage.shortlist is not None
    assert stage.shortlist.table.shape == (len(stage._codec()), 4)
    assert letters_stage(make_letters_nlp(pairs=FEW)).shortlist is None


def test_learning_knows_no_shortlist() -> None:
    narrow, wide = (make_letters_nlp(2, pairs=FEW, shortlist=best) for best in (1, 0))
    assert letters_stage(narrow).shim.to_bytes() == letters_stage(wide).shim.to_bytes()


def test_the_loss_is_that_of_the_pairs() -> None:
    nlp = trained()
    right, wrong = (
        letters_stage(nlp).update(make_examples(nlp, [("gj", target)]))["translator"]
        for target in ("GJ", "AB")
    )
    assert 0 < right < 0.2 < 2 < wrong
    assert right == pytest.approx(-nlp("gj")._.translation_score / 3, rel=1e-3)

"""Folds and first rows: which rows are picked, and that every reader's rows can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.training import Example

from seqpipe.corpora.picked import Pick, fold_numbers, read_picked, strata_of
from seqpipe.corpora.reader import read_dataset
from seqpipe.errors import FoldsTooMany, SettingError, SizeTooLarge
from seqpipe.text.course import CONTINUES

STRATA = st.lists(st.sampled_from("abc"), min_size=2, max_size=60)
NLP = spacy.blank("xx")


def pick(*, folds: int = 0, fold: int = 0, held: bool = False, first: int = 0) -> Pick:
    return Pick(folds=folds, fold=fold, held=held, first=first, seed=0)


@given(strata=STRATA, folds=st.integers(2, 9), seed=st.integers(0, 9))
def test_every_row_is_held_out_once_and_labels_are_shared_alike(
    strata: list[str], folds: int, seed: int
) -> None:
    if folds > len(strata):
        with pytest.raises(FoldsTooMany):
            fold_numbers(strata, folds=folds, seed=seed)
        return
    numbers = fold_numbers(strata, folds=folds, seed=seed)
    assert numbers.tolist() == fold_numbers(strata, folds=folds, seed=seed).tolist()
    assert sorted({*numbers.tolist()}) == list(range(1, folds + 1))
    for kind in (None, *set(strata)):
        here = [n for n, one in zip(numbers.tolist(), strata, strict=True) if kind in (None, one)]
        counts = [Counter(here)[fold] for fold in range(1, folds + 1)]
        assert max(counts) - min(counts) <= 1


@given(strata=STRATA, folds=st.integers(2, 5))
def test_a_fold_and_the_rest_are_the_whole(strata: list[str], folds: int) -> None:
    folds = min(folds, len(strata))
    for fold in range(1, folds + 1):
        held = pick(folds=folds, fold=fold, held=True).of(strata)
        rest = pick(folds=folds, fold=fold).of(strata)
        assert (held ^ rest).all() and held.any()


def test_less_is_a_part_of_more_and_another_seed_is_another_choice() -> None:
    chosen = [pick(first=n).of(["a"] * 30) for n in (5, 20, 30)]
    assert [int(one.sum()) for one in chosen] == [5, 20, 30]
    assert not (chosen[0] & ~chosen[1]).any()
    other = Pick(folds=0, fold=0, held=False, first=5, seed=1).of(["a"] * 30)
    assert not np.array_equal(other, chosen[0])
    with pytest.raises(SizeTooLarge, match="31 rows are more than there are"):
        pick(first=31).of(["a"] * 30)


def test_a_fold_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingError, match="from 1 to 3"):
        read_picked(lambda nlp: [], folds=3, fold=4)


def texts(examples: Iterable[Example]) -> list[str]:
    return [example.reference.text for example in examples]


def test_rows_are_picked_from_a_reader_and_shuffled_each_epoch() -> None:
    whole = read_dataset("bundled:reviews_en", limit=40, shuffle=False)
    train, held = (
        read_picked(whole, folds=4, fold=1, held=held, shuffle=not held) for held in (False, True)
    )
    first, second, out = texts(train(NLP)), texts(train(NLP)), texts(held(NLP))
    assert first != second and sorted(first) == sorted(second)
    assert sorted(first + out) == sorted(texts(whole(NLP))) and len(out) == 10
    assert out == texts(held(NLP))
    here, there = (Counter(strata_of(corpus(NLP))) for corpus in (held, whole))
    assert all(abs(here[label] - count / 4) < 1 for label, count in there.items())


def test_the_parts_of_a_text_stay_together() -> None:
    def corpus(nlp: Language) -> Iterator[Example]:
        for text in ("a1", "a2", "b1", "c1", "c2", "c3"):
            docs = nlp.make_doc(text), nlp.make_doc(text)
            for doc in docs if text in ("a1", "c1", "c2") else ():
                doc.user_data[CONTINUES] = True
            yield Example(*docs)

    assert len(strata_of(corpus(NLP))) == 3
    found = texts(read_picked(corpus, folds=3, fold=2)(NLP))
    joined = "".join(found)
    kept = [text for text in ("a1a2", "b1", "c1c2c3") if text in joined]
    assert len(kept) == 2 and len(joined) == len("".join(kept))


def test_soft_labels_are_shared_by_the_likeliest() -> None:
    doc = NLP.make_doc("so so")
    doc.cats = {"a": 0.4, "b": 0.35, "c": 0.25}
    assert strata_of([Example(NLP.make_doc("so so"), doc)]) == [("a",)]

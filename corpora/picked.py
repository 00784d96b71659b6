"""`seqpipe.Picked.v1`: some rows of another corpus, as a fold or the first of a shuffle."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from seqpipe.corpora.walk import mixed
from seqpipe.errors import FoldsTooMany, SettingError, SizeTooLarge
from seqpipe.text.course import CONTINUES

_BUFFER = 10_000  # rows that are shuffled among each other: more than fit are never held


def read_picked(
    corpus: Callable[[Language], Iterable[Example]],
    folds: int = 0,
    fold: int = 0,
    held: bool = False,
    first: int = 0,
    shuffle: bool = True,
    seed: int = 0,
) -> Callable[[Language], Iterable[Example]]:
    """The examples of `corpus` that stand outside a fold or, with `held`, in it.

    Folds are counted from 1, and 0 of them leave all rows in. Of what is left `first` keeps the
    first so many of a shuffle that `seed` decides: less is a part of more. The corpus has to come
    in the same order each time (`shuffle = false` there); the parts of a document stay together.
    """
    if folds and not 1 <= fold <= folds:
        raise SettingError("fold", fold, f"a number from 1 to {folds}")
    pick = Pick(folds=folds, fold=fold, held=held, first=first, seed=seed)
    return PickedCorpus(corpus, pick, shuffle=shuffle)


registry.readers("seqpipe.Picked.v1", func=read_picked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Which rows, by their numbers."""

    folds: int
    fold: int
    held: bool
    first: int
    seed: int

    def of(self, strata: Sequence[Hashable]) -> NDArray[np.bool_]:
        """Whether each row is one of them."""
        chosen = np.ones(len(strata), np.bool_)
        if self.folds:
            held_in = fold_numbers(strata, folds=self.folds, seed=self.seed)
            chosen = (held_in == self.fold) == self.held
        if self.first:
            left = np.flatnonzero(chosen)
            if self.first > len(left):
                raise SizeTooLarge(self.first, len(left))
            order = np.random.default_rng(self.seed).permutation(len(left))
            chosen[left[order[self.first :]]] = False
        return chosen


def fold_numbers(strata: Sequence[Hashable], *, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold, from 1 on, that holds each row out: all folds have as many rows, and as many of
    each stratum, but for one."""
    if folds > len(strata):
        raise FoldsTooMany(folds, len(strata))
    codes: dict[Hashable, int] = {}
    kinds = np.array([codes.setdefault(one, len(codes)) for one in strata], np.int64)
    order = np.random.default_rng(seed).permutation(len(strata))
    dealt = order[np.argsort(kinds[order], kind="stable")]
    numbers = np.empty(len(strata), np.int64)
    numbers[dealt] = np.arange(len(strata)) % folds + 1
    return numbers


class PickedCorpus:
    """The rows picked as Examples; the first call walks once more to see what there is."""

    def __init__(
        self,
        corpus: Callable[[Language], Iterable[Example]],
        pick: Pick,
        *,
        shuffle: bool,
    ) -> None:
        self._corpus, self._pick, self._shuffle, self._calls = corpus, pick, shuffle, 0
        self._chosen: NDArray[np.bool_] | None = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        if self._chosen is None:
            self._chosen = self._pick.of(strata_of(self._corpus(nlp)))
        self._calls += 1
        rows = zip(documents(self._corpus(nlp)), self._chosen, strict=True)
        kept = (row for row, wanted in rows if wanted)
        random = np.random.default_rng([self._pick.seed, self._calls - 1])
        walked = mixed(kept, random, _BUFFER) if self._shuffle else kept
        return (example for row in walked for example in row)


def strata_of(examples: Iterable[Example]) -> list[Hashable]:
    """Of each row its labels, which folds are to share alike; nothing where there are none."""
    return [_labels(row[0].reference.cats) for row in documents(examples)]


def documents(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Each row as the examples it was cut into: the parts of a long text, or just one."""
    row: list[Example] = []
    for example in examples:
        row.append(example)
        if not example.predicted.user_data.get(CONTINUES):
            yield row
            row = []
    if row:
        yield row


def _labels(cats: dict[str, float]) -> tuple[str, ...]:
    likely = tuple(sorted(name for name, value in cats.items() if value >= 0.5))
    if likely or not any(cats.values()):
        return likely
    return (max(cats, key=lambda name: cats[name]),)

"""`seqpipe.Dataset.v1`: any data as a corpus of `spacy train`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab

from seqpipe.corpora.docbins import read_docs
from seqpipe.corpora.labelled import LabelledRows, Row, cut, labelled_rows
from seqpipe.corpora.sources import Source, held_out, locate
from seqpipe.corpora.walk import in_portions, mixed
from seqpipe.errors import SplitMissing
from seqpipe.text.portions import Place, Portion

Item = TypeVar("Item")
Row_co = TypeVar("Row_co", covariant=True)


def read_dataset(
    path: str,
    split: str = "train",
    text: str = "text",
    label: str | None = "label",
    labels: list[str] | None = None,
    limit: int = 0,
    streaming: bool = False,
    shuffle: bool = True,
    buffer: int = 10000,
    seed: int = 0,
    revision: str | None = None,
    without: float = 0.0,
    only: float = 0.0,
) -> Callable[[Language], Iterable[Example]]:
    """Examples out of a data set on the hub, a folder, files or a bundled corpus.

    Each call is the next epoch, in an order that `seed` and the number of calls decide; give
    `shuffle = false` to the part that is only measured on. Where a data set has one part alone,
    `without = 0.1` leaves a tenth of it out and `only = 0.1` is that tenth. A label may be a dict
    of probabilities, or a list of them in the order of `labels`.
    """
    order = Order(shuffle=shuffle, seed=seed, buffer=buffer)
    source = locate(path)
    if source.docs:
        held = Held(share=cut(without, only), inside=only > 0)
        docs = Docs(source, split=split, limit=limit, held=held)
        return DocsCorpus(docs, order=order)

    def opened() -> LabelledRows:
        return labelled_rows(
            path,
            split=split,
            text=text,
            label=label,
            labels=labels or (),
            streaming=streaming,
            limit=limit,
            revision=revision,
            without=without,
            only=only,
        )

    return RowsCorpus(opened, order=order)


registry.readers("seqpipe.Dataset.v1", func=read_dataset)


class Shuffled(Protocol[Row_co]):
    """Rows that know their own orders: tables need not be held to be walked in one."""

    def __iter__(self) -> Iterator[Row_co]: ...

    def shuffled(self, *, seed: int, epoch: int, buffer: int) -> Iterator[Row_co]: ...


@dataclass(frozen=True, slots=True)
class Order:
    """In which order an epoch comes; `buffer` is what a stream is shuffled in."""

    shuffle: bool
    seed: int
    buffer: int

    def walked(self, rows: Shuffled[Item], *, epoch: int) -> Iterator[Item]:
        """The rows of an epoch."""
        if not self.shuffle:
            return iter(rows)
        return rows.shuffled(seed=self.seed, epoch=epoch, buffer=self.buffer)

    def chance(self, epoch: int) -> np.random.Generator | None:
        """What an epoch's order is drawn from, where it has one of its own."""
        return np.random.default_rng([self.seed, epoch]) if self.shuffle else None

    def mixed(self, items: Iterable[Item], *, epoch: int, streaming: bool) -> Iterable[Item]:
        """The items of an epoch; those of a stream are never all held."""
        random = self.chance(epoch)
        if random is None:
            return items
        if streaming:
            return mixed(iter(items), random, self.buffer)
        held = list(items)
        return (held[place] for place in random.permutation(len(held)))


@dataclass(frozen=True, slots=True)
class Held:
    """A share of docs or texts that is held out, and whether it is what is wanted."""

    share: float
    inside: bool

    def select(self, items: Iterable[Item]) -> Iterable[Item]:
        if not self.share:
            return items
        every = list(items)
        held = held_out(len(every), share=self.share)
        return [item for item, out in zip(every, held, strict=True) if out == self.inside]


class RowsCorpus:
    """The rows of a table as Examples; nothing is opened before the first call."""

    def __init__(self, opened: Callable[[], LabelledRows], *, order: Order) -> None:
        self._opened, self._order, self._calls = opened, order, 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        self._calls += 1
        return self._examples(nlp, self._order.walked(self._rows, epoch=self._calls - 1))

    def portions(
        self, nlp: Language, *, epoch: int, size: int, at: Place
    ) -> Iterator[Portion[Example]]:
        """Of an epoch from a place on, at least `size` rows at a time."""
        random = self._order.chance(epoch)
        for portion in self._rows.portions(random, size=size, at=at):
            yield Portion(self._examples(nlp, portion.items), portion.end)

    def _examples(self, nlp: Language, rows: Iterable[Row]) -> Iterator[Example]:
        no_label = dict.fromkeys(self._rows.labels, 0.0)
        return (
            _example(nlp, row.text, no_label | row.cats())
            for row in rows
            if row.text  # as in spacy.Corpus.v1: pipes of others fail on an empty doc
        )

    @cached_property
    def _rows(self) -> LabelledRows:
        return self._opened()


class Docs:
    """The docs of one part of `.spacy` files; `limit` is how many of the first."""

    def __init__(self, source: Source, *, split: str, limit: int, held: Held) -> None:
        if split not in source.docs:
            raise SplitMissing(source.data, split, list(source.docs))
        self.data, self._files = source.data, source.docs[split]
        self._limit, self._held = limit, held

    def read(self, vocab: Vocab) -> Iterator[Doc]:
        return islice(self._held.select(read_docs(self._files, vocab)), self._limit or None)


class DocsCorpus:
    """Docs as Examples, with every annotation they carry."""

    def __init__(self, docs: Docs, *, order: Order) -> None:
        self._docs, self._order, self._calls = docs, order, 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        self._calls += 1
        docs = self._docs.read(nlp.vocab)
        return _paired(nlp, self._order.mixed(docs, epoch=self._calls - 1, streaming=False))

    def portions(
        self, nlp: Language, *, epoch: int, size: int, at: Place
    ) -> Iterator[Portion[Example]]:
        """As they come: docs have a vocabulary of their own, which outlives that of `nlp`."""
        for portion in in_portions(self._docs.read(Vocab()), size=size, at=at):
            yield Portion(_paired(nlp, portion.items), portion.end)


def _paired(nlp: Language, docs: Iterable[Doc]) -> Iterator[Example]:
    return (Example(nlp.make_doc(doc.text), doc) for doc in docs if len(doc))


def _example(nlp: Language, text: str, cats: dict[str, float]) -> Example:
    reference = nlp.make_doc(text)  # several times as fast as copying a doc
    reference.cats = cats
    return Example(nlp.make_doc(text), reference)

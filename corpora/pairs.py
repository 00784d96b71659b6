"""`seqpipe.Pairs.v1`: texts with what they are to become, as a corpus of `spacy train`."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab

from seqpipe.corpora.labelled import cut, open_part
from seqpipe.corpora.reader import Docs, Held, Order
from seqpipe.corpora.sources import locate
from seqpipe.corpora.walk import Columns, Walk, in_portions
from seqpipe.errors import ColumnMissing, DataEmpty, SettingError
from seqpipe.text.portions import Place, Portion

NESTED = "translation"  # the column of dicts that sets of translations have on the hub

Item = TypeVar("Item")


def read_pairs(
    path: str,
    split: str = "train",
    source: str = "source",
    target: str = "target",
    extension: str = "translation",
    limit: int = 0,
    streaming: bool = False,
    shuffle: bool = True,
    buffer: int = 10000,
    seed: int = 0,
    without: float = 0.0,
    only: float = 0.0,
    longest: int = 0,
    both_ways: bool = False,
    revision: str | None = None,
) -> Callable[[Language], Iterable[Example]]:
    """Examples whose reference carries the target text in `reference._.<extension>`.

    `source` and `target` are columns, keys of the dicts in a column `translation`, or the suffixes
    of parallel text files. Pairs with a side longer than `longest` characters are left out (0: none
    is). With `both_ways` each pair is followed by the same the other way round, to learn from (Ding
    et al. 2021). As in `seqpipe.Dataset.v1` each call is the next epoch, and `without` and `only`
    hold pairs out, the same in every run.
    """
    if not Doc.has_extension(extension):
        Doc.set_extension(extension, default=None)
    locate(path)  # what is not there is said before training begins
    opened = partial(
        open_pairs,
        path,
        split=split,
        source=source,
        target=target,
        extension=extension,
        limit=limit,
        streaming=streaming,
        without=without,
        only=only,
        longest=longest,
        revision=revision,
    )
    order = Order(shuffle=shuffle, seed=seed, buffer=buffer)
    return PairsCorpus(opened, order=order, turned=extension if both_ways else None)


registry.readers("seqpipe.Pairs.v1", func=read_pairs)


class Pair(NamedTuple):
    """A text and what it is to become."""

    source: str
    target: str


def open_pairs(
    data: str,
    *,
    split: str,
    source: str = "source",
    target: str = "target",
    extension: str = "translation",
    limit: int = 0,
    streaming: bool = False,
    without: float = 0.0,
    only: float = 0.0,
    longest: int = 0,
    revision: str | None = None,
) -> "Pairs | DocPairs":
    """The pairs of one part of a data set; of `.spacy` files those of docs with the extension."""
    place = locate(data)
    if place.docs:
        held = Held(share=cut(without, only), inside=only > 0)
        docs = Docs(place, split=split, limit=limit, held=held)
        return DocPairs(docs, extension=extension, longest=longest)
    table = open_part(
        data, split=split, streaming=streaming, revision=revision, without=without, only=only
    )
    walk = Walk(table, data=data, needed=[], limit=limit)
    return Pairs(walk, source=source, target=target, extension=extension, longest=longest)


class Sieve:
    """Lets the pairs through that can be used, and counts the others.

    `skipped` holds the count of the last walk; the first that loses any says so at its end.
    """

    def __init__(self, data: str, *, wanted: str, longest: int = 0) -> None:
        if longest < 0:
            raise SettingError("longest", longest, "a number of characters, or 0 for any number")
        self.data, self.skipped = data, 0
        self._wanted, self._longest, self._warned = wanted, longest, False

    def kept(
        self, items: Iterable[Item], sides: Callable[[Item], Sequence[Any]], *, some: bool = False
    ) -> Iterator[Item]:
        """Those of all items, or of some of them, among which there may be none."""
        seen = empty = long = 0
        for item in items:
            seen += 1
            source, target = sides(item)
            if not (_is_text(source) and _is_text(target)):
                empty += 1
            elif self._longest and max(len(source), len(target)) > self._longest:
                long += 1
            else:
                yield item
        self._account(seen, empty, long, some=some)

    def _account(self, seen: int, empty: int, long: int, *, some: bool) -> None:
        reasons = [f"{empty:,} empty"] * (empty > 0)
        reasons += [f"{long:,} longer than {self._longest:,} characters"] * (long > 0)
        self.skipped = empty + long
        said = f"{self.skipped:,} of {seen:,} pairs skipped: {', '.join(reasons)}."
        if self.skipped == seen and not some:
            raise DataEmpty(self.data, f"pair {self._wanted}{f' ({said[:-1]})' * (seen > 0)}")
        if self.skipped and not self._warned:
            self._warned = True
            warnings.warn(f"{self.data!r}: {said}", stacklevel=2)


class Pairs:
    """The usable pairs of a table, walked as often as asked for.

    `limit` counts the table's first rows, skipped ones included.
    """

    def __init__(
        self, walk: Walk, *, source: str, target: str, extension: str, longest: int = 0
    ) -> None:
        self._walk, self._names, self._extension = walk, (source, target), extension
        self._columns = _columns(walk, self._names)
        wanted = f"with text in {source!r} and in {target!r}"
        self._sieve = Sieve(walk.data, wanted=wanted, longest=longest)

    @property
    def skipped(self) -> int:
        return self._sieve.skipped

    def __iter__(self) -> Iterator[Pair]:
        return self._usable(self._walk.in_order(self._columns))

    def shuffled(self, *, seed: int, epoch: int = 0, buffer: int = 10_000) -> Iterator[Pair]:
        """Every pair once, in an order that (seed, epoch) decide; a stream fills a buffer."""
        walk, columns = self._walk, self._columns
        return walk.shuffled(columns, self._usable, seed=seed, epoch=epoch, buffer=buffer)

    def references(self, nlp: Language, order: Order, *, epoch: int) -> Iterator[Doc]:
        return (self._doc(nlp, pair) for pair in order.walked(self, epoch=epoch))

    def portions(
        self, nlp: Language, random: np.random.Generator | None, *, size: int, at: Place
    ) -> Iterator[Portion[Doc]]:
        """As `Walk.portions` has them; one of them may hold nothing."""
        usable = partial(self._usable, some=True)
        for portion in self._walk.portions(self._columns, usable, random, size=size, at=at):
            yield portion.made(partial(self._doc, nlp))

    def _doc(self, nlp: Language, pair: Pair) -> Doc:
        doc = nlp.make_doc(pair.source)
        doc._.set(self._extension, pair.target)
        return doc

    def _usable(self, batches: Iterator[Columns], *, some: bool = False) -> Iterator[Pair]:
        rows = (row for batch in batches for row in self._rows(batch))
        return (Pair(*row) for row in self._sieve.kept(rows, tuple, some=some))

    def _rows(self, batch: Columns) -> Iterator[Sequence[Any]]:
        source, target = self._names
        if self._columns != [NESTED]:
            return zip(batch[source], batch[target], strict=True)
        dicts = (row or {} for row in batch[NESTED])
        return ((row.get(source), row.get(target)) for row in dicts)


class DocPairs:
    """The docs of `.spacy` files that carry a target in their user data."""

    def __init__(self, docs: Docs, *, extension: str, longest: int = 0) -> None:
        self._docs = docs
        self._key: Any = ("._.", extension, None, None)  # where `doc._` keeps it
        wanted = f"of a doc and its {extension!r}"
        self._sieve = Sieve(docs.data, wanted=wanted, longest=longest)

    @property
    def skipped(self) -> int:
        return self._sieve.skipped

    def __iter__(self) -> Iterator[Pair]:
        docs = self._sieve.kept(self._docs.read(Vocab()), self._sides)
        return (Pair(*self._sides(doc)) for doc in docs)

    def references(self, nlp: Language, order: Order, *, epoch: int) -> Iterator[Doc]:
        docs = order.mixed(self._docs.read(nlp.vocab), epoch=epoch, streaming=False)
        return self._sieve.kept(docs, self._sides)

    def portions(
        self, nlp: Language, random: np.random.Generator | None, *, size: int, at: Place
    ) -> Iterator[Portion[Doc]]:
        """As they come: docs have a vocabulary of their own, which outlives that of `nlp`."""
        for portion in in_portions(self._docs.read(Vocab()), size=size, at=at):
            docs = self._sieve.kept(portion.items, self._sides, some=True)
            yield Portion(docs, portion.end)

    def _sides(self, doc: Doc) -> tuple[str, Any]:
        return doc.text, doc.user_data.get(self._key)


class PairsCorpus:
    """Pairs as Examples; nothing is opened before the first call.

    Where an extension is `turned`, what it holds is a text too, which becomes that of the doc.
    """

    def __init__(
        self, opened: Callable[[], Pairs | DocPairs], *, order: Order, turned: str | None = None
    ) -> None:
        self._opened, self._order, self._calls = opened, order, 0
        self._turned = turned

    def __call__(self, nlp: Language) -> Iterator[Example]:
        self._calls += 1
        references = self._pairs.references(nlp, self._order, epoch=self._calls - 1)
        return self._examples(nlp, references)

    def portions(
        self, nlp: Language, *, epoch: int, size: int, at: Place
    ) -> Iterator[Portion[Example]]:
        """Of an epoch from a place on, at least `size` rows at a time."""
        random = self._order.chance(epoch)
        for portion in self._pairs.portions(nlp, random, size=size, at=at):
            yield Portion(self._examples(nlp, portion.items), portion.end)

    def _examples(self, nlp: Language, references: Iterable[Doc]) -> Iterator[Example]:
        for reference in references:
            yield Example(nlp.make_doc(reference.text), reference)
            if self._turned is not None:
                turned = nlp.make_doc(reference._.get(self._turned))
                turned._.set(self._turned, reference.text)
                yield Example(nlp.make_doc(turned.text), turned)

    @cached_property
    def _pairs(self) -> Pairs | DocPairs:
        return self._opened()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _columns(walk: Walk, names: Sequence[str]) -> list[str]:
    """The columns to read: those of the two names, or the one whose dicts have them as keys."""
    if {*names} <= {*walk.columns}:
        return list(dict.fromkeys(names))
    keys = walk.keys(NESTED) if NESTED in walk.columns else []
    if {*names} <= {*keys}:
        return [NESTED]
    known = [*keys, *walk.columns] if keys else walk.columns
    lacking = [name for name in names if name not in known] or [*{*names} - {*walk.columns}]
    inner = f"{NESTED} ({', '.join(keys)})" if keys else NESTED
    there = [inner if name == NESTED else name for name in walk.columns]
    raise ColumnMissing(walk.data, lacking[0], there)

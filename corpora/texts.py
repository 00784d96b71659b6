"""`seqpipe.RunningText.v1`: texts to learn to write from, as a corpus of `spacy train`."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from itertools import islice

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from seqpipe.corpora.cuts import Part, parted, side_of
from seqpipe.corpora.labelled import cut
from seqpipe.corpora.reader import Held, Order
from seqpipe.corpora.sources import carve, locate, open_split
from seqpipe.corpora.walk import Columns, Walk, in_portions
from seqpipe.errors import DataEmpty, SettingError
from seqpipe.text.course import CONTINUES
from seqpipe.text.portions import Place, Portion

AUTO = "auto"
_MOST = 1_000_000  # characters: of longer texts spaCy makes no doc


def read_texts(
    path: str,
    split: str = "train",
    text: str = "text",
    limit: int = 0,
    streaming: bool = False,
    shuffle: bool = True,
    buffer: int = 10000,
    seed: int = 0,
    revision: str | None = None,
    without: float = 0.0,
    only: float = 0.0,
    join: str | None = "auto",
    longest: int = 100000,
) -> Callable[[Language], Iterable[Example]]:
    """Examples of running text: with `join = null` a row is a document.

    With a string rows run on as one document, with that string behind each of them; "auto" lets
    the lines of .txt files run on, with their line ends. A document of more than `longest`
    characters is several docs, one after the other; one that the next goes on with has
    `doc.user_data["seqpipe_continues"]`. Only documents are shuffled.

    As in `seqpipe.Dataset.v1` each call is the next epoch, and `without` and `only` hold a share
    out: so many documents, or the end of the text where there is only one.
    """
    locate(path)  # what is not there is said before training begins
    opened = partial(
        open_texts,
        path,
        split=split,
        text=text,
        limit=limit,
        streaming=streaming,
        revision=revision,
        without=without,
        only=only,
        join=join,
        longest=longest,
    )
    return TextsCorpus(opened, order=Order(shuffle=shuffle, seed=seed, buffer=buffer))


registry.readers("seqpipe.RunningText.v1", func=read_texts)


def open_texts(
    data: str,
    *,
    split: str,
    text: str = "text",
    limit: int = 0,
    streaming: bool = False,
    revision: str | None = None,
    without: float = 0.0,
    only: float = 0.0,
    join: str | None = AUTO,
    longest: int = 100_000,
) -> "Texts":
    """The texts of one part of a data set, in parts; of `.spacy` files those of the docs."""
    if not 0 < longest <= _MOST:
        raise SettingError("longest", longest, f"a number of characters from 1 to {_MOST:,}")
    held = Held(share=cut(without, only), inside=only > 0)
    if held.share and streaming:
        raise SettingError("streaming", True, "false where a part is cut in two")
    if join == AUTO:
        join = "\n" if locate(data).lines_run_on else None
    table = open_split(data, split=split, streaming=streaming, revision=revision)
    column = Column(Walk(table, data=data, needed=[text], limit=limit), text)
    if held.share and join is None and column.has_several():
        table = carve(table, share=held.share)[held.inside]
        column = Column(Walk(table, data=data, needed=[text], limit=limit), text)
        held = Held(share=0, inside=False)
    return Texts(column, join=join, longest=longest, held=held)


class Column:
    """The texts in a table's rows, as often as asked for."""

    def __init__(self, walk: Walk, name: str) -> None:
        self.data, self.name, self._walk = walk.data, name, walk

    def __iter__(self) -> Iterator[str]:
        return self._strings(self._walk.in_order([self.name]))

    def shuffled(self, *, seed: int, epoch: int, buffer: int) -> Iterator[str]:
        return self._walk.shuffled(
            [self.name], self._strings, seed=seed, epoch=epoch, buffer=buffer
        )

    def portions(
        self, random: np.random.Generator | None, *, size: int, at: Place
    ) -> Iterator[Portion[str]]:
        return self._walk.portions([self.name], self._strings, random, size=size, at=at)

    def has_several(self) -> bool:
        """Whether more than one row has something to read."""
        return len([*islice(filter(str.strip, self), 2)]) > 1

    def _strings(self, batches: Iterator[Columns]) -> Iterator[str]:
        values = (value for batch in batches for value in batch[self.name])
        return (value for value in values if isinstance(value, str))


class Texts:
    """The parts of texts, walked as often as asked for: those of a text one after the other.

    `limit` counts the table's first rows. Rows without a text are passed over; where rows run on,
    an empty one is an empty line.
    """

    def __init__(self, column: Column, *, join: str | None, longest: int, held: Held) -> None:
        self._column, self._join, self._longest, self._held = column, join, longest, held

    def __iter__(self) -> Iterator[Part]:
        return self._parts(iter(self._column))

    def shuffled(self, *, seed: int, epoch: int = 0, buffer: int = 10_000) -> Iterator[Part]:
        """Every text once, in an order that (seed, epoch) decide; a stream fills a buffer."""
        if self._join is not None:
            return iter(self)
        return self._parts(self._column.shuffled(seed=seed, epoch=epoch, buffer=buffer))

    def portions(
        self, random: np.random.Generator | None, *, size: int, at: Place
    ) -> Iterator[Portion[Part]]:
        """As `Walk.portions` has them; a text that runs on does so from one to the next."""
        if self._held.share:
            yield from in_portions(iter(self), size=size, at=at)
            return
        runs_on = self._join is not None
        walk = self._column.portions(None if runs_on else random, size=size, at=at)
        portion = next(walk, None)
        while portion is not None:
            behind = next(walk, None)
            parts = self._parts(iter(portion.items), some=True)
            going_on = runs_on and behind is not None
            yield Portion(_going_on(parts) if going_on else parts, portion.end)
            portion = behind

    def _parts(self, rows: Iterator[str], *, some: bool = False) -> Iterator[Part]:
        found = some
        for text in map(self._side, self._texts(rows)):
            for part in parted(text, self._longest):
                found = True
                yield part
        if not found:
            raise DataEmpty(self._column.data, f"row with a text in {self._column.name!r}")

    def _texts(self, rows: Iterator[str]) -> Iterator[Iterable[str]]:
        """Each text in the pieces it is read in."""
        join = self._join
        if join is None:
            return ([row] for row in rows if row.strip())
        return iter([(row + join for row in rows)])

    def _side(self, text: Iterable[str]) -> Iterable[str]:
        share, inside = self._held.share, self._held.inside
        if not share:
            return text
        return side_of(text, length=self._length, share=share, inside=inside)

    @cached_property
    def _length(self) -> int:
        """That of the one text there is, where a share of it is held out."""
        return sum(len(piece) for text in self._texts(iter(self._column)) for piece in text)


class TextsCorpus:
    """Parts of texts as Examples; nothing is opened before the first call."""

    def __init__(self, opened: Callable[[], Texts], *, order: Order) -> None:
        self._opened, self._order, self._calls = opened, order, 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        self._calls += 1
        parts = self._order.walked(self._texts, epoch=self._calls - 1)
        return (_example(nlp, part) for part in parts)

    def portions(
        self, nlp: Language, *, epoch: int, size: int, at: Place
    ) -> Iterator[Portion[Example]]:
        """Of an epoch from a place on, at least `size` rows at a time."""
        random = self._order.chance(epoch)
        for portion in self._texts.portions(random, size=size, at=at):
            yield portion.made(partial(_example, nlp))

    @cached_property
    def _texts(self) -> Texts:
        return self._opened()


def _going_on(parts: Iterator[Part]) -> Iterator[Part]:
    """The same, of a text that does not end with the last of them."""
    return (Part(part.text, continues=True) for part in parts)


def _example(nlp: Language, part: Part) -> Example:
    docs = nlp.make_doc(part.text), nlp.make_doc(part.text)
    for doc in docs if part.continues else ():
        doc.user_data[CONTINUES] = True
    return Example(*docs)

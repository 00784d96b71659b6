"""Sentences put together again into the running text they came from, with their tokens' places."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.corpora.docbins import read_docs
from seqpipe.corpora.sources import locate, open_split
from seqpipe.corpora.walk import Columns, Walk, in_portions
from seqpipe.errors import DataEmpty, SplitMissing, listed
from seqpipe.text.portions import Place, Portion
from seqpipe.text.segments import Segments, Spans, locate_tokens, words_of_all

if TYPE_CHECKING:
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

    from seqpipe.corpora.sources import Table

PARAGRAPH = "\n\n"
NAMED = 5  # of the rows that are skipped, so many by their numbers

# Han, Kana, Thai, Lao, Khmer and Myanmar, and what they have of punctuation for themselves.
_UNSPACED = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u3041-\u30ff\u31f0-\u31ff"
    "\u0e01-\u0eff\u1780-\u17ff\u1000-\u109f\u3001-\u303f\uff01-\uff9f"
)
_SHARED = "\u2014\u2018\u2019\u201c\u201d\u2026"  # they end sentences with and without spaces
_TOUCHING = re.compile(
    f"[{_UNSPACED}][{_UNSPACED}{_SHARED}]|[{_SHARED}][{_UNSPACED}]"
)  # two characters that no space would stand between


@dataclass(frozen=True, slots=True)
class Passage:
    """One running text: where its tokens stand, and which of them begin a sentence, if known."""

    text: str
    spans: Spans  # (T, 2)
    starts: NDArray[np.bool_] | None  # (T,)


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    spans: Spans
    space_after: bool | None
    newpar: bool
    doc_id: Any


def passages(
    table: Table,
    *,
    data: str,
    text: str = "text",
    tokens: str = "tokens",
    sentences: bool = True,
    limit: int = 0,
    group: int = 100,
) -> Passages:
    """The running texts of a table; with `sentences=False` each row is one of its own."""
    return Passages(
        Walk(table, data=data, needed=[text, tokens], limit=limit),
        text=text,
        tokens=tokens,
        sentences=sentences,
        group=group,
    )


def open_passages(
    data: str,
    *,
    split: str,
    text: str = "text",
    tokens: str = "tokens",
    sentences: bool = True,
    limit: int = 0,
    group: int = 100,
    streaming: bool = False,
    revision: str | None = None,
) -> Passages | DocPassages:
    """The running texts of one part of a data set, or the docs of `.spacy` files as such."""
    source = locate(data)
    if source.docs:
        if split not in source.docs:
            raise SplitMissing(data, split, list(source.docs))
        return DocPassages(data, source.docs[split], limit=limit)
    return passages(
        open_split(data, split=split, streaming=streaming, revision=revision),
        data=data,
        text=text,
        tokens=tokens,
        sentences=sentences,
        limit=limit,
        group=group,
    )


class Passages:
    """Running texts, walked as often as asked for; rows that cannot be used are counted.

    A row is a sentence, and rows stand in the order of their documents. A new text begins with
    another `doc_id`; where there is none, after `group` rows, at a paragraph if there are any. A
    row that is skipped ends a text, so that nothing is joined that is not neighbours. `skipped`
    holds the count of the last walk; the first walk that skips anything says so, at its end.
    """

    def __init__(
        self, walk: Walk, *, text: str, tokens: str, sentences: bool = True, group: int = 100
    ) -> None:
        self.data, self.skipped = walk.data, 0
        self._walk, self._text, self._tokens = walk, text, tokens
        self._sentences, self._group = sentences, group
        extras = ("space_after", "newpar", "doc_id") if sentences else ()
        self._columns = [text, tokens, *(column for column in extras if column in walk.columns)]
        self._warned = False

    def __iter__(self) -> Iterator[Passage]:
        return self._usable(self._walk.in_order(self._columns))

    def portions(
        self, random: np.random.Generator | None, *, size: int, at: Place
    ) -> Iterator[Portion[Passage]]:
        """As `Walk.portions` has them; a text ends with its portion, and one may hold none."""
        usable = partial(self._usable, some=True)
        shuffled = random if self._walk.streaming or not self._sentences else None
        return self._walk.portions(self._columns, usable, shuffled, size=size, at=at)

    def _usable(self, batches: Iterator[Columns], *, some: bool = False) -> Iterator[Passage]:
        tally = _Tally()
        rows = (
            tally.counted(self._row(batch, at))
            for batch in batches
            for at in range(len(batch[self._text]))
        )
        yield from self._joined(rows) if self._sentences else _alone(rows)
        self._account(tally, some=some)

    def _row(self, batch: Columns, at: int) -> _Row | None:
        """None for a row without a text, or whose tokens do not make it up."""
        text, tokens = batch[self._text][at], batch[self._tokens][at]
        if not isinstance(text, str) or not isinstance(tokens, Sequence) or not tokens:
            return None
        if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
            return None
        spans = locate_tokens(text, tokens)
        if spans is None:
            return None
        told = {name: batch[name][at] for name in self._columns[2:] if name in batch}
        after = told.get("space_after")
        space = after[-1] if isinstance(after, Sequence) and after else None
        return _Row(text, spans, space, bool(told.get("newpar")), told.get("doc_id") or None)

    def _joined(self, rows: Iterator[_Row | None]) -> Iterator[Passage]:
        growing = _Growing()
        for row in rows:
            if growing.rows and (row is None or self._ends(growing, row)):
                yield growing.passage()
                growing = _Growing()
            if row:
                growing.add(row)
        if growing.rows:
            yield growing.passage()

    def _ends(self, growing: _Growing, row: _Row) -> bool:
        if row.doc_id != growing.doc_id:
            return True
        if row.doc_id is not None or growing.rows < self._group:
            return False
        within = growing.paragraphs and not row.newpar
        return not within or growing.rows >= 2 * self._group

    def _account(self, tally: _Tally, *, some: bool) -> None:
        wanted = f"text in {self._text!r} that {self._tokens!r} make up"
        if tally.seen == tally.bad and not some:
            raise DataEmpty(self.data, f"row with a {wanted}")
        self.skipped = tally.bad
        if tally.bad and not self._warned:
            self._warned = True
            more = [f"{tally.bad - NAMED} more"] * (tally.bad > NAMED)
            numbers = listed([*map(str, tally.first), *more])
            warnings.warn(
                f"{self.data!r}: {tally.bad} of {tally.seen} rows skipped, without a {wanted}: "
                f"{numbers}, counted from 0.",
                stacklevel=2,
            )


@dataclass(slots=True)
class _Tally:
    """Counts the rows of a walk, and those that cannot be used."""

    seen: int = 0
    bad: int = 0
    first: list[int] = field(default_factory=list)

    def counted(self, row: _Row | None) -> _Row | None:
        if row is None:
            self.bad += 1
            if self.bad <= NAMED:
                self.first.append(self.seen)
        self.seen += 1
        return row


def _alone(rows: Iterable[_Row | None]) -> Iterator[Passage]:
    return (Passage(row.text, row.spans, None) for row in rows if row)


@dataclass(slots=True)
class _Growing:
    """A running text while rows are added to it."""

    doc_id: Any = None
    rows: int = 0
    paragraphs: bool = False  # whether it has been told where one begins
    length: int = 0
    space: bool | None = None
    texts: list[str] = field(default_factory=list)
    spans: list[Spans] = field(default_factory=list)
    starts: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(self, row: _Row) -> None:
        begin, end = int(row.spans[0, 0]), int(row.spans[-1, 1])
        text = row.text[begin:end]
        if self.rows:
            self._append(self._joint(text, row.newpar))
        self.spans.append(row.spans + (self.length - begin))
        self.starts.append(np.arange(len(row.spans)) == 0)
        self._append(text)
        self.doc_id, self.space = row.doc_id, row.space_after
        self.rows += 1
        self.paragraphs |= row.newpar

    def passage(self) -> Passage:
        spans, starts = np.concatenate(self.spans), np.concatenate(self.starts)
        return Passage("".join(self.texts), spans, starts)

    def _append(self, text: str) -> None:
        self.texts.append(text)
        self.length += len(text)

    def _joint(self, text: str, newpar: bool) -> str:
        """What stands between the text so far and the next sentence."""
        if newpar:
            return PARAGRAPH
        touching = _TOUCHING.fullmatch(self.texts[-1][-1] + text[0])
        space = not touching if self.space is None else self.space
        return " " if space else ""


class DocPassages:
    """The docs of `.spacy` files as running texts; `limit` is how many of the first docs."""

    skipped = 0  # a doc's tokens always make up its text

    def __init__(self, data: str, files: Sequence[Path], *, limit: int = 0) -> None:
        self.data, self._files, self._limit = data, files, limit

    def __iter__(self) -> Iterator[Passage]:
        from spacy.vocab import Vocab

        docs = read_docs(self._files, Vocab())
        found = False
        for passage in passages_of(islice(docs, self._limit or None)):
            yield passage
            found = True
        if not found:
            raise DataEmpty(self.data, "doc with a token")

    def portions(
        self, random: np.random.Generator | None, *, size: int, at: Place
    ) -> Iterator[Portion[Passage]]:
        """As they come."""
        return in_portions(iter(self), size=size, at=at)


def passages_of(docs: Iterable[Doc]) -> Iterator[Passage]:
    """The texts of docs that have any, with their tokens; starts where they are annotated."""
    for doc in docs:
        # not `is_space`: a vocabulary without a language does not know it
        solid = [token for token in doc if not token.text.isspace()]
        spans = [(token.idx, token.idx + len(token)) for token in solid]
        if spans:
            yield Passage(doc.text, np.array(spans, np.int64), _starts_of(doc))


def _starts_of(doc: Doc) -> NDArray[np.bool_] | None:
    """A start that stands on white space is that of the next token."""
    if not doc.has_annotation("SENT_START"):
        return None
    starts: list[bool] = []
    pending = True
    for token in doc:
        pending = pending or bool(token.is_sent_start)
        if not token.text.isspace():
            starts.append(pending)
            pending = False
    return np.array(starts, np.bool_)


def doc_of(vocab: Vocab, passage: Passage) -> Doc:
    """The passage as spaCy would have it: white space that is no plain space is a token."""
    from spacy.tokens import Doc

    (made,) = words_of_all([passage.text], [Segments(passage.spans, passage.starts)])
    starts = None if passage.starts is None else made.starts.tolist()
    return Doc(vocab, words=made.words, spaces=made.spaces, sent_starts=starts)

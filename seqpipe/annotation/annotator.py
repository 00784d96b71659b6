"""Rows in, what a pipeline finds in their texts out: window by window, stage by stage."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from spacy.tokens import Doc
from spacy.vocab import Vocab

from seqpipe.annotation.formats.columns import settled, type_of
from seqpipe.annotation.formats.format import OUTPUT
from seqpipe.annotation.rows import Row
from seqpipe.annotation.work import Failure, Tally
from seqpipe.errors import FieldMissing, SeqpipeError, reason_of
from seqpipe.pipelines import fields_of, reads_texts, write_only
from seqpipe.text.units import words_in

if TYPE_CHECKING:
    from spacy.language import Language

ERROR = "error"  # the field that says why a document has no others
TOKENIZER = "tokenizer"  # the stage before the first

_WARM = 10_000  # documents after which the tokenizer has seen the common words
_BYTES = 500  # of memory for a character: its doc, what the stages make of it, what is found
_SAMPLES = ("a", "Is it so? It is.")  # what the types of fields are read from


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a row: neither values nor a failure where there was no text."""

    row: Row
    doc: Doc | None = None  # only where docs are kept
    values: Sequence[Any] | None = None  # one a field
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class _Caught:
    """What went wrong in a stage, and the places of the docs that it went wrong with."""

    stage: str
    places: Sequence[Any]
    error: str
    traceback: str

    @classmethod
    def of(cls, stage: str, error: Exception, places: Sequence[Any] = ()) -> _Caught:
        # as text, since the error itself holds on to docs and to what the net was given
        told = "".join(traceback.format_exception(error))
        return cls(stage, places, f"{type(error).__name__}: {reason_of(error)}", told)

    def failure(self, row: Row) -> Failure:
        return Failure(row.number, row.id, self.stage, self.error, self.traceback)


class Annotator:
    """Runs a pipeline over the texts of rows; a document that fails costs only itself.

    `fields` gives fields the columns to stand in, all that there are by their own names when it
    is empty. At once are `batch_size` documents, or fewer where they would take more than
    `memory` megabytes. The error handlers of the pipeline are taken over; an error of seqpipe's
    own is no document's fault and ends the work. What is found must be used before the next is
    asked for: docs do not outlive their window.
    """

    def __init__(
        self,
        nlp: Language,
        *,
        fields: Mapping[str, str],
        batch_size: int | None = None,
        memory: int = 1024,
        keep_docs: bool = False,
    ) -> None:
        known = fields_of(nlp)
        wanted = {name: column for name, column in fields.items() if name != ERROR}
        missing = [name for name in wanted if name not in known]
        if missing or (not known and not keep_docs):
            raise FieldMissing(missing[0] if missing else "field", known)
        self.fields = wanted or {name: name for name in known}
        self.columns = {**self.fields, ERROR: fields.get(ERROR, ERROR)}
        self.tally = Tally()
        write_only(nlp, self.fields)
        self._nlp, self._keep_docs = nlp, keep_docs
        self._whole = not keep_docs and reads_texts(nlp)
        self._vocab = Vocab()  # of docs whose one token is their text
        self._most = batch_size or nlp.batch_size
        self._characters = memory * 1_000_000 // _BYTES
        self._seen = 0
        self._caught: list[_Caught] = []
        for name, pipe in nlp.pipeline:
            if hasattr(pipe, "set_error_handler"):
                pipe.set_error_handler(partial(self._handle, name))

    def __call__(self, rows: Iterable[Row]) -> Iterator[Found]:
        """In the order of the rows."""
        for window in self._windows(rows):
            with self._zone():
                yield from self._annotated(window)

    def take_tally(self) -> Tally:
        """That of everything since it was last taken."""
        taken, self.tally = self.tally, Tally()
        return taken

    def schema(self) -> pa.Schema:
        """The types of the columns, as two short texts show them; None stands for text."""
        tally, self.tally = self.tally, Tally()
        rows = [Row(i, i, {}, text) for i, text in enumerate(_SAMPLES)]
        values = [found.values for found in self._annotated(rows) if found.values is not None]
        self.tally = tally
        kinds = [settled(type_of(column)) for column in zip(*values, strict=True)]
        kinds = kinds or [pa.string()] * len(self.fields)
        return pa.schema(list(zip(self.columns.values(), [*kinds, pa.string()], strict=True)))

    def _windows(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        window: list[Row] = []
        characters = 0
        for row in rows:
            length = len(row.text or "")
            full = len(window) >= self._most or characters + length > self._characters
            if window and full:
                yield window
                window, characters = [], 0
            window.append(row)
            characters += length
        if window:
            yield window

    def _zone(self) -> AbstractContextManager[Any]:
        """Once begun, the vocabulary keeps no new word, and the tokenizer's cache none either."""
        return self._nlp.memory_zone() if self._seen >= _WARM else nullcontext()

    def _annotated(self, window: Sequence[Row]) -> list[Found]:
        self._seen += len(window)
        self._vocab = Vocab()  # what it has taken in is never seen again
        readable = {i: row for i, row in enumerate(window) if not row.fault and not row.empty}
        docs, failures = self._run(readable)
        found = []
        for i, row in enumerate(window):
            if i in docs:
                found.append(self._read(row, docs[i]))
            elif row.fault:
                found.append(Found(row, failure=Failure(row.number, row.id, row.stage, row.fault)))
            else:
                found.append(Found(row, failure=failures.get(i)))
        self.tally.documents += len(window)
        self.tally.failed += sum(each.failure is not None for each in found)
        self.tally.empty += sum(row.empty for row in window)
        return found

    def _run(self, rows: Mapping[int, Row]) -> tuple[dict[int, Doc], dict[int, Failure]]:
        """The docs of rows by their places, and why there is none of the others.

        Whatever is missing when all ran together runs again: what failed by itself alone, the
        rest by halves, so that one bad document among many costs a few runs and not as many as
        there are.
        """
        docs, caught = self._together(rows)
        failures: dict[int, Failure] = {}
        missing = [place for place in rows if place not in docs]
        if not missing:
            return docs, failures
        if len(rows) == 1:
            end = [TOKENIZER, *self._nlp.pipe_names][-1]
            last = [_Caught(end, (), "the pipeline gives nothing back", ""), *caught][-1]
            return docs, {place: last.failure(rows[place]) for place in missing}
        single = {error.places[0] for error in caught if len(error.places) == 1}
        rest = [place for place in missing if place not in single]
        half = (len(rest) + 1) // 2
        again = [[place] for place in missing if place in single]
        for places in filter(None, [*again, rest[:half], rest[half:]]):
            more, failed = self._run({place: rows[place] for place in places})
            docs |= more
            failures |= failed
        return docs, failures

    def _together(self, rows: Mapping[int, Row]) -> tuple[dict[int, Doc], list[_Caught]]:
        """All rows through all stages, one stage after the other."""
        self._caught = []
        docs = list(self._timed(TOKENIZER, self._made(rows)))
        for name, pipe in self._nlp.pipeline:
            if docs:
                docs = list(self._timed(name, self._staged(name, pipe, docs)))
        if len(rows) == 1 and len(docs) == 1:  # a doc that a stage made anew may have no place
            return dict(zip(rows, docs, strict=True)), self._caught
        return {doc._context: doc for doc in docs if doc._context in rows}, self._caught

    def _timed(self, stage: str, docs: Iterator[Doc]) -> Iterator[Doc]:
        """Docs until the stage ends or fails."""
        start = time.perf_counter()
        try:
            yield from (doc for doc in docs if doc is not None)
        except SeqpipeError:
            raise
        except Exception as error:
            self._caught.append(_Caught.of(stage, error))
        spent = self.tally.seconds
        spent[stage] = spent.get(stage, 0.0) + time.perf_counter() - start

    def _made(self, rows: Mapping[int, Row]) -> Iterator[Doc]:
        for place, row in rows.items():
            try:
                doc = self._doc(row.text or "")
            except SeqpipeError:
                raise
            except Exception as error:
                self._caught.append(_Caught.of(TOKENIZER, error, [place]))
            else:
                doc._context = place
                yield doc

    def _doc(self, text: str) -> Doc:
        """A doc with its tokens, or with the text as one where nobody asks for any."""
        if not self._whole or len(text) > self._nlp.max_length:
            return self._nlp.make_doc(text)
        return Doc(self._vocab, words=[text], spaces=[False])

    def _staged(self, name: str, pipe: Any, docs: Sequence[Doc]) -> Iterator[Doc]:
        if hasattr(pipe, "pipe"):
            yield from pipe.pipe(iter(docs), batch_size=len(docs))
            return
        for doc in docs:
            try:
                yield pipe(doc)
            except SeqpipeError:
                raise
            except Exception as error:
                self._caught.append(_Caught.of(name, error, [doc._context]))

    def _handle(
        self, stage: str, name: str, pipe: object, docs: Sequence[Doc], error: Exception
    ) -> None:
        if isinstance(error, SeqpipeError):
            raise error
        self._caught.append(_Caught.of(stage, error, [doc._context for doc in docs]))

    def _read(self, row: Row, doc: Doc) -> Found:
        try:  # an extension may be computed as it is read
            values = [_OWN[name](doc) if name in _OWN else doc._.get(name) for name in self.fields]
        except SeqpipeError:
            raise
        except Exception as error:
            return Found(row, failure=_Caught.of(OUTPUT, error).failure(row))
        self.tally.words += words_in(row.text or "") if len(doc) == 1 else len(doc)
        return Found(row, doc if self._keep_docs else None, values)


def _tokens(doc: Doc) -> list[str]:
    return [token.text for token in doc if not token.is_space]


def _sentences(doc: Doc) -> list[str]:
    if not doc.has_annotation("SENT_START"):
        return []
    return [found for sentence in doc.sents if (found := sentence.text.strip())]


# What is read from a doc itself; all else is an extension.
_OWN: Mapping[str, Callable[[Doc], Any]] = {
    "cats": lambda doc: dict(doc.cats),
    "tokens": _tokens,
    "sentences": _sentences,
}

"""`.spacy`: the docs themselves, with the columns of their rows in `doc.user_data["row"]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import srsly
from spacy.attrs import IDS  # type: ignore[import-not-found]  # compiled

from seqpipe.annotation.formats.format import Encoded, Layout, refused
from seqpipe.annotation.formats.values import plain_of
from seqpipe.errors import reason_of

if TYPE_CHECKING:
    from spacy.tokens import Doc, DocBin, Span

    from seqpipe.annotation.annotator import Found

ROW = "row"  # the place of the columns in the user data

# What a DocBin keeps of a token unless told otherwise; where sentences begin is said by the heads,
# or in a column of its own: both at once it does not take.
_TREE = ("HEAD", "DEP")
_STARTS = "SENT_START"
# Those whose numbers stand for strings.
_NAMES = ("ORTH", "TAG", "DEP", "ENT_TYPE", "ENT_KB_ID", "ENT_ID", "LEMMA", "MORPH")
_STRINGS = {IDS[name] for name in _NAMES}


class DocBins:
    """Those documents alone that were annotated."""

    suffix = ".spacy"
    keeps_docs = True
    needs_columns = False

    def __init__(self, layout: Layout) -> None:
        from spacy.tokens.doc import DOCBIN_ALL_ATTRS

        nlp = layout.nlp
        assigns = {place for name in nlp.pipe_names for place in nlp.get_pipe_meta(name).assigns}
        parsed = not assigns.isdisjoint(["token.dep", "token.head"])
        plain = [name for name in DOCBIN_ALL_ATTRS if name not in (*_TREE, _STARTS)]
        self._attrs = [*plain, *(_TREE if parsed else [_STARTS])]

    def encode(self, found: Iterable[Found]) -> Encoded:
        docs, failures = self._bin(), []
        packer, known = _packer(), set[int]()
        for each in found:
            if each.doc is not None:
                each.doc.user_data[ROW] = plain_of(each.row.columns)
                try:
                    _add(docs, each.doc, packer.pack(each.doc.user_data), known)
                except Exception as error:  # user data may hold anything, and be refused somehow
                    packer = _packer()  # of which nobody knows what it still holds
                    reason = f"{type(error).__name__}: {reason_of(error)}"
                    each = refused(each, reason)
            if each.failure is not None:
                failures.append(each.failure)
        return Encoded(docs.to_bytes(), failures)

    def splice(self, old: bytes, numbers: Sequence[int], new: bytes, added: Sequence[int]) -> bytes:
        docs = {number: one for number, one in zip(numbers, self._each(old), strict=True)}
        docs |= {number: one for number, one in zip(added, self._each(new), strict=True)}
        whole = self._bin()
        for number in sorted(docs):
            whole.merge(docs[number])
        return bytes(whole.to_bytes())

    def join(self, parts: Sequence[Path], file: Path) -> None:
        """All docs are in memory: a file of them is read as a whole, too."""
        whole = self._bin()
        for part in parts:
            whole.merge(self._read(part.read_bytes()))
        whole.to_disk(file)

    def _bin(self) -> DocBin:
        from spacy.tokens import DocBin

        return DocBin(self._attrs, store_user_data=True)

    def _read(self, body: bytes) -> DocBin:
        return self._bin().from_bytes(body)

    def _each(self, body: bytes) -> Iterator[DocBin]:
        """The docs of a part, each in a bin of its own; the strings go with the first."""
        whole = self._read(body)
        for place in range(len(whole)):
            one = self._bin()
            one.strings = whole.strings if place == 0 else set()
            for name in ("tokens", "spaces", "cats", "span_groups", "user_data", "flags"):
                setattr(one, name, getattr(whole, name)[place : place + 1])
            yield one


def _packer() -> Any:
    """`srsly.msgpack_dumps` makes one for each doc, and looks through all that is installed for
    plugins each time: 0.9 of 1.0 milliseconds of `DocBin.add`."""
    return srsly.msgpack.Packer(use_bin_type=True)


def _add(docs: DocBin, doc: Doc, user_data: bytes, known: set[int]) -> None:
    """What `docs.add` does, but for asking each token for nine strings: here each is looked up
    once a part."""
    attrs: Any = docs.attrs  # numbers by now
    array = doc.to_array(attrs).reshape(len(doc), len(attrs))
    columns = [at for at, attr in enumerate(attrs) if attr in _STRINGS]
    new = {*np.unique(array[:, columns]).tolist()} - known - {0}
    known |= new
    docs.strings.update(doc.vocab.strings[number] for number in new)
    for spans in doc.spans.values():
        docs.strings.update(text for span in spans for text in _strings_of(span))
    docs.tokens.append(array)
    docs.spaces.append(doc.to_array("SPACY").astype(bool).reshape(-1, 1))
    docs.flags.append({"has_unknown_spaces": doc.has_unknown_spaces})
    docs.cats.append(dict(doc.cats))
    docs.user_data.append(user_data)
    docs.span_groups.append(doc.spans.to_bytes())


def _strings_of(span: Span) -> Iterator[str]:
    """The names that a span goes by, where the vocabulary has them."""
    strings: Any = span.doc.vocab.strings  # which takes numbers too, unlike its types
    numbers = (span.label, span.kb_id, span.id)
    yield from (strings[number] for number in numbers if number in strings)

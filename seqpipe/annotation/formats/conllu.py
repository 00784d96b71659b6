"""`.conllu`: tokens and sentences, and of each token what the pipeline says of it.

The format: https://universaldependencies.org/format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.annotation.formats.format import Encoded, Layout, appended
from seqpipe.annotation.formats.gzipped import Gzipped
from seqpipe.annotation.formats.values import cell_of

if TYPE_CHECKING:
    from spacy.tokens import Doc, Token

    from seqpipe.annotation.annotator import Found

_NEWDOC = b"# newdoc id = "
_SAID = re.compile(r"(newdoc|newpar|sent_id|text)\b")  # what comments of the format begin with
_BREAK = re.compile(r"[\t\r\n]+")  # of which no line may have any inside
_OWN = ("tokens", "sentences")  # fields that the lines themselves tell


class Conllu:
    """Those documents alone that were annotated, each with its id and, in comments, its columns."""

    suffix = ".conllu"
    keeps_docs = True
    needs_columns = False

    def __init__(self, layout: Layout) -> None:
        *fields, _ = layout.columns
        self._told = {i: layout.columns[name] for i, name in enumerate(fields) if name not in _OWN}

    def encode(self, found: Iterable[Found]) -> Encoded:
        lines: list[str] = []
        failures = []
        for each in found:
            if each.doc is not None:
                lines += self._document(each, each.doc)
            if each.failure is not None:
                failures.append(each.failure)
        return Encoded("".join(f"{line}\n" for line in lines).encode(), failures)

    def _document(self, found: Found, doc: Doc) -> Iterator[str]:
        name = _one_line(cell_of(found.row.id))
        yield f"# newdoc id = {name}"
        comments = [*self._comments(found)]
        for number, tokens in enumerate(_sentences(doc), 1):
            yield f"# sent_id = {name}-{number}"
            yield f"# text = {_text(tokens)}"
            yield from comments
            yield from _lines(tokens)
            yield ""
            comments = []

    def _comments(self, found: Found) -> Iterator[str]:
        """Columns whose value is short to say, and what was found besides tokens."""
        row = found.row
        told: dict[str, Any] = {
            name: value
            for name, value in row.columns.items()
            if isinstance(value, str | bool | int | float)
            and value is not row.text
            and value is not row.id
        }
        for place, column in self._told.items():
            told[column] = found.values and found.values[place]
        for name, value in told.items():
            text = cell_of(value)
            if text and not _BREAK.search(text):
                own = "row_" if _SAID.match(name) else ""
                yield f"# {own}{_one_line(name)} = {text}"

    def splice(self, old: bytes, numbers: Sequence[int], new: bytes, added: Sequence[int]) -> bytes:
        docs = dict(zip(numbers, _documents(old), strict=True))
        docs |= dict(zip(added, _documents(new), strict=True))
        return b"".join(docs[number] for number in sorted(docs))

    def join(self, parts: Sequence[Path], file: Path) -> None:
        appended(parts, file)


class ConlluZipped(Gzipped, Conllu):
    suffix = ".conllu.gz"


def _documents(body: bytes) -> list[bytes]:
    """The documents as they stand there: nothing but their first lines begins alike."""
    starts = [found.start() for found in re.finditer(b"^" + _NEWDOC, body, re.MULTILINE)]
    ends = [*starts[1:], len(body)]
    return [body[start:end] for start, end in zip(starts, ends, strict=False)]


def _sentences(doc: Doc) -> Iterator[list[Token]]:
    """The tokens of each sentence, white space at its ends left out; of none is nothing said."""
    spans = doc.sents if doc.has_annotation("SENT_START") else [doc[:]]
    for span in spans:
        solid = [token.i for token in span if not token.text.isspace()]
        if solid:
            yield list(doc[solid[0] : solid[-1] + 1])


def _text(tokens: Sequence[Token]) -> str:
    return _one_line("".join(token.text_with_ws for token in tokens)).strip()


def _lines(tokens: Sequence[Token]) -> Iterator[str]:
    """A line a token; white space has none, as between words in other files."""
    doc = tokens[0].doc
    solid = [token for token in tokens if not token.text.isspace()]
    places = {token.i: place for place, token in enumerate(solid, 1)}
    parsed = doc.has_annotation("DEP")
    for place, token in enumerate(solid, 1):
        head, relation = _tree(token, places) if parsed else ("_", "_")
        fields = [str(place), token.text, token.lemma_, token.pos_, token.tag_]
        fields += [str(token.morph), head, relation, "_", _after(token)]
        yield "\t".join(_one_line(field) or "_" for field in fields)


def _tree(token: Token, places: Mapping[int, int]) -> tuple[str, str]:
    if token.head.i == token.i:
        return "0", "root"
    return str(places.get(token.head.i, "_")), token.dep_


def _after(token: Token) -> str:
    following = token.i + 1
    spaced = token.whitespace_ or (
        following < len(token.doc) and token.doc[following].text.isspace()
    )
    return "_" if spaced else "SpaceAfter=No"


def _one_line(text: str) -> str:
    return _BREAK.sub(" ", text)

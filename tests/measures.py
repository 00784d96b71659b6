"""A stage that measures documents and fails as their text tells it, and rows to try it on."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch

from seqpipe.annotation.annotator import Annotator, Found
from seqpipe.annotation.formats import FORMATS, Encoded, Format, Layout, columns_of
from seqpipe.annotation.rows import Row, rows_of
from seqpipe.corpora.conllu import read_rows
from seqpipe.errors import NotInitialized

Doc.set_extension("length", default=None, force=True)


class Measure:
    """Writes `doc.cats` and `doc._.length`."""

    def __call__(self, doc: Doc) -> Doc:
        if "boom" in doc.text:
            raise ValueError("it went boom\nand more")
        if "unready" in doc.text:
            raise NotInitialized("measure")
        doc.cats = {"long": float(len(doc) > 2)}
        doc._.length = len(doc)
        return doc


class Batches(Measure):
    """Gives a whole batch up where one document fails, as many components do."""

    handler: Any = None
    docs = 0  # how many it has seen, those that it sees again too

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 8) -> Iterator[Doc]:
        for docs in minibatch(stream, batch_size):
            self.docs += len(docs)
            try:
                found = [self(doc) for doc in docs]
            except ValueError as error:
                self.failed(list(docs), error)
                continue
            yield from found

    def failed(self, docs: list[Doc], error: Exception) -> None:
        self.handler("measure", self, docs, error)

    def set_error_handler(self, handler: Any) -> None:
        self.handler = handler


class Raises(Batches):
    """Knows nothing of error handlers, and ends with the first document that fails."""

    def failed(self, docs: list[Doc], error: Exception) -> None:
        raise error


class Silent(Batches):
    """Loses what fails, and says nothing."""

    def failed(self, docs: list[Doc], error: Exception) -> None:
        pass


class Forgetful(Measure):
    """Gives back no doc where it should."""

    def __call__(self, doc: Doc) -> Doc:
        return None if "boom" in doc.text else super().__call__(doc)  # type: ignore[return-value]


WAYS = {
    "alone": Measure,
    "batches": Batches,
    "raises": Raises,
    "silent": Silent,
    "forgetful": Forgetful,
}


@Language.factory("test_measure", assigns=["doc.cats", "doc._.length"])
def make_measure(nlp: Language, name: str, way: str) -> Measure:
    return WAYS[way]()


def measuring(way: str = "alone") -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("test_measure", name="measure", config={"way": way})
    nlp.max_length = 50
    return nlp


def annotator(way: str = "alone", *, keep_docs: bool = False, **fields: str) -> Annotator:
    return Annotator(measuring(way), fields=fields, keep_docs=keep_docs)


def rows(*texts: object, first: int = 0) -> list[Row]:
    table = pa.table({"id": [f"d{i}" for i in range(len(texts))], "text": pa.array(texts)})
    return rows_of(table, first=first, text="text", id="id")


def length_of(found: Found) -> Any:
    """What the stage has found; the fields are `cats` and `length`."""
    return found.values and found.values[-1]


def make_format(name: str, given: Sequence[Row], run: Annotator) -> Format:
    """One that knows the columns of these rows."""
    return FORMATS[name](Layout(run.columns, run.schema(), columns_of(given), run._nlp))


def encoded(name: str, given: Sequence[Row], *, nlp: Language | None = None) -> Encoded:
    run = Annotator(nlp or measuring(), fields={}, keep_docs=FORMATS[name].keeps_docs)
    return make_format(name, given, run).encode(run(given))


def count_in(name: str, body: bytes) -> int:
    """How many documents a part holds, read by what others read it with."""
    if name.endswith(".gz"):
        return count_in(name.removesuffix(".gz"), gzip.decompress(body))
    if name == "jsonl":
        return len([json.loads(line) for line in body.split(b"\n")[:-1]])
    if name == "csv":
        readable = body.decode().replace("\0", "")  # which Python 3.10 does not read
        return len(list(csv.DictReader(io.StringIO(readable, newline=""))))
    if name == "parquet":
        return int(pq.read_metadata(io.BytesIO(body)).num_rows)
    if name == "spacy":
        return len(DocBin().from_bytes(body))
    with NamedTemporaryFile(suffix=".conllu") as file:
        Path(file.name).write_bytes(body)
        return len({row["doc_id"] for row in read_rows([file.name])})

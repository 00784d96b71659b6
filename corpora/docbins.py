"""`.spacy` files and the docs they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import SourceUnreadable

if TYPE_CHECKING:
    from spacy.tokens import Doc, DocBin
    from spacy.vocab import Vocab

SUFFIX = ".spacy"


def read_docs(files: Iterable[Path], vocab: Vocab) -> Iterator[Doc]:
    """The docs of DocBin files, one file in memory at a time."""
    for file in files:
        yield from bin_of(file).get_docs(vocab)


def bin_of(file: Path) -> DocBin:
    """The docs of one file, packed."""
    from spacy.tokens import DocBin

    try:
        return DocBin().from_disk(file)
    except Exception as error:  # zlib, msgpack and numpy each fail in their own way
        raise SourceUnreadable(str(file), f"it is no DocBin ({error})") from error


def table_of(files: Iterable[Path]) -> Any:
    """A `datasets.Dataset` with the columns `text` and `label`, the cats of 0.5 or more."""
    from datasets import ClassLabel, Dataset, Features, Sequence, Value
    from spacy.vocab import Vocab

    rows = [(doc.text, dict(doc.cats)) for doc in read_docs(files, Vocab())]
    names = sorted({name for _, cats in rows for name in cats})
    labels = [[n for n, v in cats.items() if v >= 0.5] if cats else None for _, cats in rows]
    kind = Sequence(ClassLabel(names=names) if names else Value("string"))
    return Dataset.from_dict(
        {"text": [text for text, _ in rows], "label": labels},
        features=Features({"text": Value("string"), "label": kind}),
    )

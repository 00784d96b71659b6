"""One stage of a pipeline, what it reads, and asking a pipeline what it writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seqpipe.errors import FieldMissing, SourceMissing
from seqpipe.pipelines import fields_of, load_pipeline

if TYPE_CHECKING:
    from spacy.language import Language

    from seqpipe.components._stage import Stage

    S = TypeVar("S", bound=Stage)


def load_stage(model: str | Path, kind: type[S], *, writes: str, device: str | None) -> S:
    """The first of this kind in a pipeline; `writes` is what else nothing there would write."""
    nlp = load_pipeline(model, device=device)
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, kind):
            return pipe
    raise FieldMissing(writes, fields_of(nlp))


def read_lines(file: str) -> Iterator[str]:
    """One text a line, without its end; - is stdin."""
    if file == "-":
        yield from (line.rstrip("\n") for line in sys.stdin)
        return
    if not Path(file).is_file():
        raise SourceMissing(file)
    with Path(file).open(encoding="utf-8", errors="replace") as lines:
        yield from (line.rstrip("\n") for line in lines)


def category_labels(nlp: Language) -> list[str]:
    """The labels that the pipeline can put into `doc.cats`; none when nothing writes them."""
    return [
        label
        for name, pipe in nlp.pipeline
        if "doc.cats" in nlp.get_pipe_meta(name).assigns
        for label in getattr(pipe, "labels", ())
    ]


def learned_from(nlp: Language) -> Mapping[str, Any]:
    """The corpus that its config names to learn from; where rows of one were picked, that one."""
    corpus = nlp.config.interpolate().get("corpora", {}).get("train") or {}
    return within(corpus)


def within(corpus: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is read, be it whole or picked from."""
    picked = corpus.get("@readers") == "seqpipe.Picked.v1"
    inner: Mapping[str, Any] = corpus["corpus"] if picked else corpus
    return inner


def translates(nlp: Language) -> str | None:
    """The extension that a translator of the pipeline writes; None when there is none."""
    return next(
        (
            str(getattr(pipe, "extension", "translation"))
            for name, pipe in nlp.pipeline
            if nlp.get_pipe_meta(name).factory == "seqpipe_translator"
        ),
        None,
    )

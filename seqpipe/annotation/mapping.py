"""A pipeline as a function for `datasets`: columns in, columns with what is found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.annotation.annotator import Annotator
from seqpipe.annotation.rows import row_of
from seqpipe.pipelines import digest_of, load_pipeline, one_thread, pinned, write_only

if TYPE_CHECKING:
    from datasets import Features
    from spacy.language import Language


def mapper(
    model: str | Path | Language,
    *,
    text: str = "text",
    fields: Mapping[str, str] | None = None,
    batch_size: int | None = None,
) -> Mapper:
    """For `dataset.map(mapper(model), batched=True, batch_size=1000)`.

    Of a document that fails, the column `error` says why and the others hold nothing; of all
    others it holds an empty text, since `datasets` wants to see of what type a column is.
    """
    named: dict[str, Any]
    if isinstance(model, str | Path):
        named = {"model": pinned(str(model)), "digest": digest_of(model)}
    else:
        named = {"config": model.config.to_str(), "body": model.to_bytes()}
    settings = {"text": text, "fields": dict(fields or {}), "batch_size": batch_size}
    return Mapper({**named, **settings})


class Mapper:
    """Only settings travel to another process, or into the name of a cache: each process loads
    its own pipeline when the first batch comes. A pipeline trained anew has another digest."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._annotator: Annotator | None = None

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        annotator, text = self._opened(), self._settings["text"]
        rows = [
            row_of(number, {text: value}, text=text, id="id")
            for number, value in enumerate(columns[text])
        ]
        *names, error = annotator.columns.values()
        found: dict[str, list[Any]] = {name: [] for name in (*names, error)}
        with one_thread():
            whole = list(annotator(rows))
        for each in whole:
            for name, value in zip(names, each.values or [None] * len(names), strict=True):
                found[name].append(value)
            found[error].append(each.failure.error if each.failure else "")
        return found

    def features(self, given: Features) -> Features:
        """What to hand to `dataset.map` as well, where a first batch may be without any text."""
        from datasets import Features

        schema = self._opened().schema()
        return Features({**given, **Features.from_arrow_schema(schema)})

    def __getstate__(self) -> Mapping[str, Any]:
        return self._settings

    def __setstate__(self, settings: Mapping[str, Any]) -> None:
        self.__init__(settings)  # type: ignore[misc]

    def _opened(self) -> Annotator:
        if self._annotator is None:
            nlp, settings = self._load(), self._settings
            self._annotator = Annotator(
                nlp, fields=settings["fields"], batch_size=settings["batch_size"]
            )
            write_only(nlp, self._annotator.fields)
        return self._annotator

    def _load(self) -> Language:
        if "model" in self._settings:
            return load_pipeline(self._settings["model"])
        from spacy.util import load_model_from_config
        from thinc.api import Config

        config = Config().from_str(self._settings["config"])
        return load_model_from_config(config, auto_fill=True).from_bytes(self._settings["body"])

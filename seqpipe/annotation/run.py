"""`seqpipe.annotate`: a pipeline over documents, to be walked through or written by a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from seqpipe.annotation.asked import Asked, Engines, Watch
from seqpipe.annotation.job import Summary
from seqpipe.annotation.place import Place

if TYPE_CHECKING:
    from spacy.language import Language


@overload
def annotate(
    model: str | Path | Language, data: Any, output: None = None, **options: Any
) -> Iterator[dict[str, Any]]: ...
@overload
def annotate(
    model: str | Path | Language, data: Any, output: str | Path, **options: Any
) -> Summary: ...
def annotate(  # type: ignore[misc]  # it names its options, and has no others
    model: str | Path | Language,
    data: Any,
    output: str | Path | None = None,
    *,
    text: str = "text",
    id: str = "id",
    split: str | None = None,
    whole_files: bool = False,
    suffix: str | None = None,
    fields: Mapping[str, str] | Iterable[str] | None = None,
    format: str | None = None,
    batch_size: int | None = None,
    memory: int = 1024,
    part_rows: int = 10_000,
    device: str | None = None,
    code: str | Path | None = None,
    workers: int = 1,
    engine: Engines = "local",
    address: str | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    overwrite: bool = False,
    max_failures: int | None = None,
    watch: Watch | None = None,
) -> Iterator[dict[str, Any]] | Summary:
    """Rows with what a pipeline finds in them: yielded, or written to `output` by a job.

    `model` is a pipeline, its folder or its package; `data` whatever names a data set, one of
    `datasets`, or an iterable of texts, mappings or docs. Documents that fail carry the reason
    in their column `error`. The options are those of the command.
    """
    asked = Asked(
        model=model,
        data=data,
        text=text,
        id=id,
        split=split,
        whole_files=whole_files,
        suffix=suffix,
        fields=_named(fields),
        batch_size=batch_size,
        memory=memory,
        part_rows=part_rows,
        device=device,
        code=None if code is None else str(code),
        workers=workers,
        engine=engine,
        address=address,
        max_failures=max_failures,
        watch=watch or (lambda progress: None),
    )
    if output is None:
        return asked.walk()
    if str(output) == "-":
        return asked.stream(format or "jsonl")
    place, resume = Place.of(Path(output), format), resume or retry_failed
    return asked.write(place, resume=resume, retry_failed=retry_failed, overwrite=overwrite)


def _named(fields: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    if fields is None or isinstance(fields, Mapping):
        return dict(fields or {})
    return {field: field for field in fields}

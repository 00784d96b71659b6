"""Loading a trained pipeline or one stage of it, what it reads, and asking it what it writes."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from seqpipe.errors import (
    FieldMissing,
    PipelineMissing,
    PipelineUnreadable,
    SourceMissing,
    reason_of,
)

if TYPE_CHECKING:
    from spacy.language import Language

    from seqpipe.components._stage import Stage

    S = TypeVar("S", bound=Stage)

_TRAINED = ("model-best", "model-last")


def load_pipeline(model: str | Path, *, device: str | None = None) -> Language:
    """A pipeline by its folder or package; or one sentence that says why there is none."""
    from spacy.util import load_model

    place = _find(str(model))
    if device is not None:
        from seqpipe.bridge import pick_device

        pick_device(device)
    try:
        nlp = load_model(place)
    except Exception as error:  # spaCy, thinc, confection and we each fail in our own way
        raise PipelineUnreadable(str(model), reason_of(error)) from error
    if device is not None:
        _place(nlp, device)
    return nlp


def load_stage(model: str | Path, kind: type[S], *, writes: str, device: str | None) -> S:
    """The first of this kind in a pipeline; `writes` is what else nothing there would write."""
    from seqpipe.annotation import fields_of

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


@contextmanager
def one_thread() -> Iterator[None]:
    """One for torch, unless OMP_NUM_THREADS asks for more.

    Nets this small gain little by a second, and wait ten times as long where another program
    wants the same core.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if "OMP_NUM_THREADS" in os.environ else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pipeline_folder(model: str) -> Path:
    """Where its config and the folders of its stages are, of a package too."""
    from spacy.util import get_model_meta, get_package_path

    place = _find(model)
    if isinstance(place, Path):
        return place
    package = get_package_path(place)
    meta = get_model_meta(package)
    return package / f"{meta['lang']}_{meta['name']}-{meta['version']}"


def _find(model: str) -> Path | str:
    from spacy.util import is_package

    path = Path(model).expanduser()
    if model and path.is_dir():
        if not (path / "config.cfg").is_file() or not (path / "meta.json").is_file():
            raise PipelineUnreadable(model, "it has no config.cfg and meta.json", near=_in(path))
        return path
    if model and path.exists():
        raise PipelineUnreadable(model, "a pipeline is a folder, and this is a file")
    if not model or not is_package(model):
        raise PipelineMissing(model, near=_in(path.parent) if path.name in _TRAINED else ())
    return model


def _in(folder: Path) -> list[str]:
    """The pipelines that stand in a folder."""
    found = [path.parent for path in folder.glob("*/config.cfg")]
    best_first = sorted(found, key=lambda path: (path.name not in _TRAINED, path.name))
    return [str(path) for path in best_first[:3]]


def _place(nlp: Language, device: str) -> None:
    from seqpipe.components._stage import Stage

    for _, pipe in nlp.components:
        if isinstance(pipe, Stage):
            pipe.shim.place(device)


def category_labels(nlp: Language) -> list[str]:
    """The labels that the pipeline can put into `doc.cats`; none when nothing writes them."""
    return [
        label
        for name, pipe in nlp.pipeline
        if "doc.cats" in nlp.get_pipe_meta(name).assigns
        for label in getattr(pipe, "labels", ())
    ]


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


def write_only(nlp: Language, fields: Collection[str]) -> None:
    """Of what generators write these alone: continuations that nobody reads take their time."""
    from seqpipe.components.generator import Generator

    for _, pipe in nlp.pipeline:
        if isinstance(pipe, Generator):
            pipe.names = pipe.names.only(fields)

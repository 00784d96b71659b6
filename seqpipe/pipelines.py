"""Finding a trained pipeline, loading it, what it writes, and what it is made of."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import PipelineMissing, PipelineUnreadable, reason_of
from seqpipe.repositories import Repository, fetched

if TYPE_CHECKING:
    from spacy.language import Language

_TRAINED = ("model-best", "model-last")


def load_pipeline(model: str | Path, *, device: str | None = None) -> Language:
    """A pipeline by its folder, package or repository; or one sentence that says why there is none.

    A repository of the hub is `user/repo`, or `user/repo@revision`.
    """
    from spacy.util import load_model

    from seqpipe.models import ONNX, check_device

    place = _find(str(model))
    if device is not None:
        check_device(device)  # says at once that there is none
    try:
        nlp = load_model(place, config=_drawn(str(model)) if device == ONNX else {})
    except Exception as error:  # spaCy, thinc, confection and we each fail in our own way
        raise PipelineUnreadable(str(model), reason_of(error)) from error
    if device not in (None, ONNX):
        place_pipeline(nlp, device)
    return nlp


def place_pipeline(nlp: Language, device: str) -> None:
    """Moves the nets of our stages there."""
    from seqpipe.models import check_device, settle

    check_device(device)
    for _, pipe in stages_of(nlp):
        settle(pipe.model, device)


def stages_of(nlp: Language) -> Iterator[tuple[str, Any]]:
    """Our stages by their names, the one in the place of its tokenizer too."""
    own = getattr(nlp.tokenizer, "stage", None)
    for name, pipe in [("tokenizer", own), *nlp.components]:
        if "making" in getattr(getattr(pipe, "model", None), "attrs", ()):
            yield name, pipe


def _drawn(model: str) -> dict[str, Any]:
    """What in its config is to be another, so that no stage of it asks for torch."""
    from spacy.util import load_config

    from seqpipe.models import ONNX

    config = load_config(pipeline_folder(model) / "config.cfg")
    changed: dict[str, Any] = {"components": {}}
    for name, stage in config.get("components", {}).items():
        if str(stage.get("factory")).startswith("seqpipe_") and "device" in stage:
            changed["components"][name] = {"device": ONNX}
    if str(config["nlp"].get("tokenizer", {}).get("@tokenizers")) == "seqpipe.Tokenizer.v1":
        changed["nlp"] = {"tokenizer": {"device": ONNX}}
    return changed


@contextmanager
def one_thread() -> Iterator[None]:
    """One for torch, unless OMP_NUM_THREADS asks for more.

    Nets this small gain little by a second, and wait ten times as long where another program
    wants the same core.
    """
    from thinc.compat import has_torch

    if not has_torch:  # graphs have as many by themselves
        yield
        return
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


def pinned(model: str) -> str:
    """The same pipeline wherever and whenever it is loaded: a repository with its commit."""
    repository = None if Path(model).expanduser().exists() else Repository.of(model)
    if repository is None:
        return model
    return f"{repository.id}@{pipeline_folder(model).name}"


def fields_of(nlp: Language) -> list[str]:
    """What the pipeline writes that can be put out: `cats`, `tokens` and `sentences` where it finds
    its own, and the extensions of its stages."""
    found: dict[str, None] = {}
    for name, pipe in nlp.pipeline:
        assigns = nlp.get_pipe_meta(name).assigns
        if "doc.cats" in assigns:
            found["cats"] = None
        if nlp.get_pipe_meta(name).retokenizes and "token.is_sent_start" in assigns:
            found |= dict.fromkeys(["tokens", "sentences"])
        # their names are settings; `assigns` knows the defaults alone
        named = [place.removeprefix("doc._.") for place in assigns if place.startswith("doc._.")]
        found |= dict.fromkeys(getattr(pipe, "fields", named))
    return list(found)


def _find(model: str) -> Path | str:
    from spacy.util import is_package

    path = Path(model).expanduser()
    if model and path.is_dir():
        if not (path / "config.cfg").is_file() or not (path / "meta.json").is_file():
            raise PipelineUnreadable(model, "it has no config.cfg and meta.json", near=_in(path))
        return path
    if model and path.exists():
        raise PipelineUnreadable(model, "a pipeline is a folder, and this is a file")
    if model and is_package(model):
        return model
    repository = Repository.of(model)
    if repository is None:
        raise PipelineMissing(model, near=_in(path.parent) if path.name in _TRAINED else ())
    return fetched(repository)


def _in(folder: Path) -> list[str]:
    """The pipelines that stand in a folder."""
    found = [path.parent for path in folder.glob("*/config.cfg")]
    best_first = sorted(found, key=lambda path: (path.name not in _TRAINED, path.name))
    return [str(path) for path in best_first[:3]]


def reads_texts(nlp: Language) -> bool:
    """Whether no stage asks for tokens before one makes its own: then nobody need look for any."""
    if type(nlp.tokenizer).__module__ != "spacy.tokenizer":  # another may change the text
        return False
    for name, pipe in nlp.pipeline:
        if getattr(pipe, "reads", "tokens") != "text" or getattr(pipe, "needs_tokens", False):
            return False
        if nlp.get_pipe_meta(name).retokenizes:
            return True
    return True


def import_code(file: str | Path | None) -> None:
    """A file of Python that registers what a pipeline needs."""
    from spacy.util import import_file

    if file is None:
        return
    if not Path(file).is_file():
        raise PipelineUnreadable(str(file), "there is no such file of Python")
    try:
        import_file("python_code", str(file))
    except Exception as error:  # whatever stands in it
        raise PipelineUnreadable(str(file), reason_of(error)) from error


def write_only(nlp: Language, fields: Collection[str]) -> None:
    """Of what its stages write these alone: continuations that nobody reads take their time."""
    for _, pipe in nlp.pipeline:
        if hasattr(pipe, "write_only"):
            pipe.write_only(fields)


def versions_of(*names: str) -> dict[str, str]:
    """Of those packages that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def digest_of(model: str | Path) -> str:
    """Of all files of a pipeline but the strings of its vocabulary, which grow as it is used."""
    folder, found = pipeline_folder(str(model)), blake2b(digest_size=16)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != "vocab/strings.json" and "__pycache__" not in path.parts:
            found.update(f"{name} {path.stat().st_size}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()

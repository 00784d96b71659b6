"""Repositories of the Hugging Face hub that hold pipelines: found, brought here, looked through.

What comes from there is data: no file of code is brought along, and a pipeline that asks for code
which is not registered here is refused by name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from seqpipe.errors import (
    PipelineUnreadable,
    RepositoryMissing,
    RepositoryRefused,
    RepositoryUnreachable,
    RevisionMissing,
    reason_of,
)

_NAME = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\S+))?", re.ASCII)
_TRAINED = ("model-best", "model-last")  # folders, and not what somebody calls a repository
_NEEDED = ("config.cfg", "meta.json")
_CODE = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib")
# Nobody here reads these either: packages, and what is pickled.
_UNREAD = ("*.whl", "*.tar.gz", "*.zip", "*.pkl", "*.pickle", "*.pt", "*.pth", "pytorch_model*")
IGNORED = [*(f"*{suffix}" for suffix in _CODE), *_UNREAD]


@dataclass(frozen=True, slots=True)
class Repository:
    """Of a user or an organization; `revision` is a branch, a tag or a commit."""

    id: str
    revision: str | None = None

    @classmethod
    def of(cls, model: str) -> Repository | None:
        """What `user/repo` or `user/repo@revision` names, unless it looks like a place here."""
        named = _NAME.fullmatch(model)
        if named is None:
            return None
        first, last = PurePosixPath(named["id"]).parts
        if last in _TRAINED or Path(first).exists():
            return None
        return cls(named["id"], named["revision"])

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}" if self.revision else self.id


def fetched(
    repository: Repository, *, token: str | None = None, local_files_only: bool = False
) -> Path:
    """The folder in the cache of the hub that holds this revision, brought there if need be; its
    name is the commit."""
    from huggingface_hub import snapshot_download

    if not local_files_only:
        _look(repository, token)
    try:
        with _quiet():
            place = snapshot_download(
                repository.id,
                revision=repository.revision,
                token=token,
                local_files_only=local_files_only,
                ignore_patterns=IGNORED,
            )
    except Exception as error:  # its client fails in as many ways as what it is made of
        raise _explanation(repository, error) from error
    folder = Path(place)
    # another program may have brought it here
    _check_files(repository, [path.relative_to(folder).as_posix() for path in _files(folder)])
    _check_config(repository, folder)
    return folder


def code_in(files: Sequence[str]) -> list[str]:
    """Those that a computer would run."""
    return [file for file in files if file.lower().endswith(_CODE)]


def _look(repository: Repository, token: str | None) -> None:
    """At the names of its files, before any of them is brought here."""
    from huggingface_hub import HfApi

    files = None
    with suppress(Exception):  # whatever it is, bringing it here says the same, or does without
        found = HfApi(token=token).model_info(repository.id, revision=repository.revision)
        files = [file.rfilename for file in found.siblings or ()]
    if files is not None:
        _check_files(repository, files)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of the hub where nobody watches, and the user's setting afterwards."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled() or sys.stderr.isatty():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _check_files(repository: Repository, files: Sequence[str]) -> None:
    if code := code_in(files):
        raise RepositoryRefused(str(repository), code)
    if lacking := [name for name in _NEEDED if name not in files]:
        raise PipelineUnreadable(str(repository), f"its repository has no {lacking[0]} at its top")


def _check_config(repository: Repository, folder: Path) -> None:
    from spacy.util import load_config

    try:
        config = load_config(folder / "config.cfg", interpolate=True)
    except (OSError, ValueError) as error:
        raise PipelineUnreadable(str(repository), reason_of(error)) from error
    if code := list(_asked_for(config)):
        raise RepositoryRefused(str(repository), code)


def _asked_for(config: Mapping[str, Any]) -> Iterator[str]:
    """What a pipeline needs for being loaded, and nobody has registered here."""
    from spacy import blank
    from spacy.util import registry

    blank("xx")  # which registers whatever is installed
    for name, stage in config.get("components", {}).items():
        own = stage.get("factory")
        names = {own, f"{config['nlp']['lang']}.{own}"}
        if own is not None and not any(name in registry.factories for name in names):
            yield f"the factory {own!r} of {name!r}"
    for key, value in _walked([config.get("nlp", {}), config.get("components", {})]):
        if key.startswith("@") and not registry.has(key[1:], str(value)):
            yield f"{key} = {value!r}"
        if key == "trust_remote_code" and value:
            yield f"{key} = {value!r}"


def _walked(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _walked(inner)


def _explanation(repository: Repository, error: Exception) -> Exception:
    """Whatever the client of the hub raises, as one sentence of ours."""
    from huggingface_hub.errors import (
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, RevisionNotFoundError):
        return RevisionMissing(repository.id, str(repository.revision))
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return RepositoryMissing(repository.id)
    return RepositoryUnreachable(str(repository), reason_of(error))

"""Pipelines from the hub, and to it: a repository holds one as spaCy saves it, and its card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import srsly
from spacy.language import Language
from spacy.util import load_config

from seqpipe.errors import OutputRefused, PushRefused, RepositoryRefused, SettingError, reason_of
from seqpipe.files import written_folder
from seqpipe.hub.card import card_of
from seqpipe.hub.places import hide_places
from seqpipe.pipelines import load_pipeline, pipeline_folder
from seqpipe.repositories import Repository, code_in, fetched

CARD = "README.md"


def from_pretrained(
    model: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    local_files_only: bool = False,
    device: str | None = None,
) -> Language:
    """The pipeline of a folder, a package, or a repository of the hub.

    `revision` is a branch, a tag or a commit of the repository, `token` what it is opened with,
    and with `local_files_only` the hub is not asked. No code that lies in a repository is run.
    """
    repository = None if Path(model).expanduser().exists() else Repository.of(str(model))
    if repository is None:
        if revision is not None:
            raise SettingError("revision", revision, "none where the model is a folder or package")
        return load_pipeline(model, device=device)
    if revision is not None:
        if repository.revision is not None:
            raise SettingError("revision", revision, f"none beside {str(repository)!r}")
        repository = replace(repository, revision=revision)
    folder = fetched(repository, token=token, local_files_only=local_files_only)
    return load_pipeline(folder, device=device)


def save_pretrained(nlp: Language, folder: str | Path, *, license: str | None = None) -> Path:
    """Saves a pipeline together with its card; an earlier one in the same place is replaced.

    Config and meta keep the names of the data that it has learned from, and not where they lay.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not (folder.is_dir() and _replaceable(folder)):
        raise OutputRefused(folder, "it holds something else than a pipeline")
    with written_folder(folder) as beside:
        nlp.to_disk(beside)
        hide_places(beside)
        _write_card(beside, repository=str(folder), license=license)
    return folder


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was uploaded, or would be."""

    repository: str
    revision: str | None
    private: bool
    files: Mapping[str, int]  # name -> bytes
    card: str
    url: str | None  # of the commit; none where nothing was uploaded


def push_to_hub(
    model: str | Path | Language,
    repository: str,
    *,
    private: bool = False,
    revision: str | None = None,
    license: str | None = None,
    message: str | None = None,
    token: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Uploads a pipeline, or a folder of one, with a card unless it has one.

    The repository is made where there is none, and so is the branch that `revision` names. Stages
    of an earlier pipeline go from there, all else stays. Of places on a disk that config and meta
    name only the last parts are sent. With `dry_run` the hub is not asked.
    """
    _check_name(repository)
    with TemporaryDirectory(prefix="seqpipe-push-") as place:
        folder = Path(place) / "pipeline"
        if isinstance(model, Language):
            model.to_disk(folder)
        else:
            unseen = shutil.ignore_patterns(".*", "__pycache__")
            shutil.copytree(pipeline_folder(str(model)), folder, ignore=unseen)
        hide_places(folder)
        if not (folder / CARD).is_file():
            _write_card(folder, repository=repository, license=license)
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        if code := code_in(list(files)):  # nobody could load it from there
            raise RepositoryRefused(repository, code)
        card = (folder / CARD).read_text(encoding="utf-8")
        pushed = Pushed(repository, revision, private, files, card, None)
        if dry_run:
            return pushed
        return replace(pushed, url=_upload(folder, pushed, message=message, token=token))


def _upload(folder: Path, pushed: Pushed, *, message: str | None, token: str | None) -> str:
    from huggingface_hub import HfApi

    name, api = pushed.repository, HfApi(token=token)
    try:
        name = api.create_repo(name, private=pushed.private, exist_ok=True).repo_id
        if pushed.revision is not None:
            api.create_branch(name, branch=pushed.revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            revision=pushed.revision,
            commit_message=message or "A pipeline of seqpipe",
            delete_patterns=_earlier(api.list_repo_files(name, revision=pushed.revision)),
        )
    except Exception as error:  # its client fails in as many ways as what it is made of
        raise PushRefused(name, _reason(error)) from error
    return str(commit.commit_url)


def _earlier(files: Sequence[str]) -> list[str]:
    """What an earlier pipeline consists of: such files go unless they are sent once more."""
    if not {"config.cfg", "meta.json"} <= {*files}:
        return []
    stages = {PurePosixPath(file).parent.as_posix() for file in files if file.endswith("/cfg")}
    return ["tokenizer", *(f"{escape(one)}/*" for one in sorted({"tokenizer", "vocab"} | stages))]


def _reason(error: Exception) -> str:
    """Of whoever has no token, what to do about it."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    answer = getattr(error, "response", None) if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, LocalTokenNotFoundError) or getattr(answer, "status_code", 0) == 401:
        return "it asks for a token that may write; `hf auth login` keeps one, HF_TOKEN gives one"
    return reason_of(error)


def _check_name(repository: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise PushRefused(repository, reason_of(error)) from error


def _replaceable(folder: Path) -> bool:
    return (folder / "meta.json").is_file() or not any(folder.iterdir())


def _write_card(folder: Path, *, repository: str, license: str | None) -> None:
    meta = srsly.read_json(folder / "meta.json")
    config = load_config(folder / "config.cfg", interpolate=True)
    card = card_of(meta, config, repository=repository, license=license)
    (folder / CARD).write_text(str(card), encoding="utf-8")

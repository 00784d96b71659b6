"""The conventions of Hugging Face: tasks that are asked for, and repositories of the hub."""

from __future__ import annotations

from collections.abc import Sequence

from seqpipe.errors.root import SeqpipeError, listed, nearest


class TaskUnknown(SeqpipeError):
    def __init__(self, task: str, tasks: Sequence[str]) -> None:
        super().__init__(
            f"There is no task {task!r}: there are {listed(tasks)}.{nearest(task, tasks)}"
        )


class OptionUnknown(SeqpipeError):
    def __init__(self, task: str, option: str, options: Sequence[str]) -> None:
        super().__init__(
            f"The task {task!r} takes no {option!r}: it takes {listed(options, most=30)}."
            f"{nearest(option, options)}"
        )


class TextUnfit(SeqpipeError):
    def __init__(self, task: str, what: str) -> None:
        super().__init__(
            f"The task {task!r} takes a text, or a mapping with a text under 'text', or a list or "
            f"whatever else yields such, and was given {what}."
        )


class HubError(SeqpipeError):
    """A repository of the hub that cannot be used as asked."""


class RepositoryMissing(HubError):
    def __init__(self, repository: str) -> None:
        super().__init__(
            f"There is no folder or installed package {repository!r}, and no repository of that "
            "name on the hub that may be read: a private one needs a token."
        )


class RevisionMissing(HubError):
    def __init__(self, repository: str, revision: str) -> None:
        super().__init__(
            f"The repository {repository!r} has no branch, tag or commit {revision!r}."
        )


class RepositoryUnreachable(HubError):
    def __init__(self, repository: str, reason: str) -> None:
        super().__init__(
            f"There is no folder or installed package {repository!r}, and a repository of that "
            f"name can neither be found on this machine nor asked for: {reason}."
        )


class RepositoryRefused(HubError):
    def __init__(self, repository: str, code: Sequence[str]) -> None:
        super().__init__(
            f"The repository {repository!r} is refused, for code that comes with a model never "
            f"runs here, and it asks for some: {listed(code, most=5)}."
        )


class PushRefused(HubError):
    def __init__(self, repository: str, reason: str) -> None:
        super().__init__(f"The hub does not take {repository!r}: {reason}.")

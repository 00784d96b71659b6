"""Errors of long work: jobs of annotation, and searches for settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seqpipe.errors.root import SeqpipeError, listed, nearest


class JobError(SeqpipeError):
    """A job of annotation that does not go on, or not as asked; what is done is kept."""


class JobChanged(JobError):
    def __init__(self, place: object, differences: Iterable[str]) -> None:
        super().__init__(
            f"The job in {place} was begun otherwise: {listed(differences)}. Put that back, or "
            "begin anew with --overwrite."
        )


class JobUnfit(JobError):
    def __init__(self, place: object, reason: str) -> None:
        super().__init__(f"The job in {place} cannot go on like this: {reason}.")


class WorkerFailed(JobError):
    """What a worker said before it gave up."""


class WorkersDie(JobError):
    def __init__(self, first: int, until: int, how: str) -> None:
        super().__init__(
            f"No worker survives the rows {first} to {until} of the input ({how}), and no single "
            "row is to blame. What is done is kept; --resume goes on, with fewer workers or less "
            "--memory it may come further."
        )


class FailuresTooMany(JobError):
    def __init__(self, failed: int, most: int, first: str, output: object = None) -> None:
        kept = f"is kept in {output}; --resume goes on" if output else "has been written"
        super().__init__(
            f"{failed:,} documents have failed, and --max-failures is {most:,} (the first: "
            f"{first}). What is done {kept}."
        )


class DocumentsFailed(JobError):
    def __init__(self, output: object, failed: int, documents: int, first: str) -> None:
        super().__init__(
            f"{failed:,} of {documents:,} documents could not be annotated (the first: {first}); "
            f"each has its reason in {output}."
        )


class StudyError(SeqpipeError):
    """A search for settings that does not begin, or comes to nothing; what is tried is kept."""


class SpaceUnfit(StudyError):
    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"{setting} cannot be varied: {reason}.")


class ScoreMissing(StudyError):
    def __init__(self, score: str, scores: Sequence[str]) -> None:
        super().__init__(
            f"A run has no score {score!r}: it has {listed(scores)}.{nearest(score, scores)}"
        )


class TrialsFruitless(StudyError):
    def __init__(self, output: object, reason: str) -> None:
        super().__init__(f"No trial in {output} has come to its end: {reason}.")


class TrialsDie(StudyError):
    def __init__(self, output: object, how: str) -> None:
        super().__init__(
            f"A worker {how}. What was tried is kept in {output}; --resume goes on, perhaps with "
            "fewer workers."
        )

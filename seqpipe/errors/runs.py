"""A training that cannot go on."""

from __future__ import annotations

from seqpipe.errors.root import SeqpipeError


class TrackerFailed(SeqpipeError):
    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(
            f"{kind} takes no run: {reason}. Mend that and say --resume, or begin anew without "
            f"{kind} in seqpipe.track."
        )


class CheckpointError(SeqpipeError):
    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The run in {path} cannot be continued: {reason}.")


class TeamBroken(SeqpipeError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The processes of this training have lost each other: see what the first to end says, "
            f"and go on with --resume ({reason})."
        )


class TeamTooLarge(SeqpipeError):
    def __init__(self, size: int) -> None:
        super().__init__(
            f"{size} processes are too many for this corpus: there is not a row for each of them "
            "in every batch. Begin fewer, or take more data."
        )


class TrainingDiverged(SeqpipeError):
    def __init__(self, step: int, failures: int, good: int | None = None) -> None:
        many = f"the loss or gradient of {failures} steps in a row was not finite"
        kept = f"model-last has the weights of step {good}, the last that were"
        super().__init__(
            f"At step {step} {many if failures else 'the weights were not finite any more'}: "
            f"{'no good weights are left' if good is None else kept}, and model-best is as it was. "
            "Lower the learning rate (training.optimizer.learn_rate.rate), or "
            "training.optimizer.grad_clip."
        )

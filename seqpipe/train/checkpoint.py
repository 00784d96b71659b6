"""The state of a run in one file: what the next step depends on, to the bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from seqpipe.errors import CheckpointError, TeamTooLarge
from seqpipe.files import written
from seqpipe.train.learner import Learner
from seqpipe.train.team import Team


@dataclass(slots=True)
class Position:
    """Where a run stands, and what it has counted since the last validation."""

    epoch: int = 0
    batch: int = 0  # within the epoch
    step: int = 0
    loss: float = 0.0
    answers: int = 0
    words: int = 0
    padding: int = 0
    norm: float = 0.0  # of the last gradient
    seconds: float = 0.0  # of all sittings together
    cpu_seconds: float = 0.0  # that all threads of this process were busy
    joules: float = 0.0  # that the processor counted meanwhile; 0 where it does not
    validations: int = 0
    best: float = float("-inf")
    best_step: int = 0
    failing: int = 0  # steps in a row whose gradient was not finite
    settled: bool = False  # whether the weights are the mean of those before


_CARRIED = "carried."


def save_checkpoint(
    path: Path, learner: Learner, position: Position, carried: Mapping[str, Tensor]
) -> None:
    """Under a temporary name, then renamed: a killed writer leaves the old one.

    Of a team all are asked for what is their own, and the one that leads writes it.
    """
    own = {_CARRIED + name: value for name, value in carried.items()}
    own["chance.cpu"] = torch.get_rng_state()
    if torch.cuda.is_initialized():
        own["chance.cuda"] = torch.cuda.get_rng_state()
    state = {**learner.state(), **_of_all(own, learner.team)}
    if not learner.team.leads:
        return
    tensors = {name: value.contiguous().cpu() for name, value in state.items()}
    with written(path) as beside:
        save_file(tensors, beside, metadata={"position": json.dumps(asdict(position))})


def load_checkpoint(path: Path, learner: Learner) -> tuple[Position, dict[str, Tensor]]:
    """Sets the learner and the random numbers back to where the run stood; gives its position and
    what it carried on."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["position"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(path, f"its checkpoint is damaged ({error})") from error
    if set(facts) != {field.name for field in fields(Position)}:
        raise CheckpointError(path, "another version of seqpipe wrote it")
    learner.load(tensors)
    mark = _mark(learner.team.rank)
    own = {k.removeprefix(mark): v for k, v in tensors.items() if k.startswith(mark)}
    torch.set_rng_state(own["chance.cpu"])
    if "chance.cuda" in own and torch.cuda.is_available():
        torch.cuda.set_rng_state(own["chance.cuda"])
    carried = {k.removeprefix(_CARRIED): v for k, v in own.items() if k.startswith(_CARRIED)}
    return Position(**facts), carried


def _of_all(own: Mapping[str, Tensor], team: Team) -> dict[str, Tensor]:
    """What each of a team has of its own, under names that tell whose it is."""
    if team.total([len(own)])[0] != team.size * len(own):
        raise TeamTooLarge(team.size)
    return {
        _mark(rank) + name: tensor
        for name, each in own.items()
        for rank, tensor in enumerate(team.gathered(each))
    }


def _mark(rank: int) -> str:
    return f"of-{rank}." if rank else ""

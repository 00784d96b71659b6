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

from seqpipe.errors import CheckpointError
from seqpipe.files import written
from seqpipe.train.learner import Learner


@dataclass(slots=True)
class Position:
    """Where a run stands, and what it has counted since the last validation."""

    epoch: int = 0
    batch: int = 0  # within the epoch
    step: int = 0
    loss: float = 0.0
    rows: int = 0
    words: int = 0
    padding: int = 0
    norm: float = 0.0  # of the last gradient
    seconds: float = 0.0  # of all sittings together
    validations: int = 0
    best: float = float("-inf")
    best_step: int = 0
    failing: int = 0  # steps in a row whose gradient was not finite


_CARRIED = "carried."


def save_checkpoint(
    path: Path, learner: Learner, position: Position, carried: Mapping[str, Tensor]
) -> None:
    """Under a temporary name, then renamed: a killed writer leaves the old one."""
    state = {**learner.state(), **{_CARRIED + name: value for name, value in carried.items()}}
    tensors = {name: value.contiguous().cpu() for name, value in state.items()}
    tensors["chance.cpu"] = torch.get_rng_state()
    if torch.cuda.is_initialized():
        tensors["chance.cuda"] = torch.cuda.get_rng_state()
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
    torch.set_rng_state(tensors["chance.cpu"])
    if "chance.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["chance.cuda"])
    carried = {k.removeprefix(_CARRIED): v for k, v in tensors.items() if k.startswith(_CARRIED)}
    return Position(**facts), carried

"""Processes that learn together: each takes its share of every part, all take the same step."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from seqpipe.text.course import Part
from seqpipe.train.beside import PATIENCE, Beside, beside, exchanging

_MOST_DIMS = 7
_TALL = 1024  # rows, from which on it is worth asking which of them hold anything


class Team:
    """A process and its place among `size`; what they exchange are tensors alone."""

    def __init__(self, rank: int = 0, size: int = 1, beside: Beside | None = None) -> None:
        self.rank, self.size = rank, size
        self._beside = beside  # where all are of one machine

    @property
    def leads(self) -> bool:
        """Whether this is the one that validates, writes and talks."""
        return self.rank == 0

    def shares(self, part: Part) -> list[Part]:
        """What each has of it, by rank: every so manieth row, as those of a part are alike in
        length, so that nobody waits."""
        if self.size == 1:
            return [part]
        ways = [slice(rank, None, self.size) for rank in range(self.size)]
        return [replace(part, at=part.at[way], lengths=part.lengths[way]) for way in ways]

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Puts into each the sum of those of all; over a network only those rows of tall tables
        are sent in which anybody has more than zeros, as a batch reads few of a vocabulary."""
        if self.size == 1:
            return
        if self._beside is not None and tensors[0].device.type == "cpu":
            self._beside.add(tensors)
            return
        rows = self._rows([t for t in tensors if t.dim() == 2 and len(t) >= _TALL])
        sent = [t.index_select(0, rows[id(t)]) if id(t) in rows else t for t in tensors]
        for tensor, total in zip(tensors, self._joined(sent), strict=True):
            if id(tensor) in rows:
                tensor.index_copy_(0, rows[id(tensor)], total)
            else:
                tensor.copy_(total)

    def _rows(self, tables: Sequence[Tensor]) -> dict[int, Tensor]:
        """By its identity, where in each table anybody has more than zeros."""
        if not tables:
            return {}
        # a sum is several times as fast as `any`, and what is not a number is not 0
        held = [(table.abs().sum(dim=1) != 0).to(torch.uint8) for table in tables]
        anybody = self._joined(held, dist.ReduceOp.MAX)
        return {id(t): rows.nonzero().squeeze(1) for t, rows in zip(tables, anybody, strict=True)}

    def _joined(
        self, tensors: Sequence[Tensor], how: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM
    ) -> list[Tensor]:
        """Of each, the sum or what else over all, in one exchange."""
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with exchanging():
            dist.all_reduce(flat, how)
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.view_as(tensor) for tensor, part in zip(tensors, parts, strict=True)]

    def total(self, numbers: Sequence[float]) -> list[float]:
        """The sums of the numbers of all."""
        if self.size == 1:
            return [*map(float, numbers)]
        held = torch.tensor(numbers, dtype=torch.float64)
        self.add([held])
        return [float(number) for number in held.tolist()]

    def leaders(self, number: float) -> float:
        """The number of the one that leads, whatever the others have."""
        return self.total([number if self.leads else 0.0])[0]

    def leaders_word(self, word: str) -> str:
        """What the one that leads says, whatever the others do."""
        held = torch.tensor([*word.encode()], dtype=torch.uint8)
        return bytes(self.gathered(held)[0].tolist()).decode()

    def wait(self) -> None:
        """Until all have come as far as this."""
        self.total([0.0])

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """Those of all by their rank, on the CPU; their shapes may differ."""
        if self.size == 1:
            return [tensor]
        tensor = tensor.cpu()
        shapes = [tuple(shape[1 : 1 + shape[0]].tolist()) for shape in self._alike(_shape(tensor))]
        sizes = [torch.Size(shape).numel() for shape in shapes]
        padded = tensor.new_zeros(max(sizes))
        padded[: tensor.numel()] = tensor.flatten()
        found = zip(self._alike(padded), sizes, shapes, strict=True)
        return [each[:size].view(shape) for each, size, shape in found]

    def _alike(self, tensor: Tensor) -> list[Tensor]:
        """The same of tensors that have one shape."""
        found = [torch.empty_like(tensor) for _ in range(self.size)]
        with exchanging():
            dist.all_gather(found, tensor)
        return found


ALONE = Team()


def _shape(tensor: Tensor) -> Tensor:
    return torch.tensor([tensor.dim(), *tensor.shape, *[0] * (_MOST_DIMS - tensor.dim())])


@contextmanager
def joined() -> Iterator[Team]:
    """The team that the surroundings tell of, as `torchrun` sets them; on GPUs one each."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    with exchanging():  # by gloo between CPUs, by nccl between GPUs
        dist.init_process_group(timeout=timedelta(seconds=PATIENCE))
    with ExitStack() as stack:
        stack.callback(dist.destroy_process_group)
        rank = dist.get_rank()
        shared = _neighbours(rank, size)
        if shared is not None:
            stack.enter_context(closing(shared))
        yield Team(rank, size, shared)


def _neighbours(rank: int, size: int) -> Beside | None:
    """What they share where `torchrun` has begun all of them on one machine."""
    if os.environ.get("LOCAL_WORLD_SIZE") != str(size) or not hasattr(socket, "AF_UNIX"):
        return None
    return beside(rank, size, Team(rank, size).leaders_word)

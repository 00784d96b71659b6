"""Memory that the processes of one machine share, and add up in: many times as fast as a network
between them, which waits for the system at every word."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import Tensor

from seqpipe.errors import TeamBroken

_STRETCH = 1 << 20  # bytes that each lays down at a time: the caches hold them
PATIENCE = 6 * 3600.0  # seconds, while the first one validates, or encodes a corpus
_JOINING = 300.0  # seconds, until all have begun
_SPIN = 0.001  # seconds of asking again and again: to sleep and be woken is a wait of its own
_SHARED = Path("/dev/shm")  # of memory, where the system has one
_MEMORY, _DOOR = "memory", "door"


class Beside:
    """A process and its way to the others: the first one has one to each, they have one to it.

    Each lays a stretch of its numbers down in a place of its own, makes its share of the sum,
    by rank, so that all find the same bytes, and takes the whole. Nobody goes on before all have
    come as far: each sends the first a byte, and it sends one back, through sockets, which tell
    too when another one is gone.
    """

    def __init__(
        self, rank: int, size: int, memory: Tensor, others: Sequence[socket.socket]
    ) -> None:
        self._rank, self._size, self._others = rank, size, others
        *self._places, self._total = memory.split(_STRETCH)
        self._mine = self._places[rank]
        for other in others:
            other.setblocking(False)

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Puts into each the sum of those of all; they are of one type."""
        whole = [tensor.contiguous() for tensor in tensors]
        for parts in _stretches(whole):
            mine, total = (self._of(place, parts) for place in (self._mine, self._total))
            torch.cat(parts, out=mine)
            self.meet()
            self._make_share(parts, total)
            self.meet()
            torch._foreach_copy_(parts, total.split([len(part) for part in parts]))
        for tensor, total in zip(tensors, whole, strict=True):
            if total is not tensor:
                tensor.copy_(total)

    def _make_share(self, parts: Sequence[Tensor], total: Tensor) -> None:
        first, *others = (self._of(place, parts) for place in self._places)
        share = slice(*(len(total) * (self._rank + i) // self._size for i in (0, 1)))
        made = total[share].copy_(first[share])
        for other in others:
            made += other[share]

    def _of(self, place: Tensor, parts: Sequence[Tensor]) -> Tensor:
        """As much of it as they take."""
        count = sum(map(len, parts))
        return place[: count * parts[0].element_size()].view(parts[0].dtype)

    def close(self) -> None:
        for other in self._others:
            other.close()

    def meet(self) -> None:
        """Until all have come as far as this."""
        begin, end = (_say, _hear) if self._rank else (_hear, _say)
        with exchanging():
            for other in self._others:
                begin(other)
            for other in self._others:
                end(other)


def _stretches(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """All numbers in order, in views that a place has room for together."""
    parts, room = list[Tensor](), 0
    for tensor in tensors:
        flat = tensor.view(-1)
        while len(flat):
            if not room:
                if parts:
                    yield parts
                parts, room = [], _STRETCH // flat.element_size()
            parts.append(flat[:room])
            flat, room = flat[room:], room - len(parts[-1])
    if parts:
        yield parts


@contextmanager
def exchanging() -> Iterator[None]:
    """An exchange fails when another process is gone, which has told why by itself."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise TeamBroken(str(error).strip().splitlines()[0]) from error


def _say(other: socket.socket) -> None:
    other.send(b".")


def _hear(other: socket.socket) -> None:
    """One byte, asked for again and again at first and then waited for."""
    until = time.perf_counter() + _SPIN
    while time.perf_counter() < until:
        try:
            word = other.recv(1)
            break
        except BlockingIOError:
            continue
    else:
        other.settimeout(PATIENCE)
        word = other.recv(1)
        other.setblocking(False)
    if not word:
        raise TeamBroken("it closed the connection")


def beside(rank: int, size: int, tell: Callable[[str], str]) -> Beside | None:
    """What all of a machine share, or nothing where the system has none to give; `tell` gives
    everybody what the first one says."""
    return _join(rank, size, tell("")) if rank else _open(size, tell)


def _open(size: int, tell: Callable[[str], str]) -> Beside | None:
    place = _SHARED if os.access(_SHARED, os.W_OK) else None
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="seqpipe-", dir=place))
            _reserve(Path(folder) / _MEMORY, size)
            door = stack.enter_context(socket.socket(socket.AF_UNIX))
            door.bind(f"{folder}/{_DOOR}")
            door.listen(size)
        except OSError:  # no memory left, or a path that is too long
            tell("")
            return None
        tell(folder)
        door.settimeout(_JOINING)
        with exchanging():
            others = [door.accept()[0] for _ in range(size - 1)]
        return Beside(0, size, _mapped(Path(folder), size), others)


def _join(rank: int, size: int, folder: str) -> Beside | None:
    if not folder:
        return None
    memory = _mapped(Path(folder), size)  # first: whoever has come in holds it
    first = socket.socket(socket.AF_UNIX)
    with exchanging():
        first.connect(f"{folder}/{_DOOR}")
    return Beside(rank, size, memory, [first])


def _reserve(path: Path, size: int) -> None:
    """All of it at once: memory that is not there when it is written to would end the process."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, _bytes(size))
        else:
            file.truncate(_bytes(size))


def _mapped(folder: Path, size: int) -> Tensor:
    return torch.from_file(str(folder / _MEMORY), shared=True, size=_bytes(size), dtype=torch.uint8)


def _bytes(size: int) -> int:
    """Places of all, and the sum."""
    return (size + 1) * _STRETCH

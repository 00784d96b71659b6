"""The engine past one machine: Ray Data streams the parts through workers on a cluster.

The nodes need seqpipe and must see the input under the name that it has here; the pipeline is
brought to them. https://docs.ray.io/en/latest/data/data.html
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from seqpipe import errors
from seqpipe.annotation.frames import (
    Frame,
    done_of,
    frame_of_done,
    frame_of_task,
    receive,
    send,
    task_of,
)
from seqpipe.annotation.process import Member
from seqpipe.annotation.work import Done, Feed, Recipe
from seqpipe.errors import ExtraMissing, SeqpipeError, SettingError, WorkerFailed, reason_of

_AHEAD = 4  # parts for each worker that may be under way, so that memory is bounded
_COLUMN = "frame"
_PREFIX = "seqpipe-ray-"  # of folders, before the number of their process


class RayEngine:
    """Workers of a Ray cluster, each with a process of its own like those of one machine.

    `address` is what `ray.init` takes; without one it is the cluster that is there, else one is
    started here. `gpus` is the share of one that a worker gets; `died` hears of each worker that
    does not survive its part.
    """

    def __init__(
        self,
        workers: int,
        *,
        address: str | None = None,
        gpus: float = 0,
        died: Callable[[str], None] = lambda how: None,
        debug: bool = False,
    ) -> None:
        self.workers, self.address, self.gpus = workers, address, gpus
        self.died, self.debug = died, debug

    def run(self, feed: Feed, recipe: Recipe) -> Iterator[Done]:
        with self._connected() as ray:
            # Two threads hand over parts and let new ones in; the others are for tries again.
            start = ray.remote(num_cpus=0, max_concurrency=4)(_Foreman).remote
            foreman = start(feed, recipe, _Luggage.of(recipe), workers=self.workers, gpus=self.gpus)
            try:
                while (body := ray.get(foreman.next.remote())) is not None:
                    yield from self._heard(body)
            except ray.exceptions.RayError as error:
                raise WorkerFailed(f"Ray has given up: {reason_of(error)}.") from error
            finally:
                ray.kill(foreman)

    def _heard(self, body: bytes) -> Iterator[Done]:
        frame = _frame(body)
        if frame.said == "done":
            yield done_of(frame)
        elif frame.said == "died":
            self.died(frame.facts["how"])
        else:
            raise _error(frame) from RuntimeError(frame.facts["traceback"])

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Ray, left as it was found."""
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise ExtraMissing("Ray", "ray") from error
        if ray.is_initialized():
            yield ray
            return
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        self._connect(ray, {} if self.debug else quiet)
        try:
            yield ray
        finally:
            ray.shutdown()

    def _connect(self, ray: Any, settings: Mapping[str, Any]) -> None:
        here = {"address": "local", "num_cpus": self.workers, "include_dashboard": False}
        try:
            if self.address in (None, "auto"):
                try:
                    ray.init(address="auto", **settings)
                except ConnectionError:  # no cluster is there
                    ray.init(**here, **settings)
            elif self.address == "local":
                ray.init(**here, **settings)
            else:
                _reach(self.address)
                ray.init(address=self.address, **settings)
        except (OSError, ValueError, RuntimeError) as error:
            allowed = f"the address of a cluster that answers, or 'local' ({reason_of(error)})"
            raise SettingError("ray", self.address or "auto", allowed) from error


def _reach(address: str) -> None:
    """Whether anybody answers there: Ray itself asks for ever."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=10).close()


@dataclass(frozen=True, slots=True)
class _Luggage:
    """The files that a recipe names, for nodes that do not have them."""

    model: bytes | None  # an archive; None is a package, which every node has
    code: bytes | None

    @classmethod
    def of(cls, recipe: Recipe) -> _Luggage:
        folder = Path(recipe.model).expanduser()
        code = Path(recipe.code).read_bytes() if recipe.code else None
        return cls(_archive(folder) if folder.is_dir() else None, code)

    def unpacked(self, recipe: Recipe, folder: Path) -> Recipe:
        """The recipe that names them where they are now."""
        if self.model is not None:
            archive, model = folder / "model.zip", folder / "model"
            archive.write_bytes(self.model)
            shutil.unpack_archive(archive, model)
            archive.unlink()
            recipe = replace(recipe, model=str(model))
        if self.code is not None:
            code = folder / "code.py"
            code.write_bytes(self.code)
            recipe = replace(recipe, code=str(code))
        return recipe


class _Foreman:
    """Drives Ray Data from within the cluster: a driver behind ray:// could not do it itself."""

    def __init__(
        self, feed: Feed, recipe: Recipe, luggage: _Luggage, *, workers: int, gpus: float
    ) -> None:
        import ray

        self._most = _AHEAD * workers
        self._given = 0  # parts that have left the cluster
        self._room = threading.Condition()
        gate = ray.get_runtime_context().current_actor
        self._frames = _stream(feed, gate, recipe, ray.put(luggage), workers=workers, gpus=gpus)

    def next(self) -> bytes | None:
        """What happened next, as a frame; None at the end."""
        try:
            body = next(self._frames, None)
        except Exception as error:  # of Ray, or a flaw of ours: neither may be unpickled elsewhere
            return _bytes(_told(error))
        if body is not None and _frame(body).said == "done":
            with self._room:
                self._given += 1
                self._room.notify_all()
        return body

    def admit(self, place: int) -> None:
        """Returns once there is room for the part of this place."""
        with self._room:
            self._room.wait_for(lambda: place < self._given + self._most)


def _stream(
    feed: Feed, gate: Any, recipe: Recipe, luggage: Any, *, workers: int, gpus: float
) -> Iterator[bytes]:
    from ray.data import ActorPoolStrategy, DataContext, from_arrow

    context = DataContext.get_current()
    context.target_max_block_size = 1  # a row is a part, and none waits for the next
    context.target_min_block_size = 1
    context.enable_progress_bars = False
    # One task that reads, and takes no processor from the workers.
    parts = from_arrow(_table([Frame("begin", {})])).map_batches(
        _read, fn_args=(feed, gate), batch_size=None, batch_format="pyarrow", num_cpus=0
    )
    frames = parts.map_batches(
        _Hand,
        fn_constructor_args=(recipe, [luggage]),  # in a list: the hand fetches it itself
        batch_size=1,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=gpus,
    )
    for table in frames.iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=0):
        yield table.column(_COLUMN)[0].as_py()


def _read(begin: pa.Table, feed: Feed, gate: Any) -> Iterator[pa.Table]:
    """The parts, each when there is room for it."""
    import ray

    try:
        for place, task in enumerate(feed()):
            ray.get(gate.admit.remote(place))
            yield _table([frame_of_task(task)])
    except Exception as error:
        yield _table([_told(error)])


class _Hand:
    """A worker that stays; its process is replaced when it dies."""

    def __init__(self, recipe: Recipe, luggage: Sequence[Any]) -> None:
        import ray

        _sweep()
        self._folder = TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")
        found: _Luggage = ray.get(luggage[0])
        self._deaths: list[str] = []
        self._member = Member(
            found.unpacked(recipe, Path(self._folder.name)), died=self._deaths.append
        )

    def __call__(self, parts: pa.Table) -> pa.Table:
        frame = _frame(parts.column(_COLUMN)[0].as_py())
        if frame.said == "do":
            try:
                frame = frame_of_done(self._member.do(task_of(frame)))
            except Exception as error:
                frame = _told(error)
        deaths = [Frame("died", {"how": how}) for how in self._deaths]
        self._deaths.clear()
        return _table([*deaths, frame])


def _sweep() -> None:
    """Removes the folders of actors that Ray has ended before they could."""
    if os.name != "posix":  # elsewhere to ask for a process is to end it
        return
    for left in Path(gettempdir()).glob(f"{_PREFIX}*-*"):
        try:
            os.kill(int(left.name.removeprefix(_PREFIX).partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (ValueError, OSError):  # of somebody else
            continue


def _table(frames: Sequence[Frame]) -> pa.Table:
    return pa.table({_COLUMN: pa.array([*map(_bytes, frames)], pa.large_binary())})


def _bytes(frame: Frame) -> bytes:
    pipe = io.BytesIO()
    send(pipe, frame)
    return pipe.getvalue()


def _frame(body: bytes) -> Frame:
    frame = receive(io.BytesIO(body))
    if frame is None:
        raise ValueError("a frame is cut off")
    return frame


def _told(error: Exception) -> Frame:
    """An error as plain values: most of ours cannot be pickled, and a foreign one may not be known
    where it arrives."""
    ours = isinstance(error, SeqpipeError)
    facts = {
        "kind": type(error).__name__ if ours else "WorkerFailed",
        "sentence": str(error) if ours else f"A worker broke off: {reason_of(error)}.",
        "traceback": traceback.format_exc(),
    }
    return Frame("failed", facts)


def _error(frame: Frame) -> SeqpipeError:
    """The error that was told, with its sentence instead of the facts that made it."""
    kind = getattr(errors, frame.facts["kind"], WorkerFailed)
    error: SeqpipeError = kind.__new__(kind)
    error.args = (frame.facts["sentence"],)
    return error


def _archive(folder: Path) -> bytes:
    with TemporaryDirectory(prefix="seqpipe-") as beside:
        return Path(shutil.make_archive(f"{beside}/model", "zip", folder)).read_bytes()

"""A worker in a process of its own, and the next one when it has died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from seqpipe.annotation.frames import Frame, done_of, frame_of_task, receive, send
from seqpipe.annotation.work import Done, Recipe, Task
from seqpipe.errors import WorkerFailed, WorkersDie

_TRIES = 2  # times that a part may kill its worker before the row is looked for that does it
_DEATHS = 8  # times in all, after which no row is to blame
# Ctrl-C is heard by the parent, which decides, from the first moment on. Modules come from where
# ours do: with -m those of the current folder would go before.
_BEGIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "sys.path[:] = sys.argv[1:]; from seqpipe.annotation.worker import main; main()"
)
_STARTS = 3  # times that one may die before it has begun


class Process:
    """One that has loaded its pipeline; its answer is None once it is dead."""

    def __init__(self, recipe: Recipe) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_surroundings(),
        )
        try:
            self.begun = self.ask(Frame("begin", asdict(recipe))) is not None
        except BaseException:
            self.close()
            raise

    def ask(self, frame: Frame) -> Frame | None:
        if self._popen.stdin is not None:
            with suppress(OSError):  # it is dead, as the answer will tell
                send(self._popen.stdin, frame)
        return self.answer()

    def answer(self) -> Frame | None:
        answer = receive(self._popen.stdout) if self._popen.stdout is not None else None
        if answer is None:
            self._popen.wait()
            return None
        if answer.said == "failed":
            raise WorkerFailed(answer.facts["sentence"])
        if answer.said == "broken":
            error = WorkerFailed(f"A worker broke off: {answer.facts['reason']}.")
            raise error from RuntimeError(answer.facts["traceback"])
        return answer

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        self._popen.kill()

    def close(self) -> None:
        """It has nothing to do any more, and holds nothing that is wanted."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with suppress(OSError):  # what was never read has nowhere to go
                if pipe is not None:
                    pipe.close()

    def how(self) -> str:
        """How it has ended."""
        code = self._popen.wait()
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


class Member:
    """Does parts in a process, and takes a new one when it dies; `died` hears of it.

    A row that kills every worker is found, by one that looks at each alone, and given up.
    """

    def __init__(self, recipe: Recipe, died: Callable[[str], None]) -> None:
        self._recipe, self._died = recipe, died
        self._process: Process | None = None
        self._closed = False

    def do(self, task: Task) -> Done:
        how = ""
        for deaths in range(1, _DEATHS + 1):
            process = self._at_work()
            if (answer := process.ask(frame_of_task(task))) is not None:
                return done_of(answer)
            how = self._lost(process)
            if deaths >= _TRIES and (place := self._culprit(task)) is not None:
                reason = f"a worker {how} each time that it came to this document"
                task = replace(task, lost={**task.lost, place: reason})
        raise WorkersDie(task.first, task.first + task.rows.num_rows - 1, how)

    def close(self) -> None:
        if self._process is not None:
            self._process.close()

    def kill(self) -> None:
        """From another thread: whatever is being done comes to nothing."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def _at_work(self) -> Process:
        if self._process is None or not self._process.alive:
            self._process = self._started()
        if self._closed:
            self._process.kill()
            raise WorkerFailed("The workers are being stopped.")
        return self._process

    def _started(self) -> Process:
        how = ""
        for _ in range(_STARTS):
            process = Process(self._recipe)
            if process.begun:
                return process
            how = self._lost(process)
        raise WorkerFailed(f"A worker {how} {_STARTS} times before it could begin.")

    def _culprit(self, task: Task) -> int | None:
        """The place of the row at which a worker dies that looks at one after the other."""
        process, place = self._at_work(), None
        answer = process.ask(frame_of_task(task, said="look"))
        while answer is not None and answer.said == "at":
            place = int(answer.facts["place"])
            answer = process.answer()
        if answer is not None:
            return None
        self._lost(process)
        return place

    def _lost(self, process: Process) -> str:
        how = process.how()
        process.close()
        if not self._closed:
            self._died(how)
        return how


def _surroundings() -> Mapping[str, str]:
    """What a worker inherits, and one thread for whatever computes."""
    single = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**single, **os.environ}

"""Processes that do trials of one study beside each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO

from seqpipe.errors import SeqpipeError, StudyError, TrialsDie

_REFUSED = 3  # ends with this code when it has said why in one sentence


class Crew:
    """Workers that need nothing but the folder; they end with their parent."""

    def __init__(self, folder: Path, *, workers: int, trials: int, until: float) -> None:
        self._folder = folder
        self._asked = False
        self._stack = ExitStack()
        self._workers = [self._begun(trials, until) for _ in range(workers)]

    def _begun(self, trials: int, until: float) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        said = TemporaryFile()  # noqa: SIM115 - closed with the crew
        self._stack.callback(said.close)
        words = [str(self._folder), str(trials), str(until), str(os.getpid())]
        worker = subprocess.Popen(
            [sys.executable, "-m", "seqpipe.cli._tuner", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=_surroundings(),
            start_new_session=True,  # Ctrl-C is for the parent, which asks them to stop
        )
        return worker, said

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker, _ in self._workers:
            worker.kill()
            worker.wait()
        self._stack.close()

    @property
    def working(self) -> bool:
        return any(worker.poll() is None for worker, _ in self._workers)

    def stop(self) -> None:
        """Each saves where it stands, and ends."""
        if not self._asked:
            self._asked = True
            for worker, _ in self._workers:
                worker.terminate()

    def check(self) -> None:
        """Says why one could not work; of one that died only when the others are done."""
        dead = ""
        for worker, said in self._workers:
            code = worker.poll()
            if code is None or code == 0 or (self._asked and code == -signal.SIGTERM):
                continue
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or [""]
            if code == _REFUSED:
                raise StudyError(lines[-1])
            how = f"ended with code {code} ({lines[-1]})"
            dead = f"died of {signal.Signals(-code).name}" if code < 0 else how
        if dead and not self.working:
            raise TrialsDie(self._folder, dead)


def _surroundings() -> Mapping[str, str]:
    """The places of modules as they are here, and one thread for whatever computes."""
    single = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    places = os.pathsep.join(filter(None, sys.path))
    return {**single, **os.environ, "PYTHONPATH": places, "PYTHONSAFEPATH": "1"}


def main() -> int:
    folder, trials, until, parent = sys.argv[1:]
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))

    def stopping() -> bool:
        return bool(asked) or os.getppid() != int(parent) or time.time() >= float(until)

    from seqpipe.cli._study import Study

    try:
        for _ in Study(Path(folder)).work(int(trials), stopping):
            pass
    except SeqpipeError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())

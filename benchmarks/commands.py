"""Commands of the project as benches run them: one thread a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

SINGLE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def side_by_side(processes: int) -> list[str]:
    """What a command of Python's begins with that so many processes run at once."""
    if processes == 1:
        return []
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]


def begun(command: Sequence[str]) -> subprocess.Popen[bytes]:
    surroundings = {**os.environ, **SINGLE}
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=surroundings
    )


def done(command: Sequence[str], *, seconds: float | None = None) -> bool:
    """Whether what Python is to run came to its end; after so many seconds it is killed."""
    process = begun([sys.executable, *command])
    try:
        said = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()[1]
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"{' '.join(command)}\n{said.decode(errors='replace')}")
    return process.returncode == 0

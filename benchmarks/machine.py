"""The machine that measures: what it is, and what it could do at most."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

_LIBRARIES = ("torch", "spacy", "thinc", "tokenizers", "numpy", "datasets")
_SIDE, _SIDE_ON_GPU = 1024, 8192  # of the square matrices that are multiplied
_COPIED = 1 << 26  # bytes: far more than caches hold
_TRIES = 12


def most_held() -> float:
    """The most memory that this process has held, in MB. What `getrusage` tells is, in a process
    that another has started, at least what that one held."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine() -> dict[str, str]:
    """Its processor, memory, system and libraries."""
    release = ".".join(platform.release().split(".")[:2])
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": f"{platform.system()} {release}, Python {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as torch takes"),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    flags = next((value.split() for name, value in told.items() if name.strip() == "flags"), [])
    wide = next((name for name in ("amx_tile", "avx512f", "avx2") if name in flags), "")
    name = next((value.strip() for key, value in told.items() if key.strip() == "model name"), "")
    name = name or platform.processor() or platform.machine()
    return f"{name} ({wide})" if wide else name


def side_of(device: str) -> int:
    """How large a matrix has to be, to keep the device at work."""
    return _SIDE if device == "cpu" else _SIDE_ON_GPU


def product_limit(device: str = "cpu") -> float:
    """Floating-point operations a second of a large matrix product, at the best of some tries."""
    import torch

    side = side_of(device)
    a, b = torch.randn(2, side, side, device=device)
    out = torch.empty_like(a)

    def multiply() -> None:
        torch.mm(a, b, out=out)
        if device != "cpu":
            torch.cuda.synchronize(device)

    return 2 * side**3 / _quickest(multiply)


def copy_limit() -> float:
    """Bytes a second, read and written, of a large copy."""
    import torch

    a = torch.ones(_COPIED // 4)
    out = torch.empty_like(a)
    return 2 * _COPIED / _quickest(lambda: out.copy_(a))


def _quickest(run: Callable[[], Any]) -> float:
    times = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)

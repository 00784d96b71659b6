"""What a run spends: the time of the processor and, where that counts it, its energy."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_COUNTERS = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")  # of a whole processor; its parts have a number more


@dataclass(frozen=True, slots=True)
class Spent:
    """Since somebody looked last."""

    cpu_seconds: float
    joules: float  # 0 where nothing counts them


class Meter:
    """Reads the clock of this process, and the energy counters that Linux has for processors of
    Intel and AMD, which count all that runs on them (Khan et al. 2018)."""

    def __init__(self, counters: Path = _COUNTERS) -> None:
        self._counters = counters
        self._clock = time.process_time()
        self._packages = self._read()

    def read(self) -> Spent:
        clock, packages = time.process_time(), self._read()
        spent = Spent(clock - self._clock, self._joules(packages))
        self._clock, self._packages = clock, packages
        return spent

    def _read(self) -> dict[Path, int]:
        """Microjoules of each processor; none where nobody may read them."""
        try:
            folders = [f for f in self._counters.iterdir() if _PACKAGE.fullmatch(f.name)]
            return {f: int((f / "energy_uj").read_text()) for f in folders}
        except (OSError, ValueError):
            return {}

    def _joules(self, now: Mapping[Path, int]) -> float:
        found = 0
        for folder, before in self._packages.items():
            if folder in now:
                more = now[folder] - before
                found += more if more >= 0 else max(more + _range(folder), 0)
        return found / 1e6


def _range(folder: Path) -> int:
    """Where a counter begins anew."""
    try:
        return int((folder / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        return 0

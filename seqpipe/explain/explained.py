"""What every explanation is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Explained:
    """Of a kind, which its last field names, and plain values on wish."""

    def plain(self) -> dict[str, Any]:
        """Nothing but str, int, float, None, dict and list: survives `DocBin` and `n_process`."""
        return asdict(self)

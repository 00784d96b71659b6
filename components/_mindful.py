"""What stages that remember something share."""

import warnings
from typing import Any, Optional

from seqpipe.components._stage import Stage
from seqpipe.errors import SettingError


class Mindful(Stage):
    """What it remembers is saved with it, and rests on its weights."""

    memory: Any = None
    optional = frozenset({"memory"})

    def extra(self, name: str) -> bytes:
        return bytes(self.memory.to_bytes()) if self.memory is not None else b""

    def forget(self) -> None:
        """Goes by the net alone again."""
        self.memory = None

    def learns(self) -> None:
        """What rests on the weights is not kept when they change."""
        if self.memory is not None:
            self.forget()
            warnings.warn(f"{self.name!r} learns, and forgets what it remembered.", stacklevel=3)

    def how_many(self, beside: Optional[int], *, usual: int) -> int:
        """Of what is remembered is looked at; refuses where there is no torch to remember more."""
        self.shim.inside  # noqa: B018
        if beside is None:
            return usual if self.memory is None else int(self.memory.beside)
        if beside < 1:
            raise SettingError("beside", beside, "1 or more")
        return beside

"""gradients.jsonl, and gradients.svg, which is drawn from it."""

from __future__ import annotations

import json
from pathlib import Path

from seqpipe.cli._curves import Curve, Panel, drawn
from seqpipe.files import sweep, written
from seqpipe.train.gradients import Gradients


def gradient_files(output: Path) -> tuple[Path, Path]:
    return output / "gradients.jsonl", output / "gradients.svg"


class GradientLog:
    """A line a validation, and the picture of all of them."""

    def __init__(self, output: Path) -> None:
        self._lines, self._picture = gradient_files(output)
        for path in (self._lines, self._picture):
            sweep(path)

    def read(self) -> list[Gradients]:
        if not self._lines.exists():
            return []
        lines = self._lines.read_text(encoding="utf-8").splitlines()
        return [Gradients(**json.loads(line)) for line in lines]

    def add(self, found: Gradients) -> None:
        """Behind all that were found before; a killed sitting may have come further."""
        every = [*(each for each in self.read() if each.step < found.step), found]
        with written(self._lines) as beside:
            beside.write_text("".join(each.line() for each in every), encoding="utf-8")
        with written(self._picture) as beside:
            beside.write_text(drawn(_panels(every)), encoding="utf-8")


def _panels(found: list[Gradients]) -> list[Panel]:
    """The norms of the layers over the run, and the lags of the cells as they are at its end."""
    layers = list(dict.fromkeys(name for each in found for name in each.layers))
    norms = [
        Curve(name, [(each.step, each.layers[name]) for each in found if name in each.layers])
        for name in layers
    ]
    lags = [Curve(name, [*enumerate(norms)]) for name, norms in found[-1].lags.items()]
    return [
        Panel("Norm of the gradient of each layer", "step", norms),
        Panel("Norm of the gradient of what was read, at the last validation", "steps back", lags),
    ]

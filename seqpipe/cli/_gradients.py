"""gradients.jsonl, and gradients.svg, which is drawn from it."""

from __future__ import annotations

from pathlib import Path

from seqpipe.cli._steps import StepLog
from seqpipe.explain.report.curves import Curve, Panel, drawn
from seqpipe.files import sweep, written
from seqpipe.train.gradients import Gradients


def gradient_files(output: Path) -> tuple[Path, Path]:
    return output / "gradients.jsonl", output / "gradients.svg"


class GradientLog:
    """A line a validation, and the picture of all of them."""

    def __init__(self, output: Path) -> None:
        lines, self._picture = gradient_files(output)
        self._log = StepLog(lines)
        sweep(self._picture)

    def add(self, found: Gradients) -> None:
        self._log.add(found.plain())
        with written(self._picture) as beside:
            beside.write_text(drawn(self.panels()), encoding="utf-8")

    def panels(self) -> list[Panel]:
        """The norms of the layers over the run, and the lags of the cells as they are at its
        end; nothing where none was measured."""
        found = [Gradients(**line) for line in self._log.read()]
        if not found:
            return []
        layers = list(dict.fromkeys(name for each in found for name in each.layers))
        norms = [
            Curve(
                name or "of the net itself",
                [(each.step, each.layers[name]) for each in found if name in each.layers],
            )
            for name in layers
        ]
        lags = [Curve(name, [*enumerate(norms)]) for name, norms in found[-1].lags.items()]
        last = "Norm of the gradient of what was read, at the last validation"
        return [
            Panel("Norm of the gradient of each layer", "step", norms),
            Panel(last, "steps back", lags),
        ]

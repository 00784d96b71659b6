"""What trackers were told, without any of them installed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@dataclass
class Told:
    """Of one run."""

    settings: dict[str, Any] = field(default_factory=dict)
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    ends: list[object] = field(default_factory=list)


class Shelf:
    """Stands for TensorBoard, Weights & Biases and MLflow, each told as it wants to be."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.runs: dict[str, Told] = {}
        self.down = False
        self.open = ""
        for name, offered in (
            ("torch.utils.tensorboard", {"SummaryWriter": self._writer}),
            ("wandb", {"init": self._init}),
            (
                "mlflow",
                {
                    "start_run": self._start_run,
                    "log_params": self._log_params,
                    "log_metrics": self._log_metrics,
                    "end_run": lambda status: self.runs[self.open].ends.append(status),
                },
            ),
        ):
            module = ModuleType(name)
            vars(module).update(offered)
            patch.setitem(sys.modules, name, module)

    def _told(self, run: str, step: int, values: Mapping[str, float]) -> None:
        if self.down:
            raise ConnectionError("nobody answers")
        points = self.runs[run].points
        if points and points[-1][0] == step:
            points[-1][1].update(values)
        else:
            points.append((step, dict(values)))

    def _writer(self, folder: str) -> SimpleNamespace:
        if not Path(folder).exists():  # as its files would
            Path(folder).mkdir()
            self.runs[folder] = Told()
        told = self.runs[folder]
        return SimpleNamespace(
            add_hparams=lambda values, metrics, run_name: told.settings.update(values),
            add_scalar=lambda name, value, step: self._told(folder, step, {name: value}),
            flush=lambda: None,
            close=lambda: told.ends.append("closed"),
        )

    def _init(
        self, *, id: str | None, resume: str, name: str, config: Mapping[str, Any]
    ) -> SimpleNamespace:
        assert resume == "allow"
        run = id or f"{name}#{len(self.runs)}"
        told = self.runs.setdefault(run, Told())
        told.settings.update(config)
        return SimpleNamespace(
            id=run,
            log=lambda values, step: self._told(run, step, values),
            finish=lambda exit_code: told.ends.append(exit_code),
        )

    def _start_run(self, *, run_id: str | None, run_name: str) -> SimpleNamespace:
        self.open = run_id or f"{run_name}#{len(self.runs)}"
        self.runs.setdefault(self.open, Told())
        return SimpleNamespace(info=SimpleNamespace(run_id=self.open))

    def _log_params(self, values: Mapping[str, str]) -> None:
        settings = self.runs[self.open].settings
        assert len(values) <= 100 and not set(values) & set(settings)
        assert all(len(value) <= 6000 and "@" not in name for name, value in values.items())
        settings.update(values)

    def _log_metrics(self, values: Mapping[str, float], step: int) -> None:
        self._told(self.open, step, values)

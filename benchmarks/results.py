"""What a bench has found, as lines of JSON: the page and README are made of these alone."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

_DIGITS = 3  # that are shown: no speed is known better


@dataclass(frozen=True)
class Run:
    """Under what conditions all that follows in the file was measured."""

    kind: ClassVar[str] = "run"
    bench: str
    date: str
    version: str
    command: str
    quick: bool
    seconds: float
    machine: Mapping[str, str]
    data: Mapping[str, str]
    load: float = 0.0  # of the machine at the end, with what others did on it: 1 is one busy core


@dataclass(frozen=True)
class Figure:
    """Something measured of somebody, as often as there are values."""

    kind: ClassVar[str] = "figure"
    bench: str
    who: str
    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def key(self) -> str:
        """By which a text names it."""
        return ".".join(map(slug, (self.bench, self.who, self.what)))

    @property
    def middle(self) -> float:
        return statistics.median(self.values)

    def shown(self, which: str = "") -> str:
        """The median, or `low` or `high`, as it stands in a text."""
        of = {"": self.middle, "low": min(self.values), "high": max(self.values)}
        return shown(of[which], self.unit)

    def spread(self) -> str:
        """Behind the median, where it was measured several times."""
        return f" ({self.shown('low')} to {self.shown('high')})" if len(self.values) > 1 else ""


@dataclass(frozen=True)
class Curve:
    """How something grows: a line of a plot."""

    kind: ClassVar[str] = "curve"
    bench: str
    plot: str
    who: str
    across: str
    upward: str
    points: tuple[tuple[float, float], ...]
    exponent: float | None = None


@dataclass(frozen=True)
class Absent:
    """Who could not be measured, and why: nobody is left out without a word."""

    kind: ClassVar[str] = "absent"
    bench: str
    who: str
    why: str


@dataclass(frozen=True)
class Remark:
    """What has to be known to read the figures."""

    kind: ClassVar[str] = "remark"
    bench: str
    text: str


Record = Run | Figure | Curve | Absent | Remark
_KINDS: dict[str, Any] = {kind.kind: kind for kind in (Run, Figure, Curve, Absent, Remark)}


@dataclass
class Results:
    """All that one bench has found."""

    run: Run
    figures: list[Figure] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def add(self, record: Record) -> None:
        match record:
            case Figure():
                self.figures.append(record)
            case Curve():
                self.curves.append(record)
            case Absent():
                self.absent.append(record)
            case Remark():
                self.remarks.append(record)
            case Run():
                self.run = record

    def write(self, path: Path) -> None:
        records = [self.run, *self.figures, *self.curves, *self.absent, *self.remarks]
        lines = [
            json.dumps({"kind": one.kind, **asdict(one)}, ensure_ascii=False) for one in records
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    first, *others = map(_record, path.read_text(encoding="utf-8").splitlines())
    if not isinstance(first, Run):
        raise SystemExit(f"{path} does not begin with the conditions of its run.")
    found = Results(first)
    for record in others:
        found.add(record)
    return found


def _record(line: str) -> Any:
    told = json.loads(line)
    for name in ("values", "points"):
        if name in told:
            told[name] = tuple(tuple(x) if isinstance(x, list) else x for x in told[name])
    return _KINDS[told.pop("kind")](**told)


def figures_of(results: Iterable[Results]) -> dict[str, Figure]:
    """All figures by their keys."""
    return {figure.key: figure for found in results for figure in found.figures}


def slug(name: str) -> str:
    return re.sub(r"\W+", "_", name.lower()).strip("_")


def shown(value: float, unit: str) -> str:
    """A share with three decimals, anything else with three digits."""
    if unit == "share":
        return f"{value:.3f}"
    if unit == "percent":
        return f"{100 * value:.0f} %"
    if not value:
        return "0"
    if abs(value) >= 10 ** (_DIGITS - 1):
        return f"{float(f'{value:.{_DIGITS}g}'):,.0f}"
    return f"{value:#.{_DIGITS}g}".rstrip(".")

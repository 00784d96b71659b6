"""Curves over a logarithmic scale, as an SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#8250df", "#bf8700", "#57606a", "#1b7c83", "#bc4c00")
_WIDTH, _HEIGHT, _LEFT, _TOP = 520, 300, 60, 40
_BESIDE = 240  # for the names of the curves
_ROW = 18
_MOST_DECADES = 12  # what is smaller than the largest by more lies on the lower edge


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    points: Sequence[tuple[float, float]]

    def shown(self) -> list[tuple[float, float]]:
        """Those that a logarithmic scale has a place for."""
        return [(x, y) for x, y in self.points if math.isfinite(y) and y > 0]


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    below: str  # what the curves run over
    curves: Sequence[Curve]


def drawn(panels: Sequence[Panel]) -> str:
    """The panels, one below the other."""
    heights = [max(_HEIGHT, _ROW * len(panel.curves)) + _TOP + 50 for panel in panels]
    width, height = _LEFT + _WIDTH + _BESIDE, sum(heights)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#24292f">'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )
    tops = [sum(heights[:at]) for at in range(len(panels))]
    parts = [
        f'<g transform="translate({_LEFT} {top + _TOP})">{"".join(_panel(panel))}</g>'
        for panel, top in zip(panels, tops, strict=True)
    ]
    return "\n".join([head, *parts, "</svg>\n"])


def _panel(panel: Panel) -> Iterator[str]:
    yield f'<text y="-14" font-size="14">{escape(panel.title)}</text>'
    curves = [curve.shown() for curve in panel.curves]
    points = [point for curve in curves for point in curve]
    if not points:
        yield '<text y="20">nothing yet</text>'
        return
    scale = _Scale.of(points)
    yield from scale.axes(panel.below)
    for at, (curve, shown) in enumerate(zip(panel.curves, curves, strict=True)):
        colour, y = _COLOURS[at % len(_COLOURS)], _ROW * at + 10
        dashes = "5 3" if at >= len(_COLOURS) else "none"
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in map(scale.place, shown))
        stroke = f'fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"'
        yield f'<polyline points="{line}" {stroke}/>'
        yield f'<text x="{_WIDTH + 16}" y="{y}" fill="{colour}">{escape(curve.name)}</text>'


@dataclass(frozen=True, slots=True)
class _Scale:
    first: float
    last: float
    low: int  # powers of ten
    high: int

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> _Scale:
        xs = [x for x, _ in points]
        logs = [math.log10(y) for _, y in points]
        high = math.floor(max(logs)) + 1
        low = max(math.floor(min(logs)), high - _MOST_DECADES)
        return cls(min(xs), max(xs), low, high)

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across = (x - self.first) / max(self.last - self.first, 1e-9)
        up = (math.log10(y) - self.low) / (self.high - self.low)
        return across * _WIDTH, (1 - max(up, 0.0)) * _HEIGHT

    def axes(self, below: str) -> Iterator[str]:
        for power in range(self.low, self.high + 1):
            y = (self.high - power) / (self.high - self.low) * _HEIGHT
            yield f'<path d="M0 {y:.1f}H{_WIDTH}" stroke="#d0d7de"/>'
            yield f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">1e{power}</text>'
        for x, anchor, value in ((0, "start", self.first), (_WIDTH, "end", self.last)):
            yield f'<text x="{x}" y="{_HEIGHT + 18}" text-anchor="{anchor}">{value:g}</text>'
        middle = f'x="{_WIDTH // 2}" y="{_HEIGHT + 18}" text-anchor="middle"'
        yield f"<text {middle}>{escape(below)}</text>"

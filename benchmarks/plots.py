"""Curves as SVG, drawn by hand: logarithms along both sides, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.results import Curve

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 78, 16, 44, 50
COLOURS = ("#2a78d6", "#1baf7a", "#eda100", "#d6452a", "#8a5cd6", "#5b6470")
INK, LINE, PAPER = "#3d444d", "#d0d7de", "#ffffff"


def plot(title: str, curves: Sequence[Curve]) -> str:
    """One picture of all the curves, with the fitted growth of each in its legend."""
    spans = [_span([point[axis] for curve in curves for point in curve.points]) for axis in (0, 1)]
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    told = "; ".join(f"{_legend(curve)}: {_points(curve)}" for curve in curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(told)}</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{PAPER}"/>',
        *_grid(spans),
        f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle" '
        f'fill="{INK}">{escape(curves[0].across)}</text>',
        f'<text x="16" y="{centre}" text-anchor="middle" fill="{INK}" '
        f'transform="rotate(-90 16 {centre})">{escape(curves[0].upward)}</text>',
    ]
    x = LEFT
    for number, curve in enumerate(curves):
        colour, legend = COLOURS[number % len(COLOURS)], _legend(curve)
        parts += _line(curve, spans, colour)
        parts += [
            f'<rect x="{x}" y="20" width="14" height="3" fill="{colour}"/>',
            f'<text x="{x + 19}" y="26" fill="{INK}">{escape(legend)}</text>',
        ]
        x += 34 + 7 * len(legend)
    return "\n".join([*parts, "</svg>\n"])


def _legend(curve: Curve) -> str:
    return curve.who if curve.exponent is None else f"{curve.who}, n^{curve.exponent:.2f}"


def _points(curve: Curve) -> str:
    return ", ".join(f"{x:g}: {y:.3g}" for x, y in curve.points)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Whole powers of ten around the values, or a part of one where they lie close together."""
    low, high = math.log10(min(values)), math.log10(max(values))
    if high - low < 1:
        return low - 0.1, max(high, low + 0.3) + 0.1
    return math.floor(low + 1e-9), math.ceil(high - 1e-9)


def _place(value: float, axis: int, spans: Sequence[tuple[float, float]]) -> float:
    low, high = spans[axis]
    share = (math.log10(value) - low) / (high - low)
    if axis == 0:
        return LEFT + share * (WIDTH - LEFT - RIGHT)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _grid(spans: Sequence[tuple[float, float]]) -> list[str]:
    parts = []
    for axis in (0, 1):
        for value in _ticks(*spans[axis]):
            at = _place(value, axis, spans)
            told = escape(_short(value))
            if axis == 0:
                ends = f'x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}"'
                where = f'x="{at:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle"'
            else:
                ends = f'x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"'
                where = f'x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end"'
            parts.append(f'<line {ends} stroke="{LINE}"/>')
            parts.append(f'<text {where} fill="{INK}">{told}</text>')
    return parts


def _ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(low), math.ceil(high) + 1)
    steps = (1,) if high - low >= 3 else (1, 2, 5) if high - low >= 1 else range(1, 10)
    found = [step * 10.0**power for power in powers for step in steps]
    return [value for value in found if low - 1e-9 <= math.log10(value) <= high + 1e-9]


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _line(curve: Curve, spans: Sequence[tuple[float, float]], colour: str) -> list[str]:
    places = [(_place(x, 0, spans), _place(y, 1, spans)) for x, y in curve.points]
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    return [f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]

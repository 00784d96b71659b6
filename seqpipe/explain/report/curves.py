"""Curves as an SVG: one way to draw them, in files of their own and in pages.

Colours stand in attributes, which every viewer reads, and in classes, by which a page puts its own
in their place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from seqpipe.explain.html import shown, table
from seqpipe.explain.report.scales import Powers, Scale, Steps

T = TypeVar("T")

_COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#8250df", "#bf8700", "#57606a", "#1b7c83", "#bc4c00")
_DASHES = ("none", "6 3", "2 3", "8 3 2 3")
_ROW = 18
_DOTTED = 30  # points of a curve that are few enough to be marked each
_LISTED = 100  # rows in a table of numbers

CSS = (
    """
.seqpipe .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));
gap:1.25rem}
.seqpipe figure{margin:.5rem 0;min-width:0}
.seqpipe figcaption{font-weight:600;font-size:.9375rem}
.seqpipe figure>svg{display:block;max-width:34rem;height:auto}
.seqpipe figure>svg text{fill:var(--ink)}
.seqpipe .grid{stroke:var(--line)}
.seqpipe .keys{display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:.2rem 0;padding:0;
list-style:none;font-size:.875rem}
.seqpipe .keys svg{width:2rem;height:.6rem;margin-inline-end:.4rem;vertical-align:middle}
.seqpipe svg .curve{stroke-width:2}
"""
    + "".join(f".seqpipe .c{at}{{stroke:var(--c{at})}}\n" for at in range(len(_COLOURS)))
    + f".seqpipe{{{';'.join(f'--c{at}:{colour}' for at, colour in enumerate(_COLOURS))}}}\n"
    + "@media (prefers-color-scheme:dark){.seqpipe{--c0:#58a6ff;--c1:#ff7b72;--c2:#56d364;"
    "--c3:#bc8cff;--c4:#e3b341;--c5:#9aa4af;--c6:#39c5cf;--c7:#f0883e}}\n"
)


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    points: Sequence[tuple[float, float]]

    def finite(self, *, above: float = -math.inf) -> list[tuple[float, float]]:
        """Those that a scale has a place for."""
        return [(x, y) for x, y in self.points if math.isfinite(y) and y > above]


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    below: str  # what the curves run over
    curves: Sequence[Curve]
    linear: bool = False  # else the scale is one of powers of ten
    holds: Sequence[float] = ()  # what a linear scale reaches to at least


@dataclass(frozen=True, slots=True)
class Frame:
    """How large the inner part of a panel is, and what stands around it."""

    width: int
    height: int
    left: int
    top: int
    under: int
    beside: int
    named: bool  # whether the names of the curves stand beside them


_FILE = Frame(width=520, height=300, left=60, top=40, under=50, beside=240, named=True)
_PAGE = Frame(width=370, height=190, left=52, top=10, under=40, beside=18, named=False)


def drawn(panels: Sequence[Panel]) -> str:
    """The panels, one below the other, as a file."""
    frame = _FILE
    heights = [
        max(frame.height, _ROW * len(panel.curves)) + frame.top + frame.under for panel in panels
    ]
    width, height = frame.left + frame.width + frame.beside, sum(heights)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#24292f">'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )
    tops = [sum(heights[:at]) for at in range(len(panels))]
    parts = [
        f'<g transform="translate({frame.left} {top + frame.top})">'
        f'<text y="-14" font-size="14">{shown(panel.title)}</text>'
        f"{''.join(_panel(panel, frame))}</g>"
        for panel, top in zip(panels, tops, strict=True)
    ]
    return "\n".join([head, *parts, "</svg>\n"])


def figure(panel: Panel) -> str:
    """A panel in a page, with what it tells in words and its numbers in a table to be opened."""
    frame = _PAGE
    width = frame.left + frame.width + frame.beside
    height = frame.top + frame.height + frame.under
    return (
        f"<figure>\n<figcaption>{shown(panel.title)}</figcaption>\n"
        f'<svg viewBox="0 0 {width} {height}" role="img" font-size="12">'
        f"<title>{shown(panel.title)}</title><desc>{shown(_described(panel))}</desc>"
        f'<g transform="translate({frame.left} {frame.top})">{"".join(_panel(panel, frame))}</g>'
        f"</svg>\n{_keys(panel.curves)}{_numbers(panel)}</figure>"
    )


def _panel(panel: Panel, frame: Frame) -> Iterator[str]:
    least = -math.inf if panel.linear else 0.0
    curves = [curve.finite(above=least) for curve in panel.curves]
    points = [*chain.from_iterable(curves)]
    if not points:
        yield '<text y="20">nothing yet</text>'
        return
    ys = [y for _, y in points]
    scale = Steps.of([*ys, *panel.holds]) if panel.linear else Powers.of(ys)
    place = _Place(frame, min(x for x, _ in points), max(x for x, _ in points), scale)
    yield from place.axes(panel.below)
    for at, (curve, found) in enumerate(zip(panel.curves, curves, strict=True)):
        yield _drawn(at, curve.name, found, place)
        if frame.named:
            yield (
                f'<text x="{frame.width + 16}" y="{_ROW * at + 10}" '
                f'fill="{_COLOURS[at % len(_COLOURS)]}">{shown(curve.name)}</text>'
            )


def _drawn(at: int, name: str, points: Sequence[tuple[float, float]], place: _Place) -> str:
    places = [place.of(point) for point in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = ""
    if len(points) <= _DOTTED:
        told = (f"{name} {y:.4g} ({_told(x)})" for x, y in points)
        radius = 2.5 if len(points) > 1 else 5.0  # one by itself is meant to be seen
        dots = "".join(_dot(*each, radius) for each in zip(places, told, strict=True))
    return f'<g {_stroke(at)}><polyline points="{line}" fill="none"/>{dots}</g>'


def _dot(place: tuple[float, float], told: str, radius: float) -> str:
    at = f'cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius:g}"'
    return f'<circle {at} stroke-dasharray="none"><title>{shown(told)}</title></circle>'


def _stroke(at: int) -> str:
    dashes = _DASHES[at % len(_DASHES)]
    colour = _COLOURS[at % len(_COLOURS)]
    return (
        f'class="curve c{at % len(_COLOURS)}" fill="none" stroke="{colour}" '
        f'stroke-width="1.5" stroke-dasharray="{dashes}"'
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """From numbers to places in a frame."""

    frame: Frame
    first: float
    last: float
    scale: Scale

    def of(self, point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across = (x - self.first) / max(self.last - self.first, 1e-9)
        return across * self.frame.width, (1 - self.scale.share(y)) * self.frame.height

    def axes(self, below: str) -> Iterator[str]:
        frame = self.frame
        for value, told in self.scale.ticks():
            y = (1 - self.scale.share(value)) * frame.height
            yield f'<path class="grid" d="M0 {y:.1f}H{frame.width}" stroke="#d0d7de"/>'
            yield f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{told}</text>'
        low = frame.height + 18
        for x, anchor, value in ((0, "start", self.first), (frame.width, "end", self.last)):
            yield f'<text x="{x}" y="{low}" text-anchor="{anchor}">{_told(value)}</text>'
        middle = f'x="{frame.width // 2}" y="{low}" text-anchor="middle"'
        yield f"<text {middle}>{shown(below)}</text>"


def _keys(curves: Sequence[Curve]) -> str:
    """Which line is which, where there are several."""
    if len(curves) < 2:
        return ""
    items = "".join(
        f'<li><svg viewBox="0 0 32 10" aria-hidden="true"><path d="M0 5H32" {_stroke(at)}/></svg>'
        f"{shown(curve.name)}</li>"
        for at, curve in enumerate(curves)
    )
    return f'<ul class="keys">{items}</ul>\n'


def _described(panel: Panel) -> str:
    """What a reader who sees no picture is to know of it."""
    told = []
    for curve in panel.curves:
        points = curve.finite()
        if not points:
            told.append(f"{curve.name}: nothing.")
            continue
        (first_x, first), (last_x, last) = points[0], points[-1]
        low, high = min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])
        told.append(
            f"{curve.name}: from {first:.4g} at {_told(first_x)} to {last:.4g} at "
            f"{_told(last_x)}, least {low[1]:.4g} at {_told(low[0])}, most {high[1]:.4g} at "
            f"{_told(high[0])}."
        )
    return " ".join([f"Over {panel.below}.", *told])


def _numbers(panel: Panel) -> str:
    values = [dict(curve.points) for curve in panel.curves]
    xs = sorted({x for curve in values for x in curve})
    some = thinned(xs, _LISTED)
    rows = [
        [_told(x), *(_number(curve[x]) if x in curve else "" for curve in values)] for x in some
    ]
    caption = "" if len(some) == len(xs) else f"{len(some)} of {len(xs):,}, evenly spread"
    numbers = table(caption, [panel.below, *(curve.name for curve in panel.curves)], rows)
    return f"<details><summary>Numbers</summary>{numbers}</details>\n"


def _told(value: float) -> str:
    """A number of steps, characters or the like."""
    return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def thinned(values: Sequence[T], most: int) -> Sequence[T]:
    """At most so many, evenly spread, with the first and the last."""
    if len(values) <= most:
        return values
    return [values[round(at * (len(values) - 1) / (most - 1))] for at in range(most)]

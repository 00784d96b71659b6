"""Several runs of one training on the command line: what is asked for, and what is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from seqpipe.cli._run import SHOWN
from seqpipe.cli._table import table
from seqpipe.cli.folds import Folds, Point, Size
from seqpipe.errors import UsageError


def sizes_in(words: str | None) -> list[Size]:
    """`100,300,all`."""
    return [_size(word.strip()) for word in words.split(",")] if words is not None else []


def _size(word: str) -> Size:
    if word == "all":
        return "all"
    if not word.isdecimal():
        raise UsageError(f"--sizes takes numbers of rows and 'all', as in 100,all: not {word!r}.")
    return int(word)


def speak(found: Folds, output: Path) -> int:
    if found.stopped:
        print("Stopped; --resume goes on.", file=sys.stderr)
        return 130
    by_size = (output / "sizes.json").exists()
    told = output / ("sizes.json" if by_size else "folds.json")
    lines = _by_size(found.points) if by_size else _by_fold(found.points[0])
    print(table(lines, right=range(1, 20)))
    print(f"{told}: {found.rows:,} rows", end="")
    print(f" in {found.folds} folds" if found.folds else "")
    return 0


def _by_fold(point: Point) -> Iterator[Sequence[str]]:
    names = _shown(point)
    best, last = point.scores(), point.last()
    yield ["", *names]
    for run in point.runs:
        yield [f"fold {run.fold}", *_numbers(run.scores, names)]
    yield ["mean", *_numbers({n: s.mean for n, s in best.items()}, names)]
    yield ["deviation", *_numbers({n: s.deviation for n, s in best.items()}, names)]
    yield ["last, mean", *_numbers({n: s.mean for n, s in last.items()}, names)]
    yield ["last, deviation", *_numbers({n: s.deviation for n, s in last.items()}, names)]


def _by_size(points: Sequence[Point]) -> Iterator[Sequence[str]]:
    names = _shown(points[0])
    yield ["rows", *names]
    for point in points:
        spreads = point.scores()
        known = [(spreads[n].mean, spreads[n].deviation) if n in spreads else None for n in names]
        cells = [f"{one[0]:.3f}" if one else "" for one in known]
        if len(point.runs) > 1:
            cells = [f"{one[0]:.3f} ± {one[1]:.3f}" if one else "" for one in known]
        yield [f"{point.size}", *cells]


def _shown(point: Point) -> list[str]:
    return [name for name in SHOWN if name in point.scores()]


def _numbers(scores: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{scores[name]:.3f}" if name in scores else "" for name in names]

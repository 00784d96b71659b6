"""The page that the results make: tables, plots, and under what conditions they came to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.bench import OURS
from benchmarks.index import BENCHES, Entry
from benchmarks.plots import plot
from benchmarks.results import Curve, Figure, Results, read_results, slug

PAGE = "benchmarks.md"
FOLDER = "benchmarks"
QUALITY = ("share", "BLEU", "bits")

_HEAD = """# Benchmarks

<!-- Written by `python -m benchmarks`, out of the lines of JSON beside the plots. -->

Every figure here was measured by one command, which writes this page too:

```console
python -m benchmarks --quick
python -m benchmarks sentiment --data FOLDER --output docs
```

The first runs all benches in less than ten minutes on two cores, the installation of peers apart:
on the bundled corpora or, with `--data`, on a folder of data sets. Trainings are short in this
quick form, and quality is that of a short training; without `--quick` they run to their end.

Peers are installed from the package index at pinned versions, each into an environment of its own;
of one that cannot be installed it is said why. All take the same texts, on the same machine, in one
thread, from text to annotation: once to warm up, then in turns, so that what slows the machine down
slows all of them down; before each turn Python's garbage is collected, so that nobody pays for that
of another. A figure is the median of its turns, with the lowest and the highest in brackets.
`seqpipe to this` is the ratio of seqpipe's speed to that of the row, the median of the ratios of
each turn: above 1, seqpipe is the faster.

All are trained by their own documented means for as long as seqpipe was (in the quick form for 10
seconds at most, JoeyNMT 20), classifiers for an epoch at least, with the seed 0 or the one that
they bring (JoeyNMT 42, stanza 1234). Where weights are random it is said, and only the speed is
told. A load of much more than 1 says that others were at work on the machine: then ratios say more
than speeds.
"""


def written(folder: Path) -> None:
    """The page and its plots, of all results that lie in the folder."""
    home = folder / FOLDER
    home.mkdir(parents=True, exist_ok=True)
    found = {path.stem: read_results(path) for path in home.glob("*.jsonl")}
    for old in home.glob("*.svg"):
        old.unlink()
    for name, results in found.items():
        for title, curves in _plots(results).items():
            file = home / f"{name}-{slug(title)}.svg"
            file.write_text(plot(title, curves), encoding="utf-8")
    (folder / PAGE).write_text(page(found), encoding="utf-8")


def page(found: dict[str, Results]) -> str:
    parts = [_HEAD, *_machines(found.values())]
    for name, entry in BENCHES.items():
        if name in found:
            parts += _section(entry, found[name])
    return "\n".join(parts).rstrip("\n") + "\n"


def _machines(found: Iterable[Results]) -> list[str]:
    """What they were measured on, once where that was the same for all."""
    parts = ["## Where", ""]
    every: dict[str, list[str]] = {}
    for results in found:
        told = "; ".join(f"{name}: {value}" for name, value in results.run.machine.items())
        every.setdefault(told, []).append(results.run.bench)
    for told, benches in every.items():
        names = f" ({', '.join(sorted(benches))})" if len(every) > 1 else ""
        parts += [f"- {told}{names}."]
    return [*parts, ""]


def _section(entry: Entry, results: Results) -> list[str]:
    run = results.run
    data = ", ".join(f"`{name}`" for name in run.data)
    how = " in the quick form" if run.quick else ""
    parts = [
        f"## {entry.title}",
        "",
        entry.about,
        "",
        f"seqpipe {run.version}, {run.date}, {run.seconds:,.0f} s{how}, load of the machine "
        f"{run.load:.1f}: `{run.command}`" + (f"; data: {data}." if data else "."),
        "",
    ]
    if results.figures:
        parts += [*_table(results.figures), ""]
    parts += [f"- {absent.who}: not measured: {absent.why}." for absent in results.absent]
    parts += [f"- {remark.text}" for remark in results.remarks]
    if results.absent or results.remarks:
        parts.append("")
    for title, curves in _plots(results).items():
        parts += [f"![{title}]({FOLDER}/{run.bench}-{slug(title)}.svg)", "", *_points(curves), ""]
    return parts


def _table(figures: Sequence[Figure]) -> list[str]:
    """A row for each who was measured, a column for each what: how well before how fast."""
    rows = sorted(dict.fromkeys(figure.who for figure in figures), key=lambda who: who != OURS)
    units = {figure.what: figure.unit for figure in figures}
    columns = sorted(units, key=lambda what: units[what] not in QUALITY)
    cells = {(f.who, f.what): f"{f.shown()}{f.spread()}" for f in figures}
    return [
        f"| | {' | '.join(columns)} |",
        f"| --- |{' --- |' * len(columns)}",
        *(f"| {w} | {' | '.join(cells.get((w, c), '') for c in columns)} |" for w in rows),
    ]


def _plots(results: Results) -> dict[str, list[Curve]]:
    found: dict[str, list[Curve]] = {}
    for curve in results.curves:
        found.setdefault(curve.plot, []).append(curve)
    return found


def _points(curves: Sequence[Curve]) -> list[str]:
    """The same as a table: a picture is not for everybody."""
    across = sorted({x for curve in curves for x, _ in curve.points})
    parts = [
        f"| {curves[0].across} | {' | '.join(f'{x:,g}' for x in across)} |",
        f"| --- |{' --- |' * len(across)}",
    ]
    for curve in curves:
        at = dict(curve.points)
        cells = [f"{at[x]:,.3g}" if x in at and at[x] < 1000 else _large(at.get(x)) for x in across]
        parts.append(f"| {curve.who}, {curve.upward} | {' | '.join(cells)} |")
    return parts


def _large(value: float | None) -> str:
    return "" if value is None else f"{float(f'{value:.3g}'):,.0f}"

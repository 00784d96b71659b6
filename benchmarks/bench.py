"""What every bench is given: its data, its peers, its trained models, and where to write."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

import seqpipe
from benchmarks.machine import machine
from benchmarks.peers import Peer, in_turns
from benchmarks.peers.environments import HERE, NotInstalled, interpreter
from benchmarks.results import Absent, Curve, Figure, Remark, Results, Run, shown, slug

OURS = "seqpipe"
RATIO = "seqpipe to this"
QUICK_PATIENCE = 10.0  # seconds
BUNDLED = ("source", "target")  # the columns of bundled corpora that are no defaults


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    quick: bool
    data: Path | None  # a folder of data sets
    sets: Mapping[str, str]  # a data set for a bench, where not that of the folder
    models: Mapping[str, str]  # a trained pipeline for a bench, which is then not trained
    pythons: Mapping[str, str]  # an interpreter for a peer, which is then not installed
    cache: Path
    command: str
    peers: bool = True
    device: str = "cpu"


@dataclass(frozen=True)
class Source:
    """A data set, and its columns by the names that `seqpipe train` gives them."""

    path: str
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return Path(self.path).name if Path(self.path).exists() else self.path


@dataclass(frozen=True)
class Trained:
    """A pipeline, and the seconds that its training took: none where somebody else trained it."""

    path: Path
    seconds: float | None


class Bench:
    """One bench in one run."""

    def __init__(self, name: str, options: Options) -> None:
        self.options = options
        self.name = name
        self._began = time.perf_counter()
        self._data: dict[str, str] = {}
        self.results = Results(self._run())

    @property
    def keep(self) -> str:
        """An option of those peers that keep their weights."""
        return f"--keep={self.options.cache / 'models'}"

    @property
    def quick(self) -> bool:
        return self.options.quick

    def _run(self) -> Run:
        return Run(
            bench=self.name,
            date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            version=seqpipe.__version__,
            command=self.options.command,
            quick=self.options.quick,
            seconds=round(time.perf_counter() - self._began, 1),
            machine=machine(),
            data=self._data,
            load=round(os.getloadavg()[0], 1),
        )

    def done(self) -> Results:
        self.results.run = self._run()
        return self.results

    # What it works on -----------------------------------------------------------------------

    def source(self, name: str, bundled: str, *, of: str = "", **columns: str) -> Source:
        """A set that was named for this bench, or one of the folder, or one that seqpipe brings:
        the last where no other has a name.

        A named one has its columns behind it: `imdb,text=review,label=stars`.
        """
        options, of = self.options, of or self.name
        if of in options.sets:
            path, *pairs = options.sets[of].split(",")
            found = Source(path, dict(pair.split("=", 1) for pair in pairs))
        elif name and options.data is not None and (options.data / name).exists():
            found = Source(str(options.data / name), columns)
        else:
            found = Source(f"bundled:{bundled}", {k: v for k, v in columns.items() if k in BUNDLED})
        self._data[found.name] = ", ".join(f"{a}={b}" for a, b in found.columns.items())
        return found

    def trained(
        self,
        stage: str,
        source: Source,
        *,
        seed: int = 0,
        of: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> Trained:
        """Trained by `seqpipe train` with the defaults but for these settings, and kept."""
        from seqpipe.cli.train import train

        of = of or self.name
        if of in self.options.models:
            path = Path(self.options.models[of])
            return Trained(path, _seconds(path.parent))
        told = dict(settings or {})
        defaults = (files("seqpipe.components") / f"{stage}.cfg").read_text(encoding="utf-8")
        facts = json.dumps([defaults, stage, source.path, dict(source.columns), told])
        key = hashlib.sha256(facts.encode()).hexdigest()[:12]
        output = self.options.cache / "models" / f"{stage}-{slug(source.name)}-{key}-{seed}"
        train(
            stage,
            source.path,
            output=output,
            columns=dict(source.columns),
            overrides={"system.seed": seed, **told},
            resume=True,
        )
        return Trained(output / "model-best", _seconds(output))

    def patience(self, seconds: float, most: float = QUICK_PATIENCE) -> float:
        """The seconds of a processor in which peers may learn, where we took so many."""
        return min(seconds, most) if self.quick else seconds

    @contextmanager
    def peer(
        self, who: str, of: str, script: str, told: Mapping[str, Any], *more: str
    ) -> Iterator[Peer | None]:
        """A peer in its own environment, or nobody, and then it is said why."""
        if not self.options.peers:
            yield None
            return
        try:
            python = interpreter(of, self.options.cache, self.options.pythons)
            peer = Peer([python, str(HERE / f"{script}.py"), *more], told)
        except (NotInstalled, SystemExit) as error:
            self.absent(who, str(error))
            yield None
            return
        try:
            self.remark(f"{who}: {peer.name}.")
            yield peer
        finally:
            peer.close()

    # What it finds --------------------------------------------------------------------------

    def figure(self, who: str, what: str, unit: str, *values: float) -> None:
        found = Figure(self.name, who, what, unit, tuple(float(f"{v:.5g}") for v in values))
        self.results.add(found)
        self.say(f"{who}: {what} {found.shown()}{found.spread()}")

    def curve(
        self,
        plot: str,
        who: str,
        across: str,
        upward: str,
        points: Sequence[tuple[float, float]],
        *,
        exponent: float | None = None,
    ) -> None:
        rounded = tuple((x, float(f"{y:.5g}")) for x, y in points)
        self.results.add(Curve(self.name, plot, who, across, upward, rounded, exponent))
        told = ", ".join(f"{x:g}: {y:.4g}" for x, y in rounded)
        grows = "" if exponent is None else f"; exponent {exponent:.3f}"
        self.say(f"{who}, {plot}: {told}{grows}")

    def absent(self, who: str, why: str) -> None:
        self.results.add(Absent(self.name, who, why))
        self.say(f"{who} could not be measured: {why}")

    def remark(self, text: str) -> None:
        self.results.add(Remark(self.name, text))
        self.say(text)

    def say(self, text: str) -> None:
        print(f"{self.name:12} {text}", file=sys.stderr, flush=True)

    @property
    def turns(self) -> int:
        return 3 if self.quick else 7

    def compare(
        self, runs: Mapping[str, Callable[[], Any]], amount: float, unit: str, doing: str = ""
    ) -> None:
        """Speeds in so many units a second, and how many times as fast as each peer we are."""
        times = in_turns(runs, self.turns)
        after = f", {doing}" if doing else ""
        for who, seconds in times.items():
            self.figure(who, f"{unit}/s{after}", "speed", *(amount / each for each in seconds))
        for who, seconds in times.items():
            if who != OURS:
                ratios = [t / o for t, o in zip(seconds, times[OURS], strict=True)]
                self.ratio(who, *ratios, doing=doing)

    def ratio(self, who: str, *values: float, doing: str = "") -> None:
        self.figure(who, RATIO + (f", {doing}" if doing else ""), "times", *values)


def _seconds(output: Path) -> float | None:
    """What the log of a training says of its time."""
    log = output / "log.jsonl"
    if not log.exists():
        return None
    return float(json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["seconds"])


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


__all__ = ["OURS", "Bench", "Options", "Source", "Trained", "middle", "shown"]

"""A training: its curves, what it said of some rows on the way, and what it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqpipe.explain.html import section, shown
from seqpipe.explain.report.curves import Curve, Panel, figure, thinned
from seqpipe.explain.report.kept import Room
from seqpipe.explain.report.parts import card, cards, facts, opened, side

_LONGEST = 500  # characters of a setting
_WATTS = 10.0  # of a core that is busy, with its share of cache and memory: a rule of thumb

# What there are curves of: their title, what of a line they show, and on which scale.
_CURVES: Mapping[str, tuple[Sequence[str], bool]] = {
    "Loss": (["loss"], True),
    "Scores": (["cats_acc", "cats_macro_f", "token_f", "sents_f", "bleu", "chrf"], True),
    "Bits per character": (["bits_per_char"], True),
    "Calibration error": (["cats_ece", "cats_ece_raw"], True),
    "Learning rate": (["learn_rate"], True),
    "Norm of the gradient": (["gradient_norm"], False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run has taken, all sittings together."""

    seconds: float
    cpu_seconds: float  # of the process that leads
    joules: float  # 0 where nothing counts them
    processes: int

    def facts(self) -> Iterator[tuple[str, str]]:
        yield "time", _clock(self.seconds)
        each = " in each process" if self.processes > 1 else ""
        yield "processor time", f"{_clock(self.cpu_seconds)}{each}"
        if self.joules:
            yield "energy", f"{_energy(self.joules)}, counted by the processor (RAPL)"
            yield "", "This is what whole processors took, whatever else ran on them."
            return
        guessed = self.cpu_seconds * self.processes * _WATTS
        yield "energy", f"about {_energy(guessed)}, an estimate"
        yield (
            "",
            f"Nothing here counts energy: this is {_WATTS:g} watts for each second of processor "
            "time. Memory, disks and GPUs are not in it.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is told of a run besides its findings."""

    outcome: str
    scores: Sequence[tuple[str, str]]
    lines: Sequence[Mapping[str, Any]]  # of log.jsonl
    best: int | None  # the step of model-best
    gradients: Sequence[Panel]
    samples: Sequence[Mapping[str, Any]]  # of samples.jsonl
    data: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]
    settings: Sequence[tuple[str, str]]
    spent: Spent

    def begin(self) -> Iterator[str]:
        """Before the findings."""
        yield section("Outcome", shown(self.outcome), [facts(self.scores)])
        if self.lines:
            figures = "".join(map(figure, [*self._panels(), *self.gradients]))
            told = f"Measured {len(self.lines):,} times."
            yield section("Course", told, [f'<div class="figures">{figures}</div>'])

    def end(self, room: Room) -> Iterator[str]:
        """Behind them."""
        if self.samples:
            yield self._samples(room)
        told = "The same texts with the same answers have the same fingerprint, in any order."
        yield section("Data", told, [facts(self.data)])
        told = "With these, and the same data, the same model comes out."
        settings = opened(f"All {len(self.settings):,} settings", facts(self._settings()))
        yield section("Settings and versions", told, [facts(self.versions), settings])
        told = "All sittings together, with validation."
        yield section("Time and energy", told, [facts(self.spent.facts())])

    def _panels(self) -> Iterator[Panel]:
        best = [line for line in self.lines if line["step"] == self.best]
        score = [self._curve("score"), Curve("model-best", _points(best, "score"))]
        yield Panel("Score that decides", "step", score, linear=True)
        for title, (names, linear) in _CURVES.items():
            curves = [curve for name in names if (curve := self._curve(name)).points]
            if curves:
                yield Panel(title, "step", curves, linear=linear)

    def _curve(self, name: str) -> Curve:
        return Curve(name, _points(self.lines, name))

    def _settings(self) -> Iterator[tuple[str, str]]:
        for name, value in self.settings:
            yield name, value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"

    def _samples(self, room: Room) -> str:
        """Each row with what was said of it at some validations."""
        moments = thinned(self.samples, room.moments)
        rows = zip(*(moment["samples"] for moment in moments), strict=False)
        steps = [moment["step"] for moment in moments]
        items = [self._sample(steps, row, room) for row in rows]
        some = f", at {len(moments)} of {len(self.samples):,} validations, evenly spread"
        told = f"What was said of the same rows{some * (len(moments) < len(self.samples))}."
        return section("On the way", told, [cards(items)])

    def _sample(self, steps: Sequence[int], row: Sequence[Mapping[str, Any]], room: Room) -> str:
        first = row[0]
        sides = [side("text", shown(room.cut(first["text"])))]
        if first.get("truth"):
            sides.append(side("should be", shown(room.cut(first["truth"]))))
        said = facts(
            (f"step {step:,}", room.cut(each["said"]))
            for step, each in zip(steps, row, strict=True)
        )
        return card("", [*sides, f"<div>{said}</div>"])


def _points(lines: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    """Where a line, or its scores, have a number of that name."""
    found = [(line["step"], {**line["scores"], **line}.get(name)) for line in lines]
    return [(step, float(value)) for step, value in found if isinstance(value, int | float)]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _energy(joules: float) -> str:
    hours = joules / 3600
    return f"{hours / 1000:.2f} kWh" if hours >= 1000 else f"{hours:.3g} Wh"

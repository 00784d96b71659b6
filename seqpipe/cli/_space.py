"""Ranges and choices of settings, and the ways to say them: a file, a word, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from configparser import Error as ConfigError
from configparser import RawConfigParser
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from seqpipe.errors import SourceMissing, SpaceUnfit, UsageError, listed, reason_of

Number: TypeAlias = int | float
_KEYS = ("low", "high", "log", "step")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers between two ends, both of them allowed; whole numbers where the ends are."""

    low: Number
    high: Number
    log: bool = False  # as many between 1 and 10 as between 10 and 100
    step: Number | None = None

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def holds(self, value: Any) -> bool:
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        return self.step is None or _divides(self.step, self.low, value)

    def few(self) -> list[Any]:
        """Both ends and what lies between: all there is for a grid."""
        low, high, step = self.low, self.high, self.step
        middle = math.sqrt(low * high) if self.log else (low + high) / 2
        if step is not None:
            middle = low + step * ((middle - low) // step)
        values = [low, round(middle) if self.whole else float(f"{middle:.6g}"), high]
        return sorted(set(values))

    def coded(self, value: Any) -> Any:
        return value

    def decoded(self, value: Any) -> Any:
        return value

    def plain(self) -> Any:
        said: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.step is not None:
            said["step"] = self.step
        return {**said, "log": True} if self.log else said


@dataclass(frozen=True, slots=True)
class Choice:
    """Values of any kind that JSON has."""

    values: Sequence[Any]

    def holds(self, value: Any) -> bool:
        return self.coded(value) in map(self.coded, self.values)

    def few(self) -> list[Any]:
        return list(self.values)

    def coded(self, value: Any) -> str:
        """As a study keeps it, which knows no lists."""
        return json.dumps(value)

    def decoded(self, value: str) -> Any:
        return json.loads(value)

    def plain(self) -> Any:
        return list(self.values)


Space: TypeAlias = Mapping[str, Range | Choice]


def read_space(path: Path) -> dict[str, Range | Choice]:
    """From .json, or from a .cfg with a section for each setting."""
    if not path.is_file():
        raise SourceMissing(str(path))
    try:
        text = path.read_text(encoding="utf-8")
        said = _sections(text) if path.suffix == ".cfg" else json.loads(text)
    except (ValueError, ConfigError) as error:
        raise SpaceUnfit(str(path), f"the file cannot be read ({reason_of(error)})") from error
    if not isinstance(said, dict) or not said:
        raise SpaceUnfit(str(path), "it names no setting")
    return {name: part_of(name, value) for name, value in said.items()}


def _sections(text: str) -> dict[str, Any]:
    parser = RawConfigParser()
    parser.read_string(text)
    return {
        name: {key: json.loads(value) for key, value in parser[name].items()}
        for name in parser.sections()
    }


def spoken(words: Sequence[str]) -> dict[str, Range | Choice]:
    """`NAME=1..4`, `NAME=1e-4..1e-2 log`, `NAME=["a", "b"]` or `NAME={"low": 1, "high": 4}`."""
    found = {}
    for word in words:
        name, equals, said = word.partition("=")
        if not equals or "." not in name:
            raise UsageError(f"--vary {word!r} is not of the form NAME=LOW..HIGH or NAME=[A, B].")
        low, dots, rest = said.partition("..")
        ends: Any = said
        if dots and not said.lstrip().startswith(("[", "{")):
            log = json.dumps(rest.endswith(" log"))
            ends = f'{{"low": {low}, "high": {rest.removesuffix(" log")}, "log": {log}}}'
        try:
            found[name] = part_of(name, json.loads(ends))
        except ValueError as error:
            raise SpaceUnfit(name, f"{said!r} is neither LOW..HIGH nor JSON") from error
    return found


def part_of(name: str, said: Any) -> Range | Choice:
    """What JSON or a .cfg says of one setting."""
    if isinstance(said, dict) and set(said) == {"choices"}:
        said = said["choices"]
    if isinstance(said, list):
        if not said:
            raise SpaceUnfit(name, "its list of choices is empty")
        return Choice(tuple(said))
    if not isinstance(said, dict) or not {"low", "high"} <= set(said):
        raise SpaceUnfit(name, f"{said!r} is neither a list of choices nor has it low and high")
    if unknown := set(said) - set(_KEYS):
        raise SpaceUnfit(name, f"a range has {listed(_KEYS)}, not {listed(sorted(unknown))}")
    return _checked(name, Range(**said))


def _checked(name: str, part: Range) -> Range:
    low, high, step = part.low, part.high, part.step
    numbers = [low, high, *([] if step is None else [step])]
    if not all(_is_number(n) and math.isfinite(n) for n in numbers):
        raise SpaceUnfit(name, f"low, high and step are numbers, not {listed(map(repr, numbers))}")
    if low > high:
        raise SpaceUnfit(name, f"low = {low} lies above high = {high}")
    if part.log and (low <= 0 or step is not None):
        raise SpaceUnfit(name, "a range with log begins above 0 and has no step")
    if step is not None and (step <= 0 or not _divides(step, low, high)):
        raise SpaceUnfit(name, f"steps of {step} do not lead from {low} to {high}")
    return part


def fitted(name: str, part: Range | Choice, value: Any) -> Range | Choice:
    """A range of the kind of number that the setting has: 0 to 1 may be said of a fraction."""
    if not isinstance(part, Range) or not _is_number(value):
        return part
    if isinstance(value, float):
        return replace(part, low=float(part.low), high=float(part.high))
    if not part.whole:
        raise SpaceUnfit(name, f"it is a whole number, and {part.low} to {part.high} are not")
    return part


def grid(space: Space) -> list[dict[str, Any]]:
    """Every combination: of choices all, of a range its ends and its middle."""
    each = [part.few() for part in space.values()]
    return [dict(zip(space, values, strict=True)) for values in product(*each)]


def plain_space(space: Space) -> dict[str, Any]:
    """As JSON has it, and as a file of one's own may say it."""
    return {name: part.plain() for name, part in space.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _divides(step: Number, low: Number, high: Number) -> bool:
    return (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)) == 0

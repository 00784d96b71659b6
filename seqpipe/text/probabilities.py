"""Soft labels: probabilities in the place of one right answer."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from seqpipe.errors import ProbabilitiesUnfit

_OFF = 0.02  # from 1 in their sum: rounded to two digits they come to that


def is_soft(values: Iterable[float]) -> bool:
    """Whether any is neither a yes nor a no."""
    return any(0 < value < 1 for value in values)


def check_soft(values: Collection[float], *, text: str, exclusive: bool) -> None:
    """Refuses what is less than nothing, and shares of one answer that do not add up to it.

    Numbers above 1 are votes, which count by their share.
    """
    if any(value < 0 for value in values):
        raise ProbabilitiesUnfit(text, "are negative")
    if not exclusive and any(value > 1 for value in values):
        raise ProbabilitiesUnfit(text, "are above 1")
    if exclusive and is_soft(values) and max(values) <= 1 and abs(sum(values) - 1) > _OFF:
        raise ProbabilitiesUnfit(text, f"add up to {sum(values):.3g}")


def probabilities_in(value: Any, labels: Sequence[str], *, text: str) -> dict[str, float] | None:
    """Those of a dict, of a list in the order of `labels`, or of either as JSON; None for what is
    neither, and where no label has one."""
    if isinstance(value, str):
        value = _parsed(value, "{[" if labels else "{")
    if isinstance(value, Mapping):
        return _named(value, labels, text=text)
    if not labels or not isinstance(value, (list, tuple)):
        return None
    if len(value) != len(labels):
        raise ProbabilitiesUnfit(text, f"are {len(value)} for {len(labels)} labels")
    return _named(dict(zip(labels, value, strict=True)), labels, text=text)


def _named(
    value: Mapping[str, Any], labels: Sequence[str], *, text: str
) -> dict[str, float] | None:
    # a table gives every row all keys, with nothing under those it did not have
    found = {name: one for name, one in value.items() if one is not None}
    for name, one in found.items():
        if labels and name not in labels:
            raise ProbabilitiesUnfit(text, f"name {name!r}, which is none of the labels")
        if not isinstance(one, (int, float)) or not 0 <= one <= 1:
            raise ProbabilitiesUnfit(text, f"hold {one!r}, which is not between 0 and 1")
    return {name: float(one) for name, one in found.items()} if any(found.values()) else None


def _parsed(text: str, begins: str) -> Any:
    """JSON where it begins like that, else nothing."""
    if not text.lstrip().startswith(tuple(begins)):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None

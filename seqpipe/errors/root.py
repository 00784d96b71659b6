"""The root of all errors, and how their sentences speak."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def listed(names: Iterable[str], *, most: int = 12) -> str:
    """`a, b and c`, shortened when there are many."""
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names) or "nothing"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def nearest(name: str, names: Sequence[str]) -> str:
    """` Did you mean …?` when something looks alike, else nothing."""
    close = get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def reason_of(error: BaseException) -> str:
    """The one line of a foreign error that says most, without its full stop."""
    for found in getattr(error, "errors", None) or []:  # of a config that does not fit
        place = " -> ".join(str(part) for part in found.get("loc", ()))
        return f"{place}: {found.get('msg', '')}".rstrip(".")
    said = getattr(error, "desc", None) or str(error)  # confection's message begins with a title
    lines = (line.strip() for line in said.splitlines())
    return next((line for line in lines if line), type(error).__name__).rstrip(".")


class SeqpipeError(Exception):
    """The root: catch it to catch all that seqpipe raises on purpose."""

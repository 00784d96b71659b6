"""Settings of a config given on the command line as `--dotted.name value`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from seqpipe.errors import UsageError


def parse_overrides(words: Sequence[str]) -> dict[str, Any]:
    """`--a.b 3` or `--a.b=3`; values are JSON where they can be, else strings."""
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or "." not in name:
            raise UsageError(f"{word!r} is not an option; settings are given as --dotted.name V.")
        if not equals:
            if not rest:
                raise UsageError(f"The setting --{name} lacks its value.")
            value = rest.pop(0)
        found[name.replace("-", "_")] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text

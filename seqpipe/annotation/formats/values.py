"""Any value of a row as JSON, as the text of a cell, or as one that every reader knows."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from seqpipe.text.units import well_formed

_LARGEST = 2**64  # integers from here on are written as text


def json_line(row: Mapping[str, Any]) -> bytes:
    """A row as one line; what JSON has no name for becomes null or text."""
    try:
        return f"{_json(row)}\n".encode()
    except UnicodeEncodeError:  # half a character, which JSON can tell and UTF-8 cannot
        return f"{_json(row, ascii=True)}\n".encode()


def cell_of(value: Any) -> str:
    """The text of a value: nothing for nothing, JSON for what is nested."""
    if isinstance(value, str):
        return well_formed(value)
    if value is None or value != value:
        return ""
    if isinstance(value, bool | int | float | Mapping | list | tuple):
        return well_formed(_json(value))
    return well_formed(_plain(value))


def plain_of(value: Any) -> Any:
    """The value in strings, numbers, bytes, lists and dicts alone; dates and the like as text."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {plain_of(key): plain_of(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain_of(part) for part in value]
    if value is None or isinstance(value, bool | float | bytes):
        return value
    if isinstance(value, int) and abs(value) < _LARGEST // 2:
        return value
    return _plain(value)


def _json(value: Any, *, ascii: bool = False) -> str:
    try:
        return json.dumps(value, ensure_ascii=ascii, allow_nan=False, default=_plain)
    except ValueError:  # NaN and the infinities, which JSON has no names for
        value = json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
        return json.dumps(value, ensure_ascii=ascii)


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value.isoformat() if hasattr(value, "isoformat") else value)

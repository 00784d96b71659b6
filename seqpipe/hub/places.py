"""Where data lay on somebody's disk: what of it others may read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import srsly
from spacy.util import load_config

_SECTIONS = ("paths", "corpora", "initialize")  # of a config: none is read to load a pipeline


def is_place(name: str) -> bool:
    """Whether it is on a disk, and not on the hub."""
    if "://" in name:
        return False
    place = Path(name).expanduser()
    return bool(
        place.exists()
        or place.suffix
        or name.startswith((".", "/", "~"))
        or name.count("/") > 1
        or place.drive
    )


def hide_places(folder: Path) -> None:
    """Of the places that config and meta of a saved pipeline name, their last parts stay."""
    path = folder / "config.cfg"
    config = load_config(path, interpolate=False)
    hidden = {name: _hidden(config[name]) for name in _SECTIONS if name in config}
    if any(config[name] != value for name, value in hidden.items()):
        config.update(hidden)
        config.to_disk(path, interpolate=False)
    path = folder / "meta.json"
    meta = srsly.read_json(path)
    own = _hidden(meta.get("seqpipe"))
    if own != meta.get("seqpipe"):
        srsly.write_json(path, {**meta, "seqpipe": own})


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(inner) for inner in value]
    if isinstance(value, str) and ("/" in value or "\\" in value) and is_place(value):
        return f"./{Path(value).name}"  # the dot says that the hub has none of that name
    return value

"""The data that a pipeline has met, as its config names them, told so that anybody may read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqpipe.hub.places import is_place


@dataclass(frozen=True, slots=True)
class Corpus:
    """Data that a pipeline has met."""

    name: str  # never a path: that is nobody's business
    id: str | None  # on the hub
    subset: str | None
    split: str | None
    revision: str | None
    columns: Mapping[str, str]

    def told(self) -> str:
        where = f" of the hub's data set `{self.id}`" if self.id else f" of `{self.name}`"
        columns = [f"{side} `{column}`" for side, column in self.columns.items()]
        part = f"the part `{self.split}`{where}" if self.split else f"rows{where}"
        return ", ".join([part, *columns])


def corpus_of(config: Mapping[str, Any], part: str) -> Corpus | None:
    block = (config.get("corpora") or {}).get(part) or {}
    block = block.get("corpus", block)  # where rows of one were picked
    path = block.get("path")
    if not isinstance(path, str) or not path:
        return None
    name, _, subset = path.partition(":")
    if name == "bundled":
        return Corpus(subset, None, None, block.get("split"), None, _columns(block))
    if is_place(name):
        return Corpus(Path(name).name, None, None, block.get("split"), None, _columns(block))
    return Corpus(
        name, name, subset or None, block.get("split"), block.get("revision"), _columns(block)
    )


def _columns(block: Mapping[str, Any]) -> Mapping[str, str]:
    sides = ("text", "label", "tokens", "source", "target")
    return {side: block[side] for side in sides if isinstance(block.get(side), str)}

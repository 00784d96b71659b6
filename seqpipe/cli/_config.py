"""The config of a run: a stage's defaults or a file, the data, and what was asked for besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from confection import Config, ConfigValidationError
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config

import seqpipe.components
from seqpipe.cli._init_from import begin_as, check_taken
from seqpipe.corpora.sources import dev_split, splits_of
from seqpipe.errors import (
    SettingError,
    SettingUnknown,
    SourceMissing,
    SplitMissing,
    UsageError,
    listed,
)

_COLUMNS = ("text", "label", "tokens", "source", "target")
READ = {
    "seqpipe.Dataset.v1": ("text", "label"),
    "seqpipe.Tokens.v1": ("text", "tokens"),
    "seqpipe.Pairs.v1": ("source", "target"),
    "seqpipe.RunningText.v1": ("text",),
}

_HELD_OUT = 0.1  # of the training part, where a data set has no other to measure on


def config_for(
    what: str,
    data: str | None,
    *,
    columns: Mapping[str, Any],
    overrides: Mapping[str, Any],
    init_from: str | None = None,
) -> Config:
    """Everything a run depends on besides the bytes of its data."""
    config = _defaults(what)
    for corpus in config.get("corpora", {}).values():
        _check_columns(corpus, columns)
    if data is not None:
        _point_at(config, data, columns)
    taken = begin_as(config, init_from) if init_from else {}
    _override(config, overrides)
    check_taken(config, taken, init_from or "")
    return config


def _defaults(what: str) -> Config:
    if not what.endswith(".cfg"):
        return load_config(stage_config(what), interpolate=False)
    if not Path(what).is_file():
        raise SourceMissing(what)
    try:
        return load_config(what, interpolate=False)
    except (ConfigValidationError, ValueError) as error:
        raise SettingError("config", what, f"a config that spaCy can read ({error})") from error


def stage_config(stage: str) -> Path:
    """The .cfg beside a stage's module."""
    folders = [Path(folder) for folder in seqpipe.components.__path__]
    return next(f / f"{stage}.cfg" for f in folders if (f / f"{stage}.cfg").is_file())


def _point_at(config: Config, data: str, columns: Mapping[str, Any]) -> None:
    train = {k: columns[k] for k in (*_COLUMNS, "labels", "split", "limit", "join") if k in columns}
    corpora = config.setdefault("corpora", {})
    for name in ("train", "dev"):
        corpora.setdefault(name, {"@readers": "seqpipe.Dataset.v1"})
        corpora[name].update(train)
    dev_data = columns.get("dev", data)
    # paths are kept in one block, as spaCy does, so that a config can be pointed elsewhere
    config.setdefault("paths", {}).update(train=data, dev=dev_data)
    corpora["train"]["path"] = "${paths.train}"
    corpora["dev"]["path"] = "${paths.dev}"
    corpora["train"]["split"] = columns.get("split", "train")
    corpora["dev"].update(shuffle=False, limit=0)
    if streaming := columns.get("streaming", False):
        config.setdefault("seqpipe", {})["streaming"] = True
        for name in ("train", "dev"):
            corpora[name]["streaming"] = True
    chosen: str | None = columns.get("dev_split") or dev_split(dev_data)
    if chosen and "dev_split" in columns and chosen not in splits_of(dev_data):
        raise SplitMissing(dev_data, chosen, splits_of(dev_data))
    if chosen is not None or dev_data != data:
        corpora["dev"]["split"] = chosen or splits_of(dev_data)[0]
        return
    if streaming:
        raise UsageError(
            f"{data!r} has one part alone, and of a stream no share is held out: name what to "
            "measure on, by --dev or --dev-split."
        )
    corpora["dev"].update(split=corpora["train"]["split"], only=_HELD_OUT)
    corpora["train"]["without"] = _HELD_OUT
    if "limit" in columns:
        corpora["dev"]["limit"] = columns["limit"]


def _check_columns(corpus: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """A column that the corpus does not read is a mistake of the person who names it."""
    read = READ.get(corpus.get("@readers", ""), _COLUMNS)
    for name in _COLUMNS:
        if name in asked and name not in read:
            ways = listed([f"--{column}" for column in read])
            raise UsageError(f"--{name} is for another stage: what this one reads is {ways}.")
    if "labels" in asked and corpus.get("@readers") != "seqpipe.Dataset.v1":
        raise UsageError("--labels is for probabilities of labels, which sentiment learns from.")
    if "join" in asked and corpus.get("@readers") != "seqpipe.RunningText.v1":
        raise UsageError("--join is for texts that run on, which a generator reads.")


def _override(config: Config, overrides: Mapping[str, Any]) -> None:
    for name, value in overrides.items():
        for path in _paths(config, name.split(".")):
            section: Any = config
            for depth, part in enumerate(path[:-1]):
                if not isinstance(section, dict) or part not in section:
                    there = list(section) if isinstance(section, dict) else ["one value"]
                    raise SettingUnknown(name, ".".join(path[:depth]), there)
                section = section[part]
            section[path[-1]] = value
            if path[:-1] == ["training"] and path[-1] not in ConfigSchemaTraining.model_fields:
                # spaCy would drop it when it fills the config
                raise SettingUnknown(name, "training", list(ConfigSchemaTraining.model_fields))


def check_kept(filled: Mapping[str, Any], names: Iterable[str]) -> None:
    """spaCy drops what it has no place for without a word; here it is said."""
    for name in names:
        for path in _paths(filled, name.split(".")):
            section: Any = filled
            for depth, part in enumerate(path):
                if part not in section:
                    raise SettingUnknown(name, ".".join(path[:depth]), list(section))
                section = section[part]


def _paths(config: Mapping[str, Any], parts: list[str]) -> list[list[str]]:
    """The places a dotted name stands for: `*` is every stage of ours."""
    if "*" not in parts:
        return [parts]
    at = parts.index("*")
    ours = [
        name
        for name, block in config["components"].items()
        if str(block.get("factory", "")).startswith("seqpipe_")
    ]
    return [[*parts[:at], name, *parts[at + 1 :]] for name in ours]

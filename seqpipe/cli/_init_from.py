"""What a stage takes from the model that it begins as, and what is usual then."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

from confection import Config
from spacy.util import load_config

from seqpipe.errors import (
    EarlierMissing,
    GeneratorUnfit,
    PipelineUnreadable,
    SettingError,
    UsageError,
    listed,
)
from seqpipe.pipelines import pipeline_folder

_OURS = "seqpipe_"
_GENERATOR = "seqpipe_generator"
_BEGIN = ("seqpipe_sentiment", "seqpipe_translator")  # what has an encoder to begin with
_TUNING = {"layer_decay": 1.0, "unfreeze": 0.0}
# Of an earlier stage of the same kind these may be given otherwise: no weight hangs on them.
_FREE = {
    "codec": ("size", "min_count"),
    "target_codec": ("size", "min_count"),
    "model": (
        "word_dropout",
        "unit_dropout",
        "mark_dropout",
        "embedding_dropout",
        "piece_dropout",
        "weight_dropout",
        "label_smoothing",
        "sampled_softmax",
        "activation",
        "change",
        "chunk",
    ),
}
_DECIDED = ("reads", "multi_label")

Taken = dict[tuple[str, ...], Any]  # settings by their path


def begin_as(config: Config, model: str) -> Taken:
    """Sets what the model decides, which is given back, and what one would want with it.

    A stage of the same kind is gone on from; or else an encoder begins as a generator.
    """
    name = _stage_of(config)
    kind = config["components"][name]["factory"]
    folder = pipeline_folder(model)
    there = _config_of(folder, model)
    stages = there["components"]
    alike = [n for n, block in stages.items() if block.get("factory") == kind]
    if len(alike) == 1:
        taken = _go_on(config, name, folder / alike[0], stages[alike[0]])
        config["nlp"]["lang"] = there["nlp"]["lang"]
    elif alike:
        raise EarlierMissing(model, f"single {kind}", f"it has {listed(alike)}")
    elif kind not in _BEGIN:
        raise EarlierMissing(model, kind, f"its stages are {listed(stages)}")
    else:
        taken = _begin(config, name, *_generator_of(folder, stages, model, kind))
    if kind in _BEGIN:
        config.setdefault("seqpipe", {}).update(_TUNING)
    _put(config, taken)
    return taken


def _go_on(config: Config, name: str, folder: Path, block: Mapping[str, Any]) -> Taken:
    """All that the earlier stage was told stands; what its weights hang on is taken."""
    stage = config["components"][name]
    settings = {key: deepcopy(value) for key, value in block.items() if key != "device"}
    stage.update(settings)
    taken: Taken = {("initialize", "components", name, "earlier"): str(folder)}
    for key, value in settings.items():
        if key in _FREE and isinstance(value, Mapping):
            free = _FREE[key]
            taken |= {("components", name, key, k): v for k, v in value.items() if k not in free}
        elif key in _FREE or key in _DECIDED:
            taken["components", name, key] = value
    return taken


def _begin(config: Config, name: str, folder: Path, codec: Mapping[str, Any]) -> Taken:
    """The encoder as a generator."""
    from seqpipe.components._beginning import Beginning

    sizes = asdict(Beginning.read(str(folder)).sizes)
    stage = config["components"][name]
    if "target_codec" in stage and stage["target_codec"] is None:
        # the generator's pieces are of the language that it read
        stage["target_codec"] = dict(stage["codec"])
        stage["model"]["tie_source"] = False
    if "pairs" in stage["model"]:
        stage["model"]["pairs"] = 0  # the generator has no vectors of them
    taken: Taken = {("initialize", "components", name, "generator"): str(folder)}
    taken |= {("components", name, "model", key): value for key, value in sizes.items()}
    taken |= {("components", name, "codec", key): value for key, value in codec.items()}
    return taken


def _put(config: Config, taken: Taken) -> None:
    for (*sections, key), value in taken.items():
        block: Any = config
        for section in sections:
            block = block.setdefault(section, {})
        block[key] = value


def check_taken(config: Mapping[str, Any], taken: Taken, model: str) -> None:
    """Refuses a setting given by hand that the model has otherwise."""
    for path, value in taken.items():
        found: Any = config
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found != value:
            allowed = f"{value!r}, as the stage of {model} has it, or leave it out"
            raise SettingError(".".join(path), found, allowed)


def _stage_of(config: Mapping[str, Any]) -> str:
    frozen = config.get("training", {}).get("frozen_components", [])
    blocks = config.get("components", {})
    names = [
        name
        for name, block in blocks.items()
        if str(block.get("factory", "")).startswith(_OURS) and name not in frozen
    ]
    if len(names) != 1:
        raise UsageError(
            f"--init-from is for one stage of seqpipe, and this run trains {listed(names)}."
        )
    return str(names[0])


def _config_of(folder: Path, model: str) -> Mapping[str, Any]:
    try:
        config = load_config(folder / "config.cfg", interpolate=True)
        config["components"], config["nlp"]["lang"]
    except (OSError, ValueError, KeyError) as error:
        raise PipelineUnreadable(model, "its config.cfg is damaged") from error
    return config


def _generator_of(
    folder: Path, stages: Mapping[str, Any], model: str, kind: str
) -> tuple[Path, dict[str, Any]]:
    """The folder of the one generator in a pipeline, and its codec's settings."""
    names = [name for name, block in stages.items() if block.get("factory") == _GENERATOR]
    if not names:
        reason = f"it has no generator either among its stages, {listed(stages)}"
        raise EarlierMissing(model, kind, reason)
    if len(names) != 1:
        found = f"{len(names)} generators"
        raise GeneratorUnfit(model, f"it has {found} among its stages, {listed(stages)}")
    return folder / names[0], stages[names[0]]["codec"]

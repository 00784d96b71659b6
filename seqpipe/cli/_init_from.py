"""What a stage takes from the generator that it begins as, and what is usual then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from confection import Config
from spacy.util import load_config

from seqpipe.errors import GeneratorUnfit, PipelineUnreadable, SettingError, UsageError, listed
from seqpipe.pipelines import pipeline_folder

_BEGIN = ("seqpipe_sentiment", "seqpipe_translator")  # what has an encoder to begin with
_TUNING = {"layer_decay": 1.0, "unfreeze": 0.0}

Taken = dict[tuple[str, ...], Any]  # settings by their path


def begin_as(config: Config, model: str) -> Taken:
    """Sets what a generator decides, which is given back, and what one would want with it."""
    from seqpipe.components._beginning import Beginning

    name = _stage_of(config)
    folder, codec = _generator_of(model)
    sizes = asdict(Beginning.read(str(folder)).sizes)
    stage = config["components"][name]
    if "target_codec" in stage and stage["target_codec"] is None:
        # the generator's pieces are of the language that it read
        stage["target_codec"] = dict(stage["codec"])
        stage["model"]["tie_source"] = False
    if "pairs" in stage["model"]:
        stage["model"]["pairs"] = 0  # the generator has no vectors of them
    config.setdefault("seqpipe", {}).update(_TUNING)
    taken: Taken = {("initialize", "components", name, "generator"): str(folder)}
    taken |= {("components", name, "model", key): value for key, value in sizes.items()}
    taken |= {("components", name, "codec", key): value for key, value in codec.items()}
    for (*sections, key), value in taken.items():
        block: Any = config
        for section in sections:
            block = block.setdefault(section, {})
        block[key] = value
    return taken


def check_taken(config: Mapping[str, Any], taken: Taken, model: str) -> None:
    """Refuses a setting given by hand that the generator has otherwise."""
    for path, value in taken.items():
        found: Any = config
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found != value:
            allowed = f"{value!r}, as the generator of {model} has it, or leave it out"
            raise SettingError(".".join(path), found, allowed)


def _stage_of(config: Mapping[str, Any]) -> str:
    blocks = config.get("components", {})
    names = [name for name, block in blocks.items() if block.get("factory") in _BEGIN]
    if len(names) != 1:
        raise UsageError(
            f"--init-from is for one stage of {listed(_BEGIN)}, which have an encoder to begin "
            f"with, and this run has {listed(names)}."
        )
    return str(names[0])


def _generator_of(model: str) -> tuple[Path, dict[str, Any]]:
    """The folder of the one generator in a pipeline, and its codec's settings."""
    folder = pipeline_folder(model)
    try:
        components = load_config(folder / "config.cfg", interpolate=True)["components"]
    except (OSError, ValueError, KeyError) as error:
        raise PipelineUnreadable(model, "its config.cfg is damaged") from error
    names = [n for n, block in components.items() if block.get("factory") == "seqpipe_generator"]
    if len(names) != 1:
        found = f"{len(names)} generators" if names else "no generator"
        raise GeneratorUnfit(model, f"it has {found} among its stages, {listed(components)}")
    return folder / names[0], components[names[0]]["codec"]

"""What a study searches for, in the file that everybody who takes part in it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqpipe.cli._space import Choice, Range, Space, fitted, grid, part_of, plain_space
from seqpipe.errors import SettingUnknown, SpaceUnfit, UsageError, listed
from seqpipe.files import written

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "hyperband", "none")
FILE = "study.json"

# Scores that are better the lower they are.
_LOWER = ("cats_ece", "cats_ece_raw", "bits_per_char", "perplexity", "word_perplexity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All that the outcome of a study depends on, as JSON has it."""

    stage: str
    data: str
    bytes: int  # of the data, where it lies in files
    columns: Mapping[str, Any]
    overrides: Mapping[str, Any]
    space: Mapping[str, Any]
    begin: Mapping[str, Any] | None  # the first trial: the stage as it comes
    sampler: str
    pruner: str
    metric: str | None
    seed: int
    keep_models: bool

    @property
    def parts(self) -> Space:
        return {name: part_of(name, said) for name, said in self.space.items()}

    @property
    def sign(self) -> int:
        """The study maximizes; of a score that is better the lower it is, what is opposite."""
        return -1 if self.metric in _LOWER else 1

    def write(self, folder: Path) -> None:
        with written(folder / FILE) as beside:
            beside.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")


def read_search(folder: Path) -> Search:
    return Search(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def make_search(
    stage: str,
    data: str,
    *,
    columns: Mapping[str, Any],
    overrides: Mapping[str, Any],
    usual: Space,
    asked: Mapping[str, Any],
    sampler: str,
    pruner: str,
    metric: str | None,
    seed: int,
    keep_models: bool,
) -> Search:
    """Looks at everything that can be looked at before the first trial.

    What is fixed leaves the `usual` space; what is `asked` for cannot be fixed as well.
    """
    from seqpipe.cli._config import check_kept, config_for
    from seqpipe.cli.init_config import filled_config

    for given, allowed, name in ((sampler, SAMPLERS, "sampler"), (pruner, PRUNERS, "pruner")):
        if given not in allowed:
            raise UsageError(f"There is no {name} {given!r}: there are {listed(allowed)}.")
    fixed = {
        name.replace("components.*.", f"components.{stage}."): v for name, v in overrides.items()
    }
    for name in set(fixed) & set(asked):
        raise SpaceUnfit(name, f"it is given as {fixed[name]!r}")
    if "system.seed" not in asked:
        fixed.setdefault("system.seed", seed)
    raw = config_for(stage, data, columns=columns, overrides=fixed)
    if metric is not None:
        none = dict.fromkeys(raw["training"]["score_weights"], 0.0)
        fixed["training.score_weights"] = {**none, metric: -1.0 if metric in _LOWER else 1.0}
    config = filled_config(raw).interpolate()
    check_kept(config, overrides)
    space = {**{name: part for name, part in usual.items() if name not in fixed}, **asked}
    if not space:
        raise SpaceUnfit("Nothing", "every setting of the space is given")
    values = {name: _value_at(config, name) for name in space}
    parts = {name: fitted(name, _part(name, said), values[name]) for name, said in space.items()}
    known = all(part.holds(values[name]) for name, part in parts.items())
    return Search(
        stage=stage,
        data=data,
        bytes=_bytes(data),
        columns=dict(columns),
        overrides=fixed,
        space=plain_space(parts),
        begin=values if known and sampler != "grid" else None,
        sampler=sampler,
        pruner=pruner,
        metric=metric,
        seed=seed,
        keep_models=keep_models,
    )


def combinations(search: Search) -> list[dict[str, Any]]:
    """The grid in an order of chance, so that a part of it has seen something of everything."""
    from random import Random

    found = grid(search.parts)
    Random(search.seed).shuffle(found)
    return found


def _part(name: str, said: Any) -> Range | Choice:
    return said if isinstance(said, Range | Choice) else part_of(name, said)


def _value_at(config: Mapping[str, Any], name: str) -> Any:
    section: Any = config
    parts = name.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(section, Mapping) or part not in section:
            there = list(section) if isinstance(section, Mapping) else ["one value"]
            raise SettingUnknown(name, ".".join(parts[:depth]), there)
        section = section[part]
    return section


def _bytes(data: str) -> int:
    """So that a study does not go on with other rows under the same name."""
    from seqpipe.corpora.sources import locate

    source = locate(data)
    parts = (source.files, source.docs, source.sentences, source.lines)
    files = {path for part in parts for paths in part.values() for path in paths}
    return sum(path.stat().st_size for path in files)

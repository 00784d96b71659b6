"""What the settings of a config say of a run: how long it is, in what portions, how it learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from spacy.language import Language

from seqpipe.errors import SettingError, listed
from seqpipe.text.course import Course
from seqpipe.train.loop import Plan
from seqpipe.train.tuning import Tuning

_OWN = {
    "rows": 32,
    "budget": 4096,
    "threads": 1,
    "precision": "fp32",
    "recompute": 0,  # steps of a stretch of time of which little is kept; 0: all is
    "checkpoint_seconds": 30,
    "mean_of_last": 0,  # validations, whose weights are averaged at the end
    "most_skipped": 20,  # steps in a row that are not finite: chance alone does not do that
    "gradients": False,  # whether they are measured at each validation
    "samples": 5,  # rows of which is kept what was said of them at each validation
    "report": True,  # whether a page is drawn at the end
    "track": (),  # who else is shown the run
    # whether rows are read as they come, how many are held, and how many are looked at before
    "streaming": False,
    "buffer": 10_000,
    "sample": 20_000,
    # how long a run is that says nothing of it: the .cfg of each stage has its measured numbers
    "epochs": 4,
    "least_steps": 1000,
    "most_steps": 0,
    # how what a net brings along is tuned
    "layer_decay": 1.0,
    "unfreeze": 0.0,
}


_LEAST = {"most_skipped": 1, "recompute": 0, "mean_of_last": 0, "samples": 0}


def own_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The block `[seqpipe]`."""
    own = {**_OWN, **config.get("seqpipe", {})}
    unknown = set(own) - set(_OWN)
    if unknown:
        raise SettingError("[seqpipe]", listed(sorted(unknown)), f"some of {listed(_OWN)}")
    return own


def plan_of(config: Mapping[str, Any], *, processes: int = 1) -> Plan:
    """A part is for all processes together: each takes its share of every one."""
    training = config["training"]
    own = own_settings(config)
    if training["max_epochs"] < 0:
        raise SettingError("training.max_epochs", training["max_epochs"], "0 or more")
    for name, least in _LEAST.items():
        if own[name] < least:
            raise SettingError(f"seqpipe.{name}", own[name], f"a whole number from {least} on")
    return Plan(
        seed=training["seed"] or 0,
        epochs=training["max_epochs"],
        steps=training["max_steps"],
        accumulate=training["accumulate_gradient"],
        eval_frequency=training["eval_frequency"],
        patience=training["patience"],
        rows=own["rows"] * processes,
        budget=own["budget"] * processes,
        checkpoint_seconds=own["checkpoint_seconds"],
        most_skipped=own["most_skipped"],
        mean_of_last=own["mean_of_last"],
    )


def tuning_of(config: Mapping[str, Any]) -> Tuning:
    own = own_settings(config)
    return Tuning(layer_decay=own["layer_decay"], unfreeze=own["unfreeze"])


def steps_of(plan: Plan, course: Course) -> int:
    """How many steps a run has that nothing stops before."""
    steps = plan.epochs * -(-len(course.parts(0)) // plan.accumulate)
    return min(n for n in (steps, plan.steps) if n)


def fit_length(nlp: Language, course: Course, plan: Plan) -> None:
    """Where no length is asked for: so many epochs, more of a small corpus, fewer of a large."""
    training = nlp.config["training"]
    if training["max_epochs"] or training["max_steps"]:
        return
    config = nlp.config.interpolate()
    own, each = own_settings(config), steps_of(replace(plan, epochs=1), course)
    training["max_epochs"] = max(own["epochs"], -(-own["least_steps"] // each))
    if own["most_steps"] and training["max_epochs"] * each > own["most_steps"]:
        training["max_steps"] = own["most_steps"]


def fit_schedule(nlp: Language, steps: int) -> None:
    """A schedule that leaves its end open ends with the run."""
    rate = nlp.config["training"]["optimizer"].get("learn_rate")
    if isinstance(rate, dict) and rate.get("total_steps") == 0:
        rate["total_steps"] = steps
        rate["warmup_steps"] = min(rate["warmup_steps"], rate["total_steps"] // 4)


def flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value

"""How sure a stage that labels docs says it is: fitted to a validation part, kept in its cfg."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Dict, List, Optional, Protocol, Union, runtime_checkable

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry, resolve_dot_names

from seqpipe.text.codec import Ids
from seqpipe.text.rows import Rows
from seqpipe.train.calibration import best_threshold, fit_temperature, softmax

# What a stage has before anything was fitted, and once it is initialized anew.
UNFITTED: Mapping[str, Any] = {"temperature": 1.0, "thresholds": {}}

_LEAST = 1e-45  # what a net's own numbers can tell from nothing


@runtime_checkable
class Calibrated(Protocol):
    """A stage that can fit how sure it says it is."""

    calibrates: bool  # whether it is to

    def calibrate(
        self, examples: Iterable[Example], encoded: Optional[Union[Sequence[Ids], Rows]] = None
    ) -> List[np.ndarray]: ...


def taken_over(cfg: Mapping[str, Any]) -> Dict[str, Any]:
    """What of an earlier stage stands until something else is fitted."""
    return {name: cfg[name] for name in (*UNFITTED, "usual") if name in cfg}


def temperatures(cfg: Mapping[str, Any]) -> List[float]:
    """What the scores of labels are divided by: one number for all of them, or one each."""
    found = cfg.get("temperature", 1.0)
    if not isinstance(found, dict):
        return [float(found)]
    return [float(found.get(label, 1.0)) for label in cfg["labels"]]


def thresholds(cfg: Mapping[str, Any]) -> np.ndarray:
    """From which probability each label counts, where several may: its own, unless one for all was
    set since, as `spacy find-threshold` does."""
    fitted_now = cfg["threshold"] == cfg.get("usual", cfg["threshold"])
    found = (cfg.get("thresholds") or {}) if fitted_now else {}
    return np.array([found.get(label, cfg["threshold"]) for label in cfg["labels"]])


def fitted(scores: np.ndarray, gold: np.ndarray, cfg: Mapping[str, Any]) -> Dict[str, Any]:
    """From the net's scores (N, C) and probabilities (N, C), NaN where nobody tells, the entries of
    a cfg; a label of which only a yes, or only a no, is known stays as it is."""
    if not cfg["multi_label"]:
        told = np.nansum(gold, axis=1) > 0
        shares = np.nan_to_num(gold[told])
        shares = shares / shares.sum(axis=1, keepdims=True)
        return {"temperature": fit_temperature(scores[told], shares), "thresholds": {}}
    heats: Dict[str, float] = {}
    least: Dict[str, float] = {}
    for label, column, wanted in zip(cfg["labels"], scores.T, gold.T, strict=True):
        told = ~np.isnan(wanted)
        pair, yes = _and_zero(column[told]), wanted[told] >= 0.5
        shares = _and_rest(np.clip(wanted[told], 0, 1))
        heats[label] = fit_temperature(pair, shares) if len({*yes.tolist()}) == 2 else 1.0
        said = softmax(pair / heats[label])[:, 1]
        least[label] = best_threshold(said, yes, usual=cfg["threshold"])
    return {"temperature": heats, "thresholds": least, "usual": float(cfg["threshold"])}


def as_trained(said: np.ndarray, cfg: Mapping[str, Any]) -> np.ndarray:
    """Probabilities (N, C) as they were before the scores were divided."""
    heats = np.array(temperatures(cfg))
    logs = heats * np.log(np.maximum(said, _LEAST))
    if not cfg["multi_label"]:
        return softmax(logs)
    others = heats * np.log(np.maximum(1 - said, _LEAST))
    pairs = np.stack([others, logs], axis=2).reshape(-1, 2)
    return softmax(pairs)[:, 1].reshape(said.shape)


def _and_zero(logits: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros(len(logits)), logits], axis=1)


def _and_rest(yes: np.ndarray) -> np.ndarray:
    return np.stack([1 - yes, yes], axis=1)


@registry.callbacks("seqpipe.calibrate.v1")
def make_calibration() -> Callable[[Language], Language]:
    """For `before_to_disk` of `[training]`: what `spacy train` saves is as sure of its labels as
    the part that it is measured on shows it to be."""
    corpora: List[Any] = []

    def calibrated(nlp: Language) -> Language:
        stages = list(_learning(nlp))
        if stages and not corpora:
            config = nlp.config.interpolate()
            corpora.extend(resolve_dot_names(config, [config["training"]["dev_corpus"]]))
        for name in stages:
            _calibrate(nlp, name, corpora[0](nlp))
        return nlp

    return calibrated


def _learning(nlp: Language) -> Iterator[str]:
    frozen = nlp.config["training"]["frozen_components"]
    for name in nlp.pipe_names:
        pipe: Any = nlp.get_pipe(name)
        if isinstance(pipe, Calibrated) and pipe.calibrates and name not in frozen:
            yield name


def _calibrate(nlp: Language, name: str, examples: Iterable[Example]) -> None:
    """By docs as the stages before it leave them; the scores that the pipeline tells follow."""
    stage: Any = nlp.get_pipe(name)
    before = nlp.pipe_names[: nlp.pipe_names.index(name)]
    pairs = list(examples)
    if before:
        with nlp.select_pipes(enable=before):
            docs = list(nlp.pipe([eg.predicted for eg in pairs]))
        pairs = [Example(doc, eg.reference) for doc, eg in zip(docs, pairs, strict=True)]
    stage.set_annotations([eg.predicted for eg in pairs], stage.calibrate(pairs))
    told = nlp.meta.get("performance", {})
    scores = {**dict.fromkeys(told), "cats_ece_raw": None}
    told.update({n: v for n, v in stage.score(pairs).items() if n in scores})

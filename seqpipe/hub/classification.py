"""`text-classification`: labels and their probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spacy.language import Language

from seqpipe.errors import FieldMissing, SettingError
from seqpipe.hub.task import Options, Task
from seqpipe.pipelines import fields_of


class TextClassification(Task):
    """Tells what any stage of a pipeline has put into `doc.cats`."""

    OPTIONS = ("top_k", "function_to_apply")
    AT_ONCE = 256

    def __init__(self, name: str, nlp: Language, **how: Any) -> None:
        self._applied = _applied_in(nlp)
        super().__init__(name, nlp, **how)

    def check(self, asked: Options) -> None:
        most, applied = asked.get("top_k"), asked.get("function_to_apply")
        if most is not None and (not isinstance(most, int) or most < 1):
            raise SettingError("top_k", most, "None for all labels, or how many of them")
        if applied is not None and applied != self._applied:
            why = {"softmax": "exclude each other", "sigmoid": "each stand for themselves"}
            allowed = f"{self._applied!r}, for the labels of this pipeline {why[self._applied]}"
            raise SettingError("function_to_apply", applied, allowed)

    def answers(self, texts: Sequence[str], asked: Options) -> Sequence[Any]:
        ranked = [_ranked(doc.cats) for doc in self.nlp.pipe(texts, batch_size=len(texts))]
        if "top_k" not in asked:
            return [labels[0] for labels in ranked]
        return [labels[: asked["top_k"]] for labels in ranked]

    def alone(self, answer: Any, asked: Options) -> Any:
        return answer if "top_k" in asked else [answer]


def _ranked(cats: Mapping[str, float]) -> list[dict[str, Any]]:
    """The likeliest first."""
    order = sorted(cats, key=lambda label: -cats[label])
    return [{"label": label, "score": float(cats[label])} for label in order]


def _applied_in(nlp: Language) -> str:
    """How the stage that writes labels makes probabilities of what its net says."""
    for name, pipe in nlp.pipeline:
        meta = nlp.get_pipe_meta(name)
        if "doc.cats" in meta.assigns:
            apart = getattr(pipe, "cfg", {}).get("multi_label", "multilabel" in meta.factory)
            return "sigmoid" if apart else "softmax"
    raise FieldMissing("cats", fields_of(nlp))

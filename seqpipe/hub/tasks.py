"""`seqpipe.pipeline`: a model for a task, called as the pipelines of transformers are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spacy.language import Language

from seqpipe.errors import TaskUnknown
from seqpipe.hub.classification import TextClassification
from seqpipe.hub.segmentation import TokenClassification
from seqpipe.hub.task import Task
from seqpipe.hub.writing import TextGeneration, Translation
from seqpipe.pipelines import load_pipeline, place_pipeline, write_only

TASKS: dict[str, type[Task]] = {
    "sentiment-analysis": TextClassification,
    "text-classification": TextClassification,
    "token-classification": TokenClassification,
    "translation": Translation,
    "translation_xx_to_yy": Translation,
    "text-generation": TextGeneration,
}
_PAIR = re.compile(r"translation_\w+_to_\w+")


def pipeline(
    task: str,
    model: str | Path | Language,
    *,
    device: Any = None,
    batch_size: int | None = None,
    **options: Any,
) -> Task:
    """A function of texts, whose answers have the shapes of `transformers.pipeline`.

    `model` is a folder, a package, a repository of the hub, or a pipeline; `device` a name, a
    `torch.device`, or a number, -1 for the CPU. The options are those of the task, and can be given
    with each call too.
    """
    kind = TASKS.get("translation_xx_to_yy" if _PAIR.fullmatch(task) else task)
    if kind is None:
        raise TaskUnknown(task, list(TASKS))
    place = _device(device)
    if isinstance(model, Language):
        nlp = model
        if place is not None:
            place_pipeline(nlp, place)
    else:
        nlp = load_pipeline(model, device=place)
        write_only(nlp, ["cats"])  # nobody reads what its other stages would write
    return kind(task, nlp, batch_size=batch_size, options=options)


def _device(device: Any) -> str | None:
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return None if device is None else str(device)

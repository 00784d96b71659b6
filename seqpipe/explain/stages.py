"""Which stages of a pipeline can be explained, and what there is to see of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from spacy.language import Language

from seqpipe.errors import FieldMissing, NotInitialized, SettingError
from seqpipe.held import HeldNet
from seqpipe.nets.classifier import Classifier
from seqpipe.nets.language_model import LanguageModel
from seqpipe.nets.tagger import Tagger
from seqpipe.nets.translator import Translator
from seqpipe.pipelines import fields_of

LABEL = "label"
BOUNDARIES = "boundaries"
SURPRISAL = "surprisal"
TRANSLATION = "translation"
STATES = "states"

_KINDS = {
    Classifier: LABEL,
    Tagger: BOUNDARIES,
    LanguageModel: SURPRISAL,
    Translator: TRANSLATION,
}
# Whose states are shown: those of a translator are two nets' states, over two texts.
_STATED = (LABEL, BOUNDARIES, SURPRISAL)
# By what a pipeline is known to lack a stage of that kind.
_FIELDS: Mapping[str, str] = MappingProxyType(
    {LABEL: "sentiment", BOUNDARIES: "tokens", SURPRISAL: "surprisal", TRANSLATION: "translation"}
)


def kinds_of(nlp: Language) -> dict[str, str]:
    """What each stage that can be explained is explained as, by its name; in their order."""
    return {name: kind for name, kind, _ in _stages(nlp)}


def find_stage(nlp: Language, *, name: str | None, kind: str | None) -> tuple[str, Any]:
    """The kind of the stage of that name and itself, or of the first that has an explanation of
    that kind; where neither is said, of the first that labels, or else the first of all."""
    every = [*_stages(nlp)]
    wanted = _STATED if kind == STATES else (kind,)
    fit = {own: (of, pipe) for own, of, pipe in every if kind is None or of in wanted}
    if not fit:
        raise FieldMissing(_FIELDS.get(kind or LABEL, "sentiment"), fields_of(nlp))
    if name is not None and name not in fit:
        raise SettingError("stage", name, f"one of {', '.join(fit)}")
    if name is not None:
        return fit[name]
    labels = [found for found in fit.values() if found[0] == LABEL]
    return (labels or [*fit.values()])[0]


def check_kind(kind: str | None) -> None:
    """Says at once that there is none of this name."""
    known = [*_FIELDS, STATES]
    if kind is not None and kind not in known:
        raise SettingError("kind", kind, f"one of {', '.join(known)}")


def _stages(nlp: Language) -> Iterator[tuple[str, str, Any]]:
    """The name of each, what it is explained as, and itself; the tokenizer first, if it is one."""
    inside = getattr(nlp.tokenizer, "stage", None)
    first = [] if inside is None else [("tokenizer", inside)]
    for name, pipe in [*first, *nlp.pipeline]:
        shim = getattr(pipe, "shim", None)
        if not isinstance(shim, HeldNet):
            continue
        if not shim.ready:
            raise NotInitialized(name)
        kind = next((of for net, of in _KINDS.items() if isinstance(shim.inside, net)), None)
        if kind is not None:
            yield name, kind, pipe

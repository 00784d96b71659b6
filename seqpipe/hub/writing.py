"""`translation` and `text-generation`: texts that are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from seqpipe.errors import SettingError
from seqpipe.hub.task import Options, Task, stage_of

# What the two libraries call the same.
_SEARCH = {
    "num_return_sequences": "nbest",
    "max_new_tokens": "max_length",
    "min_new_tokens": "min_length",
    "do_sample": "sampling",
    "num_beams": "beam",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "typical_p": "typical",
    "repetition_penalty": "repetition_penalty",
    "no_repeat_ngram_size": "no_repeat",
    "length_penalty": "length_penalty",
    "seed": "seed",
}
_DRAWN = ("temperature", "top_k", "top_p", "typical_p")
_PAIR = re.compile(r"translation_([a-z]{2,3})_to_([a-z]{2,3})")
_CODE = re.compile(r"[a-z]{2}")  # a column that is called after its language


class Translation(Task):
    """Tells what the first translator of a pipeline makes of a whole text."""

    OPTIONS = tuple(_SEARCH)

    def __init__(self, name: str, nlp: Language, **how: Any) -> None:
        self.stage = stage_of(nlp, "seqpipe_translator", writes="translation")
        if self.stage.unit.startswith("spans:"):
            raise SettingError("unit", self.stage.unit, "'doc', 'sent' or 'token': a whole text")
        _agree(name, nlp)
        super().__init__(name, nlp, **how)

    def check(self, asked: Options) -> None:
        self.stage.search.changed(**_search_of(asked, self.stage.search))

    def answers(self, texts: Sequence[str], asked: Options) -> Sequence[Any]:
        with _searching(self.stage, _search_of(asked, self.stage.search)):
            several = self.stage.search.nbest > 1
            docs = list(self.nlp.pipe(texts, batch_size=len(texts)))
        return [[{"translation_text": t} for t in self._texts(doc, several)] for doc in docs]

    def together(self, answers: list[Any]) -> list[Any]:
        alone = all(len(found) == 1 for found in answers)
        return [found[0] for found in answers] if alone else answers

    def _texts(self, doc: Doc, several: bool) -> list[str]:
        name = self.stage.extension
        every = doc._.get(f"{name}_nbest") if several else None
        return [one["text"] for one in every] if every else [doc._.get(name) or ""]


class TextGeneration(Task):
    """Tells what the first generator of a pipeline goes on with."""

    OPTIONS = ("return_full_text", "prefix", "stop", "stop_sequence", *_SEARCH)

    def __init__(self, name: str, nlp: Language, **how: Any) -> None:
        self.stage = stage_of(nlp, "seqpipe_generator", writes="generated")
        super().__init__(name, nlp, **how)

    def check(self, asked: Options) -> None:
        self.stage.search.changed(**_search_of(asked, self.stage.search))
        if asked.get("stop") is not None and asked.get("stop_sequence") is not None:
            raise SettingError("stop", asked["stop"], "either stop or stop_sequence, not both")

    def answers(self, texts: Sequence[str], asked: Options) -> Sequence[Any]:
        settings = _search_of(asked, self.stage.search)
        if "max_length" in settings:
            settings["characters"] = 0  # the limit that is asked for is the one that holds
        stop = asked.get("stop", asked.get("stop_sequence"))
        if stop is not None:
            settings["stops"] = [stop] if isinstance(stop, str) else list(stop)
        prefix, full = asked.get("prefix") or "", asked.get("return_full_text", True)
        written = self.stage.generate([prefix + text for text in texts], **settings)
        return [
            [{"generated_text": text + one if full else one} for one in some]
            for text, some in zip(texts, written, strict=True)
        ]


def _search_of(asked: Options, own: Any) -> dict[str, Any]:
    """The settings of a search, changed as is asked; None leaves one as the stage has it."""
    found = {_SEARCH[n]: v for n, v in asked.items() if n in _SEARCH and v is not None}
    drawn = [name for name in _DRAWN if asked.get(name) is not None]
    if drawn and not found.setdefault("sampling", True):
        allowed = "nothing where do_sample = False, for nothing is drawn then"
        raise SettingError(drawn[0], asked[drawn[0]], allowed)
    if "beam" not in found and not found.get("sampling", own.sampling):
        found["beam"] = max(own.beam, found.get("nbest", own.nbest))
    return found


@contextmanager
def _searching(stage: Any, changes: Mapping[str, Any]) -> Iterator[None]:
    """The stage with other settings of its search, for as long as a batch takes."""
    own = stage.search
    stage.search = own.changed(**changes)
    try:
        yield
    finally:
        stage.search = own


def _agree(task: str, nlp: Language) -> None:
    """Refuses a pair of languages that the pipeline says is another one."""
    named = _PAIR.fullmatch(task)
    if named is None:
        return
    corpus = nlp.config.interpolate().get("corpora", {}).get("train") or {}
    corpus = corpus.get("corpus", corpus)  # where rows of one were picked
    named_so = corpus.get("source") == nlp.lang and _CODE.fullmatch(corpus.get("target") or "")
    own = ["" if nlp.lang == "xx" else nlp.lang, corpus["target"] if named_so else ""]
    for asked, there in zip(named.groups(), own, strict=True):
        if there and asked not in (there, "xx", "yy"):  # which stand for any
            pair = "_to_".join(code or "yy" for code in own)
            raise SettingError("task", task, f"'translation', or 'translation_{pair}'")

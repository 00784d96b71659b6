"""`token-classification`: the tokens of a text, and the sentences that they make up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language

from seqpipe.errors import FieldMissing, SettingError
from seqpipe.held import as_array
from seqpipe.hub.task import Options, Task
from seqpipe.pipelines import fields_of
from seqpipe.text.batches import restore
from seqpipe.text.characters import blank, codes_of
from seqpipe.text.codec import Ids
from seqpipe.text.segments import INSIDE, SENTENCE, Segments, segments_of_all

_NONE, _SIMPLE = "none", "simple"

Chances = NDArray[np.float32]  # (S, 3): of each class at each character


class TokenClassification(Task):
    """Tokens, of which the first of a sentence is B-SENT and each other I-SENT, or sentences.

    A token is as sure as the least sure of its characters, a sentence as its end; what white space
    decides is sure.
    """

    OPTIONS = ("aggregation_strategy",)

    def __init__(self, name: str, nlp: Language, **how: Any) -> None:
        self.stage = _cutter_of(nlp)
        super().__init__(name, nlp, **how)

    def check(self, asked: Options) -> None:
        way = asked.get("aggregation_strategy", _NONE)
        if way not in (_NONE, _SIMPLE):
            allowed = f"{_NONE!r} for tokens, or {_SIMPLE!r} for sentences"
            raise SettingError("aggregation_strategy", way, allowed)

    def answers(self, texts: Sequence[str], asked: Options) -> Sequence[Any]:
        stage = self.stage
        chances = stage.windows.joined(stage.encode_texts(texts), self._read)
        said = [each.argmax(axis=1) for each in chances]
        cut = segments_of_all(texts, said, spaces=bool(stage.cfg["spaces"]))
        grouped = asked.get("aggregation_strategy", _NONE) == _SIMPLE and stage.cfg["sentences"]
        tell = self._sentences if grouped else self._tokens
        return [tell(*parts) for parts in zip(texts, cut, chances, strict=True)]

    def _read(self, parts: Sequence[Ids]) -> list[Any]:
        def probabilities(net: Any, ids: Any, lengths: Any, _: Any) -> list[Any]:
            return list(as_array(net.probabilities(ids, lengths)))

        buckets = self.stage.buckets
        found = self.stage.shim.predict_rows(
            parts, budget=buckets.budget, rows=buckets.rows, predict=probabilities
        )
        return restore(found, len(parts))

    def _tokens(self, text: str, cut: Segments, chances: Chances) -> list[dict[str, Any]]:
        inside = np.where(blank(codes_of(text)), 1.0, chances[: len(text), INSIDE])
        starts = [False] * len(cut.spans) if cut.starts is None else cut.starts.tolist()
        found = []
        spans = zip(cut.spans.tolist(), starts, strict=True)
        for index, ((begin, end), first) in enumerate(spans, 1):
            entity = ("B-SENT" if first else "I-SENT") if self.stage.cfg["sentences"] else "TOKEN"
            ends = 1.0 if self._parted(text[end : end + 2]) else 1 - inside[end - 1]
            sure = min([ends, *inside[begin : end - 1]])
            where = {"word": text[begin:end], "start": begin, "end": end}
            found.append({"entity": entity, "score": float(sure), "index": index, **where})
        return found

    def _parted(self, after: str) -> bool:
        """Whether no token can go on over what follows it."""
        held = bool(self.stage.cfg["spaces"]) and re.fullmatch(r" \S", after)
        return not after or (after[0].isspace() and not held)

    def _sentences(self, text: str, cut: Segments, chances: Chances) -> list[dict[str, Any]]:
        found = []
        spans = cut.sentences().tolist()
        for (begin, end), (after, _) in zip(spans, [*spans[1:], (len(text), 0)], strict=True):
            ends = after == len(text) or text[end:after].count("\n") > 1
            sure = 1.0 if ends else float(chances[end - 1, SENTENCE])
            where = {"word": text[begin:end], "start": begin, "end": end}
            found.append({"entity_group": "SENT", "score": sure, **where})
        return found


def _cutter_of(nlp: Language) -> Any:
    """The stage that finds tokens, in the pipeline or in the place of its tokenizer."""
    for name, pipe in nlp.pipeline:
        if nlp.get_pipe_meta(name).factory == "seqpipe_tokenizer":
            return pipe
    stage = getattr(nlp.tokenizer, "stage", None)
    if stage is None:
        raise FieldMissing("tokens", fields_of(nlp))
    return stage

"""Why a doc got its label: what each word adds to it, and where the net looked; and the one door
to what other stages have to say of theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from seqpipe.errors import NotInitialized, SettingError
from seqpipe.explain.boundaries import boundaries_of
from seqpipe.explain.explained import Explained
from seqpipe.explain.foretelling import foretold
from seqpipe.explain.path import Numbers
from seqpipe.explain.reader import Reader
from seqpipe.explain.stages import BOUNDARIES, LABEL, STATES, SURPRISAL, check_kind, find_stage
from seqpipe.explain.states import StatesExplainer
from seqpipe.explain.translation import TranslationExplainer
from seqpipe.explain.words import Cut, cut
from seqpipe.held import HeldNet
from seqpipe.text.codec import Codec, Ids

EXTENSION = "explanation"

_CHECKED = 100  # words that are left out one by one: each is a reading of the whole text


@dataclass(frozen=True, slots=True)
class Word:
    """What one word is to the label; log-odds are in nats."""

    text: str
    start: int  # in characters
    end: int
    saliency: float  # what it adds to the log-odds
    attention: float | None  # its share of it; none where no pool of the net looks
    occlusion: float | None  # what the log-odds lose without it; none where it was not tried


@dataclass(frozen=True, slots=True)
class Explanation(Explained):
    """The saliency of all words adds up to `log_odds` less `baseline`, but for `gap`."""

    stage: str
    label: str
    score: float  # the probability of the label, as `doc.cats` has it
    log_odds: float  # log p / (1 - p)
    baseline: float  # the same for a text as long, of pieces that say nothing
    gap: float
    tipped: float  # how much of it gradients do not tell, in long texts
    points: int  # on the way from there, at which gradients were taken
    agreement: float | None  # of the ranks of saliency and occlusion, from -1 to 1
    words: list[Word]
    ranked: list[int]  # the places of the visible words, what decided most first
    kind: str = LABEL


class Labeller(Protocol):
    """What is needed of a stage that labels docs by a classifier."""

    name: str
    codec: Codec | None
    reads: str

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def temperatures(self) -> list[float]: ...
    @property
    def shim(self) -> HeldNet: ...
    def encode(self, docs: Sequence[Doc]) -> list[Ids]: ...


class Explainer:
    """Explains docs by one stage; holds for the weights that it was made from."""

    def __init__(self, nlp: Language, *, stage: str | None = None) -> None:
        self.stage: Labeller = find_stage(nlp, name=stage, kind=LABEL)[1]
        self._reader = Reader(self.stage.shim.net, self.stage.temperatures)

    def place(self, label: str) -> int:
        """Of a label among those of the stage."""
        labels = self.stage.labels
        if label not in labels:
            raise SettingError("label", label, f"one of {', '.join(labels)}")
        return labels.index(label)

    def explain(
        self, doc: Doc, *, label: str | None = None, checked: int = _CHECKED
    ) -> Explanation:
        """Why it got its likeliest label, or a given one; the `checked` words that seem to count
        most are left out one by one to see."""
        ids, parts = self._read(doc)
        odds = self._reader.odds([ids])[0]
        place = int(odds.argmax()) if label is None else self.place(label)
        found = self._reader.saliency(ids, place)
        saliency = parts.summed(found.shares)
        looks = self._reader.attention(ids)
        attention = None if looks is None else parts.summed(looks).tolist()
        spans = parts.spans()
        text = doc.text
        order = np.argsort(-np.abs(saliency), kind="stable").tolist()
        ranked = [at for at in order if text[slice(*spans[at])].strip()]
        lost = self._lost(ids, parts, place, ranked[: max(checked, 0)])
        return Explanation(
            stage=self.stage.name,
            label=self.stage.labels[place],
            score=float(1 / (1 + np.exp(-odds[place]))),
            log_odds=found.end,
            baseline=found.begin,
            gap=found.gap,
            tipped=found.tipped,
            points=found.points,
            agreement=_agreement([(float(saliency[at]), loss) for at, loss in lost.items()]),
            words=[
                Word(
                    text=text[begin:end],
                    start=begin,
                    end=end,
                    saliency=float(saliency[at]),
                    attention=None if attention is None else attention[at],
                    occlusion=lost.get(at),
                )
                for at, (begin, end) in enumerate(spans)
            ],
            ranked=ranked,
        )

    def _read(self, doc: Doc) -> tuple[Ids, Cut]:
        """The pieces that the stage reads, and the words that they are read of."""
        codec = self.stage.codec
        if codec is None:
            raise NotInitialized(self.stage.name)
        if self.stage.reads == "tokens":
            tokens = [(token.idx, token.idx + len(token)) for token in doc]
            pieces = np.array(tokens, np.int64).reshape(-1, 2)
            return self.stage.encode([doc])[0], Cut(doc.text, pieces[:, 0], pieces[:, 1], pieces)
        found = codec.align(doc.text)
        return found.ids, cut(doc, found.offsets.astype(np.int64))

    def _lost(self, ids: Ids, parts: Cut, label: int, words: Sequence[int]) -> dict[int, float]:
        """What the log-odds lose when all pieces of a word are left out, for each of these words
        (Zeiler and Fergus 2014)."""
        owner = parts.word_of_piece()
        odds = self._reader.odds([ids, *(ids[owner != word] for word in words)])[:, label]
        return dict(zip(words, (odds[0] - odds[1:]).tolist(), strict=True))


def explained(
    nlp: Language,
    text: str | Doc,
    *,
    label: str | None = None,
    stage: str | None = None,
    checked: int = _CHECKED,
    kind: str | None = None,
) -> Doc:
    """The doc of a text, or the one given, with `doc._.explanation`.

    `stage` names one of several, else it is the first that labels docs, or the first of all;
    `kind` is what is asked of it: the explanation of its own kind, or the states of its net. Of a
    label, `label` is the one to explain, else the likeliest, and `checked` says how many words are
    left out one by one to see what it loses without them.
    """
    doc = nlp(text) if isinstance(text, str) else text
    explain = explaining(nlp, stage=stage, kind=kind, label=label, checked=checked)
    annotate(doc, explain(doc))
    return doc


def explaining(
    nlp: Language,
    *,
    stage: str | None = None,
    kind: str | None = None,
    label: str | None = None,
    checked: int = _CHECKED,
) -> Callable[[Doc], Explained]:
    """The same for many docs: what there is to make of a net is made once."""
    check_kind(kind)
    own, found = find_stage(nlp, name=stage, kind=LABEL if kind is None and label else kind)
    kind = kind or own
    if kind == STATES:
        return StatesExplainer(own, found, label=label).explain
    if kind == LABEL:
        explainer = Explainer(nlp, stage=stage)
        if label is not None:
            explainer.place(label)
        return partial(explainer.explain, label=label, checked=checked)
    if label is not None:
        raise SettingError("label", label, f"none where the explanation is of the kind {kind!r}")
    if kind == BOUNDARIES:
        return partial(boundaries_of, found)
    return partial(foretold, found) if kind == SURPRISAL else TranslationExplainer(found).explain


def annotate(doc: Doc, explanation: Explained) -> None:
    """Writes it into the doc."""
    if not Doc.has_extension(EXTENSION):
        Doc.set_extension(EXTENSION, default=None)
    doc._.set(EXTENSION, explanation.plain())


def explanation_of(doc: Doc) -> dict[str, Any] | None:
    """What `annotate` has written."""
    found = extension_of(doc, EXTENSION)
    return found if isinstance(found, dict) else None


def extension_of(doc: Doc, name: str, start: int | None = None) -> Any:
    """What a doc holds, or its token from that character on, of an extension that perhaps only the
    process has registered which wrote it."""
    written: dict[Any, Any] = doc.user_data
    return written.get(("._.", name, start, None))


def _agreement(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's correlation of ranks; none where there are too few, or all are alike."""
    if len(pairs) < 3:
        return None
    ours, others = (_ranks(np.array(column)) for column in zip(*pairs, strict=True))
    if ours.std() == 0 or others.std() == 0:
        return None
    return float(np.corrcoef(ours, others)[0, 1])


def _ranks(values: Numbers) -> Numbers:
    """From 0 on, those that are alike sharing the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[which])

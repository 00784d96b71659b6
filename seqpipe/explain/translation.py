"""Each word of a translation: where it comes from, how likely it was, and what else might stand
in its place; and the best few translations as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from spacy.tokens import Doc

from seqpipe.explain.explained import Explained
from seqpipe.explain.foretelling import Other
from seqpipe.explain.path import Numbers
from seqpipe.explain.runners_up import RunnersUp, speller_of, words_in
from seqpipe.explain.stages import TRANSLATION
from seqpipe.held import HeldNet
from seqpipe.search.recalling import Remembered
from seqpipe.search.state import Found
from seqpipe.text.codec import EOS, UNK, Codec, Ids, Spelled
from seqpipe.text.shortlist import Shortlist

_NBEST = 3
_BEAM = 5  # at least, to find so many


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the translation; its probability is that of the whole word, after those before."""

    text: str
    start: int  # in the translation, in characters
    end: int
    source: list[int] | None  # from where to where in the doc it looked most
    weight: float | None  # how much of its attention lay there
    probability: float
    others: list[Other]  # the likeliest first


@dataclass(frozen=True, slots=True)
class Whole:
    """One of the best few translations; `score` is the logarithm of its probability."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Translated(Explained):
    """What was made of a doc. The best few are found by a beam, so that the first of them may be
    better than the translation itself where that is the work of a smaller one."""

    stage: str
    translation: str
    score: float
    words: list[Word]
    ranked: list[int]  # the places of the words, the least sure first
    nbest: list[Whole]
    kind: str = TRANSLATION


class Translating(Protocol):
    """What is needed of a stage that translates."""

    name: str
    unit: str
    codec: Codec
    target_codec: Codec | None
    shortlist: Shortlist | None
    copy_unknown: bool
    search: Any

    @property
    def shim(self) -> HeldNet: ...
    def sources(self, doc: Doc) -> list[Any]: ...
    def encode(self, docs: Sequence[Doc]) -> list[Ids]: ...
    def predict(self, docs: Sequence[Doc]) -> list[list[Found]]: ...
    def remembered(self, ids: Any, lengths: Any) -> Remembered | None: ...
    def beside(self, net: Any, state: Any, remembered: Remembered | None) -> tuple[Any, Any]: ...
    def translate(self, texts: Sequence[str], **settings: Any) -> list[list[Any]]: ...


class TranslationExplainer:
    """Explains docs by one stage."""

    def __init__(self, stage: Translating) -> None:
        self._stage = stage
        self._target = stage.target_codec or stage.codec
        self._speller = speller_of(self._target)

    def explain(self, doc: Doc) -> Translated:
        """What the stage makes of a doc, whatever it was given before."""
        stage, sources = self._stage, self._stage.sources(doc)
        found = [some[0] for some in stage.predict([doc])]
        parts, words = [], []
        length = 0
        for gap, source, row, one in zip(
            self._gaps(doc, sources), sources, stage.encode([doc]), found, strict=False
        ):
            length += len(gap)
            text, own = self._row(source, row, one)
            words += [_moved(word, source.start, length) for word in own]
            parts += [gap, text]
            length += len(text)
        after = [*self._gaps(doc, sources)][len(sources) :]
        ranked = sorted(range(len(words)), key=lambda at: words[at].probability)
        return Translated(
            stage=stage.name,
            translation="".join([*parts, *after]),
            score=round(sum(one.score for one in found), 4),
            words=words,
            ranked=ranked,
            nbest=self._nbest(doc, sources),
        )

    def _gaps(self, doc: Doc, sources: Sequence[Any]) -> Iterator[str]:
        """What stands before each source and behind the last; spans may overlap, and are set apart
        by lines."""
        if self._stage.unit.startswith("spans:"):
            yield from ["", *["\n"] * (len(sources) - 1), ""]
            return
        at = 0
        for source in sources:
            yield doc.text[at : source.start]
            at = source.end
        yield doc.text[at:]

    def _row(self, source: Any, row: Ids, found: Found) -> tuple[str, list[Word]]:
        """The text of one row, and its words, in characters of their own texts."""
        masked = source.masked
        places = self._stage.codec.align(masked.text).offsets
        read = words_in(masked.text, places.tolist())
        looked = _looked(found, read)
        spelled = self._spelled(masked.text, places, found)
        text, moved = masked.restored(spelled.text)
        ends = [(int(moved[begin]), int(moved[end])) for begin, end in spelled.offsets.tolist()]
        groups = words_in(spelled.text, spelled.offsets.tolist())
        stretches = [_bare(text, ends[first][0], ends[last - 1][1]) for first, last in groups]
        texts = [text[slice(*stretch)] for stretch in stretches]
        told = self._runners(row, found).of(found.tokens, groups, texts)
        words = []
        for stretch, shown, one in zip(stretches, texts, told, strict=True):
            if not shown:
                continue
            origin, weight = None, None
            if looked is not None:
                share = looked[one.first : one.last].mean(axis=0)
                first, last = read[int(share.argmax())]
                begin, end = int(places[first][0]), int(places[last - 1][1])
                blank = not masked.text[begin:end].strip()
                there = (begin, end) if blank else _bare(masked.text, begin, end)
                origin = [int(masked.origin[place]) for place in there]
                weight = round(float(share.max()), 4)
            words.append(Word(shown, *stretch, origin, weight, one.probability, one.others))
        return text, words

    def _spelled(self, text: str, places: Ids, found: Found) -> Spelled:
        """As the stage spells it, with what it did not know as it stood in the text."""
        unknown = None
        if self._stage.copy_unknown and found.attention is not None and len(places):
            best = found.attention[:, : len(places)].argmax(axis=1)
            unknown = [text[a:b].strip() for a, b in places[best].tolist()]
        return self._target.spell(found.tokens, unknown if UNK in found.tokens else None)

    def _runners(self, row: Ids, found: Found) -> RunnersUp:
        stage, pieces = self._stage, None
        net, device = stage.shim.net, stage.shim.device
        ids = torch.from_numpy(row.astype(np.int64))[None].to(device)
        lengths = ids.new_tensor([len(row)])
        remembered = stage.remembered(ids, lengths)
        if stage.shortlist is not None:
            besides = [*found.tokens, EOS, *(remembered.known() if remembered else ())]
            pieces = torch.from_numpy(stage.shortlist.of(row, besides=besides)).to(device)
        with torch.inference_mode():
            seen = stage.shim.seen(net, net.begin(ids, lengths, pieces))
        beside, begun = stage.beside(*seen, remembered)
        return RunnersUp(beside, self._speller, begun)

    def _nbest(self, doc: Doc, sources: Sequence[Any]) -> list[Whole]:
        stage = self._stage
        count = max(stage.search.nbest, _NBEST)
        found = stage.translate(
            [doc.text[source.start : source.end] for source in sources],
            nbest=count,
            beam=max(stage.search.beam, _BEAM, count),
        )
        gaps = [*self._gaps(doc, sources)]
        every = []
        for n in range(min(map(len, found), default=0)):
            own = [gap + some[n].text for gap, some in zip(gaps, found, strict=False)]
            score = sum(some[n].score for some in found)
            every.append(Whole("".join([*own, gaps[-1]]), round(score, 4)))
        return every


def _looked(found: Found, read: Sequence[tuple[int, int]]) -> Numbers | None:
    """How much of the attention of each piece lay on each of the words read: (T, W)."""
    if found.attention is None or not read:
        return None
    starts = [first for first, _ in read]
    last = read[-1][1]
    shares: Numbers = np.add.reduceat(found.attention[:, :last].astype(np.float64), starts, axis=1)
    return shares


def _bare(text: str, begin: int, end: int) -> tuple[int, int]:
    """Without white space at both ends; what is nothing else is nothing."""
    part = text[begin:end]
    begin += len(part) - len(part.lstrip())
    return begin, begin + len(part.strip())


def _moved(word: Word, source: int, target: int) -> Word:
    """With its places counted in the whole doc and the whole translation."""
    origin = None if word.source is None else [place + source for place in word.source]
    return Word(
        word.text,
        word.start + target,
        word.end + target,
        origin,
        word.weight,
        word.probability,
        word.others,
    )

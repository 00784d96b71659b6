"""What a demo shows of a fresh pipeline: some of what was kept from training, as it sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seqpipe.cli._table import clipped

if TYPE_CHECKING:
    from seqpipe.corpora.running import Passage

_WIDE = 90  # places on a terminal
_LABELLED = 2  # reviews of each label
_CUT = 4  # sentences
_TRANSLATED = 4
_LOOKED_AT = 2  # translations, line by line


class Exhibit(Protocol):
    """One that is shown, as the rows of a table."""

    def rows(self) -> Iterator[Sequence[str]]: ...


@dataclass(frozen=True, slots=True)
class Exhibition:
    """What is shown, of how many that were kept, after learning from how many; the texts that are
    looked at more closely, and what is to be known of them."""

    learned: int
    kept: int
    shown: Sequence[Exhibit]
    texts: Sequence[str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """One that was kept from training, and what the pipeline says of it."""

    text: str
    truth: str
    label: str
    score: float

    def rows(self) -> Iterator[Sequence[str]]:
        wrong = self.truth if self.truth != self.label else ""
        yield self.label, f"{self.score:.2f}", wrong, clipped(self.text, _WIDE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One that the pipeline has found and cut, and what stands there in truth."""

    said: str
    truth: str

    def rows(self) -> Iterator[Sequence[str]]:
        yield "wrong" if self.said != self.truth else "", clipped(self.said, _WIDE)
        if self.said != self.truth:
            yield "right", clipped(self.truth, _WIDE)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence, what the pipeline makes of it, and what it should have."""

    text: str
    said: str
    truth: str

    def rows(self) -> Iterator[Sequence[str]]:
        yield "", clipped(self.text, _WIDE)
        yield "said", clipped(self.said, _WIDE)
        if self.said != self.truth:
            yield "right", clipped(self.truth, _WIDE)


@dataclass(frozen=True, slots=True)
class Poem:
    """What a pipeline has written, after what it was given."""

    given: str
    written: str

    def rows(self) -> Iterator[Sequence[str]]:
        for line in self.given.splitlines():
            yield "given", clipped(line, _WIDE)
        for i, line in enumerate(self.written.splitlines()):
            yield "" if i else "wrote", clipped(line, _WIDE)


def reviews(model: Path, data: str) -> Exhibition:
    """The first few of each label, and one mistake, for there are some."""
    import spacy

    from seqpipe.corpora.labelled import labelled_rows

    rows = labelled_rows(data, split="validation")
    docs = spacy.load(model).pipe(((row.text, row.labels[0]) for row in rows), as_tuples=True)
    kept = [
        Review(doc.text, truth, doc._.sentiment["label"], doc._.sentiment["score"])
        for doc, truth in docs
    ]
    shown: list[Review] = []
    for review in kept:
        if [one.truth for one in shown].count(review.truth) < _LABELLED:
            shown.append(review)
    wrong = (review for review in kept if review.label != review.truth)
    mistake = next((review for review in wrong if review not in shown), None)
    learned = sum(1 for _ in labelled_rows(data, split="train"))
    shown += [mistake] if mistake else []
    last = shown[-1]
    note = f"The second text is {last.truth} in truth." if last.truth != last.label else ""
    return Exhibition(learned, len(kept), shown, [shown[0].text, last.text], note)


def sentences(model: Path, data: str) -> Exhibition:
    """The first few in the order of their text, and one mistake if none of them is one."""
    import spacy

    from seqpipe.corpora.running import open_passages, passages_of

    kept = list(open_passages(data, split="validation"))
    said = passages_of(spacy.load(model).pipe(passage.text for passage in kept))
    found = [one for pair in zip(said, kept, strict=True) for one in _compared(*pair)]
    shown = found[:_CUT]
    if all(one.said == one.truth for one in shown):
        shown += [one for one in found if one.said != one.truth][:1]
    learned = open_passages(data, split="train")
    end = _bounds(kept[0])[:_CUT][-1][1]
    return Exhibition(_count(learned), _count(kept), shown, [kept[0].text[:end]])


def phrases(model: Path, data: str) -> Exhibition:
    """The first few, and one mistake if none of them is one."""
    import spacy

    from seqpipe.corpora.pairs import open_pairs

    nlp = spacy.load(model)
    read = nlp.config["corpora"]["train"]
    sides = {side: read[side] for side in ("source", "target")}
    docs = nlp.pipe(open_pairs(data, split="validation", **sides), as_tuples=True)
    kept = [Phrase(doc.text, doc._.translation, truth) for doc, truth in docs]
    shown = kept[:_TRANSLATED]
    if all(one.said == one.truth for one in shown):
        shown += [one for one in kept if one.said != one.truth][:1]
    learned = sum(1 for _ in open_pairs(data, split="train", **sides))
    return Exhibition(learned, len(kept), shown, [one.text for one in shown[:_LOOKED_AT]])


def poems(model: Path, data: str) -> Exhibition:
    """One out of nothing, and one that goes on with the first line of one that was kept."""
    import spacy

    from seqpipe.corpora.texts import open_texts

    kept = [part.text for part in open_texts(data, split="validation")]
    given = ["", kept[0].splitlines(keepends=True)[0]]
    shown = [Poem(doc.text, doc._.generated) for doc in spacy.load(model).pipe(given)]
    learned = sum(1 for _ in open_texts(data, split="train"))
    return Exhibition(learned, len(kept), shown, kept[:1])


def _count(passages: Iterable[Passage]) -> int:
    return sum(len(_bounds(passage)) for passage in passages)


def _bounds(passage: Passage) -> list[list[int]]:
    """Where each sentence begins and ends."""
    from seqpipe.text.segments import Segments

    bounds: list[list[int]] = Segments(passage.spans, passage.starts).sentences().tolist()
    return bounds


def _compared(said: Passage, truth: Passage) -> Iterator[Sentence]:
    for begin, end in _bounds(said):
        yield Sentence(_cut(said, begin, end), _cut(truth, begin, end))


def _cut(passage: Passage, begin: int, end: int) -> str:
    """The sentences that have a part in a stretch of the text, with bars between their tokens and
    a double one between two of them."""
    tokens = [
        [passage.text[a:b] for a, b in passage.spans.tolist() if first <= a < last]
        for first, last in _bounds(passage)
        if first < end and last > begin
    ]
    return " ‖ ".join(" | ".join(words) for words in tokens)

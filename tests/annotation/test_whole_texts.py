"""Where no stage asks for tokens none are looked for, and what is found is the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import spacy
import verses
from small import TEXTS, add_stage, make_nlp
from spacy.language import Language
from words import trained

from seqpipe.annotation.annotator import Annotator
from seqpipe.annotation.rows import row_of
from seqpipe.pipelines import reads_texts
from seqpipe.text.units import words_in

TEXTS_ALONE = [text for text, _ in TEXTS] + ["  a\n\tgood film  ", "好 film"]


def annotated(nlp: Language, fields: Mapping[str, str]) -> list[object]:
    annotator = Annotator(nlp, fields=fields)
    rows = [row_of(i, {"text": text}, text="text", id="id") for i, text in enumerate(TEXTS_ALONE)]
    return [found.values for found in annotator(rows)]


def test_texts_are_read_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make_nlp()
    wanted = [[doc.cats, doc._.sentiment] for doc in nlp.pipe(TEXTS_ALONE)]

    def never(text: str) -> None:
        raise AssertionError("nobody asked for tokens")

    before = len(nlp.vocab.strings)
    monkeypatch.setattr(nlp, "make_doc", never)
    assert annotated(nlp, {"cats": "cats", "sentiment": "sentiment"}) == wanted
    assert len(nlp.vocab.strings) == before


def test_who_reads_texts() -> None:
    nlp = make_nlp()
    assert reads_texts(nlp)
    nlp.add_pipe("sentencizer", first=True)
    assert not reads_texts(nlp)
    by_tokens = spacy.blank("en")
    add_stage(by_tokens, reads="tokens")
    assert not reads_texts(by_tokens)
    assert not reads_texts(trained(raw=True))  # its tokenizer is another
    assert reads_texts(trained(raw=False))


def test_a_generator_asks_for_tokens_where_they_are_measured() -> None:
    nlp = verses.trained(lang="en")
    assert not reads_texts(nlp)
    bits = annotated(nlp, {"bits_per_char": "bits"})
    assert reads_texts(nlp)
    fresh = verses.trained(lang="en")
    wanted = [[doc._.bits_per_char] for doc in fresh.pipe(TEXTS_ALONE)]
    for found, said in zip(bits, wanted, strict=True):
        assert found == pytest.approx(said, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "words"), [("I'm here, really!", 7), ("我爱你，好吗", 6), ("  ", 0), ("a1_b 10:30", 4)]
)
def test_words_are_counted(text: str, words: int) -> None:
    assert words_in(text) == words

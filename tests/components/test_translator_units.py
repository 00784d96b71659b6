"""What of a doc is translated: itself, its sentences, tokens or spans, and what is too long."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from letters import (
    BPE,
    SENTENCES,
    TEXTS,
    add_stage,
    letters_stage,
    lines_of,
    make_examples,
    make_letters_nlp,
    make_pairs,
    trained,
)
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from spacy.training import Example

from seqpipe.components._units import split_long
from seqpipe.components.translator import TranslatorStage
from seqpipe.errors import SentencesMissing
from seqpipe.text.codec import Codec

FEW = make_pairs(40)
SPACED = f"  {SENTENCES[0]}\n\n {SENTENCES[1]} {SENTENCES[2]} "


def texts_of(parts: Iterable[Span | Token]) -> list[str | None]:
    return [part._.translation for part in parts]


@pytest.mark.parametrize("beam", [1, 3])
def test_sentences_are_put_together_with_the_white_space_between_them(beam: int) -> None:
    nlp = trained(unit="sent", before="sentencizer", search={"beam": beam})
    doc = nlp(SPACED)
    assert doc._.translation == SPACED.upper()
    assert texts_of(doc.sents) == [text.upper() for text in SENTENCES]
    assert doc._.translation_score == pytest.approx(
        sum(sent._.translation_score for sent in doc.sents)
    )
    lines = lines_of(doc)
    assert all(there == here.upper() for here, there in lines)
    assert len(lines) == sum(map(len, SENTENCES))  # none for what stands between them
    starts = [line[0] for line in doc._.alignment]
    assert starts == sorted(starts) and starts[0] == 2


def test_the_alignment_of_a_sentence_counts_from_the_start_of_the_doc() -> None:
    doc = trained(unit="sent", before="sentencizer")(SPACED)
    first, second, _ = doc.sents
    assert second._.alignment[0][0] == SPACED.index(SENTENCES[1])
    assert first._.alignment[0][2] == 0


def test_a_doc_alone_is_read_as_a_whole() -> None:
    nlp = trained(before="sentencizer")
    doc = nlp(SPACED)
    assert doc._.translation != SPACED.upper()  # it has never seen a text of that length
    assert texts_of(doc.sents) == [None] * 3


def test_missing_sentences_are_one_clear_sentence() -> None:
    nlp = trained(unit="sent")
    with pytest.raises(SentencesMissing) as caught:
        nlp("gj gi.")
    assert str(caught.value) == (
        "'translator' translates sentences and the doc has none: put a sentencizer, a parser or "
        "seqpipe_tokenizer before it, or set its unit to 'doc'."
    )
    assert nlp(Doc(nlp.vocab))._.translation == ""


def test_sentences_of_nothing_but_space_stay() -> None:
    nlp = trained(unit="sent")
    doc = Doc(
        nlp.vocab, words=["gj", "\n\n", " ", "h", "jd"], spaces=[False, False, False, True, False]
    )
    for token in doc:
        token.is_sent_start = token.i in (0, 1, 2, 3)
    doc = letters_stage(nlp)(doc)
    assert doc._.translation == "GJ\n\n H JD"
    assert texts_of(doc.sents) == ["GJ", None, None, "H JD"]


def test_tokens() -> None:
    doc = trained(unit="token")("gj  be dg\n")
    assert texts_of(doc) == ["GJ", None, "BE", "DG", None]
    assert doc._.translation == "GJ  BE DG\n"
    assert doc[2]._.translation_score < 0 and doc[2]._.alignment[0][:2] == [4, 5]


def test_spans_of_a_group_and_nothing_else() -> None:
    nlp = trained(unit="spans:picked")
    doc = nlp.make_doc("gj and be dg")
    picked = [doc[0:1], doc[2:4], doc[2:3]]  # they may overlap
    doc.spans["picked"] = picked
    doc.spans["other"] = [doc[1:2]]
    doc = letters_stage(nlp)(doc)
    assert texts_of(picked) == ["GJ", "BE DG", "BE"]
    assert doc[1:2]._.translation is None and doc._.translation is None
    assert texts_of(doc) == [None] * 4


def test_a_span_that_stands_in_its_group_twice_is_one() -> None:
    nlp = trained(unit="spans:picked")
    doc = nlp.make_doc("gj be")
    doc.spans["picked"] = [doc[0:1], doc[0:1], doc[1:2]]
    doc = letters_stage(nlp)(doc)
    assert texts_of(doc.spans["picked"]) == ["GJ", "GJ", "BE"]


def test_docs_without_the_group_are_left_alone() -> None:
    nlp = trained(unit="spans:picked")
    doc = nlp("gj")
    assert doc._.translation is None and doc._.alignment is None
    doc.spans["picked"] = []
    assert letters_stage(nlp)(doc)._.translation is None


@pytest.mark.parametrize("unit", ["sent", "token", "spans:picked"])
def test_a_batch_of_units_equals_its_docs_one_by_one(unit: str) -> None:
    nlp = trained(unit=unit, before="sentencizer")

    def docs() -> list[Doc]:
        made = [nlp.make_doc(text) for text in [*TEXTS, "", SPACED]]
        for doc in made:
            doc.spans["picked"] = [doc[i : i + 1] for i in range(len(doc))]
        return made

    def found(docs: Iterable[Doc]) -> list[list[str | None]]:
        return [[doc._.translation, *texts_of(doc), *texts_of(doc.sents)] for doc in docs]

    assert found(nlp.pipe(docs())) == found(map(nlp, docs()))


# Gold -------------------------------------------------------------------------------------


def lessons_of(stage: TranslatorStage, doc: Doc) -> list[tuple[str, str]]:
    lessons = stage.lessons([Example(doc.copy(), doc)])
    decoded = [
        ["".join(map(stage._codec().piece, ids[:-1])) for ids in rows]
        for rows in (lessons.rows, lessons.answers)
    ]
    return list(zip(*decoded, strict=True))


def gold_doc(nlp: Language) -> Doc:
    doc = Doc(nlp.vocab, words=["ab", "c", "d"], spaces=[True, True, False])
    doc[0].is_sent_start, doc[1].is_sent_start, doc[2].is_sent_start = True, False, True
    doc.spans["picked"] = [doc[1:3], doc[0:1]]
    doc._.translation = "ABCD"
    return doc


@pytest.mark.parametrize("unit", ["doc", "sent", "token", "spans:picked"])
def test_units_that_nobody_has_translated_are_learned_as_one(unit: str) -> None:
    nlp = make_letters_nlp(pairs=FEW, unit=unit)
    assert lessons_of(letters_stage(nlp), gold_doc(nlp)) == [("ab c d", "ABCD")]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("sent", [("ab c", "ABC")]),
        ("token", [("ab", "AB"), ("d", "D")]),
        ("spans:picked", [("c d", "CD"), ("ab", "AB")]),
    ],
)
def test_what_units_become_is_learned_unit_by_unit(
    unit: str, expected: list[tuple[str, str]]
) -> None:
    nlp = make_letters_nlp(pairs=FEW, unit=unit)
    doc = gold_doc(nlp)
    next(iter(doc.sents))._.translation = "ABC"
    doc[0]._.translation, doc[2]._.translation = "AB", "D"
    doc[1:3]._.translation, doc[0:1]._.translation = "CD", "AB"
    assert lessons_of(letters_stage(nlp), doc) == expected


def test_sentences_are_wanted_where_it_writes_not_where_it_learns() -> None:
    nlp = make_letters_nlp(2, pairs=FEW, unit="sent")
    doc = nlp.make_doc("ab d")
    doc._.translation = "AB D"
    assert not doc.has_annotation("SENT_START")
    assert lessons_of(letters_stage(nlp), doc) == [("ab d", "AB D")]


# Long texts -------------------------------------------------------------------------------


@pytest.mark.parametrize("beam", [1, 3])
def test_what_is_longer_than_the_net_is_to_read_is_cut_and_put_together(beam: int) -> None:
    nlp = trained(longest=7, search={"beam": beam})
    text = "abc d. fg h.\n\nja b.  gj"
    doc = nlp(text)
    assert doc._.translation == text.upper()
    assert all(there == here.upper() for here, there in lines_of(doc))
    assert len(lines_of(doc)) == len(text) - 5  # what lies between the stretches
    assert trained(longest=0, search={"beam": beam})(text)._.translation != text.upper()


def test_a_long_sentence_is_one_sentence_still() -> None:
    nlp = trained(longest=5, unit="sent", before="sentencizer")
    text = "gj fg. be dg ja b"
    doc = nlp(text)
    assert doc._.translation == text.upper()
    assert texts_of(doc.sents) == ["GJ FG.", "BE DG JA B"]


def test_no_row_is_longer() -> None:
    nlp = trained(longest=5)
    texts = ["abcdefghij" * 3, "a b c d e f g h", ". . . . . . .", " " * 30, "abcd efghij"]
    rows = letters_stage(nlp).encode([nlp.make_doc(text) for text in texts])
    assert max(map(len, rows)) == 5 + 1  # and the end
    assert [doc.text for doc in nlp.pipe(texts)] == texts


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("abcdef", 3, ["abc", "def"]),
        ("ab cd ef", 4, ["ab", "cd", "ef"]),
        ("ab. cd ef", 6, ["ab.", "cd ef"]),  # rather behind a sentence than at a space
        ("a.b.c.d.", 4, ["a.b.", "c.d."]),
        ("我们。你们好", 5, ["我们。", "你们好"]),
        ("3.14159 26", 6, ["3.1415", "9 26"]),
        ("a" + " " * 9 + "b", 4, ["a", "b"]),
        ("abc", 3, ["abc"]),
    ],
)
def test_where_it_is_cut(text: str, most: int, expected: list[str]) -> None:
    offsets = np.array([(i, i + 1) for i in range(len(text))])
    assert [text[a:b] for a, b in split_long(text, offsets, most)] == expected


CODEC = Codec.train(["abc ab. c"], unit="bpe", size=300)


@given(st.text(st.sampled_from("ab .。é好👍\n"), max_size=40), st.integers(1, 9))
def test_no_character_is_cut_or_lost(text: str, most: int) -> None:
    found = split_long(text, CODEC.align(text).offsets, most)
    assert all(end <= start for (_, end), (start, _) in pairwise([(0, 0), *found]))
    assert "".join("".join(text[a:b] for a, b in found).split()) == "".join(text.split())
    assert all(text[a:b] == text[a:b].strip() != "" for a, b in found)


def test_characters_of_several_pieces_come_through_whole() -> None:
    nlp = spacy.blank("xx")
    stage = add_stage(nlp, codec=BPE, longest=4)
    nlp.initialize(lambda: make_examples(nlp, FEW))
    text = "好" * 7  # of three bytes each
    assert [text[s.start : s.end] for s in stage.sources(nlp.make_doc(text))] == ["好"] * 7

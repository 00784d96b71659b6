"""Sentences back in their running text: what stands between them, and what ends a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import spacy
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from seqpipe.corpora.running import Passage, Passages, doc_of, passages, passages_of
from seqpipe.errors import ColumnMissing, DataEmpty

VOCAB = spacy.blank("xx").vocab


def made(rows: Sequence[Mapping[str, Any]], *, streaming: bool = False, **settings: Any) -> Any:
    columns = dict.fromkeys(name for row in rows for name in row)
    table = Dataset.from_dict({name: [row.get(name) for row in rows] for name in columns})
    return passages(table.to_iterable_dataset() if streaming else table, data="rows", **settings)


def row(text: str, **columns: Any) -> dict[str, Any]:
    """A row whose tokens are the words of its text, a point apart."""
    return {"text": text, "tokens": text.replace(".", " .").split(), **columns}


def texts(found: Passages) -> list[str]:
    return [passage.text for passage in found]


def tokens(passage: Passage) -> list[str]:
    return [passage.text[begin:end] for begin, end in passage.spans.tolist()]


@pytest.mark.parametrize("streaming", [False, True])
def test_sentences_of_a_document_are_one_text(streaming: bool) -> None:
    rows = [
        row("A b.", space_after=[True, False, True], newpar=True, doc_id="x"),
        row("C.", space_after=[False, False], newpar=False, doc_id="x"),
        row("D", space_after=[True], newpar=False, doc_id="x"),
        row("E.", space_after=[False, True], newpar=True, doc_id="x"),
        row("F.", space_after=[False, True], newpar=True, doc_id="y"),
    ]
    found = list(made(rows, streaming=streaming))
    assert [passage.text for passage in found] == ["A b. C.D\n\nE.", "F."]
    assert tokens(found[0]) == ["A", "b", ".", "C", ".", "D", "E", "."]
    assert found[0].starts.tolist() == [True, False, False, True, False, True, True, False]
    assert (found[0].spans.dtype, found[1].starts.dtype) == (np.int64, np.bool_)


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("Yes.", "No.", "Yes. No."),
        ("好。", "走", "好。走"),
        ("“好。”", "走", "“好。”走"),
        ("好", "“走”", "好“走”"),
        ("好", "Go", "好 Go"),
        ("“Go”", "“No”", "“Go” “No”"),
        ("ไป", "ดี", "ไปดี"),
        ("はい", "ええ", "はいええ"),
    ],
)
def test_without_spaces_told_the_script_decides(one: str, other: str, text: str) -> None:
    assert texts(made([row(one), row(other)])) == [text]


def test_texts_without_documents_end_after_so_many_rows() -> None:
    rows = [row(f"{at}", doc_id=None, newpar=False) for at in range(5)]
    assert texts(made(rows, group=2)) == ["0 1", "2 3", "4"]


def test_and_not_within_a_paragraph_unless_it_is_long() -> None:
    rows = [row(f"{at}", newpar=at in (0, 3, 4)) for at in range(9)]
    assert texts(made(rows, group=2)) == ["0 1 2", "3\n\n4 5 6", "7 8"]


def test_a_document_is_never_cut() -> None:
    rows = [row(f"{at}", doc_id="x") for at in range(5)]
    assert texts(made(rows, group=2)) == ["0 1 2 3 4"]


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_that_do_not_match_are_named_once_and_end_a_text(streaming: bool) -> None:
    bad: list[dict[str, Any]] = [
        {"text": "one two", "tokens": ["one"]},
        {"text": None, "tokens": ["one"]},
        {"text": "one", "tokens": None},
        {"text": "one", "tokens": []},
        {"text": "one two", "tokens": ["two", "one"]},
        {"text": "one", "tokens": ["one", None]},
    ]
    rows = [row("a"), row("b"), bad[0], row("c"), row("d"), *bad[1:]]
    found = made(rows, streaming=streaming)
    message = (
        r"'rows': 6 of 10 rows skipped, without a text in 'text' that 'tokens' make up: "
        r"2, 5, 6, 7, 8 and 1 more, counted from 0\.$"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        assert texts(found) == texts(found) == ["a b", "c d"]
    assert len(caught) == 1
    assert found.skipped == 6


def test_tokens_of_another_type_are_nothing_usable() -> None:
    with pytest.raises(DataEmpty, match="no row with a text in 'text' that 'tokens' make up"):
        list(made([{"text": "a", "tokens": "a"}]))
    with pytest.raises(DataEmpty):
        list(made([{"text": "1", "tokens": [1]}]))


def test_a_missing_column_names_those_there_are() -> None:
    with pytest.raises(ColumnMissing, match=r"no column 'words': it has text and tokens\."):
        made([row("a")], tokens="words")


def test_rows_can_be_texts_of_their_own() -> None:
    rows = [row(" A b. \n", newpar=True), {"text": "x", "tokens": ["y"]}, row("C.")]
    with pytest.warns(UserWarning, match="1 of 3 rows"):
        found = list(made(rows, sentences=False))
    assert [passage.text for passage in found] == [" A b. \n", "C."]
    assert [passage.starts for passage in found] == [None, None]
    assert tokens(found[0]) == ["A", "b", "."]


def test_a_limit_counts_rows() -> None:
    assert texts(made([row("a"), row("b"), row("c")], limit=2)) == ["a b"]


SPACE = st.sampled_from([" ", "\n", "\t", "\u3000", "  "])
TOKEN = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
    lambda token: token.strip() == token != "" and not token.isspace()
)
SENTENCE = st.lists(st.tuples(TOKEN, st.booleans()), min_size=1, max_size=6)


@settings(max_examples=50)
@given(st.lists(st.tuples(SENTENCE, st.booleans()), min_size=1, max_size=5), st.booleans())
def test_the_tokens_are_where_the_spans_say(
    drawn: list[tuple[list[tuple[str, bool]], bool]], flags: bool
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "text": "".join(token + " " * space for token, space in sentence).rstrip(" "),
            "tokens": [token for token, _ in sentence],
            "newpar": newpar,
        }
        | ({"space_after": [space for _, space in sentence]} if flags else {})
        for sentence, newpar in drawn
    ]
    (passage,) = made(rows)
    wanted = [token for one in rows for token in one["tokens"]]
    assert tokens(passage) == wanted
    assert [tokens(passage)[at] for at in np.flatnonzero(passage.starts)] == [
        one["tokens"][0] for one in rows
    ]
    doc = doc_of(VOCAB, passage)
    assert doc.text == passage.text
    assert "".join(t.text for t in doc if t.text.strip()) == "".join(wanted)
    assert [sent[0].text for sent in doc.sents] == [one["tokens"][0] for one in rows]


@settings(max_examples=50)
@given(st.lists(st.tuples(SPACE, TOKEN), min_size=1), SPACE)
def test_white_space_of_any_kind_stays(drawn: list[tuple[str, str]], last: str) -> None:
    text = "".join(space + token for space, token in drawn) + last
    (passage,) = made([{"text": text, "tokens": [t for _, t in drawn]}], sentences=False)
    doc = doc_of(VOCAB, passage)
    assert doc.text == passage.text == text
    assert [t.text for t in doc if t.text.strip()] == [t for _, t in drawn]
    assert not doc.has_annotation("SENT_START")


def test_docs_are_texts_with_their_starts() -> None:
    words = ["\n", "A", ".", "\n\n", "B"]
    starts: list[bool | int | None] = [True, False, False, True, False]
    known = Doc(VOCAB, words=words, spaces=[False] * 5, sent_starts=starts)
    unknown = Doc(VOCAB, words=["A", "b"])
    one, other = passages_of([known, unknown])
    assert (one.text, tokens(one)) == ("\nA.\n\nB", ["A", ".", "B"])
    assert one.starts is not None
    assert one.starts.tolist() == [True, False, True]
    assert (other.text, other.starts) == ("A b ", None)


def test_white_space_is_no_token_for_a_vocabulary_of_no_language_either() -> None:
    doc = Doc(
        Vocab(), words=["a", "\n\n", "b"], spaces=[False] * 3, sent_starts=[True, True, False]
    )
    (passage,) = passages_of([doc])
    assert passage.spans.tolist() == [[0, 1], [3, 4]]
    assert passage.starts is not None and passage.starts.tolist() == [True, True]


def test_a_doc_of_a_passage_begins_with_a_sentence() -> None:
    spans = np.array([[1, 2], [4, 5]])
    doc = doc_of(VOCAB, Passage("\nA\n\nB", spans, np.array([True, True])))
    assert [(token.text, token.is_sent_start) for token in doc] == [
        ("\n", True),
        ("A", True),
        ("\n\n", False),
        ("B", True),
    ]

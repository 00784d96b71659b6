"""`.spacy` and `.conllu`: the documents that were annotated, with all that is known of them."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path

import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import encoded, measuring, rows
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from words import ENGLISH, STRINGS, text_of, trained

from seqpipe.annotation.rows import row_of
from seqpipe.corpora.conllu import read_rows


def docs_of(body: bytes) -> list[Doc]:
    return list(DocBin().from_bytes(body).get_docs(spacy.blank("en").vocab))


def test_docs_keep_what_was_found_and_their_rows() -> None:
    columns = {"id": 7, "text": "a b", "when": datetime.date(2024, 1, 2), "big": 2**70, "x": [None]}
    given = [row_of(0, columns, text="text", id="id"), *rows("boom", None, "c", first=1)]
    found = encoded("spacy", given)
    first, second = docs_of(found.body)
    assert first.text == "a b" and first.cats == {"long": 0.0} and first._.length == 2
    told = {**columns, "when": "2024-01-02", "big": str(2**70), "x": (None,)}
    assert first.user_data["row"] == told
    assert second.user_data["row"]["text"] == "c" and len(found.failures) == 1


def test_docs_keep_their_sentences() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    (doc,) = docs_of(encoded("spacy", rows("It is. So what."), nlp=nlp).body)
    assert [sentence.text for sentence in doc.sents] == ["It is.", "So what."]
    assert not doc.has_annotation("DEP")


@Language.component("test_tree", assigns=["token.dep", "token.head", "doc.sents"])
def tree(doc: Doc) -> Doc:
    """The first word is the root of all; the rest says of itself what a file of conllu holds."""
    for token in doc:
        token.head, token.dep_ = doc[0], "ROOT" if token.i == 0 else "dep"
        token.lemma_, token.pos_, token.tag_ = token.text.lower(), "NOUN", "NN"
        token.set_morph("Number=Sing")  # type: ignore[attr-defined]  # spaCy's stub lacks it
    return doc


def test_docs_keep_their_trees() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("test_tree")
    (doc,) = docs_of(encoded("spacy", rows("See it run"), nlp=nlp).body)
    assert [token.head.i for token in doc] == [0, 0, 0] and doc[1].lemma_ == "it"
    assert str(doc[0].morph) == "Number=Sing"


@Language.component("test_strange")
def strange(doc: Doc) -> Doc:
    doc.user_data["strange"] = object() if "b" in doc.text else 1
    return doc


def test_a_doc_that_cannot_be_kept_is_refused() -> None:
    nlp = measuring()
    nlp.add_pipe("test_strange")
    found = encoded("spacy", rows("a", "b", "c"), nlp=nlp)
    assert [doc.text for doc in docs_of(found.body)] == ["a", "c"]
    (failure,) = found.failures
    assert failure.row == 1 and failure.stage == "output" and "serialize" in failure.error


def test_a_document_in_lines() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("test_tree")
    nlp.add_pipe("test_measure", config={"way": "alone"})
    columns = {"id": "x", "text": "See it, now", "stars": 4, "note": "a\nb", "sent_id": "s"}
    body = encoded("conllu", [row_of(0, columns, text="text", id="id")], nlp=nlp).body.decode()
    assert body == (
        "# newdoc id = x\n# sent_id = x-1\n# text = See it, now\n"
        '# stars = 4\n# row_sent_id = s\n# cats = {"long": 1.0}\n# length = 4\n'
        "1\tSee\tsee\tNOUN\tNN\tNumber=Sing\t0\troot\t_\t_\n"
        "2\tit\tit\tNOUN\tNN\tNumber=Sing\t1\tdep\t_\tSpaceAfter=No\n"
        "3\t,\t,\tNOUN\tNN\tNumber=Sing\t1\tdep\t_\t_\n"
        "4\tnow\tnow\tNOUN\tNN\tNumber=Sing\t1\tdep\t_\tSpaceAfter=No\n\n"
    )


def test_sentences_in_lines_are_read_back(tmp_path: Path) -> None:
    text = text_of(ENGLISH)
    nlp = trained()
    file = tmp_path / "x.conllu"
    file.write_bytes(encoded("conllu", rows(text, None, "Is it  bad?"), nlp=nlp).body)
    read = list(read_rows([str(file)]))
    doc = nlp(text)
    sentences = [[t.text for t in span if not t.text.isspace()] for span in doc.sents]
    assert [row["tokens"] for row in read if row["doc_id"] == "d0"] == sentences
    assert " ".join(row["text"] for row in read if row["doc_id"] == "d0") == text
    assert [row["doc_id"] for row in read][-1] == "d2"


@settings(max_examples=30)
@given(st.lists(STRINGS, min_size=1, max_size=5))
def test_lines_of_any_texts_are_read_back(texts: list[str]) -> None:
    given_rows = [row_of(i, {"text": t}, text="text", id="id") for i, t in enumerate(texts)]
    found = encoded("conllu", given_rows, nlp=_BLANK)
    with tempfile.NamedTemporaryFile(suffix=".conllu") as file:
        Path(file.name).write_bytes(found.body)
        read = list(read_rows([file.name]))
    there = [row for row in given_rows if not row.empty and not row.fault]
    assert [row["doc_id"] for row in read] == [str(row.number) for row in there]
    for row, back in zip(there, read, strict=True):
        tokens = [t.text for t in _BLANK.make_doc(row.text or "") if not t.text.isspace()]
        assert "".join("".join(back["tokens"]).split()) == "".join("".join(tokens).split())


_BLANK = spacy.blank("en")

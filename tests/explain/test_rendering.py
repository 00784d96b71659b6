"""Pages: what they show, and that they show it to everybody and run nothing."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from types import ModuleType
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from small import make_nlp
from spacy.language import Language
from spacy.tokens import Doc
from words import STRINGS, held

import seqpipe
from seqpipe.errors import NotExplained, SettingError

ENGLISH = spacy.blank("en")
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "section", "p", "div"),
    *("mark", "span", "bdi", "table", "caption", "thead", "tbody", "tr", "th", "td"),
}


class Seen(HTMLParser):
    """The text of a page as it is seen, without what is only read aloud."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            kind = dict(attrs).get("class")
            self.open.append(kind if kind in ("aloud", "text") else tag)
        if ("class", "text") in attrs:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "text" in self.open and "aloud" not in self.open:
            self.texts[-1] += data


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make_nlp(steps=20)


@pytest.mark.parametrize("style", ["saliency", "attention"])
@pytest.mark.parametrize(
    "text", ["", " ", "good", "a <script>alert('good')</script> & \"film\"\n\n良い </style> <!--"]
)
def test_a_text_is_shown_and_not_run(nlp: Language, style: str, text: str) -> None:
    doc = seqpipe.explained(nlp, text)
    for page in (False, True):
        seen = Seen(seqpipe.render(doc, style, page=page))
        assert seen.texts == [text] and set(seen.tags) <= TAGS


def with_extensions(doc: Doc, values: dict[str, Any], start: int | None = None) -> Doc:
    """As a stage leaves it that nobody here has registered."""
    written: dict[Any, Any] = doc.user_data
    written.update({("._.", name, start, None): value for name, value in values.items()})
    return doc


def translated(text: str, translation: str, lines: list[Any]) -> Doc:
    return with_extensions(ENGLISH(text), {"translation": translation, "alignment": lines})


def labelled(text: str, label: str) -> Doc:
    """A doc whose words add one more than the one before."""
    doc = ENGLISH(text)
    words = [
        {
            "text": token.text,
            "start": token.idx,
            "end": token.idx + len(token),
            "saliency": token.i - 1.0,
            "attention": 0.5,
            "occlusion": None,
        }
        for token in doc
    ]
    facts = {"label": label, "score": 0.5, "baseline": 0.0, "log_odds": 0.0, "tipped": 0.5}
    found = {**facts, "words": words, "ranked": [*range(len(words))]}
    return with_extensions(doc, {"explanation": found})


@given(STRINGS, st.text(max_size=10))
@settings(max_examples=50)
def test_any_text_and_label_is_shown(text: str, label: str) -> None:
    doc = labelled(held(text), held(label))
    seen = Seen(seqpipe.render(doc, page=True))
    assert set(seen.tags) <= TAGS and not seen.open
    (shown,) = seen.texts
    kept = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\u2400-\u2421]")
    assert kept.findall(shown) == kept.findall(doc.text) and len(shown) == len(doc.text)


def test_nothing_comes_from_elsewhere(nlp: Language) -> None:
    found = seqpipe.render(seqpipe.explained(nlp, "a good film"), page=True)
    assert not re.search(r"https?:|src=|href=|@import|url\(|\son\w+=", found)
    assert "default-src 'none'" in found


def test_it_is_more_than_colour(nlp: Language) -> None:
    doc = seqpipe.explained(nlp, "good but dull", label="positive")
    found = seqpipe.render(doc)
    assert re.search(r'<mark class="for"[^>]*>good<span class="aloud"> \(for \d', found)
    assert re.search(r'<mark class="against"[^>]*>dull<span class="aloud"> \(against \d', found)
    assert 'title="good: +' in found and 'title="dull: −' in found
    assert 'aria-label="positive: ' in found and "<caption>" in found
    assert (
        'dir="auto"' in found and "prefers-color-scheme:dark" in found and "@media print" in found
    )


def test_several_docs_are_sections_of_one_page(nlp: Language) -> None:
    docs = [seqpipe.explained(nlp, text) for text in ("good", "dull")]
    found = seqpipe.render(docs, page=True, title="Two <films>")
    assert found.count("<section") == 2 and found.count("<style") == 2
    assert "<title>Two &lt;films&gt;</title>" in found and '<html lang="en">' in found
    assert seqpipe.render([], page=True).count("<section") == 0


def test_a_notebook_shows_it(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    module = ModuleType("IPython.display")
    module.__dict__.update(HTML=lambda markup: markup, display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    doc = seqpipe.explained(nlp, "good")
    assert seqpipe.render(doc, jupyter=True) == ""
    monkeypatch.setattr("seqpipe.explain.rendering.is_in_jupyter", lambda: True)
    assert seqpipe.render(doc) == "" and len(shown) == 2
    assert seqpipe.render(doc, jupyter=False) in shown[0]


def test_a_thousand_words_make_a_small_page() -> None:
    assert len(seqpipe.render(labelled("a good film . " * 250, "good"), page=True)) < 300_000


def test_surprisal_is_shown_of_what_a_generator_has_read() -> None:
    doc = Doc(ENGLISH.vocab, words=["the", "moon"], spaces=[True, False])
    for token, bits in zip(doc, (1.0, 20.0), strict=True):
        with_extensions(doc, {"surprisal": bits}, token.idx)
    found = seqpipe.render(doc, "surprisal")
    assert Seen(found).texts == ["the moon"]
    assert "21 bits, 2.62 a character" in found and 'title="moon: 20.0 bits"' in found


def test_an_alignment_links_what_comes_from_one_another() -> None:
    lines = [[4, 7, 4, 9, 0.9], [0, 3, 0, 3, 0.5]]
    found = seqpipe.render(translated("the <b> too", "das <script>", lines), "alignment")
    seen = Seen(found)
    assert set(seen.tags) <= TAGS | {"svg", "line"} and seen.texts == [
        "the <b> too",
        "das <script>",
    ]
    assert seen.tags.count("line") == 2 and 'title="too: nothing comes from it"' in found
    assert 'title="the – das"' in found and 'title="&lt;scri – &lt;b&gt;"' in found
    assert ":has(.l0:hover,.l0:focus) .l0{" in found and "<td" in found


@given(
    STRINGS, STRINGS, st.lists(st.tuples(*[st.integers(0, 30)] * 4, st.floats(0, 1)), max_size=5)
)
@settings(max_examples=50)
def test_any_alignment_shows_both_texts(text: str, other: str, lines: list[Any]) -> None:
    doc = translated(held(text), held(other), lines)
    seen = Seen(seqpipe.render(doc, "alignment", page=True))
    assert not seen.open and set(seen.tags) <= TAGS | {"svg", "line"}
    assert [len(one) for one in seen.texts] == [len(doc.text), len(held(other))]


def test_a_long_alignment_goes_without_a_matrix() -> None:
    text = "a " * 500
    lines = [[at, at + 1, at, at + 1, 0.5] for at in range(0, 1000, 2)]
    found = seqpipe.render(translated(text, text, lines), "alignment", page=True)
    assert "…</h2>" in found and 'matrix"' not in found
    assert found.count("<line ") == 500 and len(found) < 400_000


def test_what_cannot_be_shown_is_refused() -> None:
    nlp = make_nlp(model={"pooling": ["max"]})
    doc = nlp("good")
    for style in ("saliency", "attention"):
        with pytest.raises(NotExplained, match=r"seqpipe.explained\(nlp, doc\)"):
            seqpipe.render(doc, style)
    with pytest.raises(NotExplained, match="seqpipe_generator"):
        seqpipe.render(doc, "surprisal")
    with pytest.raises(NotExplained, match="seqpipe_translator of whole docs"):
        seqpipe.render(doc, "alignment")
    with pytest.raises(NotExplained, match=r"without model.pooling attention"):
        seqpipe.render(seqpipe.explained(nlp, doc), "attention")
    with pytest.raises(SettingError, match="one of saliency, attention"):
        seqpipe.render(doc, "heat")

"""What a report finds in what a pipeline has made, and how it shows that."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import spacy
from hypothesis import example as including
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from words import STRINGS, held

from seqpipe.explain.report.boundaries import BoundaryFindings
from seqpipe.explain.report.costs import CostFindings
from seqpipe.explain.report.curves import Curve, Panel, drawn, figure, thinned
from seqpipe.explain.report.kept import Lengths, Room, Worst
from seqpipe.explain.report.labels import LabelFindings
from seqpipe.explain.report.page import LARGEST, Findings, report
from seqpipe.explain.report.scales import Powers, Steps
from seqpipe.explain.report.training import Spent
from seqpipe.explain.report.translations import TranslationFindings

ENGLISH = spacy.blank("en")
TAG = re.compile(r"<[^>]*>")
MARK = re.compile(r"</?mark[^>]*>")  # stands inside of words


def text_of(markup: str) -> str:
    return " ".join(TAG.sub(" ", MARK.sub("", markup)).split())


def found(findings: Findings, examples: Iterable[Example], room: Room | None = None) -> str:
    for example in examples:
        findings.add(example)
    return "\n".join(findings.sections(room or Room()))


def labelled(text: str, gold: Mapping[str, float], said: Mapping[str, float]) -> Example:
    docs = [ENGLISH.make_doc(text), ENGLISH.make_doc(text)]
    docs[0].cats, docs[1].cats = dict(said), dict(gold)
    return Example(*docs)


def opinion(text: str, truth: str, good: float) -> Example:
    gold = {name: float(name == truth) for name in ("good", "bad")}
    return labelled(text, gold, {"good": good, "bad": 1 - good})


def test_a_matrix_counts_and_leads_to_examples() -> None:
    pairs = [("good", 0.9), ("good", 0.6), ("good", 0.2), ("bad", 0.1), ("bad", 0.97)]
    examples = [opinion(f"text {at}", *pair) for at, pair in enumerate(pairs)]
    markup = found(LabelFindings(["bad", "good"], multi_label=False, thresholds={}), examples)
    table = markup[markup.index("<tbody>") : markup.index("</tbody>")]
    assert re.findall(r">(\d+)</a>", table) == ["1", "1", "1", "2"]  # truth down, answer across
    anchors = re.findall(r'href="#(.*?)"', table)
    assert len({*anchors}) == 4 and all(f'id="{anchor}"' in markup for anchor in anchors)
    assert "3 of 5 answers are right" in markup
    worst = text_of(markup[markup.index('aria-label="Worst mistakes"') :])
    assert "2 of 2 wrong answers" in worst
    assert worst.index("good, sure by 97.0%, and it is bad text 4") < worst.index("text 2")
    assert f"{(0.1 + 0.4 + 0.8 + 0.1 + 0.97) / 5:.4f}" == "0.4740"  # |sum of sure - right| by bins
    assert "Expected calibration error" in markup


def test_labels_that_are_each_for_themselves() -> None:
    names = ["a", "b"]
    examples = [
        labelled("first", {"a": 1.0, "b": 0.0}, {"a": 0.4, "b": 0.6}),
        labelled("second", {"a": 1.0}, {"a": 0.3, "b": 0.9}),  # nobody tells of b
    ]
    told = found(LabelFindings(names, multi_label=True, thresholds={"a": 0.35}), examples)
    rows = re.findall(r'<th scope="row"><bdi>([ab])</bdi></th>(.*?)</tr>', told)
    counts = {name: re.findall(r">(\d+)<", cells) for name, cells in rows}
    assert counts == {"a": ["1", "1", "0"], "b": ["0", "1", "0"]}
    assert "a: no, sure by 70.0%, and it is yes" in text_of(told)


def test_of_many_labels_those_that_are_confused() -> None:
    names = [f"l{at}" for at in range(30)]
    said = {name: 0.0 for name in names}
    examples = [
        labelled("x", {truth: 1.0}, {**said, answer: 1.0})
        for truth, answer in [*zip(names, names, strict=True), ("l25", "l28")]
    ]
    markup = found(LabelFindings(names, multi_label=False, thresholds={}), examples)
    table = markup[: markup.index("</table>")]
    assert "the 20 of 30 labels with most mistakes" in table
    assert ">l25<" in table and ">l28<" in table and ">l29<" not in table


def cut(words: str, sentences: Iterable[int] = ()) -> Doc:
    """`do|n't| know`: a bar between tokens, a space where there is one."""
    parts = words.split("|")
    starts = {*sentences}
    return Doc(
        ENGLISH.vocab,
        words=[part.strip() for part in parts],
        spaces=[part.startswith(" ") for part in [*parts[1:], ""]],
        sent_starts=[at in starts for at in range(len(parts))] if starts else None,
    )


def test_boundaries_by_the_token_that_they_cut() -> None:
    gold = cut("Dr.| Lee| did|n't| go|.| We| do|n't|.", [0, 6])
    said = cut("Dr|.| Lee| didn't| go|.| We| don't|.", [0, 1, 6])
    markup = found(BoundaryFindings(), [Example(said, gold), Example(said, gold)])
    told = text_of(markup)
    assert "10 of 20 tokens begin and end where they should" in told
    assert "Missed: 4" in told and "Invented: 2" in told
    assert "Dr|. 2 times Dr|. Lee didn&#x27;t go. We don&#x27;t." in told
    assert "did|n&#x27;t 2 times" in told and "do|n&#x27;t 2 times" in told
    sentences = text_of(markup[markup.index('aria-label="Boundaries of sentences"') :])
    assert "Missed: none" in sentences and "Invented: 2" in sentences


def test_nobody_is_blamed_for_sentences_that_nobody_knows() -> None:
    said = cut("We| go|.| We| do|.", [0, 3])
    markup = found(BoundaryFindings(), [Example(said, cut("We| go|.| We| do|."))])
    assert "Boundaries of sentences" not in markup


def with_values(doc: Doc, **values: Any) -> Doc:
    for name, value in values.items():
        if not Doc.has_extension(name):
            Doc.set_extension(name, default=None)
        doc._.set(name, value)
    return doc


def test_the_worst_translation_first_and_side_by_side() -> None:
    pairs = [("ein Haus", "ein Haus"), ("ein Hund", "xyz"), ("ein Baum", "ein Traum"), ("", None)]
    examples = [
        Example(
            with_values(ENGLISH.make_doc(f"text {at}"), rendered=said or ""),
            with_values(ENGLISH.make_doc(f"text {at}"), rendered=gold if said else None),
        )
        for at, (gold, said) in enumerate(pairs)
    ]
    told = text_of(found(TranslationFindings("rendered"), examples))
    assert "3 of 3 texts" in told
    assert told.index("chrF 0.00 source text 1 translation xyz should be ein Hund") < told.index(
        "ein Traum"
    )


def test_the_dearest_text_first_and_its_dear_words_marked() -> None:
    findings = CostFindings(bits_per_char="each", surprisal="cost")
    texts = ["a cheap text that everybody knows", "a dear text with strange words", "short"]
    for text, each in zip(texts, (1.0, 4.0, 9.0), strict=True):
        doc = ENGLISH.make_doc(text)
        values: dict[Any, Any] = doc.user_data
        values["._.", "each", None, None] = each
        for token in doc:
            values["._.", "cost", token.idx, None] = 19.0 if token.text == "strange" else 2.0
        findings.add(Example(doc, doc))
    markup = "\n".join(findings.sections(Room()))
    assert re.findall(r"<mark.*?>(\w+)</mark>", markup) == ["strange"]
    told = text_of(markup[markup.index('aria-label="Dearest texts"') :])
    assert told.index("4.00 bits per character") < told.index("1.00 bits per character")
    assert "short" not in told


@given(STRINGS, STRINGS)
@settings(max_examples=40)
def test_any_text_is_escaped(text: str, label: str) -> None:
    text, label = held(text) or "x", held(label)
    findings = LabelFindings([label, "<i>"], multi_label=False, thresholds={})
    markup = found(findings, [labelled(text, {"<i>": 1.0}, {label: 0.9, "<i>": 0.1})])
    ET.fromstring(f"<body>{markup}</body>".replace("\x0c", ""))


def test_a_page_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGEST <= 2_000_000
    monkeypatch.setattr("seqpipe.explain.report.page.LARGEST", 50_000)
    findings = LabelFindings(["a", "b"], multi_label=False, thresholds={})
    for at in range(200):
        said = {"a": 0.4 - at / 1000, "b": 0.6}
        findings.add(labelled(f"{at} {'<&>' * 400}", {"a": 1.0, "b": 0.0}, said))
    page = report("t", findings.sections)
    told = "Some lists and texts are cut"
    assert 10_000 < len(page.encode()) <= 50_000 and told in page and "of 200 wrong" in page
    assert told not in report("t", lambda room: iter(()))


@given(st.lists(st.integers(0, 5)), st.integers(1, 4))
def test_the_worst_are_kept_and_of_equals_the_first(badness: list[int], most: int) -> None:
    worst: Worst[tuple[int, int]] = Worst(most)
    for at, bad in enumerate(badness):
        worst.add(bad, (bad, at))
    every = sorted(enumerate(badness), key=lambda pair: (-pair[1], pair[0]))
    assert [*worst] == [(bad, at) for at, bad in every[:most]]
    assert worst.count == len(badness)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1)), min_size=1))
def test_errors_by_length_count_each_doc_once(docs: list[tuple[int, float]]) -> None:
    lengths = Lengths()
    for length, error in docs:
        lengths.add(length, error)
    points = lengths.points()
    assert sum(count for _, _, count in points) == len(docs)
    assert [length for length, _, _ in points] == sorted({length for length, _, _ in points})
    mean = sum(error * count for _, error, count in points) / len(docs)
    assert mean == pytest.approx(sum(error for _, error in docs) / len(docs))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
@including([5e-324])
@including([0.0, 5e-324])
def test_a_linear_scale_holds_its_values_between_round_numbers(values: list[float]) -> None:
    scale = Steps.of(values)
    assert all(-1e-6 <= scale.share(value) <= 1 + 1e-6 for value in values)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8 and len({told for _, told in ticks}) == len(ticks)
    assert scale.share(ticks[0][0]) == pytest.approx(0, abs=1e-6)
    assert scale.share(ticks[-1][0]) == pytest.approx(1, abs=1e-6)


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=9))
def test_a_scale_of_powers_holds_its_values(values: list[float]) -> None:
    scale = Powers.of(values)
    assert all(0 <= scale.share(value) <= 1 for value in values)


def test_a_figure_says_in_words_and_numbers_what_it_draws() -> None:
    curve = Curve("loss", [(0, 4.0), (100, 1.0), (200, 2.0), (300, math.nan)])
    markup = figure(Panel("Loss <1>", "step", [curve], linear=True))
    root = ET.fromstring(markup)
    svg = root.find("svg")
    assert svg is not None and svg.attrib["role"] == "img"
    assert svg.findtext("title") == "Loss <1>"
    told = svg.findtext("desc") or ""
    assert "from 4 at 0 to 2 at 200" in told and "least 1 at 100" in told
    rows = [[cell.text for cell in row] for row in root.iter("tr")]
    assert ["300", "not finite"] in [
        [*filter(None, (text_of(ET.tostring(c, "unicode")) for c in row))]
        for row in root.iter("tr")
    ]
    assert len(rows) == 5
    (line,) = root.iter("polyline")
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
    assert [x for x, _ in places] == [0.0, 185.0, 370.0]
    assert places[0][1] < places[2][1] < places[1][1]


def test_many_points_are_thinned_in_tables_alone() -> None:
    curve = Curve("score", [(step, step / 1000) for step in range(1000)])
    markup = figure(Panel("Score", "step", [curve], linear=True))
    assert "100 of 1,000, evenly spread" in markup and markup.count("<tr>") == 101
    assert (
        markup.count(",", markup.index("polyline"), markup.index("/>", markup.index("polyline")))
        == 1000
    )
    assert thinned([*range(7)], 3) == [0, 3, 6] and "circle" not in markup


def test_a_figure_and_a_file_of_nothing() -> None:
    panel = Panel("none", "step", [Curve("loss", [(1, math.nan)])])
    assert "nothing yet" in figure(panel) and "nothing yet" in drawn([panel])


def test_energy_is_counted_or_said_to_be_guessed() -> None:
    guessed = dict(Spent(seconds=60, cpu_seconds=3600, joules=0, processes=2).facts())
    assert guessed["energy"] == "about 20 Wh, an estimate" and guessed["time"] == "1 min 0 s"
    counted = dict(Spent(seconds=4000, cpu_seconds=1, joules=7.2e6, processes=1).facts())
    assert counted["energy"].startswith("2.00 kWh, counted") and counted["time"] == "1 h 6 min"

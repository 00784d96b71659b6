"""Pages of every style in a browser: they show what a text holds and run none of it, fit windows of
any width, are read aloud, and light up what is pointed at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import spacy
from pages import HOSTILE, in_all_windows, visible
from small import LABELS, make_examples, make_nlp
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from verses import make_verses_nlp
from words import make_words_nlp

import seqpipe
from seqpipe.explain.html import section, shown
from seqpipe.explain.report.curves import Curve, Panel, figure
from seqpipe.explain.report.kept import Room
from seqpipe.explain.report.labels import LabelFindings
from seqpipe.explain.report.page import report
from seqpipe.explain.styles import STYLES, TITLES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TEXT = f"Ein Film {HOSTILE} 好 {'lang' * 30}"
OTHER = f"A film {HOSTILE}"


@cache
def labelling() -> Language:
    return make_nlp(steps=5)


def translated() -> Doc:
    """As a translator leaves it: the first two words come from the first two."""
    doc = spacy.blank("de")(TEXT)
    values: Mapping[str, Any] = {
        "translation": OTHER,
        "alignment": [[0, 3, 0, 1, 0.9], [4, 8, 2, 6, 0.8]],
    }
    written: dict[Any, Any] = doc.user_data
    written.update({("._.", name, None, None): value for name, value in values.items()})
    return doc


DOCS: Mapping[str, Callable[[], Doc]] = {
    "saliency": lambda: seqpipe.explained(labelling(), TEXT),
    "attention": lambda: seqpipe.explained(labelling(), TEXT),
    "surprisal": lambda: seqpipe.explained(make_verses_nlp(), TEXT),
    "alignment": translated,
    "boundaries": lambda: seqpipe.explained(make_words_nlp(), TEXT),
    "states": lambda: seqpipe.explained(labelling(), TEXT, kind="states"),
}


def test_no_style_is_left_out() -> None:
    assert [*DOCS] == [*STYLES]


def opened(page: Page, style: str, folder: Path) -> None:
    file = folder / f"{style}.html"
    file.write_text(seqpipe.render(DOCS[style](), style, page=True), encoding="utf-8")
    page.goto(file.as_uri())


@pytest.mark.parametrize("style", [*STYLES])
def test_a_page_in_all_windows(page: Page, style: str, tmp_path: Path) -> None:
    opened(page, style, tmp_path)
    assert page.locator("script, img").count() == 0
    if style != "states":
        assert visible(page.locator(".text").first) == TEXT
    assert in_all_windows(page, page.locator("section"))
    aloud = page.locator("body").aria_snapshot()
    assert f'heading "{TITLES[style]}" [level=1]' in aloud
    assert "region " in aloud and "[level=2]" in aloud and "table " in aloud


def test_a_report(page: Page, tmp_path: Path) -> None:
    nlp, findings = labelling(), LabelFindings(LABELS, multi_label=False, thresholds={})
    for example in make_examples(
        nlp, [(f"{TEXT} {name} {at}", name) for at, name in enumerate(LABELS)]
    ):
        findings.add(Example(nlp(example.text), example.reference))
    loss = Panel("Loss", "step", [Curve(HOSTILE, [(1, 2.0), (2, 0.5)])])

    def sections(room: Room) -> Iterator[str]:
        yield section("Curves", shown(HOSTILE), [figure(loss)])
        yield from findings.sections(room)

    file = tmp_path / "report.html"
    file.write_text(report(HOSTILE, sections), encoding="utf-8")
    page.goto(file.as_uri())
    assert page.locator("script, img").count() == 0
    assert page.locator("h1").inner_text() == HOSTILE
    for closed in page.locator("summary").all():
        closed.click()
    assert page.get_by_text(f"{HOSTILE} 好").first.is_visible()
    assert in_all_windows(page, page.locator("section").first)
    aloud = page.locator("body").aria_snapshot()
    for told in ('img "Loss', 'heading "Curves" [level=2]', 'table "'):
        assert told in aloud
    page.locator("td a").first.click()
    assert "#" in page.url


def test_what_is_pointed_at_lights_up_where_it_comes_from(page: Page, tmp_path: Path) -> None:
    opened(page, "alignment", tmp_path)
    source, target = (page.locator(".text").nth(side).locator("mark") for side in (0, 1))
    cell = page.locator(".matrix td").filter(has_text="80%")
    film, its = source.nth(1), target.nth(1)
    assert (film.inner_text(), its.inner_text()) == ("Film", "film")
    for point in (film.hover, its.hover, film.focus):
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        before = [ground(one) for one in (film, its, cell, source.first)]
        point()
        after = [ground(one) for one in (film, its, cell, source.first)]
        assert [a != b for a, b in zip(after, before, strict=True)] == [True, True, True, False]


def ground(found: Locator) -> str:
    return str(found.evaluate("found => getComputedStyle(found).backgroundColor"))

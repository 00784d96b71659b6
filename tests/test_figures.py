"""README's figures are those of the page of benchmarks, and the page is that of its results."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof import ROOT, benchmarks

DOCS = ROOT / "docs"
TEXTS = sorted([*ROOT.glob("README*.md"), *DOCS.glob("*.md")])

figures = benchmarks("figures")
page = benchmarks("page")
results = benchmarks("results")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_figures_are_those_of_the_results(path: Path) -> None:
    assert figures.disagreeing(path.read_text("utf-8"), figures.known(DOCS)) == []


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_readme_has_figures_of_the_page(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text.count("<!-- figure: ") == len(figures.MARK.findall(text)) > 0


@pytest.mark.parametrize(("name", "title"), [("README.md", "Figures"), ("README.zh.md", "数字")])
def test_no_row_of_readme_has_figures_of_its_own(name: str, title: str) -> None:
    section = (ROOT / name).read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    _, _, *rows = [line for line in section.splitlines() if line.startswith("|")]
    assert rows
    assert all("<!-- figure: " in row.split("|")[2] for row in rows)


def test_the_page_is_made_of_the_results() -> None:
    found = {
        path.stem: results.read_results(path) for path in (DOCS / "benchmarks").glob("*.jsonl")
    }
    assert (DOCS / "benchmarks.md").read_text("utf-8") == page.page(found)


def test_a_figure_that_was_changed_by_hand_is_found() -> None:
    told = "<!-- figure: sentiment.seqpipe.accuracy -->0.99<!-- /figure -->"
    assert figures.disagreeing(told, {}) == [
        "sentiment.seqpipe.accuracy is 0.99 in the text, and nothing in the results"
    ]
    known = {"sentiment.seqpipe.accuracy": figure(0.8, 0.81, 0.82)}
    assert "is 0.99 in the text, and 0.810 in the results" in figures.disagreeing(told, known)[0]
    low = told.replace("accuracy -->", "accuracy:low -->")
    assert figures.renewed(low, known) == low.replace("0.99", "0.800")


def figure(*values: float) -> object:
    return results.Figure("sentiment", "seqpipe", "accuracy", "share", values)

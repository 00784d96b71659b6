"""Figures that a text takes from the results: `<!-- figure: KEY -->0.81<!-- /figure -->`.

KEY is that of a figure, the slugs of its bench, of who and of what, with a dot between; with
`:low` or `:high` behind it, it is that end of the spread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.page import FOLDER
from benchmarks.results import Figure, figures_of, read_results

MARK = re.compile(r"<!-- figure: ([\w.]+)(?::(low|high))? -->([^<]*)<!-- /figure -->")


def known(folder: Path) -> dict[str, Figure]:
    """All that the results in a folder tell."""
    return figures_of(map(read_results, sorted((folder / FOLDER).glob("*.jsonl"))))


def renewed(text: str, figures: Mapping[str, Figure]) -> str:
    """The text with the figures as they are now; what is not known stays."""

    def one(found: re.Match[str]) -> str:
        key, which, before = found.groups()
        now = figures[key].shown(which or "") if key in figures else before
        name = f"{key}:{which}" if which else key
        return f"<!-- figure: {name} -->{now}<!-- /figure -->"

    return MARK.sub(one, text)


def disagreeing(text: str, figures: Mapping[str, Figure]) -> list[str]:
    """The figures of a text that the results do not have, or have otherwise."""
    found = []
    for key, which, told in MARK.findall(text):
        now = figures[key].shown(which) if key in figures else "nothing"
        if now != told:
            found.append(f"{key} is {told} in the text, and {now} in the results")
    return found


def refreshed(output: Path) -> Iterator[Path]:
    """Brings the texts around a folder of documentation up to date; gives those that changed."""
    figures = known(output)
    for path in sorted([*output.glob("*.md"), *output.parent.glob("README*.md")]):
        before = path.read_text(encoding="utf-8")
        after = renewed(before, figures)
        if after != before:
            path.write_text(after, encoding="utf-8")
            yield path

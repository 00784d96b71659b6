"""Draws docs/picture.svg: reviews that the demo's pipelines have never seen, and what they say.

    python -m seqpipe demo --output demo
    python -m benchmarks.picture demo docs/picture.svg

The first short ones of each label, right or wrong. The stronger its colour, the more a word adds to
the log-odds of a good review (green) or of a bad one (red), by integrated gradients.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

import seqpipe
from seqpipe.corpora.labelled import labelled_rows
from seqpipe.files import written

CORPORA = {"reviews_en": 75, "reviews_zh": 38}  # and how many characters fit a line
SHOWN = 2  # of each label: the first that fit, right or wrong
WIDTH, ROW, LEFT, BAR = 940, 46, 24, 150
GOOD, BAD, INK = "#1a7f5a", "#b3402f", "#57606a"
FAINT = 0.15  # of the strongest word: below it a word has no colour


def main() -> None:
    demo, picture = Path(sys.argv[1]), Path(sys.argv[2])
    rows: list[str] = []
    for corpus, longest in CORPORA.items():
        nlp = spacy.load(demo / corpus / "model-best")
        reviews = labelled_rows(f"bundled:{corpus}", split="validation")
        for label in ("positive", "negative"):
            fit = [r.text for r in reviews if r.labels == (label,) and len(r.text) <= longest]
            rows += [row(nlp, t, len(rows) + at, label) for at, t in enumerate(fit[:SHOWN])]
    height = ROW * len(rows) + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="15">'
        "<title>Reviews, how positive each is said to be, and what each word adds to that</title>"
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>'
    )
    with written(picture) as beside:
        beside.write_text("\n".join([head, *rows, "</svg>\n"]), encoding="utf-8")


def row(nlp: Language, text: str, number: int, truth: str) -> str:
    doc = seqpipe.explained(nlp, text, checked=0)
    side, colour = doc.sentiment, GOOD if doc.sentiment > 0 else BAD
    y = ROW * number + 40
    middle = WIDTH - LEFT - BAR / 2 - 70
    why = doc._.explanation
    positive = 1 if why["label"] == "positive" else -1
    highest = max(abs(word["saliency"]) for word in why["words"])
    spans, at = [], 0
    for word in why["words"]:
        spans += [escape(text[at : word["start"]]), told(word, positive, highest)]
        at = word["end"]
    spans.append(escape(text[at:]))
    mark = "✓" if doc._.sentiment["label"] == truth else "✗"
    begin = min(middle, middle + side * BAR / 2)
    return (
        f'<text x="{LEFT}" y="{y}" xml:space="preserve" fill="{INK}">{"".join(spans)}</text>'
        f'<rect x="{middle - BAR / 2:.0f}" y="{y - 6}" width="{BAR}" height="2" fill="#d0d7de"/>'
        f'<rect x="{begin:.1f}" y="{y - 12}" width="{abs(side) * BAR / 2:.1f}" height="14" '
        f'fill="{colour}"/>'
        f'<text x="{WIDTH - LEFT}" y="{y}" text-anchor="end" fill="{colour}">'
        f"{side:+.2f} {mark}</text>"
    )


def told(word: dict[str, Any], positive: int, highest: float) -> str:
    """A word in the colour of its side, and bold where it is among the strongest."""
    share = word["saliency"] * positive / highest
    if abs(share) < FAINT:
        return escape(word["text"])
    bold = ' font-weight="600"' if abs(share) > 0.5 else ""
    depth = f'fill-opacity="{0.45 + 0.55 * abs(share):.2f}"'
    return (
        f'<tspan fill="{GOOD if share > 0 else BAD}" {depth}{bold}>{escape(word["text"])}</tspan>'
    )


if __name__ == "__main__":
    main()

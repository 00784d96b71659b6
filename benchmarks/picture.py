"""Draws docs/picture.svg: reviews that the demo's pipelines have never seen, and what they say.

    python -m seqpipe demo --output demo
    python benchmarks/picture.py demo docs/picture.svg

The first short ones of each label, right or wrong. The darker a piece, the more the attention pool
looks at it.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

import spacy
import torch

from seqpipe.corpora.labelled import labelled_rows
from seqpipe.files import written
from seqpipe.nets.encoder import length_mask

CORPORA = {"reviews_en": 75, "reviews_zh": 38}  # and how many characters fit a line
SHOWN = 2  # of each label: the first that fit, right or wrong
WIDTH, ROW, LEFT, BAR = 940, 46, 24, 150
GOOD, BAD, INK = "#1a7f5a", "#b3402f", "#24292f"


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
        "<title>Reviews, how positive each is said to be, and where the net looked</title>"
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>'
    )
    with written(picture) as beside:
        beside.write_text("\n".join([head, *rows, "</svg>\n"]), encoding="utf-8")


def row(nlp: Any, text: str, number: int, truth: str) -> str:
    doc = nlp(text)
    side, colour = doc.sentiment, GOOD if doc.sentiment > 0 else BAD
    y = ROW * number + 40
    middle = WIDTH - LEFT - BAR / 2 - 70
    spans = "".join(
        f'<tspan fill="{colour if weight > 0.5 else INK}" fill-opacity="{0.45 + 0.55 * weight:.2f}"'
        f"{' font-weight=' + chr(34) + '600' + chr(34) if weight > 0.5 else ''}>{escape(part)}"
        "</tspan>"
        for part, weight in looked_at(nlp, text)
    )
    mark = "✓" if doc._.sentiment["label"] == truth else "✗"
    begin = min(middle, middle + side * BAR / 2)
    return (
        f'<text x="{LEFT}" y="{y}" xml:space="preserve">{spans}</text>'
        f'<rect x="{middle - BAR / 2:.0f}" y="{y - 6}" width="{BAR}" height="2" fill="#d0d7de"/>'
        f'<rect x="{begin:.1f}" y="{y - 12}" width="{abs(side) * BAR / 2:.1f}" height="14" '
        f'fill="{colour}"/>'
        f'<text x="{WIDTH - LEFT}" y="{y}" text-anchor="end" fill="{colour}">'
        f"{side:+.2f} {mark}</text>"
    )


def looked_at(nlp: Any, text: str) -> list[tuple[str, float]]:
    """The text in parts, each with its share of the attention, the highest being 1."""
    stage = nlp.get_pipe("sentiment")
    net, found = stage.shim.net, stage.codec.align(text)
    ids = torch.tensor(found.ids[None].astype("int64"))
    lengths = torch.tensor([ids.shape[1]])
    with torch.inference_mode():
        states = net.encoder(net.embedding(ids), lengths)
        scores = net.pools[0].scores(states, length_mask(lengths, ids.shape[1]))[0]
    weights = (scores - scores.max()).exp().tolist()
    parts, at = [], 0
    for (start, end), weight in zip(found.offsets.tolist(), weights, strict=True):
        parts += [(text[at:start], 0.0), (text[start:end], weight)]
        at = end
    return [part for part in [*parts, (text[at:], 0.0)] if part[0]]


if __name__ == "__main__":
    main()

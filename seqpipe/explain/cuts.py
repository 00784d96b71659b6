"""The style boundaries: bars where tokens and sentences end, doubtful ones on coloured ground."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc

from seqpipe.explain.html import running, shown
from seqpipe.explain.stages import BOUNDARIES
from seqpipe.explain.view import RANKED, View, found_in, spans_of

_SURE = 0.9  # below it a place is doubtful
_AROUND = 12  # characters shown on each side of a place

_SAID = {"inside": "goes on", "token": "token ends", "sentence": "sentence ends"}


def boundaries(doc: Doc) -> View:
    """Where tokens and sentences end, and how surely."""
    found = found_in(doc, "boundaries", BOUNDARIES)
    words: list[dict[str, Any]] = found["words"]
    tokens = sum(word["said"] != "inside" for word in words)
    sentences = sum(word["said"] == "sentence" for word in words)
    doubtful = sum(word["sure"] < _SURE for word in words)
    least = [words[at] for at in found["ranked"][:RANKED]]
    return View(
        heading=f"{_counted(tokens, 'token')}, {_counted(sentences, 'sentence')}, "
        f"{_counted(doubtful, 'doubtful place')}",
        told="A bar stands where a token ends, a double one where a sentence does, and a dotted "
        "one where a token goes on that might have ended. The stronger the ground before it, the "
        f"less sure of it the net was; where it was less than {_SURE:.0%} sure, there is a line "
        "under it.",
        body=running(doc.text, spans_of(words), [_mark(word) for word in words]),
        caption="Least sure",
        head=["place", "said", "sure", "token ends", "sentence ends"],
        rows=[
            [
                _context(doc.text, word["end"]),
                _SAID[word["said"]],
                f"{word['sure']:.1%}",
                f"{word['token']:.1%}",
                f"{word['sentence']:.1%}",
            ]
            for word in least
        ],
    )


def _mark(word: dict[str, Any]) -> str:
    doubt = 1 - word["sure"]
    said = _SAID[word["said"]]
    title = f"{said} after {word['text']}, {word['sure']:.1%} sure"
    aloud = f"{said}, {word['sure']:.0%} sure" if word["sure"] < _SURE else ""
    told = f'<span class="aloud"> ({shown(aloud)}) </span>' if aloud else ""
    faint = "" if aloud else " faint"
    # half of the ground is as much as doubt can have
    deep = f' style="--deep:{min(doubt, 0.62):.2f}"' if doubt >= 0.01 else ""
    return (
        f'<mark class="cut {word["said"]}{faint}"{deep} title="{shown(title)}">'
        f"{shown(word['text'])}{told}</mark>"
    )


def _context(text: str, place: int) -> str:
    before, after = text[max(place - _AROUND, 0) : place], text[place : place + _AROUND]
    return " ".join(f"{before}¦{after}".split())


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

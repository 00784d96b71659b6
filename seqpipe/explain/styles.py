"""The ways to look at a doc, each as a section of a page."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from spacy.tokens import Doc

from seqpipe.errors import NotExplained, SettingError
from seqpipe.explain.alignment import Alignment, alignment_of
from seqpipe.explain.compared import compared
from seqpipe.explain.cuts import boundaries
from seqpipe.explain.explanation import explanation_of, extension_of
from seqpipe.explain.heat import states
from seqpipe.explain.html import details, marked, running, signed, table
from seqpipe.explain.stages import BOUNDARIES, LABEL, STATES, SURPRISAL, TRANSLATION
from seqpipe.explain.view import LOUD, RANKED, View, found_in, pictured, shortened, spans_of

_SURPRISING = 12.0  # bits: a token of so many stands on the deepest ground
_AROUND = 12  # characters shown before a piece
_UNLIKELY = 8.0  # the same of a piece, which may be a single character

Style = Callable[[Doc], View]


def saliency(doc: Doc) -> View:
    """What each word adds to the log-odds of the label."""
    found = found_in(doc, "saliency", LABEL)
    label, words = found["label"], found["words"]
    highest = max((abs(word["saliency"]) for word in words), default=0.0) or 1.0
    marks = []
    for word in words:
        share = abs(word["saliency"]) / highest
        side = "for" if word["saliency"] >= 0 else "against"
        aloud = f"{side} {abs(word['saliency']):.2f}" if share >= LOUD else ""
        marks.append(
            marked(word["text"], depth=share, kind=side, title=_title(word, label), aloud=aloud)
        )
    speaks = marked("Blue", depth=0.6, kind="for", title="for", aloud="solid line")
    denies = marked("orange", depth=0.6, kind="against", title="against", aloud="dashed line")
    return View(
        heading=_heading(found),
        told=f"{speaks} speaks for the label, {denies} against it. Together the words lead from "
        f"log-odds of {signed(found['baseline'])}, for a text as long that says nothing, to "
        f"{signed(found['log_odds'])}.{_tipping(found)}",
        body=running(doc.text, spans_of(words), marks),
        caption="What decided most, in log-odds",
        **_ranking(found),
    )


def attention(doc: Doc) -> View:
    """Where the attention of the net lay."""
    found = found_in(doc, "attention", LABEL)
    words = found["words"]
    weights = [word["attention"] for word in words]
    if None in weights:
        raise NotExplained("attention", "its net was trained without model.pooling attention")
    highest = max(weights, default=0.0) or 1.0
    marks = [
        marked(
            word["text"],
            depth=weight / highest,
            kind="look",
            title=_title(word, found["label"]),
            aloud=f"{weight:.0%}" if weight >= max(LOUD * highest, 0.01) else "",
        )
        for word, weight in zip(words, weights, strict=True)
    ]
    order = sorted(found["ranked"], key=lambda at: -weights[at])[:RANKED]
    return View(
        heading=_heading(found),
        told="The stronger its colour, the more of the attention lay on a word. Where a net looks "
        "is not yet what decided: the style saliency shows that.",
        body=running(doc.text, spans_of(words), marks),
        caption="Most of the attention",
        head=["word", "share"],
        rows=[[words[at]["text"], f"{weights[at]:.1%}"] for at in order],
    )


def surprisal(doc: Doc) -> View:
    """What each piece costs a generator, and what it had thought of; of a doc that was only read,
    what each token costs."""
    explanation = explanation_of(doc)
    if explanation is not None and explanation.get("kind") == SURPRISAL:
        return _foretold(doc, explanation)
    found = [extension_of(doc, "surprisal", token.idx) for token in doc]
    if len(doc) and not any(cost is not None for cost in found):
        raise NotExplained("surprisal", "read it with a pipeline that holds a seqpipe_generator")
    costs = [float(cost or 0.0) for cost in found]
    marks = [
        marked(
            token.text,
            depth=cost / _SURPRISING,
            kind="look",
            title=f"{token.text.strip() or 'white space'}: {cost:.1f} bits",
            aloud=f"{cost:.0f} bits" if cost >= _SURPRISING / 2 else "",
        )
        for token, cost in zip(doc, costs, strict=True)
    ]
    visible = [at for at, token in enumerate(doc) if not token.is_space]
    order = sorted(visible, key=lambda at: -costs[at])[:RANKED]
    each = f", {sum(costs) / len(doc.text):.2f} a character" if doc.text else ""
    return View(
        heading=f"{sum(costs):,.0f} bits{each}",
        told="The stronger its colour, the less a word was expected; from "
        f"{_SURPRISING:.0f} bits on all are alike.",
        body=running(doc.text, [(t.idx, t.idx + len(t)) for t in doc], marks),
        caption="Least expected",
        head=["word", "bits"],
        rows=[[doc[at].text, f"{costs[at]:.1f}"] for at in order],
    )


def _foretold(doc: Doc, found: dict[str, Any]) -> View:
    words = found["words"]
    marks = [
        marked(
            word["text"],
            depth=word["bits"] / _UNLIKELY,
            kind="look",
            title=f"{pictured(word['text'])}: {word['bits']:.1f} bits, else {_others(word)}",
            aloud=f"{word['bits']:.0f} bits" if word["bits"] >= _UNLIKELY else "",
        )
        for word in words
    ]
    least = [words[at] for at in found["ranked"][:RANKED]]
    each = f", {found['bits'] / len(doc.text):.2f} a character" if doc.text else ""
    return View(
        heading=f"{found['bits']:,.0f} bits{each}",
        told="The stronger its colour, the less a piece was expected; from "
        f"{_UNLIKELY:.0f} bits on all are alike. Point at one to see what was expected more.",
        body=running(doc.text, spans_of(words), marks),
        caption="Least expected",
        head=["piece", "bits", "instead", "", "", "behind"],
        rows=[
            [
                pictured(word["text"]),
                f"{word['bits']:.1f}",
                *_listed(word),
                _behind(doc.text, word["start"]),
            ]
            for word in least
        ],
    )


def alignment(doc: Doc) -> View:
    """Where each piece of a translation comes from."""
    found = alignment_of(doc)
    if found is None:
        way = "read it with a pipeline that holds a seqpipe_translator of whole docs"
        raise NotExplained("alignment", way)
    explanation = explanation_of(doc)
    if explanation is not None and explanation.get("kind") == TRANSLATION:
        return _translated(found, explanation)
    weakest = sorted(found.links, key=lambda link: link.weight)[:RANKED]
    return View(
        heading=shortened(found.translation),
        told="Point at a word, or come to it with the tabulator, to see what it comes from or has "
        "become. The stronger a line, the more of the attention lay there.",
        body=found.markup(),
        caption="Least sure of where it comes from",
        head=["piece", "from", "share"],
        rows=[[found.there(k), found.here(k), f"{k.weight:.0%}"] for k in weakest],
    )


def _translated(seen: Alignment, found: dict[str, Any]) -> View:
    """The same with what is known of each word of the translation."""
    words = found["words"]
    head = ["word", "sure", "instead", "", ""]
    rows = [[word["text"], f"{word['probability']:.1%}", *_listed(word)] for word in words]
    best = compared(
        "The best few by the search, with the logarithm of their probability",
        [(signed(one["score"]), one["text"]) for one in found["nbest"]],
    )
    every = details("Every word", table("What else might have stood there", head, rows))
    return View(
        heading=shortened(found["translation"]),
        told="Point at a word, or come to it with the tabulator, to see what it comes from or has "
        "become, how likely it was after those before it, and what else might have stood there. "
        "The stronger a line, the more of the attention lay there.",
        body=seen.markup(),
        caption="Least sure",
        head=head,
        rows=[rows[at] for at in found["ranked"][:RANKED]],
        more=best + (every if len(rows) > RANKED else ""),
    )


STYLES: dict[str, Style] = {
    "saliency": saliency,
    "attention": attention,
    "surprisal": surprisal,
    "alignment": alignment,
    "boundaries": boundaries,
    "states": states,
}


TITLES = {
    "saliency": "Why it decided",
    "attention": "Where it looked",
    "surprisal": "What it did not expect",
    "alignment": "Where it comes from",
    "boundaries": "Where it cut",
    "states": "What it remembered",
}

# The kind of explanation that each shows, and the style that shows a kind where none is asked for.
KINDS = MappingProxyType(
    {
        "saliency": LABEL,
        "attention": LABEL,
        "surprisal": SURPRISAL,
        "alignment": TRANSLATION,
        "boundaries": BOUNDARIES,
        "states": STATES,
    }
)
USUAL = MappingProxyType({kind: style for style, kind in reversed([*KINDS.items()])})


def check_style(style: str) -> None:
    """Says at once that there is none of this name."""
    if style not in STYLES:
        raise SettingError("style", style, f"one of {', '.join(STYLES)}")


def view(doc: Doc, style: str) -> View:
    """A doc in one of the styles."""
    check_style(style)
    return STYLES[style](doc)


def _heading(found: dict[str, Any]) -> str:
    return f"{found['label']}: {found['score']:.1%}"


def _tipping(found: dict[str, Any]) -> str:
    """What a reader of a long text has to know of its numbers."""
    if not found["tipped"]:
        return ""
    return (
        f" On the way the net tips over by {found['tipped']:.2f}, which no gradient tells: there "
        "the words share it by what they add; rather trust the column “without it”."
    )


def _others(word: dict[str, Any]) -> str:
    return ", ".join(f"{pictured(o['text'])} {o['probability']:.1%}" for o in word["others"])


def _behind(text: str, place: int) -> str:
    return pictured(text[max(place - _AROUND, 0) : place]) if place else ""


def _listed(word: dict[str, Any]) -> list[str]:
    """The others as three cells."""
    cells = [f"{pictured(o['text'])} {o['probability']:.1%}" for o in word["others"]]
    return [*cells, "", "", ""][:3]


def _title(word: dict[str, Any], label: str) -> str:
    told = [f"{word['text'].strip() or 'white space'}: {signed(word['saliency'])} to {label}"]
    if word["occlusion"] is not None:
        told.append(f"without it {signed(-word['occlusion'])}")
    if word["attention"] is not None:
        told.append(f"attention {word['attention']:.1%}")
    return ", ".join(told)


def _ranking(found: dict[str, Any]) -> dict[str, Any]:
    """The head and the rows of the table of the words that decided most."""
    words = [found["words"][at] for at in found["ranked"][:RANKED]]
    looks = all(word["attention"] is not None for word in words)
    tried = any(word["occlusion"] is not None for word in words)
    rows = []
    for word in words:
        lost = None if word["occlusion"] is None else -word["occlusion"]
        row = [word["text"], signed(word["saliency"])]
        row += [signed(lost)] * tried
        rows.append(row + [f"{word['attention'] or 0:.1%}"] * looks)
    return {"head": ["word", "adds", *["without it"] * tried, *["attention"] * looks], "rows": rows}

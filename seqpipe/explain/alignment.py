"""Where each piece of a translation comes from: two texts, lines between them, and a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from spacy.tokens import Doc

from seqpipe.explain.explanation import explanation_of, extension_of
from seqpipe.explain.html import running, shown
from seqpipe.explain.stages import TRANSLATION
from seqpipe.explain.view import pictured

_MATRIX = 60  # pieces on a side: a larger one would fill pages with empty cells

Stretch = tuple[int, int]  # in characters


@dataclass(frozen=True, slots=True)
class Link:
    """A stretch of the translation, the place of what it comes from, and how surely."""

    stretch: Stretch
    source: int
    weight: float
    note: str = ""  # what else is known of it


@dataclass(frozen=True, slots=True)
class Alignment:
    """Both texts in pieces; hovering over one, or coming to it by the keyboard, shows the others
    that are linked to it, by rules of style alone."""

    text: str
    translation: str
    sources: Sequence[Stretch]
    links: Sequence[Link]

    @property
    def name(self) -> str:
        """What its rules are known by, among several in one page."""
        told = f"{self.text}\0{self.translation}".encode(errors="replace")
        return f"a{blake2b(told, digest_size=6).hexdigest()}"

    def here(self, link: Link) -> str:
        begin, end = self.sources[link.source]
        return self.text[begin:end]

    def there(self, link: Link) -> str:
        return self.translation[slice(*link.stretch)]

    def markup(self) -> str:
        """The two texts, and under them the lines and the matrix."""
        matrix = self._matrix() if max(len(self.sources), len(self.links)) <= _MATRIX else ""
        return (
            f"<style>{self._rules()}</style>\n"
            f'<div class="{self.name}">\n{self._texts()}\n{self._lines()}\n{matrix}\n</div>'
        )

    def _rules(self) -> str:
        one = f".{self.name}"
        linked = sorted({link.source for link in self.links})
        return "\n".join(
            f"{one}:has(.l{n}:hover,.l{n}:focus) .l{n}{{--deep:.6!important;stroke-width:5}}"
            for n in linked
        )

    def _texts(self) -> str:
        ours = [
            _word(self.text[a:b], n, ", ".join(self.there(k) for k in self.links if k.source == n))
            for n, (a, b) in enumerate(self.sources)
        ]
        theirs = [_word(self.there(k), k.source, self.here(k), k.note) for k in self.links]
        above = running(self.text, self.sources, ours)
        return above + "\n" + running(self.translation, [k.stretch for k in self.links], theirs)

    def _lines(self) -> str:
        """Both texts from top to bottom, each piece in a row of its own, so that lines know where
        to go without knowing how wide a word is."""
        rows = max(len(self.sources), len(self.links))
        lines = "".join(
            f'<line class="l{link.source}" x1="0" x2="100" y1="{link.source + 0.5}" '
            f'y2="{at + 0.5}" stroke-opacity="{0.25 + 0.75 * link.weight:.2f}"/>'
            for at, link in enumerate(self.links)
        )
        ours = _column((self.text[a:b], n) for n, (a, b) in enumerate(self.sources))
        theirs = _column((self.there(link), link.source) for link in self.links)
        return (
            f'<div class="ladder" aria-hidden="true"><div>{ours}</div>'
            f'<svg viewBox="0 0 100 {rows}" preserveAspectRatio="none" '
            f'style="height:{rows * 2}rem">{lines}</svg><div>{theirs}</div></div>'
        )

    def _matrix(self) -> str:
        head = "".join(
            f'<th scope="col"><bdi>{shown(self.text[a:b])}</bdi></th>' for a, b in self.sources
        )
        rows = "\n".join(
            f'<tr><th scope="row"><bdi>{shown(self.there(link))}</bdi></th>'
            + "".join(
                f'<td class="l{n}" style="--deep:{0.6 * link.weight:.2f}">{link.weight:.0%}</td>'
                if n == link.source
                else "<td></td>"
                for n in range(len(self.sources))
            )
            + "</tr>"
            for link in self.links
        )
        return (
            '<div class="wide"><table class="matrix"><caption>How much of the attention lay where'
            f"</caption>\n<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>"
            "</table></div>"
        )


def alignment_of(doc: Doc) -> Alignment | None:
    """What a translator has written, word by word of a doc that was explained, else by the default
    names of its extensions; none where nothing."""
    found = explanation_of(doc)
    if found is not None and found.get("kind") == TRANSLATION:
        return _by_words(doc, found)
    translation, lines = extension_of(doc, "translation"), extension_of(doc, "alignment")
    if not isinstance(translation, str) or lines is None:
        return None
    sources = _sources(doc, {(int(line[0]), int(line[1])) for line in lines})
    place = {stretch: at for at, stretch in enumerate(sources)}
    links: list[Link] = []
    for a, b, c, d, weight in sorted(lines, key=lambda line: (line[2], line[3])):
        apart = not links or c >= links[-1].stretch[1]
        if apart and d > c and (a, b) in place:
            links.append(Link((int(c), int(d)), place[int(a), int(b)], float(weight)))
    return Alignment(doc.text, translation, sources, links)


def _by_words(doc: Doc, found: dict[str, Any]) -> Alignment:
    words = [word for word in found["words"] if word["source"] is not None]
    sources = _sources(doc, {(word["source"][0], word["source"][1]) for word in words})
    place = {stretch: at for at, stretch in enumerate(sources)}
    links = [
        Link(
            (word["start"], word["end"]), place[tuple(word["source"])], word["weight"], _note(word)
        )
        for word in words
        if tuple(word["source"]) in place
    ]
    return Alignment(doc.text, found["translation"], sources, links)


def _note(word: dict[str, Any]) -> str:
    others = ", ".join(f"{pictured(o['text'])} {o['probability']:.1%}" for o in word["others"])
    return f"; {word['probability']:.1%} sure" + (f", else {others}" if others else "")


def _sources(doc: Doc, linked: set[Stretch]) -> list[Stretch]:
    """What the links come from, and the tokens that none comes from; none over another."""
    found: list[Stretch] = []
    for begin, end in sorted(linked):
        if end > begin and (not found or begin >= found[-1][1]):
            found.append((begin, end))
    taken = [False] * len(doc.text)
    for begin, end in found:
        taken[begin:end] = [True] * (end - begin)
    tokens = [(token.idx, token.idx + len(token)) for token in doc if not token.is_space]
    return sorted([*found, *(t for t in tokens if not any(taken[t[0] : t[1]]))])


def _word(text: str, link: int, other: str, note: str = "") -> str:
    title = f"{text} – {other}{note}" if other else f"{text}: nothing comes from it"
    return (
        f'<mark class="look faint l{link}" style="--deep:.08" tabindex="0" '
        f'title="{shown(title)}">{shown(text)}</mark>'
    )


def _column(words: Iterable[tuple[str, int]]) -> str:
    return "".join(
        f'<div class="l{link}" dir="auto">{shown(" ".join(text.split()))}</div>'
        for text, link in words
    )

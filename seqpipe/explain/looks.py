"""What each stage of a pipeline makes of a text, as sections of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from seqpipe.errors import SeqpipeError, reason_of
from seqpipe.explain.explanation import explained, extension_of
from seqpipe.explain.html import running, section, shown
from seqpipe.explain.styles import view

# The style in which the stages of a factory are best seen.
FITTING = {
    "seqpipe_tokenizer": "boundaries",
    "seqpipe_sentiment": "saliency",
    "seqpipe_translator": "alignment",
    "seqpipe_generator": "surprisal",
}


@dataclass(frozen=True, slots=True)
class Look:
    """Of one stage; where it failed, the sentence that says why."""

    heading: str  # plain text
    markup: str  # a section of a page
    failed: bool = False


def shows(nlp: Language) -> list[str]:
    """The stages that have something to show."""
    return [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in FITTING]


def looks(nlp: Language, text: str, *, title: str = "") -> Iterator[Look]:
    """One for each stage that has something to show, in their order, and for any that fails: the
    next goes on with what was there before. `title` is what they are called together."""
    showing = shows(nlp)
    found: Any = text
    steps: list[tuple[str, Callable[..., Any]]] = [("nlp.tokenizer", nlp.make_doc), *nlp.pipeline]
    for name, step in steps:
        called = title if [name] == showing and title else f"{title} {name}".strip()
        try:
            found = step(found)
            look = _look(nlp, found, name, called) if name in showing else None
        except Exception as error:  # whatever a stage of anybody raises
            look = _failed(error, called)
        if look is not None:
            yield look
        if not isinstance(found, Doc):
            return


def looks_of_all(pipelines: Mapping[str, Language], text: str) -> Iterator[Look]:
    """Those of several pipelines, by what each is called."""
    for title, nlp in pipelines.items():
        yield from looks(nlp, text, title=title)


def _look(nlp: Language, doc: Doc, name: str, called: str) -> Look:
    style = FITTING[nlp.get_pipe_meta(name).factory]
    if style == "saliency":
        doc = explained(nlp, doc, stage=name)
    seen = view(doc, style)
    seen = replace(seen, heading=f"{called}: {seen.heading}", body=seen.body + _continued(doc))
    return Look(seen.heading, seen.section())


def _continued(doc: Doc) -> str:
    """What a generator has written after a text."""
    written = extension_of(doc, "generated")
    if not isinstance(written, str):
        return ""
    return f'\n<p class="told">It goes on with</p>\n{running(written, [], [])}'


def _failed(error: Exception, called: str) -> Look:
    told = str(error) if isinstance(error, SeqpipeError) else f"{reason_of(error)}."
    heading = f"{called}: nothing to see"
    return Look(heading, section(heading, shown(told), []), failed=True)

"""What each stage of a pipeline makes of a text, as sections of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from seqpipe.errors import SeqpipeError, reason_of
from seqpipe.explain.explanation import explained, extension_of
from seqpipe.explain.html import section, shown
from seqpipe.explain.stages import SURPRISAL, kinds_of
from seqpipe.explain.styles import USUAL, view


@dataclass(frozen=True, slots=True)
class Look:
    """Of one stage; where it failed, the sentence that says why."""

    heading: str  # plain text
    markup: str  # a section of a page
    failed: bool = False


def looks(nlp: Language, text: str, *, title: str = "") -> Iterator[Look]:
    """One for each stage that can be explained, in their order, and for any that fails: the next
    goes on with what was there before. `title` is what they are called together."""
    kinds = kinds_of(nlp)
    found: Any = text
    first = "nlp.tokenizer" if "tokenizer" in nlp.pipe_names else "tokenizer"
    steps: list[tuple[str, Callable[..., Any]]] = [(first, nlp.make_doc), *nlp.pipeline]
    for name, step in steps:
        called = title if title and [name] == [*kinds] else f"{title} {name}".strip()
        try:
            found = step(found)
            look = _look(nlp, found, name, kinds[name], called) if name in kinds else None
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


def _look(nlp: Language, doc: Doc, name: str, kind: str, called: str) -> Look:
    seen = view(explained(nlp, doc, stage=name), USUAL[kind])
    stage: Any = dict(nlp.pipeline).get(name)
    more = _continued(doc, stage.names.generated) if kind == SURPRISAL else ""
    seen = replace(seen, heading=f"{called}: {seen.heading}", more=seen.more + more)
    return Look(seen.heading, seen.section())


def _continued(doc: Doc, name: str) -> str:
    """What a generator has written after a text, by the name of its extension."""
    written = extension_of(doc, name)
    if not isinstance(written, str):
        return ""
    return (
        '<p class="told" style="margin-top:.75rem">It goes on with</p>\n'
        f'<div class="text" style="line-height:1.5;margin:0" dir="auto">{shown(written)}</div>'
    )


def _failed(error: Exception, called: str) -> Look:
    told = str(error) if isinstance(error, SeqpipeError) else f"{reason_of(error)}."
    heading = f"{called}: nothing to see"
    return Look(heading, section(heading, shown(told), []), failed=True)

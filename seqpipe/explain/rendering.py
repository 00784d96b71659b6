"""`seqpipe.render`: docs as HTML, after the manner of displaCy."""

from __future__ import annotations

from collections.abc import Iterable

from spacy.tokens import Doc
from spacy.util import is_in_jupyter

from seqpipe.explain import html
from seqpipe.explain.styles import TITLES, view


def render(
    docs: Doc | Iterable[Doc],
    style: str = "saliency",
    *,
    page: bool = False,
    jupyter: bool | None = None,
    title: str | None = None,
) -> str:
    """One string of HTML that needs nothing else; with `page` a whole page, for a file.

    In a notebook it shows itself and gives an empty string; `jupyter` says whether this is one.
    """
    docs = [docs] if isinstance(docs, Doc) else list(docs)
    sections = [view(doc, style).section() for doc in docs]
    if jupyter or (jupyter is None and is_in_jupyter()):
        from IPython.display import HTML, display  # a notebook has it

        # MathJax is to leave dollars in a text alone
        display(HTML(f'<div class="tex2jax_ignore">{html.fragment(sections)}</div>'))
        return ""
    if not page:
        return html.fragment(sections)
    langs = {doc.lang_ for doc in docs} - {"xx", ""}
    title = TITLES[style] if title is None else title
    return html.page(sections, title=title, lang=langs.pop() if len(langs) == 1 else "und")

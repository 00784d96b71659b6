"""Several translations of one text, one under the other: what differs from the first is marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from seqpipe.explain.html import marked, shown
from seqpipe.text.units import SPACELESS

_PARTS = re.compile(rf"{SPACELESS.pattern}|\w+|\W")


def compared(caption: str, texts: Sequence[tuple[str, str]]) -> str:
    """A table of a number and a text a row."""
    if not texts:
        return ""
    first = _PARTS.findall(texts[0][1])
    rows = "\n".join(
        f'<tr><th scope="row">{shown(number)}</th><td dir="auto">{_against(first, text)}</td></tr>'
        for number, text in texts
    )
    head = f'<table class="best"><caption>{shown(caption)}</caption>'
    return f"{head}\n<tbody>\n{rows}\n</tbody></table>"


def _against(first: Sequence[str], text: str) -> str:
    parts = _PARTS.findall(text)
    found = []
    for kind, _, _, begin, end in SequenceMatcher(None, first, parts, False).get_opcodes():
        some = "".join(parts[begin:end])
        if kind == "equal" or not some.strip():
            found.append(shown(some))
        else:
            found.append(marked(some, depth=0.5, kind="look", title="differs from the first"))
    return "".join(found)

"""A stage that measures documents, and does to its process what a text tells it to.

Given to workers as `--code`; pipelines of it need no training and no torch.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

CODE = Path(__file__)

for name in ("length", "letters"):
    if not Doc.has_extension(name):
        Doc.set_extension(name, default=None)


class Measure:
    """`boom` fails; `die` kills the process; `die once FILE` only while there is no such file."""

    def __call__(self, doc: Doc) -> Doc:
        words = doc.text.split()
        if "boom" in words and not os.environ.get("TAMED"):
            raise ValueError("it went boom\nand more")
        if words[:1] == ["die"]:
            self.die(words)
        if words[:1] == ["wait"]:
            time.sleep(float(words[1]))
        doc.cats = {"long": float(len(doc) > 2)}
        doc._.length = len(doc)
        doc._.letters = {letter: doc.text.count(letter) for letter in "ab"}
        return doc

    def die(self, words: list[str]) -> None:
        flag = Path(words[2]) if words[1:2] == ["once"] else None
        if flag is not None and flag.exists():
            return
        if flag is not None:
            flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@Language.factory("measure", assigns=["doc.cats", "doc._.length", "doc._.letters"])
def make_measure(nlp: Language, name: str) -> Measure:
    return Measure()


def mortal() -> Language:
    nlp = spacy.blank("xx")  # the quickest to make
    nlp.add_pipe("measure")
    return nlp

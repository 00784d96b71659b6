"""`seqpipe.RawText.v1`: a Doc around a text, for a stage that finds the tokens itself."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vocab import Vocab

from seqpipe.text.units import well_formed

# One word around the whole text would be kept in the vocabulary for ever, as every word is; pieces
# between spaces, and the letters of scripts without them, come again.
_PIECE = re.compile(r"([^\W\u0e00-\u109f\u1780-\u17ff\u2e80-\U0003ffff]{1,64}|\S|\s)( ?)")


class RawText:
    """Cuts a text without a thought of its words; what is cut, put together, is the text.

    Only lone surrogates are read as U+FFFD: spaCy has no way to hold them.
    """

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        found = _PIECE.findall(well_formed(text))
        words, spaces = [word for word, _ in found], [bool(space) for _, space in found]
        return Doc(self.vocab, words=words, spaces=spaces)

    def pipe(self, texts: Iterable[str], batch_size: int = 1000) -> Iterable[Doc]:
        return map(self, texts)

    # spaCy asks these of every tokenizer; there is nothing to keep.

    def to_bytes(self, **_: Any) -> bytes:
        return b""

    def from_bytes(self, bytes_data: bytes, **_: Any) -> "RawText":
        return self

    def to_disk(self, path: Union[str, Path], **_: Any) -> None:
        pass

    def from_disk(self, path: Union[str, Path], **_: Any) -> "RawText":
        return self


@registry.tokenizers("seqpipe.RawText.v1")
def make_raw_text() -> Callable[[Language], RawText]:
    """A tokenizer for pipelines whose first stage finds the tokens."""

    def make(nlp: Language) -> RawText:
        return RawText(nlp.vocab)

    return make

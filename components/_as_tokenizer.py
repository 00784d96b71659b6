"""A stage that finds tokens in the place of `nlp.tokenizer`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Dict, Union

from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.components._stage import Stage
from seqpipe.components.raw_text import RawText


class AsTokenizer:
    """Gives texts to the stage; it has no `initialize`, so what was learned stays learned when the
    pipeline around it is trained."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._raw = RawText(stage.vocab)

    def __call__(self, text: str) -> Doc:
        return self.stage(self._raw(text))

    def pipe(self, texts: Iterable[str], batch_size: int = 1000) -> Iterator[Doc]:
        """In batches, which `nlp.pipe` never asks a tokenizer for."""
        return self.stage.pipe(self._raw.pipe(texts), batch_size=batch_size)

    def score(self, examples: Iterable[Example], **_: Any) -> Dict[str, Any]:
        scores: Dict[str, Any] = self.stage.score(examples)
        return scores

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        return self.stage.to_bytes(exclude=exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "AsTokenizer":
        self.stage.from_bytes(bytes_data, exclude=exclude)
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        self.stage.to_disk(path, exclude=exclude)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "AsTokenizer":
        self.stage.from_disk(path, exclude=exclude)
        return self

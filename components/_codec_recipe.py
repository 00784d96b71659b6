"""`seqpipe.Codec.v1`: how a stage learns the pieces that it reads texts in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spacy.util import registry

from seqpipe.text.codec import Codec, Unit


@dataclass(frozen=True)
class CodecRecipe:
    """How to make a codec once there are texts."""

    unit: Unit
    size: int
    min_count: int
    lower: bool

    def train(self, texts: Iterable[str], *, reserved: Sequence[str] = ()) -> Codec:
        return Codec.train(
            texts,
            unit=self.unit,
            size=self.size,
            min_count=self.min_count,
            lower=self.lower,
            reserved=reserved,
        )

    def of_words(self, docs: Iterable[Iterable[str]]) -> Codec:
        return Codec.of_words(docs, size=self.size, min_count=self.min_count, lower=self.lower)


@registry.misc("seqpipe.Codec.v1")
def make_codec_recipe(unit: str, size: int, min_count: int, lower: bool) -> CodecRecipe:
    """A codec of words, characters, BPE or Unigram subwords, learned from the corpus."""
    return CodecRecipe(unit=unit, size=size, min_count=min_count, lower=lower)  # type: ignore[arg-type]

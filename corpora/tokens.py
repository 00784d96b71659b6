"""`seqpipe.Tokens.v1`: running text with its tokens and sentences as a corpus of `spacy train`."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from seqpipe.corpora.labelled import cut
from seqpipe.corpora.reader import Held, Order
from seqpipe.corpora.running import DocPassages, Passage, Passages, doc_of, open_passages
from seqpipe.corpora.sources import locate
from seqpipe.corpora.walk import in_portions
from seqpipe.errors import DataEmpty, SettingError
from seqpipe.text.portions import Place, Portion

BUFFER = 100  # running texts of a stream to draw from: each may be a whole document


def read_tokens(
    path: str,
    split: str = "train",
    text: str = "text",
    tokens: str = "tokens",
    sentences: bool = True,
    group: int = 100,
    limit: int = 0,
    streaming: bool = False,
    shuffle: bool = True,
    seed: int = 0,
    without: float = 0.0,
    only: float = 0.0,
    revision: str | None = None,
) -> Callable[[Language], Iterable[Example]]:
    """Examples of running text out of any data whose rows are sentences and their tokens.

    The predicted doc holds the raw text as `nlp.make_doc` has it. With `sentences = false` a row
    is a text of its own whose sentences are unknown. As in `seqpipe.Dataset.v1` each call is the
    next epoch, and `without` and `only` hold texts out, the same in every run.
    """
    if group < 1:
        raise SettingError("group", group, "the number of sentences in a text, at least 1")
    held = Held(share=cut(without, only), inside=only > 0)
    if held.share and streaming:
        raise SettingError("streaming", True, "false where a part is cut in two")
    locate(path)  # what is not there is said before training begins

    def opened() -> Passages | DocPassages:
        return open_passages(
            path,
            split=split,
            text=text,
            tokens=tokens,
            sentences=sentences,
            limit=limit,
            group=group,
            streaming=streaming,
            revision=revision,
        )

    order = Order(shuffle=shuffle, seed=seed, buffer=BUFFER)
    return PassagesCorpus(opened, held=held, order=order, streaming=streaming)


registry.readers("seqpipe.Tokens.v1", func=read_tokens)


class PassagesCorpus:
    """Running texts as Examples; nothing is opened before the first call."""

    def __init__(
        self,
        opened: Callable[[], Passages | DocPassages],
        *,
        held: Held,
        order: Order,
        streaming: bool,
    ) -> None:
        self._opened, self._held, self._order = opened, held, order
        self._streaming, self._calls = streaming, 0

    def __call__(self, nlp: Language) -> Iterator[Example]:
        self._calls += 1
        every = self._passages if self._streaming else self._kept
        order = self._order.mixed(every, epoch=self._calls - 1, streaming=self._streaming)
        return (_example(nlp, one) for one in order)

    def portions(
        self, nlp: Language, *, epoch: int, size: int, at: Place
    ) -> Iterator[Portion[Example]]:
        """Of an epoch from a place on, at least `size` rows at a time."""
        if self._held.share:
            portions = in_portions(iter(self._kept), size=size, at=at)
        else:
            portions = self._passages.portions(self._order.chance(epoch), size=size, at=at)
        return (portion.made(partial(_example, nlp)) for portion in portions)

    @cached_property
    def _passages(self) -> Passages | DocPassages:
        return self._opened()

    @cached_property
    def _kept(self) -> list[Passage]:
        kept = list(self._held.select(self._passages))
        if not kept:
            raise DataEmpty(self._passages.data, "second running text to hold out")
        return kept


def _example(nlp: Language, passage: Passage) -> Example:
    return Example(nlp.make_doc(passage.text), doc_of(nlp.vocab, passage))

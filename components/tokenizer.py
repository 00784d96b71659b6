"""`seqpipe_tokenizer`: tokens and sentences from characters."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Dict, List, Optional, Union, cast

import numpy as np
import torch
from spacy.attrs import IDX, LENGTH, SENT_START  # type: ignore[import-not-found]
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Model
from torch import nn

from seqpipe.bridge import make_model
from seqpipe.components._stage import CodecRecipe, Lessons, Stage, read_defaults
from seqpipe.components.raw_text import RawText
from seqpipe.errors import NewDocNeeded, SettingError
from seqpipe.nets.cells import Cell
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.tagger import Tagger
from seqpipe.text import characters
from seqpipe.text.characters import Kinds, codes_of, kind_of
from seqpipe.text.codec import UNK, Ids
from seqpipe.text.lexicon import MARKS, Lexicon
from seqpipe.text.noise import Noise
from seqpipe.text.rows import Rows
from seqpipe.text.segments import (
    Labels,
    Segments,
    labels_of,
    segments_of,
    stretches,
    words_of,
)
from seqpipe.text.stream import Token, Windows, tokens_of
from seqpipe.text.units import well_formed
from seqpipe.train.scores import SpanCounts

_RARE = 0.005  # share of tokens that hold a space: below it they are slips of the corpus


def build_net(
    *,
    cell: Cell,
    embedding: int,
    width: int,
    layers: int,
    bidirectional: bool,
    conv: int,
    unit_dropout: float,
    pairs: int,
    kinds: Sequence[int],
    joined: Sequence[bool],
    marks: int,
) -> nn.Module:
    """The tagger of `seqpipe.Tagger.v1`, once its sizes are known."""
    encoder = Encoder(
        cell=cell, inputs=embedding, width=width, layers=layers, bidirectional=bidirectional
    )
    vectors = Embedding(
        pieces=len(kinds), width=embedding, pairs=pairs, joined=joined, kinds=kinds, marks=marks
    )
    return Tagger(
        embedding=vectors,
        encoder=encoder,
        conv=conv,
        unit_dropout=unit_dropout,
        unknown=len(kinds) - characters.COUNT,
    )


@registry.architectures("seqpipe.Tagger.v1")
def build_tagger(
    cell: str,
    embedding: int,
    width: int,
    layers: int,
    bidirectional: bool,
    conv: int,
    unit_dropout: float,
    pairs: int,
) -> Model[Any, Any]:
    """Characters and their kinds, a convolution on wish, a recurrent encoder, one output each."""
    make = partial(
        build_net,
        cell=cast(Cell, cell),
        embedding=embedding,
        width=width,
        layers=layers,
        bidirectional=bidirectional,
        conv=conv,
        unit_dropout=unit_dropout,
        pairs=pairs,
    )
    return make_model(make)


@registry.scorers("seqpipe.tokenizer_scorer.v1")
def make_tokenizer_scorer() -> Callable[..., Dict[str, Any]]:
    return score_tokens


def score_tokens(examples: Iterable[Example], **_: Any) -> Dict[str, Any]:
    """Precision, recall and F of tokens and sentences as the CoNLL 2018 shared task counts them."""
    examples = list(examples)
    tokens, sentences = SpanCounts(), SpanCounts()
    marked = any(_marked(example.reference) for example in examples)
    for example in examples:
        gold, said = _segments(example.reference), _segments(example.predicted)
        solid = [_solid(doc) for doc in (example.reference, example.predicted)]
        tokens.add(solid[0][gold.spans], solid[1][said.spans])
        if marked and gold.starts is not None and said.starts is not None:
            sentences.add(solid[0][gold.sentences()], solid[1][said.sentences()])
    return {**tokens.scores("token"), **sentences.scores("sents")}


def _solid(doc: Doc) -> np.ndarray:
    """How many characters that are not white space stand before each place."""
    return np.append(0, np.cumsum(~characters.blank(codes_of(doc.text))))


def _marked(doc: Doc) -> bool:
    """Whether anybody said where sentences begin: a lone token begins one by spaCy's own word."""
    return len(doc) > 1 and bool(doc.has_annotation("SENT_START"))


def _segments(doc: Doc) -> Segments:
    """The tokens of a doc that are not white space."""
    if not len(doc):
        return Segments(np.empty((0, 2), np.int64), np.empty(0, np.bool_))
    first, length, start = doc.to_array([IDX, LENGTH, SENT_START]).astype(np.int64).T
    started = np.cumsum(start == 1)  # a start that is white space is that of the token after it
    solid = _solid(doc)
    kept = solid[first + length] > solid[first]
    spans = np.stack([first, first + length], axis=1)[kept]
    if not doc.has_annotation("SENT_START"):
        return Segments(spans, None)
    return Segments(spans, np.diff(started[kept], prepend=0) > 0)


@Language.factory(
    "seqpipe_tokenizer",
    assigns=["token.is_sent_start"],
    retokenizes=True,
    default_config=read_defaults(__file__, "tokenizer"),
    default_score_weights={
        "token_f": 0.5,
        "token_p": None,
        "token_r": None,
        "sents_f": 0.5,
        "sents_p": None,
        "sents_r": None,
    },
)
def make_tokenizer(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    codec: CodecRecipe,
    window: int,
    margin: int,
    stretch: int,
    lexicon: bool,
    noise: Dict[str, float],
    batches: Dict[str, int],
    device: str,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "Tokenizer":
    return Tokenizer(
        nlp.vocab,
        model,
        name,
        codec=codec,
        window=window,
        margin=margin,
        stretch=stretch,
        lexicon=lexicon,
        noise=noise,
        batches=batches,
        device=device,
        scorer=scorer,
    )


@dataclass
class _Seen:
    """What one walk over a corpus tells."""

    words: "Counter[str]"
    tokens: int = 0
    spaced: int = 0
    sentences: bool = False

    def look(self, example: Example) -> None:
        segments = _segments(example.reference)
        text = example.reference.text
        words = [text[a:b] for a, b in segments.spans.tolist()]
        self.words.update(words)
        self.tokens += len(words)
        self.spaced += sum(" " in word for word in words)
        self.sentences = self.sentences or _marked(example.reference)


class Tokenizer(Stage):
    """Reads the text of a doc, whoever cut it, and gives a new doc of the tokens it finds."""

    answers = "<i4"
    extras = ("lexicon",)

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Any, Any],
        name: str,
        *,
        codec: CodecRecipe,
        window: int,
        margin: int,
        stretch: int,
        lexicon: bool,
        noise: Dict[str, float],
        **shared: Any,
    ) -> None:
        if codec.unit != "char":
            raise SettingError("codec.unit", codec.unit, "'char': a boundary can be anywhere")
        self.windows = Windows(core=window, margin=margin)
        cfg = {"spaces": False, "sentences": True, "lexicon": lexicon}
        super().__init__(
            vocab, model, name, codec=codec, reads="text", longest=0, cfg=cfg, **shared
        )
        self.stretch = stretch
        self.noise = Noise(**noise)
        self.lexicon = Lexicon({})
        self._kinds = Kinds()
        self._raw = RawText(vocab)

    def sizes(self) -> Dict[str, Any]:
        pieces = self._codec().pieces()
        known = [kind_of(piece) if len(piece) == 1 else 0 for piece in pieces]
        return {
            "kinds": [*known, *range(characters.COUNT)],  # what is unknown has an id by its kind
            "joined": [*self._codec().joined(), *[False] * characters.COUNT],
            "marks": MARKS if self.cfg["lexicon"] else 1,
        }

    # Reading --------------------------------------------------------------------------------

    def encode(self, docs: Sequence[Doc]) -> List[Ids]:
        return self.encode_texts([doc.text for doc in docs])

    def encode_texts(
        self, texts: Sequence[str], own: Optional[Sequence["Counter[str]"]] = None
    ) -> List[Ids]:
        """An id a character: its own or that of its kind, and what the lexicon says."""
        codec = self._codec()
        encoded = codec.encode(texts)
        for i, (text, ids) in enumerate(zip(texts, encoded, strict=True)):
            unknown = ids == UNK
            if unknown.any():
                ids = ids.copy()
                ids[unknown] = len(codec) + self._kinds.of(codes_of(text)[unknown])
            if self.cfg["lexicon"]:
                ids = ids * MARKS + self.lexicon.marks(text, own=own[i] if own else None)
            encoded[i] = ids
        return encoded

    def predict_rows(self, encoded: Union[Sequence[Ids], Rows]) -> List[Labels]:
        """A label a character, found in windows that overlap."""
        return self.windows.joined(encoded, super().predict_rows)

    def unpack(self, found: Any) -> Sequence[Any]:
        return list(found.to(torch.int8).cpu().numpy())

    def __call__(self, doc: Union[Doc, str]) -> Doc:
        """Takes a text as well, so that it can be a pipeline's `nlp.tokenizer`."""
        return super().__call__(self._raw(doc) if isinstance(doc, str) else doc)

    def stream(self, chunks: Iterable[str], *, window: Optional[int] = None) -> Iterator[Token]:
        """The tokens of a text without end, each as soon as it is certain.

        They are those of the whole text in one doc, however it is cut into chunks, and at most
        two margins and a `window` of characters late; a smaller window than the stage's own is
        sooner and may see a little less.
        """
        windows = self.windows if window is None else Windows(window, self.windows.margin)
        if self.codec is None:
            self.encode([])
        return tokens_of(map(well_formed, chunks), self._labels, windows=windows, **self._ways())

    def _labels(self, texts: Sequence[str]) -> List[Labels]:
        return list(super().predict_rows(self.encode_texts(texts)))

    # Writing --------------------------------------------------------------------------------

    def written(self, docs: Sequence[Doc], found: Sequence[Labels]) -> Sequence[Doc]:
        return [self._new(doc, labels) for doc, labels in zip(docs, found, strict=True)]

    def set_annotations(self, docs: Iterable[Doc], scores: Any) -> None:
        raise NewDocNeeded(self.name)

    def _new(self, doc: Doc, labels: Labels) -> Doc:
        text = doc.text
        segments = segments_of(codes_of(text), labels, spaces=self.cfg["spaces"])
        made = words_of(text, segments.spans)
        # what is said of the text stays, what is said of its old tokens (spans, tensor) goes
        new = Doc(doc.vocab, words=made.words, spaces=made.spaces, user_data=dict(doc.user_data))
        if self.cfg["sentences"] and len(new):
            starts = np.full((len(new), 1), -1, np.int64)
            starts[np.array(made.kept, np.int64)[segments.starts]] = 1
            starts[0] = 1
            new.from_array([SENT_START], cast(Any, starts.astype(np.uint64)))
        new.cats = dict(doc.cats)
        new.sentiment = doc.sentiment
        new._context = doc._context
        return new

    # Learning -------------------------------------------------------------------------------

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        tokenizer: Optional[str] = None,
        lexicon: Optional[str] = None,
    ) -> None:
        """Learns the characters, and whether tokens hold spaces; builds the net.

        `tokenizer` names a tokenizer.json to use as it is; `lexicon` a file with a word a line,
        known beside those of the corpus where the stage uses a lexicon.
        """
        if lexicon is not None and not self.cfg["lexicon"]:
            raise SettingError("lexicon", False, "true where a file of words is given")
        given = Lexicon.load(lexicon).counts if lexicon is not None else {}
        seen = _Seen(Counter())
        self.train_codec(get_examples, seen.look, tokenizer)
        if self._codec().unit != "char":
            raise SettingError("tokenizer", tokenizer, "a tokenizer.json of the unit 'char'")
        self.cfg["spaces"] = seen.spaced > _RARE * seen.tokens
        self.cfg["sentences"] = seen.sentences
        if self.cfg["lexicon"]:
            known = dict.fromkeys(given, sum(seen.words.values()) + 1)  # in any text
            self.lexicon = Lexicon({**seen.words, **known})
            self.cfg["lexicon"] = bool(len(self.lexicon))  # it may have nothing to say
        self.shim.open(**self.sizes())

    def lessons(self, examples: Sequence[Example]) -> Lessons:
        """Stretches of some sentences each, cut where a sentence begins."""
        texts = [example.reference.text for example in examples]
        found = [_segments(example.reference) for example in examples]
        words = [
            Counter(text[a:b] for a, b in segments.spans.tolist())
            for text, segments in zip(texts, found, strict=True)
        ]
        rows: List[Ids] = []
        answers: List[Labels] = []
        for ids, segments in zip(self.encode_texts(texts, words), found, strict=True):
            labels = labels_of(len(ids), segments)
            for first, last in stretches(segments, len(ids), self.stretch):
                rows.append(ids[first:last])
                answers.append(labels[first:last])
        return Lessons(rows, answers)

    def learn(self, lessons: Lessons, **how: Any) -> float:
        return super().learn(self._noisy(lessons) if self.noise else lessons, **how)

    def _noisy(self, lessons: Lessons) -> Lessons:
        # drawn from torch's own chance, which a checkpoint keeps
        chance = np.random.default_rng(int(torch.randint(2**31, ())))
        marks = MARKS if self.cfg["lexicon"] else 1
        (space,), (newline,) = (ids.tolist() for ids in self._codec().encode([" ", "\n"]))
        rows, answers = [], []
        for ids, labels in zip(lessons.rows, lessons.answers, strict=True):
            lost, labels = self.noise.lost(
                ids // marks, labels, space=space, newline=newline, chance=chance
            )
            rows.append(ids[~lost])
            answers.append(labels[~lost])
        return Lessons(rows, answers)

    # Saving ---------------------------------------------------------------------------------

    def extra(self, name: str) -> bytes:
        return self.lexicon.to_bytes()

    def load_extra(self, name: str, data: bytes) -> None:
        self.lexicon = Lexicon.from_bytes(data)

    def _ways(self) -> Dict[str, bool]:
        return {name: bool(self.cfg[name]) for name in ("spaces", "sentences")}

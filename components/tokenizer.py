"""`seqpipe_tokenizer`: tokens and sentences from characters."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Dict, List, Optional, Union, cast

import numpy as np
from spacy.attrs import SENT_START  # type: ignore[import-not-found]
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Model

from seqpipe.components._as_tokenizer import AsTokenizer
from seqpipe.components._earlier import read_earlier
from seqpipe.components._known import Known, go_on
from seqpipe.components._segments import Seen, score_tokens, segments_in, words_in
from seqpipe.components._stage import CodecRecipe, Lessons, Stage, read_defaults
from seqpipe.components.raw_text import RawText
from seqpipe.errors import NewDocNeeded, SettingError
from seqpipe.held import as_array
from seqpipe.text import characters
from seqpipe.text.characters import Kinds, codes_of, kind_of
from seqpipe.text.codec import UNK, Ids
from seqpipe.text.lexicon import MARKS, Lexicon, Runs
from seqpipe.text.noise import Noise
from seqpipe.text.rows import Rows
from seqpipe.text.segments import Labels, Words, labels_of, segments_of_all, stretches, words_of_all
from seqpipe.text.stream import Token, Windows, tokens_of
from seqpipe.text.units import well_formed

_LARGEST_ID = 2**31 - 1  # that a row holds
_RARE = 0.005  # share of tokens that hold a space: below it they are slips of the corpus


@registry.scorers("seqpipe.tokenizer_scorer.v1")
def make_tokenizer_scorer() -> Callable[..., Dict[str, Any]]:
    return score_tokens


@Language.factory(
    "seqpipe_tokenizer",
    assigns=["token.is_sent_start"],
    retokenizes=True,
    default_config=read_defaults(__file__, "tokenizer"),
    default_score_weights={
        "token_f": 0.5,
        "token_acc": None,
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
    words: int,
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
        words=words,
        noise=noise,
        batches=batches,
        device=device,
        scorer=scorer,
    )


@registry.tokenizers("seqpipe.Tokenizer.v1")
def make_trained_tokenizer(
    model: Model[Any, Any],
    codec: CodecRecipe,
    window: int,
    margin: int,
    stretch: int,
    lexicon: bool,
    words: int,
    noise: Dict[str, float],
    batches: Dict[str, int],
    device: str,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> Callable[[Language], AsTokenizer]:
    """The stage as `nlp.tokenizer`; `as_tokenizer` writes the settings of a trained one."""

    def make(nlp: Language) -> AsTokenizer:
        stage = make_tokenizer(
            nlp,
            "tokenizer",
            model,
            codec,
            window,
            margin,
            stretch,
            lexicon,
            words,
            noise,
            batches,
            device,
            scorer,
        )
        return AsTokenizer(stage)

    return make


def as_tokenizer(nlp: Language, name: str = "tokenizer") -> None:
    """Takes a trained stage out of the pipeline and puts it in the place of `nlp.tokenizer`."""
    stage = nlp.get_pipe(name)
    if not isinstance(stage, Tokenizer):
        raise SettingError("name", name, "the name of a seqpipe_tokenizer in this pipeline")
    settings = dict(nlp.get_pipe_config(name))
    settings.pop("factory")
    nlp.remove_pipe(name)
    nlp.tokenizer = AsTokenizer(stage)
    nlp.config["nlp"]["tokenizer"] = {"@tokenizers": "seqpipe.Tokenizer.v1", **settings}


class Tokenizer(Stage):
    """Reads the text of a doc, whoever cut it, and gives a new doc of the tokens it finds."""

    answers = "<i4"
    extras = MappingProxyType({"lexicon": "lexicon.txt", "words": "words.txt"})

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
        words: int,
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
        self.words = words
        self.runs = Runs({})
        self._kinds = Kinds()
        self._raw = RawText(vocab)

    def sizes(self) -> Dict[str, Any]:
        pieces = self._codec().pieces()
        known = [kind_of(piece) if len(piece) == 1 else 0 for piece in pieces]
        return {
            "kinds": [*known, *range(characters.COUNT)],  # what is unknown has an id by its kind
            "joined": [*self._codec().joined(), *[False] * characters.COUNT],
            "hashed": self.cfg.get("hashed", 0),
            "marks": self._marks(),
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
            if len(self.runs):
                ids = ids * (len(self.runs) + 1) + self.runs.marks(text)
            encoded[i] = ids
        return encoded

    def predict_rows(self, encoded: Union[Sequence[Ids], Rows]) -> List[Labels]:
        """A label a character, found in windows that overlap."""
        return self.windows.joined(encoded, super().run_rows)

    def unpack(self, found: Any) -> Sequence[Any]:
        return list(as_array(found).astype(np.int8))

    def __call__(self, doc: Union[Doc, str]) -> Doc:
        """Takes a text as well, so that it can be a pipeline's `nlp.tokenizer`."""
        return super().__call__(self._raw(doc) if isinstance(doc, str) else doc)

    def stream(self, chunks: Iterable[str], *, window: Optional[int] = None) -> Iterator[Token]:
        """The tokens of a text without end, each as soon as it is certain.

        They are those of the whole text in one doc, however it is cut into chunks, and at most
        two margins, a `window` and the longest known word late; a smaller window than the stage's
        own is sooner and may see a little less.
        """
        windows = self.windows if window is None else Windows(window, self.windows.margin)
        if self.codec is None:
            self.encode([])
        return tokens_of(
            map(well_formed, chunks),
            self.encode_texts,
            super().run_rows,
            windows=windows,
            reach=max(self.lexicon.longest, self.runs.longest),
            spaces=self.cfg["spaces"],
            sentences=self.cfg["sentences"],
        )

    # Writing --------------------------------------------------------------------------------

    def written(self, docs: Sequence[Doc], found: Sequence[Labels]) -> Sequence[Doc]:
        texts = [doc.text for doc in docs]
        cut = segments_of_all(texts, found, spaces=self.cfg["spaces"])
        return [self._new(*parts) for parts in zip(docs, words_of_all(texts, cut), strict=True)]

    def set_annotations(self, docs: Iterable[Doc], scores: Any) -> None:
        raise NewDocNeeded(self.name)

    def _new(self, doc: Doc, made: Words) -> Doc:
        # what is said of the text stays, what is said of its old tokens (spans, tensor) goes
        new = Doc(doc.vocab, words=made.words, spaces=made.spaces, user_data=dict(doc.user_data))
        if self.cfg["sentences"]:
            new.from_array([SENT_START], cast(Any, made.starts.view(np.uint64)))
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
        earlier: Optional[str] = None,
    ) -> None:
        """Learns the characters, and whether tokens hold spaces; builds the net.

        `tokenizer` names a tokenizer.json to use as it is; `lexicon` a file with a word a line,
        known beside those of the corpus where the stage uses a lexicon; `earlier` the folder of a
        tokenizer that it goes on from, with what that knows.
        """
        before = read_earlier(earlier, tokenizer=tokenizer)
        if lexicon is not None and not self.cfg["lexicon"]:
            raise SettingError("lexicon", False, "true where a file of words is given")
        given = Lexicon.load(lexicon).counts if lexicon is not None else {}
        seen, known = Seen(), Known.by(before)
        self.train_codec(get_examples, seen.look, tokenizer)
        if self._codec().unit != "char":
            raise SettingError("tokenizer", tokenizer, "a tokenizer.json of the unit 'char'")
        if before:
            self.codec = before.codec(self._codec)
            self.cfg["hashed"] = before.hashed
        self._learn_words(seen, known, given)
        self.shim.open(**self.sizes())
        if before:
            now = replace(known, runs=self.runs, lexicon=self.cfg["lexicon"])
            go_on(self.shim.net, before, self._codec(), now)

    def _learn_words(self, seen: Seen, known: Known, given: Mapping[str, int]) -> None:
        tokens = sum(seen.words.values())
        spaced = sum(count for word, count in seen.words.items() if " " in word)
        self.cfg["spaces"] = known.spaces or spaced > _RARE * tokens
        self.cfg["sentences"] = known.sentences or seen.sentences
        if self.cfg["lexicon"]:
            anywhere = dict.fromkeys(given, tokens + 1)
            self.lexicon = Lexicon({**(known.words + seen.words), **anywhere})
            self.cfg["lexicon"] = bool(len(self.lexicon))  # it may have nothing to say
        self.runs = Runs({})
        if self.cfg["spaces"]:  # elsewhere a run is a word already: to know it is to overfit
            largest = _LARGEST_ID // math.prod([len(self.sizes()["kinds"]), *self._marks()])
            self.runs = known.runs.extended(seen.runs, min(self.words, largest - 1))
            if len(self.runs) >= largest:
                allowed = "less, for all that this tokenizer knows has no numbers left"
                raise SettingError("codec.size", self.recipe.size, allowed)

    def lessons(self, examples: Sequence[Example]) -> Lessons:
        """Stretches of some sentences each, cut where a sentence begins."""
        texts = [example.reference.text for example in examples]
        found = [segments_in(example.reference) for example in examples]
        words = [words_in(text, segments) for text, segments in zip(texts, found, strict=True)]
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
        import torch

        # drawn from torch's own chance, which a checkpoint keeps
        chance = np.random.default_rng(int(torch.randint(2**31, ())))
        marks = math.prod(self._marks())
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
        return (self.lexicon if name == "lexicon" else self.runs).to_bytes()

    def load_extra(self, name: str, data: bytes) -> None:
        if name == "lexicon":
            self.lexicon = Lexicon.from_bytes(data)
        else:
            self.runs = Runs.from_bytes(data)

    def _marks(self) -> List[int]:
        """How many marks of each sort a character may bear."""
        return [MARKS] * self.cfg["lexicon"] + [len(self.runs) + 1] * bool(len(self.runs))

"""`seqpipe_translator`: a text into another one, by an encoder-decoder."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, groupby
from typing import Any, Dict, List, Optional, Tuple, Union, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from spacy.training import Example, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model

from seqpipe.components._beginning import read_beginning
from seqpipe.components._earlier import read_earlier
from seqpipe.components._memory import MEMORY
from seqpipe.components._protection import HOLDERS, Protection, holder_ids
from seqpipe.components._recut import Recut
from seqpipe.components._remembering import RememberingStage
from seqpipe.components._search import SearchRecipe
from seqpipe.components._sides import SHORTLIST, TARGET, learn_shortlist, learn_side, rows_of
from seqpipe.components._stage import CodecRecipe, Lessons, read_defaults, set_extension
from seqpipe.components._translation import Source, Translation, joined, spelled
from seqpipe.components._units import (
    DOC,
    SENT,
    TOKEN,
    Unit,
    check_unit,
    golds_of,
    split_long,
    units_of,
)
from seqpipe.search import arrays
from seqpipe.search.state import Found
from seqpipe.text.codec import EOS, Codec, Ids
from seqpipe.text.rows import Rows
from seqpipe.text.shortlist import Shortlist
from seqpipe.text.units import SPACELESS


@Language.factory(
    "seqpipe_translator",
    assigns=[
        "doc._.translation",
        "doc._.translation_score",
        "doc._.translation_confidence",
        "doc._.alignment",
    ],
    default_config=read_defaults(__file__, "translator"),
    default_score_weights={"bleu": 1.0, "chrf": None},
)
def make_translator(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    codec: CodecRecipe,
    target_codec: Optional[CodecRecipe],
    search: SearchRecipe,
    unit: str,
    extension: str,
    alignment: str,
    copy_unknown: bool,
    protect: List[str],
    bpe_dropout: float,
    shortlist: int,
    longest: int,
    batches: Dict[str, int],
    device: str,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "TranslatorStage":
    return TranslatorStage(
        nlp.vocab,
        model,
        name,
        codec=codec,
        target_codec=target_codec,
        search=search,
        unit=unit,
        extension=extension,
        alignment=alignment,
        copy_unknown=copy_unknown,
        protect=protect,
        bpe_dropout=bpe_dropout,
        shortlist=shortlist,
        reads="text",
        longest=longest,
        batches=batches,
        device=device,
        scorer=scorer,
    )


Words = Sequence[int]  # the pieces of one word or more
_NOTHING = Translation("", 0.0, [], [])


class TranslatorStage(RememberingStage):
    """Reads a doc, its sentences, tokens or spans; writes `doc._.translation` and the like."""

    answers = "<i4"

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Any, Any],
        name: str,
        *,
        target_codec: Optional[CodecRecipe],
        search: SearchRecipe,
        unit: str,
        extension: str,
        alignment: str,
        copy_unknown: bool,
        protect: List[str],
        bpe_dropout: float,
        shortlist: int,
        **shared: Any,
    ) -> None:
        super().__init__(vocab, model, name, cfg={}, **shared)
        self.target_recipe = target_codec
        self.target_codec: Optional[Codec] = None
        self.search = search
        self.unit = check_unit(unit)
        self.extension = extension
        self.alignment = alignment
        self.copy_unknown = copy_unknown
        self.protection = Protection(protect)
        self.recut = Recut(bpe_dropout)
        self.best = shortlist
        self.shortlist: Optional[Shortlist] = None
        files = {"target": TARGET, "shortlist": SHORTLIST, "memory": MEMORY}
        kept = {"target": target_codec is not None, "shortlist": shortlist > 0}
        self.extras = {name: file for name, file in files.items() if kept.get(name, True)}
        self._whole = self.unit in (DOC, SENT, TOKEN)  # spans may overlap
        for field in (*self.fields, f"{extension}_nbest", f"{extension}_recalled"):
            set_extension(field, Doc, Span, Token)

    def extra(self, name: str) -> bytes:
        if name == "shortlist":
            return cast(Shortlist, self.shortlist).to_bytes()
        return self._target().to_bytes() if name == "target" else super().extra(name)

    def load_extra(self, name: str, data: bytes) -> None:
        if name == "shortlist":
            self.shortlist = Shortlist.from_bytes(data)
        elif name == "target":
            self.target_codec = Codec.from_bytes(data)
        else:
            super().load_extra(name, data)

    @property
    def needs_tokens(self) -> bool:
        return self.unit != DOC or bool(self.protection)

    learns_from_tokens = needs_tokens

    @property
    def fields(self) -> List[str]:
        """The extensions that it writes: the text, its score, that of its words, other texts, the
        alignment."""
        found = [self.extension, f"{self.extension}_score", f"{self.extension}_confidence"]
        found += [f"{self.extension}_nbest"] * (self.search.nbest > 1)
        return found + [self.alignment] * bool(self.alignment)

    def _target(self) -> Codec:
        return self._codec() if self.target_recipe is None else cast(Codec, self.target_codec)

    def sizes(self) -> Dict[str, Any]:
        return {
            "sources": len(self._codec()),
            "targets": len(self._target()),
            "joint": self.target_recipe is None,
        }

    # Reading and predicting -----------------------------------------------------------------

    def sources(self, doc: Doc) -> List[Source]:
        """The rows of a doc: its units, cut where they are longer than the net is to read."""
        found = []
        text = doc.text  # which spaCy puts together anew each time
        for unit in units_of(doc, text, self.unit, self.name):
            for start, end in self._stretches(text[unit.start : unit.end]):
                start, end = unit.start + start, unit.start + end
                masked = self.protection.masked(doc, text, start, end)
                found.append(Source(unit, start, end, masked))
        return found

    def _stretches(self, text: str) -> List[Tuple[int, int]]:
        # no piece is shorter than a byte
        if not self.longest or len(text.encode("utf-8", "replace")) <= self.longest:
            return [(0, len(text))]
        return split_long(text, self._codec().align(text).offsets, self.longest)

    def encode(self, docs: Sequence[Doc]) -> List[Ids]:
        """A row for each source of the docs."""
        return self.closed(self._codec(), [s.masked.text for d in docs for s in self.sources(d)])

    def predict_rows(self, encoded: Union[Sequence[Ids], Rows]) -> List[List[Found]]:
        """The best few of each row, as `search` has it."""
        return self.run_rows(encoded, self._searched)

    def unpack(self, found: Any) -> Sequence[Any]:
        return cast(Sequence[Any], found)

    def _searched(
        self,
        net: Any,
        ids: Any,
        lengths: Any,
        places: np.ndarray,
        *,
        search: Optional[SearchRecipe] = None,
        prefix: Optional[Sequence[Words]] = None,
        required: Optional[Sequence[Sequence[Words]]] = None,
        forbidden: Sequence[Words] = (),
    ) -> List[List[Found]]:
        needed = self._held(ids)
        for row, place in zip(needed, places.tolist(), strict=True):
            row += required[place] if required else ()
        begun = [prefix[place] for place in places.tolist()] if prefix else None
        remembered = self.remembered(ids, lengths)
        pieces = None
        if self.shortlist is not None:
            asked = [*(begun or ()), *(word for row in needed for word in row), [EOS]]
            asked += [remembered.known()] if remembered is not None else []
            pieces = self.shortlist.of(arrays.array(ids), besides=[*chain.from_iterable(asked)])
        return (search or self.search).run(
            *self.beside(*self.shim.seen(net, net.begin(ids, lengths, pieces)), remembered),
            lengths=arrays.array(lengths),
            prefix=begun,
            required=needed,
            forbidden=forbidden,
        )

    def _held(self, ids: Any) -> List[List[Words]]:
        """The holders in each row: they must come through."""
        if not self.protection:
            return [[] for _ in range(len(ids))]
        sides = map(holder_ids, [self._codec(), self._target()])
        across = dict(zip(*sides, strict=True))
        return [[[across[id]] for id in row if id in across] for row in ids.tolist()]

    # Writing --------------------------------------------------------------------------------

    def set_annotations(self, docs: Iterable[Doc], found: Sequence[List[Found]]) -> None:
        """Writes; nothing else touches a doc."""
        walk = iter(found)
        for doc in docs:
            text = doc.text
            parts = [(source, self._spelled(source, next(walk))) for source in self.sources(doc)]
            if self._whole:
                self._write(doc, joined(text, 0, len(text), parts))
                self.write_recalled(doc, [source.masked.text for source, _ in parts])
            for _, of_unit in groupby(parts, key=lambda part: id(part[0].unit)):
                own = list(of_unit)
                unit = own[0][0].unit
                if unit.at is not None:
                    self._write(unit.at, joined(text, unit.start, unit.end, own))
                    self.write_recalled(unit.at, [source.masked.text for source, _ in own])

    def _write(self, at: Any, translations: Sequence[Translation]) -> None:
        best = translations[0]
        at._.set(self.extension, best.text)
        at._.set(f"{self.extension}_score", best.score)
        at._.set(f"{self.extension}_confidence", best.words)
        if self.alignment:
            at._.set(self.alignment, best.alignment)
        if self.search.nbest > 1:
            every = [{"text": one.text, "score": one.score} for one in translations]
            at._.set(f"{self.extension}_nbest", every)

    def _spelled(self, source: Source, found: Sequence[Found]) -> List[Translation]:
        """The text of each result, and where its pieces come from."""
        offsets = self._codec().align(source.masked.text).offsets  # (S, 2)
        return [
            spelled(
                self._target(),
                source.masked,
                offsets,
                one,
                copying=self.copy_unknown,
                aligning=bool(self.alignment),
            )
            for one in found
        ]

    def translate(
        self,
        texts: Iterable[str],
        *,
        prefix: str = "",
        required: Sequence[str] = (),
        forbidden: Sequence[str] = (),
        **settings: Any,
    ) -> List[List[Translation]]:
        """The best few translations of each text as a whole, best first.

        `prefix` is what each begins with, `required` what each holds and `forbidden` what none
        does; `settings` are those of the search, for instance `beam=10, nbest=3`.
        """
        every = list(texts)
        target = self._target()
        sources = [Source(Unit(0, len(t)), 0, len(t), self.protection.mask_text(t)) for t in every]
        # a word stands behind a space, and there in other pieces, where its script has spaces
        words = [self._forms(w)[0 if SPACELESS.match(w) else -1] for w in required]
        how = partial(
            self._searched,
            search=self.search.changed(**settings).fit_for(required),
            prefix=[target.encode([prefix])[0].tolist()] * len(every) if prefix else None,
            required=[words] * len(every) if words else None,
            forbidden=[form for word in forbidden for form in self._forms(word)],
        )
        rows = self.closed(self._codec(), [source.masked.text for source in sources])
        found = self.run_rows(rows, how)
        return [
            self._spelled(source, some) if source.masked.text.strip() else [_NOTHING]
            for source, some in zip(sources, found, strict=True)
        ]

    def _forms(self, word: str) -> List[Words]:
        """A word's pieces at the beginning of a text and, where they differ, behind a space."""
        alone, behind = (ids.tolist() for ids in self._target().encode([word, f" {word}"]))
        return [alone] if alone == behind else [alone, behind]

    # Learning -------------------------------------------------------------------------------

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        tokenizer: Optional[str] = None,
        target_tokenizer: Optional[str] = None,
        generator: Optional[str] = None,
        earlier: Optional[str] = None,
    ) -> None:
        """Learns the pieces of both sides; builds the net.

        `tokenizer` and `target_tokenizer` name a tokenizer.json to use as it is; `generator` names
        the folder of a trained generator that the encoder begins as, with its pieces; `earlier`
        that of a translator that it goes on from, with its pieces and new ones.
        """
        files = {"tokenizer": tokenizer, "target_tokenizer": target_tokenizer}
        before = read_earlier(earlier, generator=generator, **files)
        beginning = read_beginning(generator, tokenizer)
        tokenizer = beginning.tokenizer if beginning else tokenizer
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")
        self.forget()
        holders = HOLDERS if self.protection else ()

        def pairs() -> Iterator[Tuple[str, str]]:
            return (pair for example in get_examples() for pair in self.pairs(example))

        how: Any = {"reserved": holders, "before": before}
        if self.target_recipe is None:
            self.codec = learn_side(self.recipe, pairs, [0, 1], path=tokenizer, **how)
        else:
            self.codec = learn_side(self.recipe, pairs, [0], path=tokenizer, **how)
            how |= {"path": target_tokenizer, "file": TARGET}
            self.target_codec = learn_side(self.target_recipe, pairs, [1], **how)
        if self.best:
            codecs = self._codec(), self._target()
            self.shortlist = learn_shortlist(pairs, *codecs, best=self.best, before=before)
        self.shim.open(**self.sizes())
        if before:
            before.fill(self.shim.net, rows_of(before, self._codec(), self.target_codec))
        if beginning:
            self.shim.net.begin_as(beginning.weights)
        self.model.set_dim("nO", len(self._target()), force=True)

    def pairs(self, example: Example) -> List[Tuple[str, str]]:
        """What there is to learn: of units that say what becomes of them, else of the doc."""
        doc, mask = example.reference, self.protection.masked
        text = doc.text
        found = [
            (mask(doc, text, start, end), gold)
            for start, end, gold in golds_of(doc, text, self.unit, self.extension)
        ]
        return [self.protection.lesson(*pair) for pair in found if pair[0].text.strip()]

    def lessons(self, examples: Sequence[Example]) -> Lessons:
        """A row each, for pairs that are not too long for the net."""
        pairs = [pair for example in examples for pair in self.pairs(example)]
        rows, answers, short = self.fitting(pairs)
        self.skipped += len(pairs) - len(short)
        return Lessons(rows, answers)

    def learn(self, lessons: Lessons, **how: Any) -> float:
        return super().learn(self.recut.of(lessons, self._codec(), self._target()), **how)

    def cells(self, rows: Rows, answers: Rows) -> np.ndarray:
        return np.stack([answers.lengths, rows.lengths], axis=1)  # a piece to write costs most

    def score(self, examples: Iterable[Example], **_: Any) -> Dict[str, Any]:
        """By the names of this stage: another one in the same pipeline may write others."""
        if self.scorer is None:
            return {}
        return self.scorer(examples, extension=self.extension)

"""`seqpipe_generator`: texts continued, and measured by how well they are foretold."""

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Union

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from seqpipe.components._earlier import read_earlier
from seqpipe.components._reminding import RemindedStage
from seqpipe.components._search import SearchRecipe
from seqpipe.components._stage import Buckets, CodecRecipe, Lessons, read_defaults
from seqpipe.components._surprisal import (
    Costs,
    Names,
    bits_of_tokens,
    costs_of,
    counted_in,
    unusual_spans,
)
from seqpipe.components._text_stream import TextStream, seed_of
from seqpipe.components._writing import Ending, parts_of
from seqpipe.errors import SettingError
from seqpipe.held import Predict
from seqpipe.search import arrays
from seqpipe.search.state import Found
from seqpipe.text.batches import collate, collate_answers, plan
from seqpipe.text.codec import EOS, Ids
from seqpipe.text.course import CONTINUES, Course, Running
from seqpipe.text.rows import Rows

if TYPE_CHECKING:
    from seqpipe.nets.carry import Carry


@Language.factory(
    "seqpipe_generator",
    assigns=["doc._.generated", "doc._.perplexity", "doc._.bits_per_char", "token._.surprisal"],
    default_config=read_defaults(__file__, "generator"),
    default_score_weights={
        "char_likelihood": 1.0,
        "bits_per_char": None,
        "perplexity": None,
        "word_perplexity": None,
    },
)
def make_generator(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    codec: CodecRecipe,
    search: SearchRecipe,
    generated: str,
    perplexity: str,
    bits_per_char: str,
    surprisal: str,
    unusual: str,
    threshold: float,
    characters: int,
    stops: List[str],
    window: int,
    dynamic: float,
    longest: int,
    batches: Dict[str, int],
    device: str,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "Generator":
    return Generator(
        nlp.vocab,
        model,
        name,
        codec=codec,
        search=search,
        names=Names(generated, perplexity, bits_per_char, surprisal, unusual),
        threshold=threshold,
        ending=Ending(stops, characters),
        window=window,
        dynamic=dynamic,
        reads="text",
        longest=longest,
        batches=batches,
        device=device,
        scorer=scorer,
    )


@dataclass(frozen=True)
class Reading:
    """What came of one text: the nats of its pieces, and what was written after it."""

    nats: np.ndarray  # (S,)
    written: Sequence[Found] = ()


class Generator(RemindedStage):
    """Reads a doc; writes `doc._.generated`, `doc._.perplexity`, `token._.surprisal` ..."""

    answers = "<i4"

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Any, Any],
        name: str,
        *,
        search: SearchRecipe,
        names: Names,
        threshold: float,
        ending: Ending,
        window: int,
        dynamic: float,
        **shared: Any,
    ) -> None:
        super().__init__(vocab, model, name, cfg={}, **shared)
        if self.recipe.unit == "word":
            raise SettingError(
                "codec.unit", "word", "'char', 'bpe' or 'unigram', which keep spaces"
            )
        if window < 1:
            raise SettingError("window", window, "a number of pieces from 1 on")
        if dynamic < 0:
            raise SettingError("dynamic", dynamic, "0 for none, or a rate of learning above it")
        if threshold < 0:
            raise SettingError("threshold", threshold, "0 for none, or a number of bits above it")
        ending.bound(search)  # refuses one without an end
        self.search = search
        self.names = names
        self.threshold = threshold
        self.ending = ending
        self.window = window
        self.dynamic = dynamic
        self._carry: Optional[Carry] = None  # of a training, from part to part
        names.register()

    @property
    def fields(self) -> List[str]:
        """The extensions of a doc that it writes."""
        names = self.names
        several = f"{names.generated}_nbest" if names.generated and self.search.nbest > 1 else ""
        found = (names.generated, several, names.perplexity, names.bits_per_char, names.surprisal)
        return [name for name in found if name]

    @property
    def needs_tokens(self) -> bool:
        return bool(self.names.surprisal or self.names.unusual)

    def write_only(self, fields: Collection[str]) -> None:
        """Of its fields these alone."""
        self.names = self.names.only(fields)

    def sizes(self) -> Dict[str, Any]:
        return {"pieces": len(self._codec())}

    # Reading and predicting -----------------------------------------------------------------

    def predict_rows(self, encoded: Union[Sequence[Ids], Rows]) -> List[Reading]:
        """The costs of each row and, where there is a name for it, what it may go on with."""
        return self.run_rows(encoded, self._written() if self.names.generated else self._measured)

    def examine(self, encoded: Union[Sequence[Ids], Rows]) -> List[Reading]:
        """Nothing is written where only costs are asked for."""
        return self.run_rows(encoded, self._measured)

    def unpack(self, found: Any) -> Sequence[Any]:
        return list(found)

    def _measured(self, net: Any, ids: Any, lengths: Any, places: np.ndarray) -> List[Reading]:
        if not self.dynamic:
            return self._read(net, ids, lengths, self.begun(net, len(ids)))[0]
        self.shim.learner  # noqa: B018 - refuses where nothing can be learned
        from seqpipe.nets.dynamic import Dynamic

        # each text teaches a copy of its own, whatever others are in its batch
        return [
            self._read(Dynamic(net, rate=self.dynamic), row[:, : int(n)], n, net.begin())[0][0]
            for row, n in zip(ids.split(1), lengths.split(1), strict=True)
        ]

    def _written(self, **settings: Any) -> Predict:
        ending, search = self._asked(settings)

        def written(net: Any, ids: Any, lengths: Any, places: np.ndarray) -> List[Reading]:
            readings, carry = self._read(net, ids, lengths, self.begun(net, len(ids)))
            if self.dynamic:
                readings = self._measured(net, ids, lengths, places)
            rows = zip(arrays.array(ids), lengths.tolist(), strict=True)
            found = search.run(
                *self.seen(net.teller(), carry),
                lengths=arrays.array(lengths),
                begin=arrays.array(carry.last),
                seeds=[seed_of(row[:length]) for row, length in rows],
                stop=ending.stop_at(self._codec()),
            )
            return [replace(one, written=some) for one, some in zip(readings, found, strict=True)]

        return written

    def _asked(self, settings: Dict[str, Any]) -> Tuple[Ending, SearchRecipe]:
        named = {n: settings.pop(n, None) for n in ("stops", "characters")}
        ending = replace(self.ending, **{n: v for n, v in named.items() if v is not None})
        return ending, ending.bound(self.search.changed(**settings))

    def _read(
        self, model: Any, ids: Any, lengths: Any, carry: "Carry"
    ) -> "Tuple[List[Reading], Carry]":
        """Windows of rows (B, S), one after the other: memory holds one of them."""
        found = np.zeros(ids.shape, np.float32)
        for at in range(0, ids.shape[1], self.window):
            some = ids[:, at : at + self.window]
            nats, carry = self.told(model, some, (lengths - at).clip(0, some.shape[1]), carry)
            found[:, at : at + self.window] = arrays.array(nats)
        rows = zip(found, lengths.tolist(), strict=True)
        return [Reading(row[:length]) for row, length in rows], carry

    # Writing --------------------------------------------------------------------------------

    def set_annotations(self, docs: Iterable[Doc], found: Sequence[Reading]) -> None:
        """Writes; nothing else touches a doc."""
        for doc, reading in zip(docs, found, strict=True):
            self._measure(doc, reading.nats)
            texts = self._spelled(reading.written, self.ending)
            if texts:
                doc._.set(self.names.generated, texts[0])
            if len(texts) > 1:
                every = [
                    {"text": text, "score": one.score}
                    for text, one in zip(texts, reading.written, strict=True)
                ]
                doc._.set(f"{self.names.generated}_nbest", every)

    def _measure(self, doc: Doc, nats: np.ndarray) -> None:
        names = self.names
        costs = costs_of(self._codec(), doc.text, nats)
        if names.perplexity:
            doc._.set(names.perplexity, costs.perplexity())
        if names.bits_per_char:
            doc._.set(names.bits_per_char, costs.total / len(doc.text) if doc.text else None)
        wanted = self.threshold > 0 and bool(names.unusual)
        if not (names.surprisal or wanted):
            return
        bits = bits_of_tokens(doc, costs)
        if names.surprisal:
            doc._.set(names.surprisal, costs.total)
            for token, own in zip(doc, bits.tolist(), strict=True):
                token._.set(names.surprisal, own)
        if wanted:
            doc.spans[names.unusual] = unusual_spans(doc, bits, self.threshold)

    def _spelled(self, found: Sequence[Found], ending: Ending) -> List[str]:
        return [ending.cut(self._codec().decode(one.tokens)) for one in found]

    def generate(self, prompts: Sequence[str], **settings: Any) -> List[List[str]]:
        """What may follow each text, `nbest` of it, many at a time; settings as of `write`."""
        readings = self.run_rows(self._codec().encode(prompts), self._written(**settings))
        ending, _ = self._asked(settings)
        return [self._spelled(one.written, ending) for one in readings]

    def write(self, prompt: str = "", **settings: Any) -> Iterator[str]:
        """What may follow a text, bit by bit as it is written: the same as `doc._.generated`.

        `settings` are `stops`, `characters`, and those of the search, such as `temperature=0.5`.
        """
        return self.stream(prompt).write(**settings)

    def stream(self, text: str = "") -> TextStream:
        """A text without end, to be fed bit by bit; `text` is its beginning."""
        stream = TextStream(self)
        stream.feed(text)
        return stream

    def open_stream(self, path: Union[str, Path]) -> TextStream:
        """Goes on where a stream of this model was saved."""
        return TextStream.load(self, path)

    @property
    def codec_unit(self) -> str:
        return self._codec().unit

    @property
    def mark(self) -> int:
        """What its pieces and its weights add up to."""
        own = zlib.crc32(self.shim.to_bytes(), zlib.crc32(self._codec().to_bytes()))
        return zlib.crc32(self.extra("memory"), own)

    def begin(self) -> "Carry":
        """What is known of a text of which nothing is read."""
        carry: Carry = self.begun(self.shim.net)
        return carry

    def read_on(self, text: str, carry: "Carry") -> "Tuple[Ids, Costs, Carry]":
        """The ids of a text, their costs after what was read before, and what is known then; all
        by the model as it is, for what it learned on the way would hang on the bits."""
        (ids,) = self._codec().encode([text])
        ((_, found),) = self.shim.predict_rows(
            [ids],
            budget=self.buckets.budget,
            rows=1,
            predict=lambda net, row, lengths, _: self._read(net, row, lengths, carry),
        )
        readings, after = found
        return ids, costs_of(self._codec(), text, readings[0].nats), after

    def follow(self, carry: "Carry", seed: int, /, **settings: Any) -> Iterator[str]:
        """What may follow what was read, bit by bit."""
        ending, search = self._asked(settings)
        codec, teller = self._codec(), self.shim.net.teller()
        begin, seen = arrays.array(carry.last), self.seen(teller, carry)
        if search.beam == 1 or search.sampling:
            pieces = search.walk(*seen, begin=begin, alone=self.alone(teller, carry), seed=seed)
            return ending.typed(parts_of(codec, pieces))
        stop = ending.stop_at(codec)
        found = search.run(*seen, lengths=np.zeros_like(begin), begin=begin, stop=stop)
        return iter(self._spelled(found[0][:1], ending))

    # Learning -------------------------------------------------------------------------------

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        tokenizer: Optional[str] = None,
        earlier: Optional[str] = None,
    ) -> None:
        """Learns the pieces; builds the net. `tokenizer` names a tokenizer.json to use as it is;
        `earlier` the folder of a generator that it goes on from, with its pieces and new ones."""
        before = read_earlier(earlier, tokenizer=tokenizer)
        settled = before.settled if before else tokenizer
        self.train_codec(get_examples, lambda example: None, settled)
        if self._codec().unit == "word":
            raise SettingError("tokenizer", tokenizer, "one of 'char', 'bpe' or 'unigram' pieces")
        self.codec = before.codec(self._codec) if before else self.codec
        self.forget()
        self.shim.open(**self.sizes())
        if before:
            tables = ["pieces.weight", "output.weight", "bias"]
            before.fill(self.shim.net, dict.fromkeys(tables, before.pieces(self._codec())))

    def lessons(self, examples: Sequence[Example]) -> Lessons:
        """Texts with their ends; a text that the next doc continues has none yet."""
        docs = [example.reference for example in examples]
        rows = self._codec().encode([doc.text for doc in docs])
        ended = [
            ids if doc.user_data.get(CONTINUES) else np.append(ids, np.int32(EOS))
            for ids, doc in zip(rows, docs, strict=True)
        ]
        return Lessons(ended, [np.empty(0, np.int32)] * len(ended))

    def course(
        self, rows: Rows, answers: Rows, *, side_by_side: int, budget: int, seed: int
    ) -> Course:
        return Running(rows, end=EOS, side_by_side=side_by_side, window=self.window, seed=seed)

    def learn(self, lessons: Lessons, *, drop: float, buckets: Optional[Buckets] = None) -> float:
        """Adds the gradients of each window, which begins with what the one before has left."""
        import torch

        self.learns()
        rows, buckets = lessons.rows, buckets or self.buckets
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        total, count = 0.0, 0
        with self.shim.learning(drop) as (net, learner):
            for places in plan(lengths, budget=buckets.budget, rows=buckets.rows):
                read = torch.from_numpy(collate(rows, places).ids)
                targets = torch.from_numpy(collate_answers(rows, places))  # a text says itself
                carry = self._carry if lessons.follows else None
                carry = carry or net.begin(len(places))
                for at in range(0, targets.shape[1], self.window):
                    ids, wanted = (x[:, at : at + self.window] for x in (read, targets))
                    ids, wanted = ids.to(net.device), wanted.to(net.device)
                    loss, extra, carry = learner.loss(ids, wanted, carry)
                    answers = int((wanted >= 0).sum())
                    learner.accumulate(loss, answers, besides=extra)
                    total, count = total + float(loss.detach()), count + answers
                self._carry = carry if carry.finite else net.begin(len(places))
        return total / max(count, 1)

    def carried(self) -> Mapping[str, Any]:
        return {} if self._carry is None else self._carry.tensors()

    def carry_on(self, carried: Mapping[str, Any]) -> None:
        from seqpipe.nets.carry import Carry

        self._carry = Carry.of(carried, self.shim.device) if carried else None

    def score(self, examples: Iterable[Example], **_: Any) -> Dict[str, Any]:
        """By the names of this stage: another one in the same pipeline may write others."""
        if self.scorer is None:
            return {}
        counted = partial(counted_in, name=self.names.bits_per_char, codec=self._codec())
        return self.scorer(examples, counted=counted)

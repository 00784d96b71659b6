"""What every stage of seqpipe shares: reading, running in buckets, learning, saving."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Optional, Union

import numpy as np
import srsly
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import from_bytes, from_disk, minibatch, to_bytes, to_disk
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer

from seqpipe.components._codec_recipe import CodecRecipe as CodecRecipe
from seqpipe.components._codec_recipe import make_codec_recipe as make_codec_recipe
from seqpipe.components._lookup import FEWEST_TOKENS, Lookup
from seqpipe.errors import NotInitialized, RehearsalRefused, SettingError
from seqpipe.files import written
from seqpipe.held import HeldNet, Predict, as_array
from seqpipe.models import settle, shim_of
from seqpipe.text import course
from seqpipe.text.batches import restore
from seqpipe.text.codec import Codec, Ids
from seqpipe.text.course import Course
from seqpipe.text.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

Reads = Literal["text", "tokens"]

_MODEL = "model.*"  # the files of a net


@dataclass(frozen=True)
class Lessons:
    """Encoded rows, and what the net should say of each."""

    rows: Sequence[Ids]
    answers: Sequence[np.ndarray]
    follows: bool = False  # whether each row goes on where that of the lessons before has ended


@dataclass(frozen=True)
class Buckets:
    """How many rows, and how many cells of a padded batch, run side by side."""

    rows: int
    budget: int


def read_defaults(module: str, stage: str) -> Dict[str, Any]:
    """The settings of a stage as the .cfg beside its module gives them."""
    config = Config().from_disk(Path(module).with_suffix(".cfg"), interpolate=False)
    settings = dict(config["components"][stage])
    settings.pop("factory")
    return settings


def set_extension(name: str, *on: Any) -> None:
    """Registers an extension of Doc, or of what is named, once for all stages of the same name."""
    for kind in on or (Doc,):
        if not kind.has_extension(name):
            kind.set_extension(name, default=None)


class Stage(TrainablePipe):
    """A codec, a net and the way between a Doc and both; the stages fill in what they decide."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Any, Any],
        name: str,
        *,
        codec: CodecRecipe,
        reads: Reads,
        batches: Dict[str, int],
        longest: int,
        device: str,
        scorer: Optional[Callable[..., Dict[str, Any]]],
        cfg: Dict[str, Any],
    ) -> None:
        if reads not in ("text", "tokens"):
            raise SettingError("reads", reads, "'text' or 'tokens'")
        if reads == "tokens" and codec.unit != "word":
            raise SettingError("codec.unit", codec.unit, "'word' where reads = 'tokens'")
        if longest < 0:
            raise SettingError("longest", longest, "0 for no limit, or a number of pieces")
        self.vocab = vocab
        self.model = model
        self.name = name
        self.recipe = codec
        self.codec: Optional[Codec] = None
        self._lookup: Optional[Lookup] = None
        self.reads = reads
        self.buckets = Buckets(**batches)
        self.longest = longest
        self.scorer = scorer
        self.cfg = cfg
        self.skipped = 0  # lessons that were left out, for being too long
        settle(model, device)
        model.attrs["predict"] = self.predict

    @property
    def shim(self) -> HeldNet:
        return shim_of(self.model)

    # What a stage decides -------------------------------------------------------------------

    def sizes(self) -> Dict[str, Any]:
        """The sizes its net is built with, known after `initialize` and after loading."""
        raise NotImplementedError

    answers = "<f4"  # the numbers that a net of this stage should say
    # what it keeps besides settings, codec and weights, and the file of each
    extras: Mapping[str, str] = MappingProxyType({})
    optional = frozenset[str]()  # those of which no bytes are no file

    def extra(self, name: str) -> bytes:
        raise NotImplementedError

    def load_extra(self, name: str, data: bytes) -> None:
        raise NotImplementedError

    def lessons(self, examples: Sequence[Example]) -> Lessons:
        """What there is to learn in these examples."""
        raise NotImplementedError

    @property
    def learns_from_tokens(self) -> bool:
        """Whether it learns of more than the text of a predicted doc."""
        return self.reads == "tokens"

    def cells(self, rows: Rows, answers: Rows) -> np.ndarray:
        """How long each row is to the net, or each side of it: what batches are made alike in."""
        return rows.lengths

    def course(
        self, rows: Rows, answers: Rows, *, side_by_side: int, budget: int, seed: int
    ) -> Course:
        """The way of a training through its rows."""
        cells = self.cells(rows, answers)
        return course.Buckets(
            rows, answers, cells, side_by_side=side_by_side, budget=budget, seed=seed
        )

    def carried(self) -> "Mapping[str, Tensor]":
        """What a training carries on from one part of its course to the next."""
        return {}

    def carry_on(self, carried: "Mapping[str, Tensor]") -> None:
        """Takes it up again."""

    # Reading and predicting -----------------------------------------------------------------

    def encode(self, docs: Sequence[Doc]) -> List[Ids]:
        """The ids of each doc."""
        if self.codec is None:
            raise NotInitialized(self.name)
        apart = self.reads == "tokens"
        looked_up = apart or self.codec.splits_at_spaces
        if looked_up and sum(map(len, docs)) >= FEWEST_TOKENS:
            if self._lookup is None or self._lookup.codec is not self.codec:
                self._lookup = Lookup(self.codec, apart=apart)
            return self._lookup.encode(docs)
        if apart:
            return self.codec.encode_words([[t.text for t in doc] for doc in docs])
        return self.codec.encode([doc.text for doc in docs])

    def predict(self, docs: Iterable[Doc]) -> Any:
        """What the net makes of each doc, in their order; the docs stay as they are."""
        docs = list(docs)
        return self.predict_rows(self.encode(docs))

    def predict_rows(self, encoded: Union[Sequence[Ids], Rows]) -> Any:
        """The same for docs that were encoded before."""
        return self.run_rows(encoded)

    def examine(self, encoded: Union[Sequence[Ids], Rows]) -> Any:
        """What of it a validation needs."""
        return self.predict_rows(encoded)

    def run_rows(
        self, encoded: Union[Sequence[Ids], Rows], predict: Optional[Predict] = None
    ) -> List[Any]:
        """One result a row; `predict` says how, if it is not the net's own `predict`."""
        parts = self.shim.predict_rows(
            encoded, budget=self.buckets.budget, rows=self.buckets.rows, predict=predict
        )
        return restore(((places, self.unpack(found)) for places, found in parts), len(encoded))

    def unpack(self, found: Any) -> Sequence[Any]:
        """One result a row out of what the net gave for a batch."""
        return list(as_array(found))

    def written(self, docs: Sequence[Doc], found: Any) -> Sequence[Doc]:
        """The docs with what was found; a stage that makes docs anew gives those."""
        self.set_annotations(docs, found)
        return docs

    def __call__(self, doc: Doc) -> Doc:
        for annotated in self._annotate([doc]):
            return annotated
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """A doc that fails costs only itself: the error handler gets it alone."""
        for docs in minibatch(stream, size=batch_size):
            yield from self._annotate(list(docs))

    def _annotate(self, docs: List[Doc]) -> Iterator[Doc]:
        """All the docs at once, or, where that fails, half of them at a time."""
        try:
            written = self.written(docs, self.predict(docs))
        except Exception as error:
            if len(docs) == 1:
                self.get_error_handler()(self.name, self, docs, error)
                return
            failed = error
        else:
            yield from written
            return
        _free(failed)
        half = len(docs) // 2
        yield from self._annotate(docs[:half])
        yield from self._annotate(docs[half:])

    # Learning -------------------------------------------------------------------------------

    def train_codec(
        self,
        get_examples: Callable[[], Iterable[Example]],
        look: Callable[[Example], None],
        tokenizer: Optional[str],
    ) -> None:
        """One walk over the examples: `look` sees each, the codec learns from their texts."""
        validate_get_examples(get_examples, f"{type(self).__name__}.initialize")

        def docs() -> Iterator[Doc]:
            for example in get_examples():
                look(example)
                yield example.reference

        if tokenizer is not None:
            for _ in docs():
                pass
            self.codec = Codec.load(tokenizer)
        elif self.reads == "tokens":
            self.codec = self.recipe.of_words((t.text for t in doc) for doc in docs())
        else:
            self.codec = self.recipe.train(doc.text for doc in docs())

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Adds the gradients of a batch; the step itself is taken in `finish_update`."""
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        losses[self.name] += self.learn(self.lessons(examples), drop=drop)
        if sgd:
            self.finish_update(sgd)
        return losses

    def learn(
        self,
        lessons: Lessons,
        *,
        drop: float,
        buckets: Optional[Buckets] = None,
    ) -> float:
        """The same for what was made of examples before; gives the mean loss."""
        if not lessons.rows:
            return 0.0
        buckets = buckets or self.buckets
        return self.shim.learn(
            lessons.rows, lessons.answers, drop=drop, budget=buckets.budget, rows=buckets.rows
        )

    def finish_update(self, sgd: Optimizer) -> None:
        """One step of AdamW over all that `update` has gathered."""
        self.shim.finish_update(sgd)

    def rehearse(self, examples: Iterable[Example], **_: Any) -> Dict[str, float]:
        raise RehearsalRefused(self.name)

    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """A generator that spaCy advances by hand: averaged weights until its second turn."""
        with self.shim.use_params(params):
            yield

    # Saving ---------------------------------------------------------------------------------

    def _codec(self) -> Codec:
        if self.codec is None:
            raise NotInitialized(self.name)
        return self.codec

    def _load_codec(self, data: bytes) -> None:
        self.codec = Codec.from_bytes(data)

    def _load_model(self, data: bytes) -> None:
        self.shim.open(**self.sizes())
        self.shim.from_bytes(data)

    def _read_model(self, folder: Path) -> None:
        self.shim.open(**self.sizes())
        self.shim.from_files({path.name: path.read_bytes() for path in folder.glob(_MODEL)})

    def _write_extra(self, name: str, path: Path) -> None:
        data = self.extra(name)
        if name in self.optional and not data:
            path.unlink(missing_ok=True)  # what stood there before
        else:
            _write(path, data)

    def _read_extra(self, name: str, path: Path) -> None:
        lacks = name in self.optional and not path.exists()
        self.load_extra(name, b"" if lacks else path.read_bytes())

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        parts = {
            "cfg": lambda: srsly.json_dumps(self.cfg, sort_keys=True),
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
        }
        if self.shim.ready:
            parts["tokenizer"] = self._codec().to_bytes
            parts.update({name: partial(self.extra, name) for name in self.extras})
            parts["model"] = self.shim.to_bytes
        return to_bytes(parts, list(exclude))

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "Stage":
        parts: Dict[str, Callable[[bytes], Any]] = {
            "cfg": lambda b: self.cfg.update(srsly.json_loads(b)),
            "vocab": lambda b: self.vocab.from_bytes(b, exclude=exclude),
            "tokenizer": self._load_codec,
            **{name: partial(self.load_extra, name) for name in self.extras},
            "model": self._load_model,
        }
        from_bytes(bytes_data, parts, list(exclude))
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        parts: Dict[str, Callable[[Path], Any]] = {
            "cfg": lambda p: _write(p, srsly.json_dumps(self.cfg, 2, sort_keys=True).encode()),
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
        }
        if self.shim.ready:
            parts["tokenizer.json"] = lambda p: _write(p, self._codec().to_bytes())
            for name, file in self.extras.items():
                parts[file] = partial(self._write_extra, name)
            for file, data in self.shim.files().items():
                parts[file] = partial(_write, data=data)
        to_disk(path, parts, _stems(exclude))

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "Stage":
        parts: Dict[str, Callable[[Path], Any]] = {
            "cfg": lambda p: self.cfg.update(srsly.read_json(p)),
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
        }
        if any(Path(path).glob(_MODEL)):
            parts["tokenizer.json"] = lambda p: self._load_codec(p.read_bytes())
            for name, file in self.extras.items():
                parts[file] = partial(self._read_extra, name)
            parts["model"] = lambda p: self._read_model(p.parent)
        from_disk(path, parts, _stems(exclude))
        return self


def _write(path: Path, data: Union[bytes, Callable[[], bytes]]) -> None:
    with written(path) as beside:
        beside.write_bytes(data() if callable(data) else data)


def _stems(exclude: Iterable[str]) -> List[str]:
    """spaCy compares what to leave out with the name of a file up to its first dot."""
    return [name.partition(".")[0] for name in exclude]


def _free(error: BaseException) -> None:
    """Gives memory back before the next try: the traceback holds on to the failed batch."""
    error.__traceback__ = None
    torch = sys.modules.get("torch")  # without it there is nothing to give back
    if torch is not None and isinstance(error, torch.cuda.OutOfMemoryError):
        torch.cuda.empty_cache()

"""`seqpipe_sentiment`: one label, or several, for a whole doc."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Union

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Model

from seqpipe.components._beginning import read_beginning
from seqpipe.components._confidence import UNFITTED, fitted, taken_over, temperatures, thresholds
from seqpipe.components._earlier import grown, read_earlier
from seqpipe.components._label_scores import score_sentiment, told_of
from seqpipe.components._polarity import polarities
from seqpipe.components._stage import (
    CodecRecipe,
    Lessons,
    Reads,
    Stage,
    read_defaults,
    set_extension,
)
from seqpipe.errors import LabelsFixed, LabelsTooFew, LabelUnknown, SettingError
from seqpipe.held import as_array
from seqpipe.text.codec import Ids
from seqpipe.text.course import Buckets, Course
from seqpipe.text.oversampling import Oversampling
from seqpipe.text.probabilities import check_soft
from seqpipe.text.rows import Rows
from seqpipe.text.vectors import Vectors, read_vectors

if TYPE_CHECKING:
    from torch import nn

    from seqpipe.nets.classifier import Classifier


@registry.scorers("seqpipe.sentiment_scorer.v1")
def make_sentiment_scorer() -> Callable[..., Dict[str, Any]]:
    return score_sentiment


@Language.factory(
    "seqpipe_sentiment",
    assigns=["doc.cats", "doc.sentiment", "doc._.sentiment"],
    default_config=read_defaults(__file__, "sentiment"),
    default_score_weights={
        "cats_score": 1.0,
        "cats_score_desc": None,
        "cats_micro_p": None,
        "cats_micro_r": None,
        "cats_micro_f": None,
        "cats_macro_p": None,
        "cats_macro_r": None,
        "cats_macro_f": None,
        "cats_macro_auc": None,
        "cats_f_per_type": None,
        "cats_acc": None,
        "cats_ece": None,
    },
)
def make_sentiment(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    codec: CodecRecipe,
    reads: Reads,
    multi_label: bool,
    threshold: float,
    calibrate: bool,
    abstain: float,
    abstain_label: str,
    polarity: Dict[str, float],
    extension: str,
    longest: int,
    oversample: float,
    batches: Dict[str, int],
    device: str,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "Sentiment":
    return Sentiment(
        nlp.vocab,
        model,
        name,
        codec=codec,
        reads=reads,
        multi_label=multi_label,
        threshold=threshold,
        calibrate=calibrate,
        abstain=abstain,
        abstain_label=abstain_label,
        polarity=polarity,
        extension=extension,
        longest=longest,
        oversample=oversample,
        batches=batches,
        device=device,
        scorer=scorer,
    )


class Sentiment(Stage):
    """Reads a doc as pieces, writes `doc.cats`, `doc.sentiment` and `doc._.sentiment`."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Any, Any],
        name: str,
        *,
        multi_label: bool,
        threshold: float,
        calibrate: bool,
        abstain: float,
        abstain_label: str,
        polarity: Dict[str, float],
        extension: str,
        oversample: float,
        **shared: Any,
    ) -> None:
        if not 0 <= oversample <= 1 or (oversample and multi_label):
            allowed = "a share from 0 to 1, and 0 where multi_label = true"
            raise SettingError("oversample", oversample, allowed)
        if not 0 <= abstain <= 1 or (abstain and multi_label):
            allowed = "a probability from 0 to 1, and 0 where multi_label = true"
            raise SettingError("abstain", abstain, allowed)
        cfg = {"labels": [], "multi_label": multi_label, "threshold": threshold, **UNFITTED}
        super().__init__(vocab, model, name, cfg=cfg, **shared)
        self.calibrates = calibrate
        self.abstain = abstain
        self.abstain_label = abstain_label
        self.polarity = polarity
        self.extension = extension
        self.oversample = oversample
        set_extension(extension)

    @property
    def fields(self) -> List[str]:
        """The extensions that it writes."""
        return [self.extension]

    @property
    def labels(self) -> Tuple[str, ...]:
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        return list(self.cfg["labels"])

    def add_label(self, label: str) -> int:
        """0 when it is there already, 1 when it was added; refused once there are weights."""
        if not isinstance(label, str):
            raise SettingError("label", label, "a string")
        if label in self.labels:
            return 0
        if self.shim.ready:
            raise LabelsFixed(self.name, label, self.labels)
        self.cfg["labels"].append(label)
        return 1

    def sizes(self) -> Dict[str, Any]:
        return {
            "pieces": len(self._codec()),
            "joined": self._codec().joined(),
            "hashed": self.cfg.get("hashed", 0),
            "classes": len(self.labels),
            "multi_label": self.cfg["multi_label"],
        }

    # predict is inherited: encode, run in buckets, put back in order

    def predict_rows(self, encoded: Union[Sequence[Ids], Rows]) -> List[np.ndarray]:
        """Probabilities, as sure as a validation part has shown them to be."""
        return self.run_rows(encoded, self._sure)

    def _sure(self, net: Any, ids: Any, lengths: Any, places: np.ndarray) -> Any:
        return net.predict(ids, lengths, self.temperatures)

    @property
    def temperatures(self) -> List[float]:
        """What the scores of the net are divided by: one for all labels, or one each."""
        return temperatures(self.cfg)

    def calibrate(
        self, examples: Iterable[Example], encoded: Optional[Union[Sequence[Ids], Rows]] = None
    ) -> List[np.ndarray]:
        """Fits temperatures, and thresholds where several labels may count, to docs that it has not
        learned from; gives what it then says of them. `encoded` are their rows, if there are any
        already."""
        pairs = list(examples)
        if not pairs:
            return []
        rows = self.encode([eg.predicted for eg in pairs]) if encoded is None else encoded
        scores = np.stack(self.run_rows(rows, _scores))
        self.cfg.update(fitted(scores, told_of(pairs, self.labels), self.cfg))
        said = self.shim.net.normalized(scores, self.temperatures)
        return list(as_array(said))

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[np.ndarray]) -> None:
        """Writes; nothing else touches a doc."""
        if not len(scores):
            return
        labels, table, sides = self.labels, np.stack(scores), self._sides()
        counts = self._counting(table)
        best = np.where(counts | ~counts.any(axis=1, keepdims=True), table, -1.0).argmax(axis=1)
        given = counts[np.arange(len(table)), best].tolist()
        polarity = (table @ sides).tolist()
        opinion = bool(sides.any())  # a stage of topics has none
        place: Any = (
            "._.",
            self.extension,
            None,
            None,
        )  # what `doc._.set` does, at an eighth of it
        for doc, values, top, counted, side in zip(
            docs, table.tolist(), best.tolist(), given, polarity, strict=True
        ):
            doc.cats.update(zip(labels, values))  # noqa: B905 - of one length by their making
            if opinion:
                doc.sentiment = side
            label = labels[top] if counted else None
            if values[top] < self.abstain:
                label = self.abstain_label
            doc.user_data[place] = {"label": label, "score": values[top], "polarity": side}

    def _counting(self, table: np.ndarray) -> np.ndarray:
        """Which labels are likely enough to be given, by their probabilities (N, C)."""
        if self.cfg["multi_label"]:
            return np.asarray(table >= thresholds(self.cfg))
        return np.ones(table.shape, dtype=np.bool_)

    def score(self, examples: Iterable[Example], **settings: Any) -> Dict[str, Any]:
        scores: Dict[str, Any] = super().score(examples, **{"abstain": self.abstain, **settings})
        return scores

    def _sides(self) -> np.ndarray:
        """Where each label stands between -1 and 1; all zero when nobody says."""
        return np.array(polarities(self.labels, self.polarity), dtype=np.float32)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[List[str]] = None,
        tokenizer: Optional[str] = None,
        vectors: Optional[str] = None,
        class_weights: Optional[Dict[str, float]] = None,
        generator: Optional[str] = None,
        earlier: Optional[str] = None,
    ) -> None:
        """Learns the vocabulary, finds the labels, builds the net.

        `labels` fixes the labels and their order; `tokenizer` names a tokenizer.json to use as it
        is; `vectors` starts the embedding from a word2vec or fastText text file, or from the
        pipeline's own vectors when it is "vocab"; `class_weights` says how much a label counts;
        `generator` names the folder of a trained generator that the encoder begins as, with its
        pieces; `earlier` that of a sentiment stage that it goes on from, with its labels and
        pieces, behind which the new ones come.
        """
        before = read_earlier(earlier, tokenizer=tokenizer, vectors=vectors, generator=generator)
        if before:
            tokenizer = before.settled
        beginning = read_beginning(generator, tokenizer)
        if beginning and vectors is not None:
            raise SettingError("initialize vectors", vectors, "null, for the generator has its own")
        known = before.cfg["labels"] if before else []
        seen: Dict[str, None] = dict.fromkeys([*known, *(labels or self.labels)])

        def look(example: Example) -> None:
            for label in example.reference.cats if labels is None else ():
                seen.setdefault(label)

        self.train_codec(get_examples, look, beginning.tokenizer if beginning else tokenizer)
        if before:
            self.codec = before.codec(self._codec)
            self.cfg["hashed"] = before.hashed
        self.cfg.update(UNFITTED, **(taken_over(before.cfg) if before else {}), labels=list(seen))
        least = 1 if self.cfg["multi_label"] else 2
        if len(seen) < least:
            raise LabelsTooFew(self.name, self.labels, least)
        if self.abstain and self.abstain_label in seen:
            raise SettingError("abstain_label", self.abstain_label, "a name that no label has")
        self.shim.open(**self.sizes())
        net: Classifier = self.shim.net
        if before:
            rows = dict.fromkeys(["output.weight", "output.bias"], grown(len(known), len(seen)))
            rows["embedding.single.weight"] = before.pieces(self._codec())
            before.fill(net, rows, kept=["class_weights"])
        if beginning:
            net.begin_as(beginning.weights)
        if vectors is not None:
            _start(net.embedding.single, self._vectors(vectors, nlp))
        for label, weight in (class_weights or {}).items():
            net.class_weights[self._place(label)] = weight
        self.model.set_dim("nO", len(seen), force=True)

    def _vectors(self, name: str, nlp: Optional[Language]) -> Vectors:
        pieces = self._codec().pieces()
        if name != "vocab":
            return read_vectors(name, pieces)
        vocab = self.vocab if nlp is None else nlp.vocab
        found = [i for i, piece in enumerate(pieces) if vocab.has_vector(piece)]
        rows = [vocab.get_vector(pieces[i]) for i in found]
        return Vectors(np.array(found, dtype=np.int64), np.array(rows, dtype=np.float32))

    def _place(self, label: str) -> int:
        if label not in self.labels:
            raise LabelUnknown(self.name, label, self.labels)
        return self.labels.index(label)

    def lessons(self, examples: Sequence[Example]) -> Lessons:
        """A row each, for those that say anything."""
        encoded = self.encode([example.predicted for example in examples])
        told = self.targets(examples)
        known = ~np.isnan(told).all(axis=1)
        rows = [ids[: self.longest] for ids, k in zip(encoded, known, strict=True) if k]
        return Lessons(rows, list(told[known]))

    def course(
        self, rows: Rows, answers: Rows, *, side_by_side: int, budget: int, seed: int
    ) -> Course:
        """Rare labels come more often, as far as `oversample` says; a soft one is its likeliest."""
        likeliest = np.asarray(answers.ids).reshape(len(answers), -1).argmax(axis=1)
        drawn = Oversampling(likeliest, share=self.oversample, seed=seed)
        return Buckets(
            rows,
            answers,
            self.cells(rows, answers),
            side_by_side=side_by_side,
            budget=budget,
            seed=seed,
            drawn=drawn if self.oversample else None,
        )

    def targets(self, examples: Sequence[Example]) -> np.ndarray:
        """Probabilities (N, C); NaN where an example does not say."""
        targets = np.full((len(examples), len(self.labels)), np.nan, dtype=np.float32)
        multi_label: bool = self.cfg["multi_label"]
        for row, example in zip(targets, examples, strict=True):
            cats = example.reference.cats
            check_soft(cats.values(), text=example.reference.text, exclusive=not multi_label)
            for label, value in cats.items():
                row[self._place(label)] = value
            if multi_label:
                continue
            total = np.nansum(row)
            row[:] = np.nan_to_num(row) / total if total > 0 else np.nan
        return targets

    def get_loss(
        self, examples: Iterable[Example], scores: Sequence[np.ndarray]
    ) -> Tuple[float, np.ndarray]:
        """The mean loss of probabilities, and its gradient before softmax or sigmoid."""
        said = np.asarray(scores, dtype=np.float32)
        gold = self.targets(list(examples))
        known = ~np.isnan(gold)
        gold = np.nan_to_num(gold)
        safe = np.clip(said, 1e-7, 1 - 1e-7)
        loss = -(gold * np.log(safe))
        if self.cfg["multi_label"]:
            loss = loss - (1 - gold) * np.log1p(-safe)
        rows = max(1, int(known.any(axis=1).sum()))
        return float((loss * known).sum() / rows), (said - gold) * known / rows


def _start(embedding: "nn.Embedding", vectors: Vectors) -> None:
    """Puts known vectors in; the rest keep their chance beginnings, scaled alike."""
    if not len(vectors.ids):
        return
    width = vectors.rows.shape[1]
    if width != embedding.embedding_dim:
        raise SettingError("model.embedding", embedding.embedding_dim, f"{width}, as the vectors")
    vectors.fill(embedding.weight)


def _scores(net: Any, ids: Any, lengths: Any, places: np.ndarray) -> Any:
    return net.scores(ids, lengths)

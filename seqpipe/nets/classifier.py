"""A classifier of whole rows: embedding, encoder, pools, one linear output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from seqpipe.nets.dropout import Gaps
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder, length_mask
from seqpipe.nets.full import full
from seqpipe.nets.pooling import Pool
from seqpipe.nets.sweep import Sweeps
from seqpipe.nets.transfer import begin, vectors_of


class Classifier(nn.Module):
    """From ids (B, S) to one score a class; `multi_label` scores each class by itself."""

    def __init__(
        self,
        *,
        embedding: Embedding,
        encoder: Encoder,
        pools: Sequence[Pool],
        classes: int,
        multi_label: bool = False,
        word_dropout: float = 0.0,
        unknown: int = 1,
        label_smoothing: float = 0.0,
        chunk: int = 2048,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoder = encoder
        self.pools = nn.ModuleList(pools)
        self.output = nn.Linear(encoder.outputs * len(pools), classes)
        self.dropout = nn.Dropout(0.0)  # the rate is the driver's: see `set_dropout`
        self.sweeps = Sweeps()
        self.multi_label = multi_label
        self.gaps = Gaps(word_dropout, piece=unknown)
        self.label_smoothing = label_smoothing
        self.chunk = chunk
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.ones(classes))

    def below(self) -> list[nn.Module]:
        """What a language model has too, the highest first; all else is the head."""
        return [*reversed(self.encoder.onward), self.embedding.single]

    @torch.no_grad()
    def begin_as(self, weights: Mapping[str, Tensor]) -> None:
        """Takes vectors and onward cells from a trained language model."""
        begin(self.encoder, weights)
        vectors = vectors_of(weights)  # (V, D)
        # a language model reads them at the size that `Pieces` gives them
        self.embedding.single.weight.copy_(vectors * math.sqrt(vectors.shape[1]))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Scores before softmax or sigmoid: (B, C)."""
        mask = length_mask(lengths, ids.shape[1])  # (B, S)
        states = self._states(self.gaps(ids), lengths)  # (B, S, H)
        pooled = torch.cat([pool(states, mask) for pool in self.pools], dim=-1)
        return full(self.output(self.dropout(pooled)))

    def _states(self, ids: Tensor, lengths: Tensor) -> Tensor:
        if not self.training and self.sweeps.suits(self.encoder, self.embedding, rows=len(ids)):
            sweep = self.sweeps.of(self.encoder, self.embedding)
            return sweep(self.embedding.places(ids), lengths)
        states: Tensor = self.encoder(self.dropout(self.embedding(ids)), lengths)
        return states

    def loss(self, ids: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Summed over the rows; targets (B, C) are one-hot or soft."""
        scores = self(ids, lengths)
        smooth = self.label_smoothing
        if self.multi_label:
            known = ~targets.isnan()  # a label that nobody gave teaches nothing
            targets = targets.nan_to_num() * (1 - smooth) + 0.5 * smooth
            each = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
            return (each * known * self.class_weights).sum()
        targets = targets * (1 - smooth) + smooth / scores.shape[1]
        return -(F.log_softmax(scores, dim=-1) * targets * self.class_weights).sum()

    def answers(self, targets: Tensor) -> int:
        """Over how many a loss is summed: one a row."""
        return len(targets)

    def predict(
        self, ids: Tensor, lengths: Tensor, temperature: Sequence[float] | float = 1.0
    ) -> Tensor:
        """Probabilities (B, C)."""
        return self.normalized(self.scores(ids, lengths), temperature)

    def scores(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """As `forward` (B, C); rows beyond `chunk` steps pass through in constant memory."""
        if ids.shape[1] <= self.chunk:
            whole: Tensor = self(ids, lengths)
            return whole
        return torch.cat([self._long(row[: int(n)]) for row, n in zip(ids, lengths, strict=True)])

    def normalized(
        self, scores: Tensor | NDArray[Any], temperature: Sequence[float] | float = 1.0
    ) -> Tensor:
        """Probabilities of scores (B, C), the less sure the higher the temperature, which is one
        number or one a label (Guo et al. 2017)."""
        scores = torch.as_tensor(scores)
        scores = scores / torch.tensor(temperature, device=scores.device)
        return torch.sigmoid(scores) if self.multi_label else torch.softmax(scores, dim=-1)

    def _long(self, ids: Tensor) -> Tensor:
        """The scores of one row of any length: (1, C)."""

        def embed(start: int, end: int) -> Tensor:
            before = ids[start - 1 : start] if start else None
            x: Tensor = self.embedding(ids[None, start:end], before)
            return x

        like = self.output.weight
        folds = [pool.begin(1, like) for pool in self._pools()]
        for x in self.encoder.chunks(embed, len(ids), chunk=self.chunk):
            mask = torch.ones(1, x.shape[1], dtype=torch.bool, device=x.device)
            folds = [p.add(f, x, mask) for p, f in zip(self._pools(), folds, strict=True)]
        ends = [p.end(f) for p, f in zip(self._pools(), folds, strict=True)]
        scores: Tensor = self.output(torch.cat(ends, dim=-1))
        return scores

    def _pools(self) -> list[Pool]:
        return [pool for pool in self.pools if isinstance(pool, Pool)]

"""A tagger of every step of a row: embedding, convolution on wish, encoder, one linear output."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.convolution import Convolution, LookedUpConvolution
from seqpipe.nets.dropout import Gaps
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder, length_mask
from seqpipe.nets.folded import Derived
from seqpipe.nets.full import full
from seqpipe.nets.sweep import Sweeps

CLASSES = 3  # no end, the end of a token, the end of a sentence


class Tagger(nn.Module):
    """From ids (B, S) to one score a class and step."""

    def __init__(
        self,
        *,
        embedding: Embedding,
        encoder: Encoder,
        conv: int = 0,
        unit_dropout: float = 0.0,
        mark_dropout: float = 0.0,
        unknown: int = 1,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.conv = Convolution(width=embedding.width, reach=conv) if conv else None
        self.encoder = encoder
        self.output = nn.Linear(encoder.outputs, CLASSES)
        self.dropout = nn.Dropout(0.0)  # the rate is the driver's: see `set_dropout`
        self.sweeps = Sweeps()
        self._convolutions: Derived[LookedUpConvolution] = Derived()
        self.gaps = Gaps(unit_dropout, piece=unknown)
        self.unmarked = Gaps(mark_dropout, piece=0)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Scores before softmax: (B, S, C); those beyond a row's length mean nothing."""
        fast = not self.training and self.sweeps.suits(self.encoder, self.embedding, rows=len(ids))
        if fast:
            return self._swept(ids, lengths)
        x = self.dropout(self._inputs(self._with_gaps(ids), lengths))  # (B, S, D)
        states = self.encoder(x, lengths)  # (B, S, H)
        return full(self.output(self.dropout(states)))

    def _swept(self, ids: Tensor, lengths: Tensor) -> Tensor:
        sweep = self.sweeps.of(self.encoder, self.embedding)
        places = self.embedding.places(ids)
        if self.conv is None:
            return sweep(places, lengths, output=self.output)
        return sweep.over(self._convolved(self.conv)(places, lengths), lengths, output=self.output)

    def _convolved(self, conv: Convolution) -> LookedUpConvolution:
        weights = (*self.embedding.parameters(), *conv.parameters())
        tables = self.embedding.tables
        return self._convolutions.of(weights, lambda: LookedUpConvolution(conv, tables()))

    def _inputs(self, ids: Tensor, lengths: Tensor) -> Tensor:
        x: Tensor = self.embedding(ids)
        if self.conv is None:
            return x
        x = self.conv(x * length_mask(lengths, ids.shape[1])[:, :, None])
        return x

    def loss(self, ids: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Summed over the steps; targets (B, S) are classes, CLASSES for any but the first, or -1
        beyond a row."""
        scores = F.log_softmax(self(ids, lengths).flatten(0, 1), dim=-1)  # (B * S, C)
        any_end = torch.logsumexp(scores[:, 1:], dim=-1, keepdim=True)
        targets = targets.flatten()
        said = torch.cat([scores, any_end], dim=-1).gather(1, targets.clamp(min=0)[:, None])
        return -(said.squeeze(1) * (targets >= 0)).sum()

    def predict(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The best class of each step: (B, S)."""
        best: Tensor = self(ids, lengths).argmax(dim=-1)
        return best

    def probabilities(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Of each class at each step: (B, S, C)."""
        scores: Tensor = self(ids, lengths)
        return scores.softmax(dim=-1)

    def answers(self, targets: Tensor) -> int:
        """Over how many a loss is summed."""
        return int((targets >= 0).sum())

    def _with_gaps(self, ids: Tensor) -> Tensor:
        """While training some pieces read as unknown, and some as if they bore no mark."""
        if not self.training:
            return ids
        pieces, marks = ids // self.embedding.marks, ids % self.embedding.marks
        read: Tensor = self.gaps(pieces) * self.embedding.marks + self.unmarked(marks)
        return read

"""An encoder-decoder: a row of pieces in, another one out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from seqpipe.nets.decoder import Decoder, Memory
from seqpipe.nets.dropout import Fixed, Gaps, Locked
from seqpipe.nets.embedding import Pieces
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.folded import Derived
from seqpipe.nets.stepper import Carried, Stepper
from seqpipe.nets.sweep import Sweeps
from seqpipe.nets.telling import told_from, told_loss
from seqpipe.nets.transfer import begin, vectors_of

BEGIN = 2


class Translator(nn.Module):
    """From source pieces to target pieces; embeddings may be one table or up to three."""

    def __init__(
        self,
        *,
        sources: int,
        targets: int,
        encoder: Encoder,
        decoder: Decoder,
        tie_source: bool = True,
        tie_output: bool = True,
        embedding_dropout: float = 0.0,
        piece_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        sampled_softmax: int = 0,
        unknown: int = 1,
    ) -> None:
        super().__init__()
        self.target = Pieces(targets, decoder.inputs)
        # what is tied is one parameter of one name: a file holds it once
        self.source = None if tie_source else Pieces(sources, encoder.inputs)
        self.encoder = encoder
        self.decoder = decoder
        self.output = None if tie_output else Pieces(targets, decoder.inputs)
        self.bias = nn.Parameter(torch.zeros(targets))
        self.dropout = Locked(0.0)  # the rate is the driver's: see `set_dropout`
        self.embedded = Fixed(embedding_dropout)
        self.gaps = Gaps(piece_dropout, piece=unknown)
        self.label_smoothing = label_smoothing
        self.sampled_softmax = told_from(sampled_softmax)
        self.sweeps = Sweeps()
        self._ready: Derived[_Ready] = Derived()

    def below(self) -> list[nn.Module]:
        """What a language model has too, the highest first; all else is the head."""
        return [*reversed(self.encoder.onward), self.source or self.target]

    @torch.no_grad()
    def begin_as(self, weights: Mapping[str, Tensor]) -> None:
        """Takes the vectors of the source and the onward cells from a trained language model."""
        begin(self.encoder, weights)
        (self.source or self.target).weight.copy_(vectors_of(weights))

    def read(self, ids: Tensor, lengths: Tensor) -> Memory:
        """What is remembered of source rows (B, S)."""
        pieces = self.source or self.target
        if not self.training and self.sweeps.suits(self.encoder, pieces, rows=len(ids)):
            states = self.sweeps.of(self.encoder, pieces)([ids], lengths)
        else:
            states = self.encoder(self.embedded(pieces(self.gaps(ids))), lengths)
        return self.decoder.remember(self.dropout(states), lengths)

    def forward(self, ids: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """What each target piece is told from (B, T, D), and where attention lay (B, T, S)."""
        written = F.pad(targets[:, :-1].clamp(min=0), (1, 0), value=BEGIN)  # (B, T)
        x = self.embedded(self.target(self.gaps(written)))
        vectors, weights = self.decoder(x, self.read(ids, lengths))
        return self.dropout(vectors), weights

    def loss(self, ids: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """Summed over the pieces of the targets (B, T), which end in -1 where a row has ended."""
        vectors, _ = self(ids, lengths, targets)
        real = targets >= 0
        return told_loss(  # of real pieces alone
            vectors[real],
            self.output_weight(),
            self.bias,
            targets[real],
            smoothing=self.label_smoothing,
            sampled=self.sampled_softmax if self.training else 0,
        )

    def answers(self, targets: Tensor) -> int:
        """Over how many a loss is summed."""
        return int((targets >= 0).sum())

    # Writing, one piece at a time -----------------------------------------------------------

    def begin(
        self, ids: Tensor, lengths: Tensor, shortlist: Tensor | NDArray[np.int64] | None = None
    ) -> Writing:
        """What writing begins with; `shortlist` (V',), ascending, are the only pieces to be
        written."""
        ready = self._ready_to_write()
        carried = ready.stepper.begin(self.read(ids, lengths))
        if shortlist is None:
            return Writing(ready.stepper, carried, None, ready.weight, self.bias)
        pieces = torch.as_tensor(shortlist, device=ids.device)
        weight = ready.weight.index_select(1, pieces)
        return Writing(ready.stepper, carried, pieces, weight, self.bias[pieces])

    def step(self, tokens: Tensor, writing: Writing) -> tuple[Tensor, Tensor, Writing]:
        """From one piece a row (R,) to scores before softmax (R, V), the attention (R, S) and what
        to go on with."""
        vectors, attention, carried = writing.stepper.step(tokens, writing.carried)
        scores = torch.addmm(writing.bias, vectors, writing.weight)
        return scores, attention, replace(writing, carried=carried, vectors=vectors)

    def output_weight(self) -> Tensor:
        """What each piece is told by: (V, D)."""
        return (self.output or self.target).weight

    def _ready_to_write(self) -> _Ready:
        weights = (*self.decoder.parameters(), self.target.weight, self.output_weight())
        return self._ready.of(weights, self._made_ready)

    def _made_ready(self) -> _Ready:
        with torch.no_grad():
            stepper = Stepper(self.decoder, *self.target.tables())
            return _Ready(stepper, self.output_weight().t().contiguous())


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """What writing takes besides the weights."""

    stepper: Stepper
    weight: Tensor  # (D, V) as a product is fastest with


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """What goes from step to step."""

    stepper: Stepper
    carried: Carried
    pieces: Tensor | None  # (V',) those that the columns of the scores stand for; None: all
    weight: Tensor  # (D, V') of the output
    bias: Tensor  # (V',)
    vectors: Tensor | None = None  # (R, D) that the scores of the step before were told from

    def pick(self, rows: Tensor) -> Writing:
        """Some rows, in any order, as often as they are named."""
        return replace(self, carried=self.carried.pick(rows), vectors=None)

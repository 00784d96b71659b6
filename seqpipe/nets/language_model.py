"""A language model: what comes next in a text, told from all that came before.

Trained by backpropagation through time that is cut off behind each window (Williams and Peng 1990),
with the states carried on; regularized, where asked for, as the AWD-LSTM (Merity et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.carry import Carry
from seqpipe.nets.cells import Cell, Recurrent, State, make_cell, run_cell, thinned
from seqpipe.nets.dropout import Fixed, Locked
from seqpipe.nets.embedding import Pieces
from seqpipe.nets.folded import Derived
from seqpipe.nets.full import full
from seqpipe.nets.recompute import Recomputing, in_stretches
from seqpipe.nets.teller import Teller
from seqpipe.nets.telling import told_from, told_loss
from seqpipe.nets.unrolled import given, unrolled

# A text begins as one does that follows the end of another, as in training most do.
PAD, UNKNOWN, UNUSED, BEGIN = range(4)


class LanguageModel(Recomputing):
    """One-way layers over pieces, and an output that may be the pieces' own vectors."""

    def __init__(
        self,
        *,
        pieces: int,
        cell: Cell,
        embedding: int,
        width: int,
        layers: int = 1,
        tie_output: bool = False,
        piece_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        activation: float = 0.0,
        change: float = 0.0,
        sampled_softmax: int = 0,
    ) -> None:
        super().__init__()
        sizes = [embedding] + [width] * (layers - 1)
        self.cell = cell
        self.width = width
        self.pieces = Pieces(pieces, embedding)
        self.layers = nn.ModuleList(
            make_cell(cell, inputs=d, width=width, weight_dropout=weight_dropout) for d in sizes
        )
        # what is tied must be of one width
        self.top = nn.Linear(width, embedding) if tie_output and width != embedding else None
        # what is tied is one parameter of one name: a file holds it once
        self.output = None if tie_output else Pieces(pieces, width)
        self.bias = nn.Parameter(torch.zeros(pieces))
        self.dropout = Locked(0.0)  # the rate is the driver's: see `set_dropout`
        self.embedded = Fixed(embedding_dropout)
        self.piece_dropout = piece_dropout
        self.weight_dropout = weight_dropout
        self.activation = activation
        self.change = change
        self.sampled_softmax = told_from(sampled_softmax)
        self._teller: Derived[Teller] = Derived()

    @property
    def device(self) -> torch.device:
        return self.bias.device

    def begin(self, rows: int = 1) -> Carry:
        """So many texts of which nothing is read."""
        first = torch.full((rows,), BEGIN, device=self.device)
        return Carry.begin(first, layers=len(self.layers), width=self.width)

    # Learning -------------------------------------------------------------------------------

    def loss(self, ids: Tensor, targets: Tensor, carry: Carry) -> tuple[Tensor, Tensor, Carry]:
        """The loss of telling rows (B, S), summed over targets (B, S) that are not -1; what the
        activations add for being large or restless; and what is carried on, if all rows are of
        one length."""
        tops, outputs, carry = self._read(ids, carry)
        at = targets.t().flatten()
        vectors = outputs.flatten(0, 1)  # (S * B, H)
        real = at >= 0
        if not bool(real.all()):
            vectors, at = vectors[real], at[real]
        loss = told_loss(
            self._projected(vectors),
            self._output_weight(),
            self.bias,
            at,
            sampled=self.sampled_softmax if self.training else 0,
        )
        extra = loss.new_zeros(())
        if self.activation:
            extra = extra + self.activation * outputs.square().mean() * len(at)
        if self.change and len(tops) > 1:
            extra = extra + self.change * (tops[1:] - tops[:-1]).square().mean() * len(at)
        return loss, extra, carry

    def _read(self, ids: Tensor, carry: Carry) -> tuple[Tensor, Tensor, Carry]:
        """What the top layer makes of all that comes before each piece (S, B, H), with its noise
        and without."""
        read = torch.cat([carry.last[:, None], ids[:, :-1]], dim=1).t()  # (S, B)
        x = self._vectors(read)
        halves, cells, y = [], [], x
        for i, module in enumerate(self.layers):
            layer = cast(Recurrent, module)
            places = read if i == 0 and x.dim() == 2 else None
            y, state = self._layer(layer, x, places, self._state(carry, i))
            h, c = state if isinstance(state, tuple) else (state, torch.zeros_like(state))
            halves.append(full(h.detach()) / 2)
            cells.append(full(c.detach()) * 2)
            x = y * self.dropout.mask(y[:1].transpose(0, 1)).transpose(0, 1)
        return y, x, Carry(ids[:, -1], torch.stack(halves), torch.stack(cells))

    def _vectors(self, read: Tensor) -> Tensor:
        """Of each piece read (S, B, D), or of all pieces, where those are fewer (V, D)."""
        drops = self.training and self.piece_dropout
        if self.embedded.p or read.numel() < self.pieces.num_embeddings:
            x = self.pieces(read)
            if drops:
                x = x * self._kept()[read]
            return cast(Tensor, self.embedded(x.transpose(0, 1)).transpose(0, 1))
        (table,) = self.pieces.tables()
        return table * self._kept() if drops else table

    def _kept(self) -> Tensor:
        """Whole pieces are dropped, wherever they stand (Gal and Ghahramani 2016)."""
        return F.dropout(self.bias.new_ones(len(self.bias), 1), self.piece_dropout)

    def _layer(
        self, layer: Recurrent, x: Tensor, places: Tensor | None, state: State
    ) -> tuple[Tensor, State]:
        """All steps of one layer over its inputs (S, B, D), or over the rows of a table (V, D) at
        these places (S, B)."""
        weights = thinned(layer, self.weight_dropout)
        if not (x.is_cuda or layer._forward_pre_hooks):  # which only a module's own call tells
            table = None if places is None else given(layer, x)

            def run(some: Tensor, state: State) -> tuple[Tensor, State]:
                gates = given(layer, some) if table is None else _at(table, some)
                return unrolled(layer, gates, state, weights)

            read = x if places is None else places
            return in_stretches(run, read, state, steps=self.recompute, dim=0)
        inputs = _at(x, places).transpose(0, 1).contiguous()
        single = (state[0][None], state[1][None]) if isinstance(state, tuple) else state[None]
        y, after = run_cell(layer, inputs, single, weights)
        after = (after[0][0], after[1][0]) if isinstance(after, tuple) else after[0]
        return y.transpose(0, 1), after

    def _state(self, carry: Carry, layer: int) -> State:
        h = carry.halves[layer] * 2
        return (h, carry.cells[layer] / 2) if self.cell == "lstm" else h

    def _projected(self, x: Tensor) -> Tensor:
        return x if self.top is None else self.top(x)

    def _output_weight(self) -> Tensor:
        """(V, H), or (V, D) behind the projection."""
        return (self.output or self.pieces).weight

    # Telling --------------------------------------------------------------------------------

    def measure(self, ids: Tensor, lengths: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """The nats that each piece of rows (B, S) costs (B, S), zero beyond a row, and what is
        carried on; weights stay as they are."""
        with torch.no_grad():
            return self.teller().nats(ids, lengths, carry)

    def told(
        self, ids: Tensor, lengths: Tensor, carry: Carry
    ) -> tuple[Tensor, Callable[[], Tensor], Carry]:
        """The same, and in the middle what gives the states that they were told from (B, S, H)."""
        with torch.no_grad():
            return self.teller().told(ids, lengths, carry)

    def teller(self) -> Teller:
        """Made anew when a weight has changed."""
        return self._teller.of([*self.parameters()], self._make_teller)

    def _make_teller(self) -> Teller:
        (vectors,) = self.pieces.tables()
        weight: Tensor = self._output_weight()
        bias: Tensor = self.bias
        if self.top is not None:
            weight, bias = weight @ self.top.weight, bias + weight @ self.top.bias
        return Teller(
            self.cell,
            list(self.layers),
            vectors,
            weight,
            bias,
            unwritten=[PAD, UNKNOWN, UNUSED],
        )


def _at(x: Tensor, places: Tensor | None) -> Tensor:
    """The rows (S, B, D) of a table (V, D), or what is given if there are no places (S, B)."""
    if places is None:
        return x
    return x.index_select(0, places.flatten()).view(*places.shape, -1)

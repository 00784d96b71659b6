"""Nets that write: a small recurrent one that looks back, and one that reads from a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from single import SINGLE
from torch import Tensor, nn

from seqpipe.nets.cells import Cell
from seqpipe.search.arrays import Ints
from seqpipe.search.state import Found, Net, S, Step

BEGIN, END = 2, 3


class Holding:
    """Where nets hold what they answer; `either`: where their seed has it."""

    way: ClassVar[Literal["numpy", "torch", "either"]] = "numpy"


def held(x: Tensor, seed: int = 0) -> Any:
    on_torch = seed % 2 == 1 if Holding.way == "either" else Holding.way == "torch"
    return x if on_torch else x.numpy()


@dataclass(frozen=True)
class Carried:
    hidden: Tensor  # (R, H)
    carry: Tensor  # (R, H), of an LSTM
    memory: Tensor  # (R, S, H)
    mask: Tensor  # (R, S)
    pieces: Ints | None = None

    @torch.inference_mode()
    def pick(self, rows: Ints) -> Carried:
        mask = self.mask[rows]
        longest = int(mask.sum(dim=1).max())
        memory = self.memory[rows][:, :longest]
        return Carried(self.hidden[rows], self.carry[rows], memory, mask[:, :longest], self.pieces)


class Writer(nn.Module):
    """A cell that attends to a memory."""

    def __init__(self, cell: Cell, *, pieces: int, width: int = 8, sharp: float = 3.0) -> None:
        super().__init__()
        self.seed = 0
        self.cell = cell
        self.embedding = nn.Embedding(pieces, width)
        self.recurrent = SINGLE[cell](width, width)
        self.output = nn.Linear(2 * width, pieces)
        self.sharp = sharp
        with torch.no_grad():
            self.output.bias[END] += 0.5  # so that some rows end early

    @torch.inference_mode()
    def begin(self, lengths: Sequence[int], *, seed: int = 0, pieces: Any = None) -> Carried:
        """A memory of its own for each row, the same in any batch."""
        width = self.embedding.embedding_dim
        like = self.embedding.weight
        memory = torch.zeros(len(lengths), max(lengths, default=0), width, dtype=like.dtype)
        for i, length in enumerate(lengths):
            chance = torch.Generator().manual_seed(1000 * seed + 10 * i + length)
            memory[i, :length] = torch.randn(length, width, generator=chance, dtype=like.dtype)
        mask = torch.arange(memory.shape[1]) < torch.tensor(lengths)[:, None]
        hidden = torch.tanh(memory.sum(dim=1))
        pieces = None if pieces is None else np.array(pieces)
        return Carried(hidden, torch.zeros_like(hidden), memory, mask, pieces)

    @torch.inference_mode()
    def step(self, tokens: Ints, state: Carried) -> Step[Carried]:
        x = self.embedding(torch.from_numpy(tokens))
        if self.cell == "lstm":
            hidden, carry = self.recurrent(x, (state.hidden, state.carry))
        else:
            hidden, carry = self.recurrent(x, state.hidden), state.carry
        asked = torch.einsum("rh,rsh->rs", hidden, state.memory)
        attention = asked.masked_fill(~state.mask, -torch.inf).softmax(dim=1)  # (R, S)
        context = torch.einsum("rs,rsh->rh", attention, state.memory)
        scores = self.sharp * self.output(torch.cat([hidden, context], dim=1))
        if state.pieces is not None:
            scores = scores[:, state.pieces]
        after = replace(state, hidden=hidden, carry=carry)
        scores = scores.log_softmax(dim=1, dtype=torch.float32)
        return Step(held(scores, self.seed), after, held(attention, self.seed))


def make_writer(cell: Cell = "gru", *, pieces: int = 12, seed: int = 0, **sizes: Any) -> Writer:
    """In double precision: no batch rounds so differently that another token would be best."""
    torch.manual_seed(seed)
    net = Writer(cell, pieces=pieces, **sizes).double().eval()
    net.seed = seed
    return net


@dataclass(frozen=True)
class Lines:
    """All that rows have read."""

    read: Ints  # (R, T)
    pieces: Ints | None = None

    def pick(self, rows: Ints) -> Lines:
        return Lines(self.read[rows], self.pieces)


class Table:
    """Says what it is told to say after each line; counts the rows it was asked for."""

    def __init__(self, says: Callable[[tuple[int, ...]], Sequence[float]]) -> None:
        self.says = says
        self.asked: list[int] = []

    def step(self, tokens: Ints, state: Lines) -> Step[Lines]:
        read = np.concatenate([state.read, tokens[:, None]], axis=1)
        self.asked.append(len(read))
        chances = torch.tensor([self.says(tuple(line[1:])) for line in read.tolist()])
        scores = chances.log().log_softmax(dim=1)
        return Step(held(scores), Lines(read, state.pieces))


def no_lines(rows: int = 1) -> Lines:
    return Lines(np.zeros((rows, 0), np.int64))


def forced_score(net: Net[S], state: S, found: Found) -> float:
    """What the net gives to this result when it is led along it alone, which has to be what is said
    of each of its tokens."""
    read = [BEGIN, *found.tokens]
    said = [*found.tokens, *([END] if found.ended else [])]
    gained = []
    for token, following in zip(read, said, strict=False):
        step = net.step(np.array([token]), state)
        column = following if state.pieces is None else state.pieces.tolist().index(following)
        gained.append(float(step.scores[0, column]))
        state = step.state
    assert found.each == pytest.approx(gained[: len(found.tokens)], abs=1e-4)
    return sum(gained)

"""The four nets as most people write them in torch: packed rows as they come, a step at a time
where the decoder looks back, and a loop of textbook shape around them.

Sizes are those of the stage that each is measured against.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

Row = tuple[Tensor, Tensor]  # ids, and what is to be said of them


class Encoder(nn.Module):
    """A packed LSTM over embeddings, dropout around it."""

    def __init__(self, ids: int, embedding: int, width: int, layers: int, ways: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(ids, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, width, layers, batch_first=True, bidirectional=ways == 2)
        self.dropout = nn.Dropout(0.3)
        self.outputs = width * ways

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        x = self.dropout(self.embedding(ids))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.dropout(states)


class Classifier(nn.Module):
    """Attention and maximum over the states."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.key = nn.Linear(encoder.outputs, encoder.outputs)
        self.query = nn.Linear(encoder.outputs, 1, bias=False)
        self.output = nn.Linear(2 * encoder.outputs, classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The scores (B, C) of the classes."""
        x = self.encoder(ids, lengths)
        beyond = torch.arange(x.shape[1])[None] >= lengths[:, None]
        scores = self.query(torch.tanh(self.key(x))).squeeze(-1).masked_fill(beyond, -1e30)
        mean = (scores.softmax(dim=1)[:, :, None] * x).sum(dim=1)
        highest = x.masked_fill(beyond[:, :, None], -1e30).amax(dim=1)
        said: Tensor = self.output(torch.cat([mean, highest], dim=1))
        return said

    def loss(self, ids: Tensor, lengths: Tensor, answers: list[Tensor]) -> Tensor:
        return F.cross_entropy(self(ids, lengths), torch.stack(answers))


class Tagger(nn.Module):
    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.output = nn.Linear(encoder.outputs, classes)

    def loss(self, ids: Tensor, lengths: Tensor, answers: list[Tensor]) -> Tensor:
        said = self.output(self.encoder(ids, lengths))
        wanted = pad_sequence(answers, batch_first=True, padding_value=-1)
        return F.cross_entropy(said.flatten(0, 1), wanted.flatten(), ignore_index=-1)


class LanguageModel(nn.Module):
    def __init__(self, encoder: Encoder, ids: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.output = nn.Linear(encoder.outputs, ids)

    def loss(self, ids: Tensor, lengths: Tensor, answers: list[Tensor]) -> Tensor:
        read = F.pad(ids[:, :-1], (1, 0), value=2)
        said = self.output(self.encoder(read, lengths))
        wanted = pad_sequence(answers, batch_first=True, padding_value=-1)
        return F.cross_entropy(said.flatten(0, 1), wanted.flatten(), ignore_index=-1)


class Translator(nn.Module):
    """Additive attention, and a decoder that takes one step after the other."""

    def __init__(self, encoder: Encoder, targets: int, embedding: int, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedding = nn.Embedding(targets, embedding)
        self.start = nn.Linear(encoder.outputs, 2 * width)
        self.lower = nn.LSTMCell(embedding, width)
        self.upper = nn.LSTMCell(width + encoder.outputs, width)
        self.key = nn.Linear(encoder.outputs, width)
        self.asked = nn.Linear(width, width, bias=False)
        self.weight = nn.Linear(width, 1, bias=False)
        self.readout = nn.Linear(width + encoder.outputs + embedding, embedding)
        self.output = nn.Linear(embedding, targets)
        self.dropout = nn.Dropout(0.3)

    def loss(self, ids: Tensor, lengths: Tensor, answers: list[Tensor]) -> Tensor:
        memory = self.encoder(ids, lengths)
        beyond = torch.arange(memory.shape[1])[None] >= lengths[:, None]
        keys = self.key(memory)
        wanted = pad_sequence(answers, batch_first=True, padding_value=-1)
        written = F.pad(wanted[:, :-1].clamp(min=0), (1, 0), value=2)
        x = self.dropout(self.embedding(written))
        lower, upper = torch.tanh(self.start(memory.mean(dim=1))).chunk(2, dim=1)
        low, high = (lower, torch.zeros_like(lower)), (upper, torch.zeros_like(upper))
        said = []
        for t in range(x.shape[1]):
            low = self.lower(x[:, t], low)
            scores = self.weight(torch.tanh(self.asked(low[0])[:, None] + keys)).squeeze(-1)
            weights = scores.masked_fill(beyond, -1e30).softmax(dim=1)
            context = torch.bmm(weights[:, None], memory).squeeze(1)
            high = self.upper(torch.cat([self.dropout(low[0]), context], dim=1), high)
            read = torch.cat([self.dropout(high[0]), context, x[:, t]], dim=1)
            said.append(self.output(self.dropout(torch.tanh(self.readout(read)))))
        scores = torch.stack(said, dim=1).flatten(0, 1)
        return F.cross_entropy(scores, wanted.flatten(), ignore_index=-1, label_smoothing=0.1)


class Plain:
    """A loop over batches of rows in any order, as `DataLoader(shuffle=True)` gives them."""

    def __init__(self, net: Any, rows: Sequence[np.ndarray], answers: Sequence[Any], side: int):
        self.net, self.side = net.train(), side
        self.rows = [torch.from_numpy(np.asarray(row, np.int64)) for row in rows]
        kind = np.float32 if np.asarray(answers[0]).dtype.kind == "f" else np.int64
        self.answers = [torch.from_numpy(np.asarray(answer, kind)) for answer in answers]
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
        self._batches = self._endless()

    def __call__(self, steps: int) -> tuple[int, float]:
        """Units read, and the seconds that it took."""
        began, units = time.perf_counter(), 0
        for _ in range(steps):
            at = next(self._batches)
            lengths = torch.tensor([len(self.rows[i]) for i in at])
            ids = pad_sequence([self.rows[i] for i in at], batch_first=True)
            self.optimizer.zero_grad()
            loss = self.net.loss(ids, lengths, [self.answers[i] for i in at])
            loss.backward()
            clip_grad_norm_(self.net.parameters(), 1.0)
            self.optimizer.step()
            loss.item()
            units += int(lengths.sum())
        return units, time.perf_counter() - began

    def _endless(self) -> Iterator[list[int]]:
        chance = random.Random(0)
        while True:
            order = [i for i, row in enumerate(self.rows) if len(row)]
            chance.shuffle(order)
            for at in range(0, len(order) - self.side + 1, self.side):
                yield order[at : at + self.side]

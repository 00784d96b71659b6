"""Where a decoder looks in what the encoder has read, for one step or for all steps at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqpipe.errors import SettingError


class Attention(nn.Module):
    """A weighted mean of a memory; the kinds differ in how a query and a place get their score."""

    def __init__(self, *, query: int, memory: int) -> None:
        super().__init__()
        self.query = query
        self.memory = memory

    def keys(self, memory: Tensor) -> Tensor:
        """What queries are compared with, made once a text: (B, S, H) to (B, S, A)."""
        raise NotImplementedError

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """(B, T, Q) and (B, S, A) to (B, T, S)."""
        raise NotImplementedError

    def weights(self, query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """How much of its look each query (B, T, Q) gives each place: (B, T, S)."""
        scores = self.scores(query, keys).masked_fill(~mask[:, None], float("-inf"))
        # a row of nothing has no place to look at, and softmax no answer for it
        return torch.softmax(scores, dim=-1).nan_to_num(0.0)

    def forward(
        self, query: Tensor, keys: Tensor, memory: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The contexts (B, T, H) and the weights (B, T, S); a row without a place gets zeros."""
        weights = self.weights(query, keys, mask)
        return torch.bmm(weights, memory), weights


class GeneralAttention(Attention):
    """A bilinear form of query and place (Luong et al. 2015)."""

    def __init__(self, *, query: int, memory: int) -> None:
        super().__init__(query=query, memory=memory)
        self.key = nn.Linear(memory, query, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        keys: Tensor = self.key(memory)
        return keys

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2))


class DotAttention(Attention):
    """The product of query and place as they are, scaled (Vaswani et al. 2017)."""

    def __init__(self, *, query: int, memory: int) -> None:
        super().__init__(query=query, memory=memory)
        if query != memory:
            raise SettingError("attention", "dot", f"another one where {query} meets {memory}")

    def keys(self, memory: Tensor) -> Tensor:
        return memory / math.sqrt(self.memory)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(query, keys.transpose(1, 2))


class AdditiveAttention(Attention):
    """A small net of query and place (Bahdanau et al. 2015)."""

    def __init__(self, *, query: int, memory: int) -> None:
        super().__init__(query=query, memory=memory)
        self.key = nn.Linear(memory, query)
        self.asked = nn.Linear(query, query, bias=False)
        self.weight = nn.Linear(query, 1, bias=False)

    # tanh x = 2 s(2x) - 1, three times as fast on a CPU; softmax forgets what the 1 shifts

    def keys(self, memory: Tensor) -> Tensor:
        keys: Tensor = 2 * self.key(memory)
        return keys

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        both = (2 * self.asked(query))[:, :, None] + keys[:, None]  # (B, T, S, A)
        scores: Tensor = self.weight(both.sigmoid_()).squeeze(-1)
        return 2 * scores


_KINDS: dict[str, type[Attention]] = {
    "general": GeneralAttention,
    "dot": DotAttention,
    "additive": AdditiveAttention,
}


def make_attention(kind: str, *, query: int, memory: int) -> Attention:
    """An attention by its name."""
    if kind not in _KINDS:
        raise SettingError("attention", kind, f"one of {', '.join(_KINDS)}")
    return _KINDS[kind](query=query, memory=memory)

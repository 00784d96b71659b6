"""What is done to the scores (R, V) of a step, on tensors where a net holds them on a GPU: see
`arrays.Operations`; and a net of torch as a search wants to see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqpipe.search.state import Step

_CLOSED = -torch.inf


class TorchNet:
    """Its pieces and rows come as numpy's; what it answers on the CPU is numpy's too, seen and not
    copied."""

    def __init__(self, net: Any) -> None:
        self._net = net

    @torch.inference_mode()
    def step(self, tokens: NDArray[np.int64], state: TorchState) -> Step[TorchState]:
        said = torch.from_numpy(tokens).to(state.device)
        scores, attention, after = self._net.step(said, state.inner)
        looked = None if attention is None else _seen(attention)
        return Step(_seen(log_softmax(scores)), replace(state, inner=after), looked)


@dataclass(frozen=True, slots=True, eq=False)
class TorchState:
    """What a net of torch carries, which is picked by tensors."""

    inner: Any
    device: torch.device
    pieces: NDArray[np.int64] | None

    @classmethod
    def of(cls, state: Any, device: torch.device) -> TorchState:
        pieces = state.pieces
        return cls(state, device, None if pieces is None else pieces.cpu().numpy())

    @property
    def vectors(self) -> NDArray[Any]:
        """(R, D) that the scores of the step before were told from."""
        return array(self.inner.vectors)

    @torch.inference_mode()
    def pick(self, rows: NDArray[np.int64]) -> TorchState:
        return replace(self, inner=self.inner.pick(torch.from_numpy(rows).to(self.device)))


def _seen(x: Tensor) -> Any:
    return x if x.is_cuda else x.numpy()


def log_softmax(scores: Tensor) -> Tensor:
    return scores.log_softmax(dim=1, dtype=torch.float32)


def softmax(scores: Tensor) -> Tensor:
    return scores.softmax(dim=1)


def exp(x: Tensor) -> Tensor:
    return x.exp()


def copy(x: Tensor) -> Tensor:
    return x.clone()


def closed(scores: Tensor, where: Tensor) -> Tensor:
    return scores.masked_fill(where, _CLOSED)


def at(scores: Tensor, columns: NDArray[np.int64] | Tensor) -> Tensor:
    return scores.gather(1, _beside(columns, scores))


def put(scores: Tensor, columns: NDArray[np.int64], values: Any) -> Tensor:
    width = scores.shape[1]
    wider = nn.functional.pad(scores, (0, 1))  # a column more takes what has no place
    places = _beside(np.where(columns < 0, width, columns), scores)
    given = values if isinstance(values, Tensor) else scores.new_full(places.shape, values)
    return wider.scatter_(1, places, given)[:, :width]


def add(scores: Tensor, each: NDArray[Any]) -> Tensor:
    return scores + like(each, scores)


def like(values: NDArray[Any], scores: Tensor) -> Tensor:
    return torch.from_numpy(values).to(scores)


def highest(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    found = x.topk(count, dim=1)
    return found.values, found.indices


def top(scores: Tensor, most: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if most >= scores.shape[1]:
        values, columns = torch.sort(scores, dim=1, descending=True, stable=True)
        return array(values), array(columns)
    # `topk` takes any of equals: one more shows where there are some on either side of the edge
    values, columns = scores.topk(most + 1, dim=1)
    columns, edge = columns[:, :most], values[:, most - 1]
    tied = ((values[:, most] == edge) & (edge > _CLOSED)).nonzero().squeeze(1)
    if len(tied):
        columns[tied] = _first_of_equals(scores[tied], edge[tied], most)
    columns = columns.sort(dim=1).values
    values, order = torch.sort(scores.gather(1, columns), dim=1, descending=True, stable=True)
    return array(values), array(columns.gather(1, order))


def _first_of_equals(scores: Tensor, edge: Tensor, most: int) -> Tensor:
    """All columns above the edge (R,), and the first of those on it, as many as there is room for:
    (R, most)."""
    place = torch.arange(scores.shape[1], device=scores.device)
    on_edge = torch.where(scores == edge[:, None], -place, -len(place))
    return torch.where(scores > edge[:, None], 1, on_edge).topk(most, dim=1).indices


def best(scores: Tensor) -> NDArray[np.int64]:
    return array(scores.argmax(dim=1))


def drawn(scores: Tensor, numbers: NDArray[Any]) -> NDArray[np.int64]:
    mass = scores.softmax(dim=1).cumsum(dim=1, dtype=torch.float64)
    reached = _beside(numbers, scores)[:, None] * mass[:, -1:]
    # the first that reaches beyond, which no column without mass does
    return array(torch.searchsorted(mass, reached, right=True)[:, 0])


def array(x: Tensor) -> NDArray[Any]:
    return x.cpu().numpy()


def _beside(x: NDArray[Any] | Tensor, scores: Tensor) -> Tensor:
    return x if isinstance(x, Tensor) else torch.from_numpy(x).to(scores.device)

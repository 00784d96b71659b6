"""A long row in chunks: the same numbers, in memory that does not grow with the row."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from seqpipe.nets.cells import Cell
from seqpipe.nets.classifier import Classifier
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import KEPT, Encoder
from seqpipe.nets.pooling import make_pool


def read(x: Tensor) -> Callable[[int, int], Tensor]:
    def embed(start: int, end: int) -> Tensor:
        return x[:, start:end]

    return embed


@given(
    cell=st.sampled_from(get_args(Cell)),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    length=st.integers(0, 20),
    chunk=st.integers(1, 25),
    kept=st.sampled_from([0, KEPT]),
)
def test_chunks_equal_the_whole(
    cell: Cell, layers: int, bidirectional: bool, length: int, chunk: int, kept: int
) -> None:
    torch.manual_seed(length)
    encoder = Encoder(cell=cell, inputs=3, width=4, layers=layers, bidirectional=bidirectional)
    x = torch.randn(1, length, 3)
    with torch.no_grad():
        whole = encoder(x, torch.tensor([length]))
        parts = list(encoder.chunks(read(x), length, chunk=chunk, kept=kept))
    assert all(part.shape[1] <= chunk for part in parts)
    joined = torch.cat([torch.zeros(1, 0, encoder.outputs), *parts], dim=1)
    assert torch.allclose(joined, whole, atol=1e-5)


class Peak(TorchDispatchMode):
    """The most bytes that tensors made within it held at one time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, Tensor) and id(tensor) not in self.held:
                self._hold(tensor, id(tensor), tensor.numel() * tensor.element_size())
        return result

    def _hold(self, tensor: Tensor, key: int, size: int) -> None:
        self.held[key] = weakref.ref(tensor, lambda _: self._drop(key)), size
        self.now += size
        self.peak = max(self.peak, self.now)

    def _drop(self, key: int) -> None:
        self.now -= self.held.pop(key)[1]


def peak_of(work: Callable[[], object]) -> int:
    peak = Peak()
    with torch.no_grad(), peak:
        work()
    return peak.peak


def walk(parts: Iterator[Tensor]) -> None:
    for _ in parts:
        pass


@pytest.mark.parametrize("cell", get_args(Cell))
def test_memory_holds_a_chunk_and_not_the_row(cell: Cell) -> None:
    encoder = Encoder(cell=cell, inputs=8, width=8, layers=2).eval()

    def embed(start: int, end: int) -> Tensor:
        return torch.zeros(1, end - start, 8)

    def peak(length: int) -> int:
        return peak_of(lambda: walk(encoder.chunks(embed, length, chunk=10, kept=0)))

    short, long = peak(50), peak(400)
    border = 2 * 2 * 2 * 8 * 4  # bytes: layers, ways, h and c, width, float
    assert long - short <= 2 * 35 * border
    whole = peak_of(lambda: encoder(embed(0, 400), torch.tensor([400])))
    assert long < whole / 4


@pytest.mark.parametrize("cell", get_args(Cell))
def test_what_may_be_kept_is_computed_once(cell: Cell) -> None:
    encoder = Encoder(cell=cell, inputs=3, width=4, layers=2).eval()
    steps = 0

    def count(module: object, given: tuple[Tensor, ...], found: object) -> None:
        nonlocal steps
        steps += given[0].shape[1]

    for module in (*encoder.onward, *encoder.backward_):
        module.register_forward_hook(count)
    with torch.no_grad():
        walk(encoder.chunks(read(torch.zeros(1, 30, 3)), 30, chunk=10, kept=30 * 8))
        once, steps = steps, 0
        walk(encoder.chunks(read(torch.zeros(1, 30, 3)), 30, chunk=10, kept=30 * 8 - 1))
    assert once == 4 * 30 and steps > once


@pytest.mark.parametrize("pool", ["attention", "max", "mean", "last"])
@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("pairs", [0, 20])
def test_rows_longer_than_a_chunk_are_predicted_alike(
    pool: str, multi_label: bool, pairs: int
) -> None:
    encoder = Encoder(cell="lstm", inputs=6, width=4)
    net = Classifier(
        embedding=Embedding(pieces=50, width=6, pairs=pairs, joined=[i % 3 > 0 for i in range(50)]),
        encoder=encoder,
        pools=[make_pool(pool, width=8, bidirectional=True)],
        classes=3,
        multi_label=multi_label,
    ).eval()
    ids, lengths = torch.randint(0, 50, (4, 30)), torch.tensor([30, 7, 0, 13])
    with torch.inference_mode():
        plain = net.predict(ids, lengths)
        for net.chunk in (7, 29, 30):
            assert torch.allclose(net.predict(ids, lengths), plain, atol=1e-6)

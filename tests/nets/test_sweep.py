"""The fast way through an encoder says what the encoder says."""

from __future__ import annotations

import copy
from math import prod
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from seqpipe.nets.cells import Cell
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.sweep import FEWEST_ROWS, Sweep, Sweeps

CELLS: tuple[Cell, ...] = get_args(Cell)
every_cell = pytest.mark.parametrize("cell", CELLS)


def make_encoder(cell: Cell, *, layers: int = 1, bidirectional: bool = True) -> Encoder:
    encoder = Encoder(cell=cell, inputs=5, width=6, layers=layers, bidirectional=bidirectional)
    for weight in encoder.parameters():  # fresh biases are zero, and would hide a mistake
        nn.init.uniform_(weight, -0.6, 0.6)
    return encoder


def make_tables() -> list[Tensor]:
    return [torch.randn(11, 5), torch.randn(4, 5)]


def draw(tables: list[Tensor], rows: int, steps: int) -> list[Tensor]:
    return [torch.randint(0, len(table), (rows, steps)) for table in tables]


def plain(encoder: Encoder, tables: list[Tensor], places: list[Tensor], lengths: Tensor) -> Tensor:
    x = sum((table[p] for table, p in zip(tables, places, strict=True)), torch.zeros(()))
    return torch.as_tensor(encoder(x, lengths))


@every_cell
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_are_those_of_the_encoder(cell: Cell, layers: int, bidirectional: bool) -> None:
    encoder = make_encoder(cell, layers=layers, bidirectional=bidirectional)
    tables = make_tables()
    lengths = torch.tensor([4, 0, 7, 1, 7, 0, 3])
    places = draw(tables, len(lengths), 7)
    with torch.inference_mode():
        found = Sweep(encoder, tables)(places, lengths)
        wanted = plain(encoder, tables, places, lengths)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@every_cell
@pytest.mark.parametrize("layers", [1, 2])
def test_inputs_that_no_table_holds(cell: Cell, layers: int) -> None:
    encoder = make_encoder(cell, layers=layers)
    x, lengths = torch.randn(5, 7, 5), torch.tensor([3, 0, 7, 1, 7])
    with torch.no_grad():
        found = Sweep(encoder, make_tables()).over(F.pad(x, (0, 1), value=1.0), lengths)
        torch.testing.assert_close(found, encoder(x, lengths), atol=1e-5, rtol=1e-5)


@given(
    cell=st.sampled_from(CELLS),
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_any_lengths(cell: Cell, lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    encoder, tables = make_encoder(cell, layers=2), make_tables()
    places = draw(tables, len(lengths), max(*lengths, 1))
    ends = torch.tensor(lengths)
    with torch.no_grad():
        found = Sweep(encoder, tables)(places, ends)
        wanted = plain(encoder, tables, places, ends)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert all(not found[i, n:].any() for i, n in enumerate(lengths))


@every_cell
def test_large_sums_do_not_overflow(cell: Cell) -> None:
    """Gates far out on either side still say what tanh says."""
    encoder, tables = make_encoder(cell), [400 * torch.randn(11, 5)]
    lengths = torch.full((30,), 6)
    places = draw(tables, 30, 6)
    with torch.no_grad():
        found = Sweep(encoder, tables)(places, lengths)
        expected = plain(encoder, tables, places, lengths)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-6)


def make_embedding() -> Embedding:
    return Embedding(pieces=11, width=5, kinds=[0, 1] * 5 + [2], marks=[3])


def test_a_sweep_is_kept_until_a_weight_changes() -> None:
    encoder, embedding, sweeps = make_encoder("lstm"), make_embedding(), Sweeps()
    first = sweeps.of(encoder, embedding)
    assert sweeps.of(encoder, embedding) is first
    with torch.no_grad():
        next(encoder.onward.parameters()).mul_(2)
    second = sweeps.of(encoder, embedding)
    assert second is not first
    assert embedding.kind is not None
    with torch.no_grad():
        embedding.kind.weight.add_(1)
    assert sweeps.of(encoder, embedding) is not second


def test_where_it_suits() -> None:
    encoder, embedding, sweeps = make_encoder("lstm"), make_embedding(), Sweeps()
    assert not sweeps.suits(encoder, embedding, rows=FEWEST_ROWS), "gradients are wanted"
    with torch.no_grad():
        assert sweeps.suits(encoder, embedding, rows=FEWEST_ROWS)
        assert not sweeps.suits(encoder, embedding, rows=FEWEST_ROWS - 1)
        large = Embedding(pieces=1 << 20, width=5)
        assert not sweeps.suits(encoder, large, rows=FEWEST_ROWS), "its tables fill 200 MB"


def test_a_copy_of_a_net_has_a_sweep_of_its_own() -> None:
    sweeps, encoder, embedding = Sweeps(), make_encoder("gru"), make_embedding()
    sweeps.of(encoder, embedding)
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
        places = embedding.places(torch.randint(0, 33, (3, 2)))
        states = copy.deepcopy(sweeps).of(other, embedding)(places, torch.tensor([2, 2, 2]))
    assert not states.any()


@pytest.mark.parametrize("pairs", [0, 7])
@pytest.mark.parametrize("kinds", [[], [0, 1, 2] * 3])
@pytest.mark.parametrize("marks", [[], [4], [3, 2]])
def test_the_sum_of_an_embeddings_tables_is_its_vector(
    pairs: int, kinds: list[int], marks: list[int]
) -> None:
    joined = [False] * 4 + [True] * 5
    embedding = Embedding(pieces=9, width=5, pairs=pairs, joined=joined, kinds=kinds, marks=marks)
    ids = torch.randint(0, 9 * prod(marks), (4, 6))
    found = torch.zeros(4, 6, 5)
    for table, place in zip(embedding.tables(), embedding.places(ids), strict=True):
        found = found + table[place]
    torch.testing.assert_close(found, embedding(ids))
    assert embedding.rows == sum(map(len, embedding.tables()))

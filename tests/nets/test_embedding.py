"""Vectors of pieces and of pairs: who gets one, and that the cut of a row does not matter."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqpipe.errors import SettingError
from seqpipe.nets.embedding import Embedding

JOINED = [False] * 4 + [True] * 4 + [False] * 2


def make_embedding(**settings: Any) -> Embedding:
    torch.manual_seed(0)
    return Embedding(pieces=10, width=3, joined=JOINED, **{"pairs": 50, **settings})


def test_a_piece_alone_has_the_vector_of_the_piece() -> None:
    embedding = make_embedding()
    ids = torch.tensor([[4, 8, 5, 9]])
    assert torch.equal(embedding(ids), embedding.single(ids))


def test_a_joined_pair_adds_its_own_vector_to_its_second_piece() -> None:
    embedding = make_embedding()
    ids = torch.tensor([[4, 5, 9, 5, 4]])
    added = embedding(ids) - embedding.single(ids)
    assert added[0].abs().sum(dim=1).ne(0).tolist() == [False, True, False, False, True]
    assert not torch.allclose(added[0, 1], added[0, 4])


def test_the_piece_before_the_first_column_counts() -> None:
    embedding = make_embedding()
    ids = torch.tensor([[4, 5, 6, 7]])
    whole = embedding(ids)
    assert torch.equal(embedding(ids[:, 2:], ids[:, 1]), whole[:, 2:])
    assert not torch.equal(embedding(ids[:, 2:]), whole[:, 2:])


def test_padding_stays_zero() -> None:
    assert not make_embedding()(torch.zeros(2, 3, dtype=torch.long)).any()


def test_pairs_that_were_learned_are_found_again_among_more_pieces() -> None:
    before = make_embedding()
    torch.manual_seed(1)
    more = Embedding(pieces=30, width=3, joined=JOINED + [False] * 20, pairs=50, hashed=10)
    ids = torch.tensor([[4, 5, 6, 7, 9, 4, 4]])
    assert more.pair is not None  # however few of the pieces join by now
    assert torch.equal(more.places(ids)[1], before.places(ids)[1])


@pytest.mark.parametrize("joined", [[], [False] * 10, [False] * 9 + [True] * 0])
def test_where_nothing_joins_there_is_no_table(joined: list[bool]) -> None:
    assert Embedding(pieces=10, width=3, pairs=50, joined=joined).pair is None


def test_without_pairs_there_is_no_table() -> None:
    assert make_embedding(pairs=0).pair is None


def test_a_negative_table_is_one_sentence() -> None:
    with pytest.raises(SettingError, match="pairs"):
        make_embedding(pairs=-1)


def test_marks_are_told_apart_by_their_sort() -> None:
    embedding = make_embedding(pairs=0, marks=[3, 4])
    ids = torch.tensor([[(7 * 3 + 2) * 4 + 3, (7 * 3 + 0) * 4 + 3, 7 * 12]])
    first, second = embedding.tables()[1:]
    added = embedding(ids)[0] - embedding.single(torch.tensor(7))
    assert torch.allclose(added[0], first[2] + second[3])
    assert torch.allclose(added[1], second[3])
    assert torch.allclose(added[2], torch.zeros(3), atol=1e-7)

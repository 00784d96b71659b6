"""Files of word vectors: those of word2vec and fastText, and those that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seqpipe.errors import VectorsUnreadable
from seqpipe.text.vectors import Vectors, read_vectors

PIECES = ["<pad>", "<unk>", "<bos>", "<eos>", "good", "bad", "积极"]


def write(folder: Path, text: str) -> Path:
    path = folder / "vectors.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("head", ["", "3 2\n"], ids=["glove", "word2vec"])
@pytest.mark.parametrize("end", ["\n", " \n"], ids=["plain", "fastText"])
def test_lines_of_known_pieces_are_kept(tmp_path: Path, head: str, end: str) -> None:
    lines = ["good 1 2", "other 8 8", "积极 -0.5 4e-1"]
    vectors = read_vectors(write(tmp_path, head + end.join(lines) + end), PIECES)
    assert vectors.ids.tolist() == [4, 6]
    assert np.allclose(vectors.rows, np.array([[1, 2], [-0.5, 0.4]]))
    assert vectors.rows.dtype == np.float32


def test_a_head_is_no_vector_even_when_its_number_is_a_piece(tmp_path: Path) -> None:
    vectors = read_vectors(write(tmp_path, "2 3\n2 1 2 3\ngood 4 5 6\n"), [*PIECES, "2"])
    assert vectors.ids.tolist() == [7, 4]


def test_the_first_of_equal_words_wins(tmp_path: Path) -> None:
    vectors = read_vectors(write(tmp_path, "good 1 2\ngood 3 4\n"), PIECES)
    assert vectors.rows.tolist() == [[1, 2]]


def test_words_of_other_encodings_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"caf\xe9 1 2\nbad 3 4\n")
    assert read_vectors(path, PIECES).ids.tolist() == [5]


@pytest.mark.parametrize("text", ["", "other 1 2\n", "2 300\n"])
def test_nothing_found_is_nothing(tmp_path: Path, text: str) -> None:
    vectors = read_vectors(write(tmp_path, text), PIECES)
    assert len(vectors.ids) == len(vectors.rows) == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("bad 1", "1 numbers, not 2"),
        ("bad 1 2 3", "3 numbers, not 2"),
        ("bad 1 x", "could not convert string to float"),
        ("bad", "0 numbers, not 2"),
        ("bad nan 1", "a number is not finite"),
    ],
)
def test_a_damaged_line_is_one_sentence(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path, f"good 1 2\n{line}\n")
    with pytest.raises(VectorsUnreadable) as caught:
        read_vectors(path, PIECES)
    assert str(caught.value).startswith(f"No word vectors can be read from {path}: line 2 is")
    assert reason in str(caught.value)


def test_a_first_line_without_numbers_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(VectorsUnreadable, match="0 numbers, not one at least"):
        read_vectors(write(tmp_path, "good\nbad 1 2\n"), PIECES)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(VectorsUnreadable, match="No such file or directory"):
        read_vectors(tmp_path / "none.vec", PIECES)


def test_an_embedding_keeps_its_spread_and_its_other_rows() -> None:
    weight = torch.randn(30, 8) * 0.1
    before = weight.clone()
    rows = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32) * 20
    Vectors(np.array([5, 9, 4]), rows).fill(weight)
    others = [i for i in range(30) if i not in (4, 5, 9)]
    assert torch.equal(weight[others], before[others])
    assert weight[[5, 9, 4]].std().item() == pytest.approx(before[4:].std().item(), rel=1e-4)
    ratio = weight[[5, 9, 4]] / torch.from_numpy(rows)
    assert torch.allclose(ratio, ratio[0, 0].expand(3, 8))  # turned in no direction

"""The bundled reviews: small, balanced, honest about what is held out, and reproducible."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest

from seqpipe.corpora.bundled import BUNDLED, bundled
from seqpipe.corpora.grow import ROWS, grow
from seqpipe.corpora.languages import traditional
from seqpipe.corpora.sources import dev_split, open_split, splits_of
from seqpipe.errors import SourceMissing

PARTS = ("train", "validation")


def rows(name: str, part: str) -> list[dict[str, str]]:
    lines = (bundled(name) / f"{part}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def words(text: str) -> list[str]:
    return re.findall(r"[\u4e00-\u9fff]|[a-z']+", text.lower())


def encodable(text: str, encoding: str) -> bool:
    return text.encode(encoding, "ignore").decode(encoding) == text


@pytest.mark.parametrize("name", BUNDLED)
def test_a_seed_writes_the_same_bytes(name: str, tmp_path: Path) -> None:
    grow(name, tmp_path)
    for part in PARTS:
        written = (tmp_path / f"{part}.jsonl").read_bytes()
        assert written == (bundled(name) / f"{part}.jsonl").read_bytes()
    grow(name, tmp_path, seed=1)
    assert (tmp_path / "train.jsonl").read_bytes() != (bundled(name) / "train.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.jsonl", "validation.jsonl"]


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("part", PARTS)
def test_labels_are_balanced(name: str, part: str) -> None:
    counts = Counter(row["label"] for row in rows(name, part))
    half = ROWS[part] // 2
    assert counts == {"positive": half, "negative": half}


def test_together_they_are_small() -> None:
    folders = [bundled(name) for name in BUNDLED]
    sizes = [file.stat().st_size for file in folders[0].parent.rglob("*") if file.is_file()]
    assert len(sizes) == 2 * len(BUNDLED) + 2
    assert sum(sizes) < 1_000_000


@pytest.mark.parametrize("name", BUNDLED)
def test_no_review_stands_in_both_parts(name: str) -> None:
    train, validation = ([traditional(r["text"]) for r in rows(name, part)] for part in PARTS)
    assert len({*train, *validation}) == len(train) + len(validation)


@pytest.mark.parametrize(("name", "least", "most"), [("reviews_en", 5, 40), ("reviews_zh", 6, 60)])
def test_reviews_have_the_length_of_reviews(name: str, least: int, most: int) -> None:
    lengths = [len(words(row["text"])) for part in PARTS for row in rows(name, part)]
    assert least <= min(lengths) < max(lengths) <= most


@pytest.mark.parametrize("name", BUNDLED)
def test_every_pattern_was_filled(name: str) -> None:
    assert not [r for part in PARTS for r in rows(name, part) if set(r["text"]) & set("{}*_")]


def test_a_share_of_the_chinese_is_traditional_and_none_is_mixed() -> None:
    texts = [row["text"] for row in rows("reviews_zh", "train")]
    changed = [text for text in texts if traditional(text) != text]
    unchanged = [text for text in texts if traditional(text) == text]
    assert 0.25 < len(unchanged) / len(texts) < 0.35
    assert all(encodable(text, "big5") for text in unchanged)
    assert all(encodable(text, "gb2312") for text in changed)


@pytest.mark.parametrize("name", BUNDLED)
def test_validation_holds_words_that_training_never_shows(name: str) -> None:
    train, validation = ([set(words(r["text"])) for r in rows(name, part)] for part in PARTS)
    known = set().union(*train)
    assert sum(not review <= known for review in validation) > 100


@pytest.mark.parametrize("name", BUNDLED)
def test_counting_words_is_not_enough(name: str) -> None:
    train, validation = (rows(name, part) for part in PARTS)
    seen = {
        label: Counter(
            word for row in train if row["label"] == label for word in words(row["text"])
        )
        for label in ("positive", "negative")
    }

    def guess(text: str) -> str:
        score = sum(
            math.log((seen["positive"][word] + 1) / (seen["negative"][word] + 1))
            for word in set(words(text))
        )
        return "positive" if score > 0 else "negative"

    right = sum(guess(row["text"]) == row["label"] for row in validation)
    assert 0.55 < right / len(validation) < 0.80


def test_a_bundled_corpus_is_data_like_any_other() -> None:
    data = "bundled:reviews_zh"
    assert (splits_of(data), dev_split(data)) == (["train", "validation"], "validation")
    assert open_split(data, split="train").num_rows == ROWS["train"]


def test_an_unknown_one_names_those_there_are() -> None:
    with pytest.raises(SourceMissing, match="bundled:reviews_en and bundled:reviews_zh"):
        splits_of("bundled:reviews")

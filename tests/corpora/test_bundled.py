"""The bundled corpora: small, honest about what is held out, and reproducible."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from seqpipe.corpora.bundled import BUNDLED, bundled
from seqpipe.corpora.grow import ROWS, grow
from seqpipe.corpora.languages import traditional
from seqpipe.corpora.running import open_passages
from seqpipe.corpora.sentences import ROWS as SENTENCE_ROWS
from seqpipe.corpora.sentences import parted
from seqpipe.corpora.sources import dev_split, open_split, splits_of
from seqpipe.errors import SourceMissing

PARTS = ("train", "validation")
REVIEWS = ("reviews_en", "reviews_zh")
SENTENCES = ("sentences_en", "sentences_zh")


def unpacked(folder: Path, part: str) -> bytes:
    (path,) = folder.glob(f"{part}.jsonl*")
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def rows(name: str, part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in unpacked(bundled(name), part).splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"[\u4e00-\u9fff]|[a-z']+", text.lower())


def encodable(text: str, encoding: str) -> bool:
    return text.encode(encoding, "ignore").decode(encoding) == text


@pytest.mark.parametrize("name", BUNDLED)
def test_a_seed_writes_the_same_bytes(name: str, tmp_path: Path) -> None:
    grow(name, tmp_path)
    for part in PARTS:
        assert unpacked(tmp_path, part) == unpacked(bundled(name), part)
    grow(name, tmp_path, seed=1)
    assert unpacked(tmp_path, "train") != unpacked(bundled(name), "train")
    names = [path.name for path in bundled(name).iterdir()]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("name", REVIEWS)
@pytest.mark.parametrize("part", PARTS)
def test_labels_are_balanced(name: str, part: str) -> None:
    counts = Counter(row["label"] for row in rows(name, part))
    half = ROWS[part] // 2
    assert counts == {"positive": half, "negative": half}


def test_together_they_are_small() -> None:
    folders = [bundled(name) for name in BUNDLED]
    sizes = [file.stat().st_size for file in folders[0].parent.rglob("*") if file.is_file()]
    assert len(sizes) == 3 * len(BUNDLED) - 1  # two parts and a list of words; phrases share one
    assert sum(sizes) < 1_400_000


@pytest.mark.parametrize("name", REVIEWS)
def test_no_review_stands_in_both_parts(name: str) -> None:
    train, validation = ([traditional(r["text"]) for r in rows(name, part)] for part in PARTS)
    assert len({*train, *validation}) == len(train) + len(validation)


@pytest.mark.parametrize(("name", "least", "most"), [("reviews_en", 5, 40), ("reviews_zh", 6, 60)])
def test_reviews_have_the_length_of_reviews(name: str, least: int, most: int) -> None:
    lengths = [len(words(row["text"])) for part in PARTS for row in rows(name, part)]
    assert least <= min(lengths) < max(lengths) <= most


@pytest.mark.parametrize("name", REVIEWS)
def test_every_pattern_was_filled(name: str) -> None:
    assert not [r for part in PARTS for r in rows(name, part) if set(r["text"]) & set("{}*_")]


def test_a_share_of_the_chinese_is_traditional_and_none_is_mixed() -> None:
    texts = [row["text"] for row in rows("reviews_zh", "train")]
    changed = [text for text in texts if traditional(text) != text]
    unchanged = [text for text in texts if traditional(text) == text]
    assert 0.25 < len(unchanged) / len(texts) < 0.35
    assert all(encodable(text, "big5") for text in unchanged)
    assert all(encodable(text, "gb2312") for text in changed)


@pytest.mark.parametrize("name", REVIEWS)
def test_validation_holds_words_that_training_never_shows(name: str) -> None:
    train, validation = ([set(words(r["text"])) for r in rows(name, part)] for part in PARTS)
    known = set().union(*train)
    assert sum(not review <= known for review in validation) > 100


@pytest.mark.parametrize("name", REVIEWS)
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
    with pytest.raises(SourceMissing, match="bundled:reviews_en, bundled:reviews_zh, bundled:sent"):
        splits_of("bundled:reviews")


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("part", PARTS)
def test_running_text_is_whole(name: str, part: str) -> None:
    given = rows(name, part)
    assert SENTENCE_ROWS[part] <= len(given) < SENTENCE_ROWS[part] + 25
    assert not [row for row in given if set(row["text"]) & set("{}*|_") or "" in row["tokens"]]
    found = open_passages(f"bundled:{name}", split=part)
    assert sum(len(passage.spans) for passage in found) == sum(len(r["tokens"]) for r in given)
    assert sum(int(passage.starts.sum()) for passage in found if passage.starts is not None) == (
        len(given)
    )
    assert found.skipped == 0


@pytest.mark.parametrize("name", SENTENCES)
def test_no_sentence_but_a_heading_stands_in_both_parts(name: str) -> None:
    train, validation = (rows(name, part) for part in PARTS)
    known = {row["text"] for row in train}
    again = [row for row in validation if row["text"] in known]
    assert all(row["newpar"] for row in again)
    assert len(again) < len(validation) / 10


@pytest.mark.parametrize("name", SENTENCES)
def test_validation_holds_tokens_that_training_never_shows(name: str) -> None:
    train, validation = ([set(row["tokens"]) for row in rows(name, part)] for part in PARTS)
    known = set().union(*train)
    assert sum(not tokens <= known for tokens in validation) > 60


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("sentences_zh", "白天|鹅", "白|天鹅"),
        ("sentences_zh", "研究|生命", "研究生|命题"),
        ("sentences_zh", "乒乓球|拍卖", "乒乓球拍|卖"),
        ("sentences_zh", "才能", "才|能"),
        ("sentences_en", "n't", "ca|n't"),
    ],
)
def test_what_looks_alike_is_parted_in_two_ways(name: str, right: str, wrong: str) -> None:
    lines = ["|".join(["", *row["tokens"], ""]) for row in rows(name, "train")]
    for kind in (right, wrong):
        assert any(f"|{kind}|" in line for line in lines)


def test_a_full_stop_is_not_the_end_and_the_end_is_not_a_full_stop() -> None:
    given = rows("sentences_en", "train")
    inside = [row for row in given if any(t.endswith(".") for t in row["tokens"][:-1])]
    bare = [row for row in given if not re.search(r"""[.!?]["')]*$""", row["text"])]
    shortened = [row for row in given if len(row["tokens"][-1]) > 2 and row["text"][-1] == "."]
    assert min(len(inside), len(bare), len(shortened)) > 50


def test_marks_part_the_tokens() -> None:
    assert parted('I do|n\'t|,| "|no|.|"', spaced=True) == {
        "text": 'I don\'t, "no."',
        "tokens": ["I", "do", "n't", ",", '"', "no", ".", '"'],
        "space_after": [True, False, False, True, False, False, False, True],
    }
    assert parted("用|PS5 Pro|。", spaced=False)["space_after"] == [False, True, False, False]

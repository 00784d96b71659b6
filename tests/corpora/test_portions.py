"""Every reader in portions: all there is, once, and from any of their ends on the same again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from datasets import IterableDataset
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from seqpipe.corpora import walk
from seqpipe.corpora.labelled import LabelledRows
from seqpipe.corpora.pairs import read_pairs
from seqpipe.corpora.reader import read_dataset
from seqpipe.corpora.texts import read_texts
from seqpipe.corpora.tokens import read_tokens
from seqpipe.text.course import CONTINUES
from seqpipe.text.portions import Place

COUNT = 50  # rows, in three files
SHARDS = [20, 1, 29]

Told = list[Any]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return spacy.blank("en")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Rows that every reader finds something in, and some that none does."""
    folder = tmp_path_factory.mktemp("shards")
    number = 0
    for at, count in enumerate(SHARDS):
        rows = []
        for _ in range(count):
            text = f"Row {number} ends."
            tokens = ["Row", str(number), "ends", "."]
            row: dict[str, Any] = {"text": text, "tokens": tokens, "label": "ab"[at % 2]}
            if number == 30:
                row = {"text": None, "tokens": None, "label": None}
            rows.append({**row, "source": row["text"], "target": row["text"]})
            number += 1
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"train-{at}.jsonl").write_text(lines, encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def docs(nlp: Language, tmp_path_factory: pytest.TempPathFactory) -> str:
    if not Doc.has_extension("translation"):
        Doc.set_extension("translation", default=None)
    made = []
    for at in range(COUNT):
        doc = Doc(nlp.vocab, words=["Row", str(at), "."], sent_starts=[True, False, False])
        doc.cats = {"a": float(at % 2), "b": 0.25}
        doc._.translation = f"Zeile {at}"
        made.append(doc)
    path = tmp_path_factory.mktemp("docs") / "docs.spacy"
    DocBin(docs=made, store_user_data=True).to_disk(path)
    return str(path)


READERS: dict[str, Callable[..., Any]] = {
    "rows": read_dataset,
    "pairs": read_pairs,
    "texts": read_texts,
    "lines": lambda path, **how: read_texts(path, join="\n", **how),
    "sentences": lambda path, **how: read_tokens(path, group=4, **how),
    "tokens": lambda path, **how: read_tokens(path, sentences=False, **how),
}
every = pytest.mark.parametrize("kind", READERS)
ways = pytest.mark.parametrize("streaming", [False, True], ids=["table", "stream"])


def told(nlp: Language, examples: Iterable[Example]) -> Told:
    """All that is learned from: texts, labels, tokens, targets, and whether a text goes on."""
    found = []
    for example in examples:
        doc = example.reference
        target = doc._.translation if Doc.has_extension("translation") else None
        starts = [token.is_sent_start for token in doc]
        more = doc.user_data.get(CONTINUES)
        found.append((doc.text, dict(doc.cats), [t.text for t in doc], starts, target, more))
        assert example.predicted.text == doc.text
    return found


def in_portions(
    corpus: Any, nlp: Language, *, epoch: int = 0, size: int = 8, at: Place | None = None
) -> tuple[list[Told], list[Place]]:
    found, ends = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for portion in corpus.portions(nlp, epoch=epoch, size=size, at=at or Place()):
            with nlp.memory_zone():
                found.append(told(nlp, portion.items))
            ends.append(portion.end)
    return found, ends


def numbers(portions: list[Told]) -> list[int]:
    words = " ".join(text for portion in portions for text, *_ in portion).split()
    return [int(word) for word in words if word.isdecimal()]


@every
@ways
def test_every_row_comes_once(kind: str, streaming: bool, shards: str, nlp: Language) -> None:
    corpus = READERS[kind](shards, streaming=streaming)
    for epoch in range(2):
        found, _ = in_portions(corpus, nlp, epoch=epoch)
        assert sorted(numbers(found)) == [n for n in range(COUNT) if n != 30]
        assert len(found) >= 4


@every
@ways
def test_from_where_a_portion_ends_the_rest_is_the_same(
    kind: str, streaming: bool, shards: str, nlp: Language
) -> None:
    whole, ends = in_portions(READERS[kind](shards, streaming=streaming), nlp, epoch=3)
    for done, end in enumerate(ends, 1):
        again = READERS[kind](shards, streaming=streaming)
        assert in_portions(again, nlp, epoch=3, at=end) == (whole[done:], ends[done:])


@every
def test_files_come_in_an_order_of_the_epoch(kind: str, shards: str, nlp: Language) -> None:
    corpus = READERS[kind](shards, streaming=True, seed=1)
    orders = [numbers(in_portions(corpus, nlp, epoch=epoch)[0]) for epoch in range(6)]
    again = numbers(in_portions(READERS[kind](shards, streaming=True, seed=1), nlp, epoch=4)[0])
    assert orders[4] == again
    assert len({tuple(order) for order in orders}) == (1 if kind == "lines" else 4)
    still = READERS[kind](shards, streaming=True, shuffle=False)
    assert numbers(in_portions(still, nlp, epoch=4)[0]) == sorted(orders[0])


def test_lines_that_run_on_do_so_from_portion_to_portion(shards: str, nlp: Language) -> None:
    found, _ = in_portions(READERS["lines"](shards, streaming=True), nlp)
    goes_on = [text[-1] for portion in found for text in portion]
    assert goes_on == [True] * (len(goes_on) - 1) + [None]


@pytest.mark.parametrize("kind", ["rows", "pairs", "sentences"])
def test_docs_come_as_they_lie(kind: str, docs: str, nlp: Language) -> None:
    whole, ends = in_portions(READERS[kind](docs), nlp, size=20)
    assert [len(portion) for portion in whole] == [20, 20, 10]
    assert numbers(whole)[:COUNT] == [*range(COUNT)]
    assert in_portions(READERS[kind](docs), nlp, size=20, at=ends[0]) == (whole[1:], ends[1:])


def test_the_first_rows_alone(shards: str, nlp: Language) -> None:
    for streaming in (False, True):
        corpus = read_dataset(shards, streaming=streaming, limit=25)
        assert sorted(numbers(in_portions(corpus, nlp)[0])) == [*range(25)]


def test_a_portion_may_hold_nothing(tmp_path: Path, nlp: Language) -> None:
    """A stream may be poor for a while: it is not empty for that."""
    labels = [None] * 30 + ["a", "b"]
    rows = [json.dumps({"text": str(at), "label": label}) for at, label in enumerate(labels)]
    (tmp_path / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    corpus = read_dataset(str(tmp_path / "train.jsonl"), streaming=True)
    found, _ = in_portions(corpus, nlp, size=10)
    assert [len(portion) for portion in found] == [0, 0, 0, 2]


def test_long_texts_make_shorter_portions(
    shards: str, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MOST", 50)
    corpus = read_dataset(shards, streaming=True, shuffle=False)
    whole, ends = in_portions(corpus, nlp, size=1000)
    assert [len(portion) for portion in whole] == [20, 29]  # and no file is cut
    assert in_portions(corpus, nlp, size=1000, at=ends[0])[0] == whole[1:]


class Numbers:
    """Rows out of shards, of which those that were asked for are counted."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, shards: list[int]) -> Iterable[dict[str, Any]]:
        for shard in shards:
            self.read.append(shard)
            for at in range(10):
                yield {"text": f"{shard} {at}", "label": "a"}


def test_shards_that_were_read_are_not_opened_again() -> None:
    source = Numbers()
    table = IterableDataset.from_generator(source, gen_kwargs={"shards": [*range(6)]})
    rows = LabelledRows(table, data="numbers")
    source.read.clear()
    found = [row.text for p in rows.portions(None, size=10, at=Place(3, 5)) for row in p.items]
    assert found[0] == "3 5" and len(found) == 25
    assert {*source.read} == {3, 4, 5}


@given(
    sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5).filter(any),
    size=st.integers(1, 9),
    seed=st.integers(0, 9) | st.none(),
)
def test_wherever_a_stream_is_cut(sizes: list[int], size: int, seed: int | None) -> None:
    """Portions of at least as many rows as asked for, but for the last."""

    def generate(shards: list[list[int]]) -> Iterable[dict[str, Any]]:
        for number, count in shards:
            yield from ({"text": f"{number}-{at}", "label": "a"} for at in range(count))

    shards = [[number, count] for number, count in enumerate(sizes)]
    table = IterableDataset.from_generator(generate, gen_kwargs={"shards": shards})
    rows = LabelledRows(table, data="numbers")

    def walked(at: Place) -> list[tuple[list[str], Place]]:
        random = None if seed is None else np.random.default_rng(seed)
        portions = rows.portions(random, size=size, at=at)
        return [([row.text for row in p.items], p.end) for p in portions]

    whole = walked(Place())
    assert sorted(text for texts, _ in whole for text in texts) == sorted(
        f"{number}-{at}" for number, count in shards for at in range(count)
    )
    assert all(len(texts) >= size for texts, _ in whole[:-1])
    for done, (_, end) in enumerate(whole, 1):
        assert walked(end) == whole[done:]

"""What counts as a label, what is skipped, and in which order rows come."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value
from datasets import Sequence as ListOf

from seqpipe.corpora.labelled import LabelledRows, label_names
from seqpipe.errors import DataEmpty


def rows_of(
    texts: Sequence[Any],
    labels: Sequence[Any] | None = None,
    *,
    streaming: bool = False,
    shards: int = 3,
    limit: int = 0,
) -> LabelledRows:
    columns = {"text": list(texts)} | ({} if labels is None else {"label": labels})
    table = Dataset.from_dict(columns)
    return LabelledRows(
        table.to_iterable_dataset(num_shards=shards) if streaming else table,
        data="rows",
        label=None if labels is None else "label",
        limit=limit,
    )


@pytest.mark.parametrize(
    ("values", "names", "order"),
    [
        (["b", "a", "b"], ["b", "a", "b"], ("a", "b")),
        ([10, 9, 1], ["10", "9", "1"], ("1", "9", "10")),
        ([True, False, True], ["True", "False", "True"], ("False", "True")),
        ([1.0, 2.5, -1.0], ["1", "2.5", "-1"], ("-1", "1", "2.5")),
    ],
)
def test_any_plain_value_is_a_label(
    values: list[Any], names: list[str], order: tuple[str, ...]
) -> None:
    rows = rows_of(["x", "y", "z"], values)
    assert [row.labels for row in rows] == [(name,) for name in names]
    assert rows.labels == order


@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_missing_is_counted_and_said_once(streaming: bool) -> None:
    rows = rows_of(["a", None, "c", "d"], ["x", "x", None, " "], streaming=streaming)
    message = r"'rows': 3 of 4 rows skipped, without text in 'text' and label in 'label'\."
    with pytest.warns(UserWarning, match=message) as caught:
        assert [row.text for row in rows] == ["a"]
        assert [row.text for row in rows] == ["a"]
    assert len(caught) == 1
    assert rows.skipped == 3


def test_texts_that_are_numbers_are_nothing_usable() -> None:
    with pytest.raises(DataEmpty, match="no row with a text in 'text' and label in 'label'"):
        list(rows_of([1, 2], ["x", "y"]))


def test_gaps_in_numbers_leave_the_others_whole() -> None:
    rows = rows_of(["a", "b", "c"], [1.0, None, float("nan")])
    with pytest.warns(UserWarning, match="2 of 3"):
        assert [row.labels for row in rows] == [("1",)]


def test_a_list_is_several_labels() -> None:
    rows = rows_of(["a", "b", "c", "d"], [["x", "y"], [], ["y", "y"], ["z", None]])
    with pytest.warns(UserWarning, match="1 of 4"):
        assert [row.labels for row in rows] == [("x", "y"), (), ("y",)]
    assert rows.labels == ("x", "y")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_list_of_class_labels_keeps_its_names(streaming: bool) -> None:
    kind = ListOf(ClassLabel(names=["joy", "anger"]))
    features = Features({"text": Value("string"), "label": kind})
    table = Dataset.from_dict({"text": ["a", "b"], "label": [[1, 0], []]}, features=features)
    given = table.to_iterable_dataset() if streaming else table
    assert label_names(given, "label") == ("joy", "anger")
    assert [row.labels for row in LabelledRows(given, data="rows")] == [("anger", "joy"), ()]


def test_a_stream_knows_no_labels_before_it_is_read() -> None:
    assert rows_of(["a", "b", "c"], ["x", "y", "z"], streaming=True).labels == ()


@pytest.mark.parametrize("streaming", [False, True])
def test_shuffling_keeps_every_row_and_is_decided_by_seed_and_epoch(streaming: bool) -> None:
    texts = [str(number) for number in range(2500)]
    rows = rows_of(texts, streaming=streaming)

    def order(seed: int, epoch: int) -> list[str]:
        return [row.text for row in rows.shuffled(seed=seed, epoch=epoch, buffer=100)]

    assert [row.text for row in rows] == texts
    first = order(0, 0)
    assert first == order(0, 0)
    assert sorted(first) == sorted(texts)
    assert len({tuple(first), tuple(order(0, 1)), tuple(order(1, 0)), tuple(texts)}) == 4


def test_the_order_is_the_same_in_another_process() -> None:
    program = (
        "from datasets import Dataset\n"
        "from seqpipe.corpora.labelled import LabelledRows\n"
        "table = Dataset.from_dict({'text': list('abcdefghijklmnopqrstuvwxyz')})\n"
        "for given in (table, table.to_iterable_dataset(num_shards=5)):\n"
        "    rows = LabelledRows(given, data='letters', label=None)\n"
        "    print(*(row.text for row in rows.shuffled(seed=4, epoch=2, buffer=6)), sep='')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    here = [
        "".join(row.text for row in rows.shuffled(seed=4, epoch=2, buffer=6))
        for rows in (rows_of(ascii_lowercase), rows_of(ascii_lowercase, streaming=True, shards=5))
    ]
    assert run.stdout.split() == here


@pytest.mark.parametrize("streaming", [False, True])
def test_a_limit_is_the_first_rows_in_any_order(streaming: bool) -> None:
    rows = rows_of([str(number) for number in range(50)], streaming=streaming, limit=7)
    assert [row.text for row in rows] == list("0123456")
    assert sorted(row.text for row in rows.shuffled(seed=1)) == list("0123456")


def test_a_stream_and_a_table_hold_the_same_rows() -> None:
    texts, labels = [str(number) for number in range(1200)], [number % 7 for number in range(1200)]
    stream, table = rows_of(texts, labels, streaming=True), rows_of(texts, labels)
    assert set(stream.shuffled(seed=5, buffer=64)) == set(table.shuffled(seed=5)) == set(table)

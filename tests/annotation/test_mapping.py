"""A pipeline as a function for `datasets`."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset, disable_progress_bars
from datasets.fingerprint import Hasher
from measures import measuring
from small import make_nlp

from seqpipe.annotation.mapping import mapper
from seqpipe.errors import FieldMissing, PipelineMissing

disable_progress_bars()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    make_nlp(2).to_disk(folder)
    return folder


def test_columns_beside_the_others() -> None:
    found = mapper(measuring(), text="body", fields={"length": "n"})(
        {"body": ["a b", "boom", None, 1], "text": ["", "", "", ""]}
    )
    errors = ["", "ValueError: it went boom", "", "the text is int, not a string"]
    assert found == {"n": [2, None, None, None], "error": errors}


def test_a_data_set_in_two_processes(folder: Path) -> None:
    rows = Dataset.from_dict({"text": [None, "a good film", "bad", ""], "n": [1, 2, 3, 4]})
    found = mapper(folder)
    ways = {"batched": True, "batch_size": 1, "features": found.features(rows.features)}
    one, two = rows.map(found, **ways), rows.map(found, num_proc=2, **ways)
    assert one[:] == two[:] and one.column_names == ["text", "n", "cats", "sentiment", "error"]
    assert [bool(cats) for cats in one["cats"]] == [False, True, True, False]
    assert one["cats"][1] == pytest.approx(make_nlp(2)("a good film").cats, abs=1e-6)


def test_the_cache_knows_it_again(folder: Path, tmp_path: Path) -> None:
    used = mapper(folder)
    used({"text": ["a"]})
    assert Hasher.hash(used) == Hasher.hash(mapper(str(folder)))
    assert Hasher.hash(used) != Hasher.hash(mapper(folder, fields={"cats": "c"}))
    make_nlp(4).to_disk(tmp_path / "other")
    assert Hasher.hash(used) != Hasher.hash(mapper(tmp_path / "other"))


def test_what_is_not_there(folder: Path) -> None:
    with pytest.raises(PipelineMissing):
        mapper("no-such-pipeline")
    with pytest.raises(FieldMissing):
        mapper(folder, fields={"mood": "mood"})({"text": ["a"]})

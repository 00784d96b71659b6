"""`seqpipe train translator`: pairs in columns, in dicts, too long, and runs that are killed."""

from __future__ import annotations

import json
import signal
import warnings
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command, read_lines, write_lines
from letters import make_pairs
from runs import child, told, written_bytes

from seqpipe.cli.train import train
from seqpipe.errors import ColumnMissing, DataEmpty, UsageError

QUICK: dict[str, Any] = {
    "training.max_steps": 8,
    "training.eval_frequency": 4,
    "components.translator.codec.size": 300,
    "components.translator.model.width": 8,
    "components.translator.model.embedding": 8,
    "components.translator.model.decoder_width": 8,
    "components.translator.search.beam": 2,
}


def test_the_bundled_corpus(seqpipe: Command, tmp_path: Path) -> None:
    small = [f"--{name}={value}" for name, value in QUICK.items()]
    columns = ["--source", "en", "--target", "de", "--limit", 200]
    words = ["train", "translator", "bundled:phrases_en_de", *columns, *small]
    ran = seqpipe(*words, "--corpora.dev.limit", 20, "--output", tmp_path)
    assert ran.code == 0 and "model-best: bleu 0." in ran.out and ", chrf 0." in ran.out
    (first, *_) = read_lines(tmp_path / "log.jsonl")
    assert {"bleu", "chrf", "bleu_signature"} <= set(first["scores"])
    nlp = spacy.load(tmp_path / "model-best")
    assert isinstance(nlp("The cat is small.")._.translation, str)
    meta = json.loads((tmp_path / "model-best" / "meta.json").read_text())
    assert meta["seqpipe"]["trained_on"]["rows"] == 200
    ran = seqpipe("evaluate", tmp_path / "model-best", "bundled:phrases_en_de", "--limit", 20)
    assert ran.code == 0 and "BLEU" in ran.out  # the columns are those it was trained on


def test_it_learns_more_with_every_epoch(pairs: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "training.max_steps": 60, "components.translator.codec.unit": "char"}
    rate = {"training.optimizer.learn_rate.rate": 0.02, "training.dropout": 0.0}
    train("translator", str(pairs), output=tmp_path, overrides={**settings, **rate})
    losses = [line["loss"] for line in told(tmp_path)]
    assert losses[-1] < 0.8 * losses[0]


def test_learned_both_ways_it_translates_either_way_and_is_gone_on_from(tmp_path: Path) -> None:
    rows = [{"source": source, "target": target} for source, target in make_pairs(800)]
    data = str(write_lines(tmp_path / "rows.jsonl", rows))
    settings = {
        "components.translator.codec.unit": "char",
        "components.translator.codec.min_count": 3,
        "components.translator.search.beam": 1,
        "components.translator.model.embedding": 24,
        "components.translator.model.width": 24,
        "components.translator.model.decoder_width": 32,
        "components.translator.model.decoder_layers": 1,
        "training.optimizer.learn_rate.rate": 0.02,
        "training.dropout": 0.0,
        "training.eval_frequency": 500,
        "training.max_steps": 500,
    }
    ways = {**settings, "corpora.train.both_ways": True}
    either = train("translator", data, output=tmp_path / "either", overrides=ways)
    nlp = spacy.load(either.best)
    assert [doc._.translation for doc in nlp.pipe(["ad ij.", "AD IJ."])] == ["AD IJ.", "ad ij."]
    few = {"training.max_steps": 2, "training.eval_frequency": 2}
    onward = train(
        "translator", data, output=tmp_path / "on", overrides=few, init_from=str(either.best)
    )
    nlp = spacy.load(onward.last)
    assert nlp("ad ij.")._.translation == "AD IJ."
    assert nlp.config["corpora"]["train"]["both_ways"] is False


def test_columns_by_name_and_in_dicts(tmp_path: Path) -> None:
    rows = [{"en": source, "de": target} for source, target in make_pairs(60)]
    plain = write_lines(tmp_path / "plain.jsonl", rows)
    nested = write_lines(tmp_path / "nested.jsonl", [{"translation": row} for row in rows])
    columns = {"source": "en", "target": "de"}
    weights = []
    for data in (plain, nested):
        output = tmp_path / data.stem
        trained = train("translator", str(data), output=output, columns=columns, overrides=QUICK)
        weights.append((trained.last / "translator" / "model.safetensors").read_bytes())
        corpora = spacy.load(trained.last).config["corpora"]
        assert (corpora["train"]["without"], corpora["dev"]["only"]) == (0.1, 0.1)
    assert weights[0] == weights[1]


def test_pairs_that_are_too_long_are_counted_in_one_warning(pairs: Path, tmp_path: Path) -> None:
    rows = [*read_lines(pairs / "train.jsonl"), *[{"source": "ab" * 40, "target": "x"}] * 3]
    write_lines(tmp_path / "data" / "train.jsonl", rows)
    write_lines(tmp_path / "data" / "validation.jsonl", rows[:9])
    settings = {**QUICK, "training.max_steps": 1, "components.translator.longest": 30}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        settings["components.translator.codec.unit"] = "char"
        train("translator", str(tmp_path / "data"), output=tmp_path / "out", overrides=settings)
    (said,) = [str(one.message) for one in caught if "longer" in str(one.message)]
    assert said == "3 of 123 rows are longer than 30 pieces: they are not learned from"


def test_empty_pairs_are_left_out_and_counted(pairs: Path, tmp_path: Path) -> None:
    rows = [*read_lines(pairs / "train.jsonl"), {"source": "", "target": "x"}]
    data = write_lines(tmp_path / "rows.jsonl", rows)
    settings = {**QUICK, "training.max_steps": 1, "corpora.train.without": 0.0}
    with pytest.warns(UserWarning, match=r"1 of 121 pairs skipped: 1 empty") as caught:
        trained = train("translator", str(data), output=tmp_path / "out", overrides=settings)
    assert len(caught) == 1
    meta = json.loads((trained.last / "meta.json").read_text())
    assert meta["seqpipe"]["trained_on"]["rows"] == 120


def test_the_share_of_padding_is_that_of_both_sides(tmp_path: Path) -> None:
    rows = [{"source": "a" * 2, "target": "b" * 6}, {"source": "a" * 6, "target": "b" * 2}]
    data = write_lines(tmp_path / "rows.jsonl", rows)
    settings = {**QUICK, "training.max_steps": 1, "corpora.train.without": 0.0}
    settings["components.translator.codec.unit"] = "char"
    train("translator", str(data), output=tmp_path / "out", overrides=settings)
    (line,) = told(tmp_path / "out")
    cells = 2 * (6 + 1) + 2 * (6 + 1)  # each with its end
    assert line["words"] == 2 * (2 + 1) + 2 * (6 + 1)
    assert line["padding"] == pytest.approx(1 - line["words"] / cells)


STEP = 6  # between two validations


def test_killed_it_ends_in_the_same_bytes(pairs: Path, tmp_path: Path) -> None:
    """Texts are cut into pieces by chance as they would have been, and told from as many."""
    settings = {
        **QUICK,
        "components.translator.model.sampled_softmax": 5,
        "components.translator.bpe_dropout": 0.3,
        "components.translator.shortlist": 5,
        "components.translator.protect": ["number"],
    }
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train("translator", str(pairs), output=whole, overrides=settings)
    killed.mkdir()
    for step, code in ((STEP, -signal.SIGKILL), (0, 0)):
        how: dict[str, Any] = {"stage": "translator", "step": step, "fresh": step == 0}
        assert child(pairs, killed, overrides=settings, **how) == code
    assert written_bytes(killed) == written_bytes(whole)
    assert told(killed) == told(whole)


def test_the_same_seed_gives_the_same_bytes(pairs: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "components.translator.bpe_dropout": 0.3}
    found = []
    for name, more in (("a", {}), ("b", {}), ("c", {"system.seed": 1})):
        train("translator", str(pairs), output=tmp_path / name, overrides={**settings, **more})
        found.append(written_bytes(tmp_path / name))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru"])
def test_every_cell_trains(cell: str, pairs: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "training.max_steps": 1, "components.*.model.cell": cell}
    trained = train("translator", str(pairs), output=tmp_path, overrides=overrides)
    assert spacy.load(trained.last).config["components"]["translator"]["model"]["cell"] == cell


def test_a_codec_for_each_side(pairs: Path, tmp_path: Path) -> None:
    own = {"@misc": "seqpipe.Codec.v1", "unit": "char", "size": 99, "min_count": 1, "lower": False}
    settings = {
        **QUICK,
        "components.translator.target_codec": own,
        "components.translator.model.tie_source": False,
    }
    trained = train("translator", str(pairs), output=tmp_path, overrides=settings)
    assert (trained.best / "translator" / "target.json").is_file()
    assert isinstance(spacy.load(trained.best)("ab")._.translation, str)


def test_a_column_of_another_stage_is_refused(
    seqpipe: Command, pairs: Path, tmp_path: Path
) -> None:
    ran = seqpipe("train", "translator", pairs, "--text", "source", "--output", tmp_path / "out")
    assert (ran.code, ran.out) == (2, "")
    assert "--text is for another stage: what this one reads is --source and --targ" in ran.sentence
    with pytest.raises(UsageError, match="--source is for another stage"):
        train("sentiment", str(pairs), output=tmp_path / "out", columns={"source": "source"})


def test_data_that_does_not_fit_is_one_sentence(
    seqpipe: Command, pairs: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with pytest.raises(ColumnMissing, match=r"'de'.*it has source and target"):
        train("translator", str(pairs), output=output, columns={"target": "de"})
    with pytest.raises(DataEmpty):
        empty = write_lines(tmp_path / "empty.jsonl", [{"source": "", "target": ""}])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train("translator", str(empty), output=output, overrides=QUICK)
    wrong = ["--components.translator.unit", "page", "--output", output]
    ran = seqpipe("train", "translator", pairs, *wrong)
    assert ran.code == 1 and "unit = 'page'" in ran.sentence

"""`seqpipe train tokenizer`: sentences with their tokens, as tables and as files of UD."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command, read_lines, write_lines
from runs import child, told, written_bytes

from seqpipe.cli.train import train
from seqpipe.errors import ColumnMissing, DataEmpty, UsageError

QUICK = {
    "training.max_steps": 12,
    "training.eval_frequency": 5,
    "components.tokenizer.model.width": 8,
    "components.tokenizer.model.embedding": 8,
    "components.tokenizer.stretch": 40,
}
CONLLU = """# newdoc id = a
# newpar
# text = I can't.
1\tI\tI\t_\t_\t_\t_\t_\t_\t_
2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
2\tca\tcan\t_\t_\t_\t_\t_\t_\t_
3\tn't\tnot\t_\t_\t_\t_\t_\t_\t_
4\t.\t.\t_\t_\t_\t_\t_\t_\t_

"""


def test_it_learns_tokens_and_sentences(tokenizer: Path) -> None:
    doc = spacy.load(tokenizer)("Dr. Lee isn't here. Bob paid $5.")
    assert [[token.text for token in sentence] for sentence in doc.sents] == [
        ["Dr.", "Lee", "is", "n't", "here", "."],
        ["Bob", "paid", "$", "5", "."],
    ]


def test_the_scores_that_are_told(seqpipe: Command, sentences: Path, tmp_path: Path) -> None:
    small = [f"--{name}={value}" for name, value in QUICK.items()]
    ran = seqpipe("train", "tokenizer", sentences, "--output", tmp_path / "out", *small)
    assert ran.code == 0
    assert "model-best: token_f 0." in ran.out and ", sents_f 0." in ran.out
    (first, *_) = read_lines(tmp_path / "out" / "log.jsonl")
    assert {"token_p", "token_r", "token_f", "sents_p", "sents_r", "sents_f"} <= set(
        first["scores"]
    )


def test_columns_by_name(sentences: Path, tmp_path: Path) -> None:
    rows = [
        {"raw": row["text"], "pieces": row["tokens"]}
        for row in read_lines(sentences / "test.jsonl")
    ]
    data = write_lines(tmp_path / "rows.jsonl", rows * 20)
    columns = {"text": "raw", "tokens": "pieces"}
    output = tmp_path / "out"
    trained = train("tokenizer", str(data), output=output, columns=columns, overrides=QUICK)
    corpora = spacy.load(trained.best).config["corpora"]
    assert [corpora[name]["tokens"] for name in ("train", "dev")] == ["pieces", "pieces"]
    assert (corpora["train"]["without"], corpora["dev"]["only"]) == (0.1, 0.1)


def test_sentences_that_nobody_marked(sentences: Path, tmp_path: Path) -> None:
    overrides = {**QUICK, "corpora.train.sentences": False, "corpora.dev.sentences": False}
    trained = train("tokenizer", str(sentences), output=tmp_path / "out", overrides=overrides)
    assert "token_f" in trained.scores and "sents_f" not in trained.scores
    assert not spacy.load(trained.best)("Bob paid. Ann saw.").has_annotation("SENT_START")


def test_files_of_ud(tmp_path: Path) -> None:
    data = tmp_path / "ud"
    data.mkdir()
    for part in ("train", "dev"):
        (data / f"en_x-ud-{part}.conllu").write_text(CONLLU * 30, encoding="utf-8")
        (data / f"en_x-ud-{part}.txt").write_text("I can't.", encoding="utf-8")
    trained = train("tokenizer", str(data), output=tmp_path / "out", overrides=QUICK)
    meta = json.loads((trained.best / "meta.json").read_text())
    assert meta["seqpipe"]["trained_on"]["pieces"] == 30 * len("I can't.\n\n") - 2
    assert spacy.load(trained.best).config["corpora"]["dev"]["split"] == "validation"


STEP = 7  # between two validations


def test_killed_it_ends_in_the_same_bytes(sentences: Path, tmp_path: Path) -> None:
    """The noise is drawn anew as it was."""
    noise = {f"components.tokenizer.noise.{name}": 0.3 for name in ("punctuation", "spaces")}
    settings = {**QUICK, **noise}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train("tokenizer", str(sentences), output=whole, overrides=settings)
    killed.mkdir()
    for step, code in ((STEP, -signal.SIGKILL), (0, 0)):
        how: dict[str, Any] = {"stage": "tokenizer", "step": step, "fresh": step == 0}
        assert child(sentences, killed, overrides=settings, **how) == code
    assert written_bytes(killed) == written_bytes(whole)
    assert told(killed) == told(whole)


def test_a_column_of_another_stage_is_refused(
    seqpipe: Command, sentences: Path, reviews: Path, tmp_path: Path
) -> None:
    out = ["--output", tmp_path / "out"]
    ran = seqpipe("train", "tokenizer", sentences, "--label", "text", *out)
    assert (ran.code, ran.out) == (2, "")
    assert "--label is for another stage: what this one reads is --text and --token" in ran.sentence
    ran = seqpipe("train", "sentiment", reviews, "--tokens", "text", *out)
    assert ran.code == 2 and "--tokens is for another stage" in ran.sentence
    with pytest.raises(UsageError, match="--text and --tokens"):
        train("tokenizer", str(sentences), output=tmp_path / "out", columns={"label": "text"})


def test_data_that_does_not_fit_is_one_sentence(sentences: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(ColumnMissing, match=r"'words'.*it has text, tokens and doc_id"):
        train("tokenizer", str(sentences), output=output, columns={"tokens": "words"})
    with pytest.raises(DataEmpty, match="row with a text in 'text' that 'doc_id' make up"):
        train("tokenizer", str(sentences), output=output, columns={"tokens": "doc_id"})

"""`seqpipe train --streaming`: rows as they come, found again by a run that was stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command, read_lines, write_lines
from runs import Impatient, child, told, written_bytes
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from seqpipe.cli._config import config_for
from seqpipe.cli._stream import ExampleStream, Streaming
from seqpipe.cli._trainee import only_stage
from seqpipe.cli.folds import train_folds
from seqpipe.cli.train import train
from seqpipe.errors import SampleLacking, SettingError, UsageError
from seqpipe.text.portions import Place

STREAMED: dict[str, Any] = {
    "training.max_steps": 9,
    "training.eval_frequency": 4,
    "training.accumulate_gradient": 2,
    "seqpipe.buffer": 25,
    "seqpipe.rows": 5,
    "components.*.model.embedding": 6,
    "components.*.model.width": 6,
}
STAGES: dict[str, dict[str, Any]] = {
    "sentiment": {},
    "tokenizer": {"components.tokenizer.stretch": 60, "seqpipe.rows": 9},
    "translator": {"components.translator.codec.unit": "char", "seqpipe.rows": 12},
    "generator": {"components.generator.window": 40, "corpora.train.longest": 30},
}
every = pytest.mark.parametrize("stage", STAGES)
ON = {"streaming": True}
HOW = {"side_by_side": 100, "budget": 10_000, "seed": 0}
Wholes = Callable[[str], Path]


@pytest.fixture(scope="module")
def data(reviews: Path, sentences: Path, pairs: Path, tmp_path_factory: Any) -> dict[str, Path]:
    """The training part of each in three files."""
    folders = {"sentiment": reviews, "tokenizer": sentences, "translator": pairs}
    folders["generator"] = reviews
    found = {}
    for stage, folder in folders.items():
        found[stage] = tmp_path_factory.mktemp("shards") / stage
        rows = read_lines(folder / "train.jsonl")
        for number, at in enumerate((0, 20, 41)):
            some = rows[at : (20, 41, None)[number]]
            write_lines(found[stage] / f"train-{number}.jsonl", some)
        write_lines(found[stage] / "validation.jsonl", read_lines(folder / "validation.jsonl"))
    return found


def settings(stage: str) -> dict[str, Any]:
    return {"overrides": {**STREAMED, **STAGES[stage]}, "columns": ON}


@pytest.fixture(scope="module")
def wholes(data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Wholes:
    """Runs that nothing interrupted."""

    @cache
    def whole(stage: str) -> Path:
        output = tmp_path_factory.mktemp("whole")
        train(stage, str(data[stage]), output=output, **settings(stage))
        return output

    return whole


@every
def test_stopped_anywhere_it_goes_on_to_the_same_bytes(
    stage: str, wholes: Wholes, data: dict[str, Path], tmp_path: Path
) -> None:
    asked = settings(stage)
    whole = wholes(stage)
    assert [line["step"] for line in told(whole)] == [4, 8, 9]
    assert told(whole)[-1]["epoch"] > 0  # it has met the end of the stream
    for steps in (2, 5) if stage == "sentiment" else (5,):
        parts: dict[str, Any] = {"resume": True, "watcher": Impatient(steps), **asked}
        assert train(stage, str(data[stage]), output=tmp_path, **parts).stopped
    train(stage, str(data[stage]), output=tmp_path, resume=True, **asked)
    assert written_bytes(tmp_path) == written_bytes(whole)
    assert told(tmp_path) == told(whole)


def test_killed_it_ends_in_the_same_bytes(
    wholes: Wholes, data: dict[str, Path], tmp_path: Path
) -> None:
    blocks = ("seqpipe", "corpora.train", "corpora.dev")
    asked = {**STREAMED, **{f"{block}.streaming": True for block in blocks}}
    assert child(data["sentiment"], tmp_path, overrides=asked, step=7) == -signal.SIGKILL
    asked["seqpipe.checkpoint_seconds"] = 30  # as the child had it
    train("sentiment", str(data["sentiment"]), output=tmp_path, overrides=asked, resume=True)
    assert told(tmp_path) == told(wholes("sentiment"))
    assert written_bytes(tmp_path) == written_bytes(wholes("sentiment"))


def test_labels_and_vocabulary_are_those_of_the_sample(
    data: dict[str, Path], tmp_path: Path
) -> None:
    write_lines(
        tmp_path / "shards" / "train.jsonl",
        [{"text": f"word{at} again", "label": "ab"[at % 2]} for at in range(60)],
    )
    sampled = {**STREAMED, "seqpipe.sample": 10, "components.sentiment.codec.min_count": 1}
    trained = train(
        "sentiment",
        str(tmp_path / "shards"),
        output=tmp_path / "out",
        overrides=sampled,
        columns={**ON, "dev": str(tmp_path / "shards" / "train.jsonl"), "dev_split": "train"},
    )
    _, stage = only_stage(spacy.load(trained.last))
    assert {piece for piece in stage._codec().pieces() if piece.startswith("word")} == {
        f"word{at}" for at in range(10)
    }
    assert list(stage.cfg["labels"]) == ["a", "b"]


def test_the_length_of_a_run_has_to_be_said(
    seqpipe: Command, data: dict[str, Path], tmp_path: Path
) -> None:
    words = ["train", "sentiment", data["sentiment"], "--output", tmp_path, "--streaming"]
    ran = seqpipe(*words)
    assert ran.code == 1
    assert "training.max_steps = 0 is not allowed: give a number of steps" in ran.sentence
    ran = seqpipe(*words, "--buffer", 20, "--sample", 30, "--training.max_steps", 2)
    assert ran.code == 0 and "model-best" in ran.out
    assert spacy.load(tmp_path / "model-last").config["seqpipe"]["buffer"] == 20


def test_epochs_may_be_said_as_well(data: dict[str, Path], tmp_path: Path) -> None:
    overrides = {**STREAMED, "training.max_epochs": 1, "training.max_steps": 1000}
    trained = train(
        "sentiment", str(data["sentiment"]), output=tmp_path, overrides=overrides, columns=ON
    )
    assert trained.step == 7  # 25, 25 and 10 rows of the stream, ten in a step


def test_a_label_that_the_sample_does_not_show_is_one_sentence(tmp_path: Path) -> None:
    labels = ["good", "bad"] * 20 + ["strange"]
    rows = [{"text": "a text", "label": label} for label in labels]
    write_lines(tmp_path / "data" / "train.jsonl", rows)
    write_lines(tmp_path / "data" / "validation.jsonl", rows[:10])
    asked: dict[str, Any] = {"columns": ON, "overrides": {**STREAMED, "seqpipe.sample": 20}}
    with pytest.raises(SampleLacking, match=r"carries 'strange'.*20 rows .* --sample") as raised:
        train("sentiment", str(tmp_path / "data"), output=tmp_path / "out", **asked)
    assert len(str(raised.value).splitlines()) == 1
    asked["overrides"]["initialize.components.sentiment.labels"] = ["good", "bad", "strange"]
    train("sentiment", str(tmp_path / "data"), output=tmp_path / "out", overwrite=True, **asked)


def test_what_cannot_be_streamed_is_one_sentence(data: dict[str, Path], tmp_path: Path) -> None:
    alone = str(data["sentiment"] / "train-0.jsonl")
    with pytest.raises(UsageError, match="no share is held out: name what to measure on"):
        train("sentiment", alone, output=tmp_path / "a", overrides=STREAMED, columns=ON)
    for name in ("buffer", "sample"):
        wrong = {**STREAMED, f"seqpipe.{name}": 0}
        with pytest.raises(SettingError, match=f"seqpipe.{name} = 0 .* from 1 on"):
            train(
                "sentiment",
                str(data["sentiment"]),
                output=tmp_path / name,
                overrides=wrong,
                columns=ON,
            )
    with pytest.raises(UsageError, match="--streaming reads rows as they come"):
        train_folds("sentiment", str(data["sentiment"]), output=tmp_path / "c", folds=2, columns=ON)


def read_without_end() -> Callable[[Language], Iterable[Example]]:
    def read(nlp: Language) -> Iterator[Example]:
        for at in count():
            doc = nlp.make_doc(f"a {'good' if at % 2 else 'bad'} text {at % 7}")
            yield Example.from_dict(doc, {"cats": {"positive": at % 2, "negative": 1 - at % 2}})

    return read


def test_a_stream_of_ones_own_that_never_ends(data: dict[str, Path], tmp_path: Path) -> None:
    registry.readers("endless.v1", func=read_without_end)
    asked = settings("sentiment")["overrides"] | {"seqpipe.sample": 30}
    config = config_for("sentiment", str(data["sentiment"]), columns=ON, overrides=asked)
    config["corpora"]["train"] = {"@readers": "endless.v1"}
    config.to_disk(tmp_path / "endless.cfg")
    whole = train(str(tmp_path / "endless.cfg"), output=tmp_path / "whole")
    assert whole.step == 9 and told(tmp_path / "whole")[-1]["epoch"] == 0
    stopped = train(str(tmp_path / "endless.cfg"), output=tmp_path / "parts", watcher=Impatient(7))
    assert stopped.stopped
    train(str(tmp_path / "endless.cfg"), output=tmp_path / "parts", resume=True)
    assert written_bytes(tmp_path / "parts") == written_bytes(tmp_path / "whole")


def test_texts_that_were_read_are_forgotten(tmp_path: Path, pipeline: Path) -> None:
    """Each has words of its own: a vocabulary that kept them would grow for ever."""
    rows = [{"text": f"word{at}", "label": "negative"} for at in range(300)]
    write_lines(tmp_path / "train.jsonl", rows)
    nlp = spacy.load(pipeline)
    config = nlp.config.copy()
    corpus = {"@readers": "seqpipe.Dataset.v1", "path": str(tmp_path), "streaming": True}
    config["corpora"] = {"train": corpus, "dev": corpus}
    stream = ExampleStream(config, Streaming(buffer=50, sample=10))
    _, stage = only_stage(nlp)
    vocab = stream._reader.vocab
    before = {*vocab.strings}
    portions = stream._portions(0, Place())
    read = [stretch for _ in range(7) if (stretch := stream._next(stage, portions))]
    assert [len(stretch.rows) for stretch in read] == [50] * 6
    assert {*vocab.strings} == before


def test_what_is_learned_hangs_on_texts_alone(tmp_path: Path, pipeline: Path) -> None:
    """Nobody looks for tokens that nobody asks for, and the ids are the same."""
    texts = [" the  room\n", "was\u3000good", "\tand", "n't 我们 bad.", "\u00a0we", "so..."]
    write_lines(tmp_path / "train.jsonl", [{"text": t, "label": "negative"} for t in texts])
    nlp = spacy.load(pipeline)
    _, stage = only_stage(nlp)
    config = nlp.config.copy()
    corpus = {"@readers": "seqpipe.Dataset.v1", "path": str(tmp_path), "shuffle": False}
    config["corpora"] = {"train": corpus, "dev": corpus}
    stream = ExampleStream(config, Streaming(buffer=50, sample=10))
    plain = stage.lessons(list(stream.sample()))
    way = stream.course(stage, lambda rows, answers: stage.course(rows, answers, **HOW))
    (part,) = way.parts(0)[0:1]
    rows, answers = way.take(part)
    assert [row.tolist() for row in rows] == [plain.rows[i].tolist() for i in part.at]
    assert [list(answer) for answer in answers] == [list(plain.answers[i]) for i in part.at]

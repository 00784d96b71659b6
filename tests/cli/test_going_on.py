"""`seqpipe train --init-from` a stage of the same kind: what is new comes behind what was known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from commands import Command, read_lines, write_lines
from runs import Impatient, told, written_bytes
from safetensors.torch import load_file, save_file
from spacy.language import Language

from seqpipe.cli.train import train
from seqpipe.components._stage import Stage
from seqpipe.errors import EarlierMissing, EarlierUnfit, SettingError
from seqpipe.text.codec import UNK, Codec

SMALL: dict[str, Any] = {
    "training.max_steps": 8,
    "training.eval_frequency": 8,
    "training.optimizer.learn_rate.rate": 0.02,
    "components.*.model.embedding": 6,
    "components.*.model.width": 6,
}
OWN: dict[str, dict[str, Any]] = {
    "sentiment": {"components.sentiment.codec.min_count": 1},
    "tokenizer": {"components.tokenizer.codec.min_count": 1, "components.tokenizer.stretch": 40},
    "translator": {
        "components.translator.codec.unit": "char",
        "components.translator.codec.min_count": 1,
        "components.translator.shortlist": 4,
        # sure enough that a few pieces more change nothing that it writes
        "components.translator.model.label_smoothing": 0.0,
        "training.max_steps": 120,
    },
    "generator": {"components.generator.window": 16},
}
QUICK: dict[str, Any] = {"training.max_steps": 4, "training.eval_frequency": 4}
STILL = {**QUICK, "training.optimizer.learn_rate.rate": 0.0}
VECTORS = {
    "sentiment": "embedding.single.weight",
    "tokenizer": "embedding.single.weight",
    "translator": "target.weight",
    "generator": "pieces.weight",
}
every = pytest.mark.parametrize("stage", OWN)
Models = Callable[[str], Path]


@pytest.fixture(scope="module")
def old(reviews: Path, sentences: Path, pairs: Path) -> dict[str, Path]:
    return {
        "sentiment": reviews,
        "tokenizer": sentences,
        "translator": pairs,
        "generator": reviews,
    }


@pytest.fixture(scope="module")
def models(old: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A trained model of each stage."""

    @cache
    def model(stage: str) -> Path:
        asked = {**SMALL, **OWN[stage]}
        output = tmp_path_factory.mktemp("earlier") / stage
        return train(stage, str(old[stage]), output=output, overrides=asked).last

    return model


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Data with letters, words and a label that the old have not."""
    folder = tmp_path_factory.mktemp("new")
    text = [f"Ωmega ξ{at % 3} нет." for at in range(30)]
    rows: dict[str, list[dict[str, Any]]] = {
        "sentiment": [
            {"text": t, "label": ["neutral", "positive"][at % 2]} for at, t in enumerate(text)
        ],
        "tokenizer": [{"text": t, "tokens": [*t[:-1].split(), "."]} for t in text],
        "translator": [{"source": t, "target": t.upper()} for t in text],
        "generator": [{"text": t} for t in text],
    }
    for stage, own in rows.items():
        for part in ("train", "validation"):
            write_lines(folder / stage / f"{part}.jsonl", own)
    return {stage: folder / stage for stage in rows}


@pytest.fixture(scope="module")
def later(models: Models, new: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Models:
    """One that has gone on from each, and has not learned yet."""

    @cache
    def model(stage: str) -> Path:
        asked: dict[str, Any] = {"overrides": STILL, "init_from": str(models(stage))}
        output = tmp_path_factory.mktemp("later") / stage
        return train(stage, str(new[stage]), output=output, **asked).last

    return model


def stage_of(model: Path | Language, stage: str) -> Stage:
    nlp = spacy.load(model) if isinstance(model, Path) else model
    found = nlp.get_pipe(stage)
    assert isinstance(found, Stage)
    return found


def weights_of(model: Path, stage: str) -> dict[str, torch.Tensor]:
    return load_file(model / stage / "model.safetensors")


def found_in(model: Path, stage: str, texts: list[str]) -> list[Any]:
    """What a model makes of texts, as numbers or strings that are alike where it is alike."""
    nlp = spacy.load(model)
    if stage == "sentiment":  # how surely it says so has been fitted to other data
        stage_of(nlp, stage).cfg["temperature"] = 1.0
    docs = list(nlp.pipe(texts))
    if stage == "sentiment":  # as odds, which a third label does not change
        return [round(doc.cats["positive"] / doc.cats["negative"], 4) for doc in docs]
    if stage == "tokenizer":
        return [[(token.text, token.is_sent_start) for token in doc] for doc in docs]
    if stage == "translator":
        return [doc._.translation for doc in docs]
    return [round(doc._.bits_per_char, 1) for doc in docs]


@every
def test_before_the_first_step_it_says_what_the_earlier_one_says(
    stage: str, models: Models, later: Models, old: dict[str, Path]
) -> None:
    """Of texts that both know: what is new says as little as what was unknown."""
    column = "source" if stage == "translator" else "text"
    texts = [row[column] for row in read_lines(old[stage] / "validation.jsonl")[:8]]
    if stage != "generator":  # which shares out its certainty among more characters
        assert found_in(later(stage), stage, texts) == found_in(models(stage), stage, texts)
    now, before = (stage_of(m, stage)._codec().pieces() for m in (later(stage), models(stage)))
    assert now[: len(before)] == before
    new = {*now[len(before) :]}
    assert len(new) == len(now) - len(before)
    assert ({"нет", "ωmega"} if stage == "sentiment" else {"Ω", "н", "т"}) <= new


@every
def test_new_pieces_begin_as_they_were_read_before(
    stage: str, models: Models, later: Models
) -> None:
    own, theirs = (weights_of(m, stage)[VECTORS[stage]] for m in (later(stage), models(stage)))
    count = len(stage_of(models(stage), stage)._codec())
    assert torch.equal(own[:count], theirs[:count])
    if stage == "tokenizer":  # an unknown character is read by its kind
        assert torch.equal(own[-len(theirs[count:]) :], theirs[count:])
        kinds = {tuple(row) for row in theirs[count:].tolist()}
        assert {tuple(row) for row in own[count:].tolist()} <= kinds
    else:
        assert all(torch.equal(row, theirs[UNK]) for row in own[count:])


@every
def test_a_model_that_has_grown_is_gone_on_from_again(
    stage: str, later: Models, old: dict[str, Path], tmp_path: Path
) -> None:
    model = later(stage)
    again = train(stage, str(old[stage]), output=tmp_path, overrides=STILL, init_from=str(model))
    texts = ["Ωmega the sea", "a ξ1"]
    assert found_in(again.last, stage, texts) == found_in(model, stage, texts)
    assert stage_of(again.last, stage)._codec().pieces() == stage_of(model, stage)._codec().pieces()


def test_stopped_it_goes_on_to_the_same_bytes(
    models: Models, new: dict[str, Path], tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"overrides": QUICK, "init_from": str(models("sentiment"))}
    data = str(new["sentiment"])
    train("sentiment", data, output=tmp_path / "whole", **asked)
    train("sentiment", data, output=tmp_path / "parts", watcher=Impatient(2), **asked)
    train("sentiment", data, output=tmp_path / "parts", resume=True, **asked)
    assert written_bytes(tmp_path / "parts") == written_bytes(tmp_path / "whole")
    assert told(tmp_path / "parts") == told(tmp_path / "whole")


def test_new_labels_come_behind_the_old(models: Models, later: Models) -> None:
    model = later("sentiment")
    assert stage_of(model, "sentiment").cfg["labels"] == ["negative", "positive", "neutral"]
    own, theirs = weights_of(model, "sentiment"), weights_of(models("sentiment"), "sentiment")
    for name in ("output.weight", "output.bias"):
        assert torch.equal(own[name][:2], theirs[name]) and not own[name][2].any()


def test_by_streaming_too(models: Models, new: dict[str, Path], tmp_path: Path) -> None:
    streamed: dict[str, Any] = {"overrides": {**QUICK, "seqpipe.buffer": 10}}
    streamed["columns"] = {"streaming": True}
    model = str(models("generator"))
    trained = train(
        "generator", str(new["generator"]), output=tmp_path, init_from=model, **streamed
    )
    assert "Ω" in stage_of(trained.last, "generator")._codec().pieces()


@pytest.mark.parametrize("stage", ["sentiment", "generator"])
def test_pieces_that_spell_everything_stay_as_they_are(
    stage: str, old: dict[str, Path], new: dict[str, Path], tmp_path: Path
) -> None:
    asked = {**SMALL, f"components.{stage}.codec.unit": "bpe", "training.max_steps": 2}
    first = train(stage, str(old[stage]), output=tmp_path / "a", overrides=asked)
    second = train(
        stage, str(new[stage]), output=tmp_path / "b", overrides=QUICK, init_from=str(first.last)
    )
    files = [run.last / stage / "tokenizer.json" for run in (first, second)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_pairs_of_characters_are_found_again(tmp_path: Path) -> None:
    """They are looked up by numbers that hang on how many pieces there were."""
    rows = [
        {"text": text, "label": label} for text, label in [("很好看", "good"), ("不好看", "bad")]
    ]
    write_lines(tmp_path / "old.jsonl", rows * 10)
    write_lines(tmp_path / "new.jsonl", [{"text": "真烂啊 terrible", "label": "bad"}] * 20)
    asked = {**SMALL, **OWN["sentiment"]}
    columns = {"dev": str(tmp_path / "old.jsonl"), "dev_split": "train"}
    model = train(
        "sentiment",
        str(tmp_path / "old.jsonl"),
        output=tmp_path / "a",
        columns=columns,
        overrides=asked,
    ).last
    assert "embedding.pair.weight" in weights_of(model, "sentiment")
    for name in ("b", "c"):
        later = train(
            "sentiment",
            str(tmp_path / "new.jsonl"),
            output=tmp_path / name,
            columns=columns,
            overrides=STILL,
            init_from=str(model),
        ).last
        cats = [
            [doc.cats for doc in spacy.load(m).pipe(["很好看", "不好看"])] for m in (model, later)
        ]
        assert cats[0] == cats[1]
        assert len(stage_of(later, "sentiment")._codec()) > 8
        model = later


def test_a_tokenizer_keeps_the_words_that_it_knows(models: Models, later: Models) -> None:
    for name in ("lexicon.txt", "words.txt"):
        files = [model("tokenizer") / "tokenizer" / name for model in (models, later)]
        theirs, own = ({line.split("\t")[0] for line in f.read_text().split("\n")} for f in files)
        assert theirs <= own
    assert stage_of(later("tokenizer"), "tokenizer").cfg["sentences"]


def test_a_tokenizer_that_meets_words_for_the_first_time(tmp_path: Path) -> None:
    """Tokens with spaces, then words without: marks of two sorts, which one alone had before."""
    spaced = [{"text": "xin chào bạn .", "tokens": ["xin chào", "bạn", "."]}] * 20
    bare = [{"text": "我们 去 看", "tokens": ["我们", "去", "看"]}] * 20
    write_lines(tmp_path / "bare.jsonl", bare)
    write_lines(tmp_path / "spaced.jsonl", spaced)
    asked: dict[str, Any] = {**SMALL, **OWN["tokenizer"], "training.max_steps": 80}
    model, marks = None, []
    for name in ("bare", "spaced"):
        model = train(
            "tokenizer",
            str(tmp_path / f"{name}.jsonl"),
            output=tmp_path / name,
            columns={"dev": str(tmp_path / f"{name}.jsonl"), "dev_split": "train"},
            overrides=asked if model is None else STILL,
            init_from=None if model is None else str(model),
        ).last
        marks.append([n for n in weights_of(model, "tokenizer") if "mark" in n])
    assert [len(names) for names in marks] == [1, 2]
    texts = ["我们 去", "看 我们"]
    first = found_in(tmp_path / "bare" / "model-last", "tokenizer", texts)
    assert found_in(tmp_path / "spaced" / "model-last", "tokenizer", texts) == first


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sentiment", {"components.sentiment.model.width": 48}, "width = 48 is not allowed: give 6"),
    (
        "sentiment",
        {"components.*.model.cell": "gru"},
        "model.cell = 'gru' .* give 'mingru', as the",
    ),
    ("generator", {"components.generator.codec.unit": "bpe"}, "unit = 'bpe' .* give 'char'"),
    ("sentiment", {"components.sentiment.multi_label": True}, "multi_label = True is not"),
    ("tokenizer", {"initialize.components.tokenizer.tokenizer": "t.json"}, "brings its own"),
    ("translator", {"initialize.components.translator.generator": "g"}, "brings its own"),
]


@pytest.mark.parametrize(("stage", "settings", "said"), REFUSED)
def test_a_contradiction_is_one_sentence(
    stage: str,
    settings: dict[str, Any],
    said: str,
    models: Models,
    new: dict[str, Path],
    tmp_path: Path,
) -> None:
    asked: dict[str, Any] = {"overrides": {**QUICK, **settings}, "init_from": str(models(stage))}
    with pytest.raises(SettingError, match=said) as raised:
        train(stage, str(new[stage]), output=tmp_path, **asked)
    assert len(str(raised.value).splitlines()) == 1


def test_what_no_weight_hangs_on_may_be_given(
    seqpipe: Command, models: Models, new: dict[str, Path], tmp_path: Path
) -> None:
    words = [
        "train",
        "sentiment",
        new["sentiment"],
        "--output",
        tmp_path,
        "--training.max_steps",
        2,
    ]
    words += ["--init-from", models("sentiment"), "--components.sentiment.model.word_dropout", 0.3]
    ran = seqpipe(*words, "--components.sentiment.codec.size", 500)
    assert ran.code == 0 and "model-best" in ran.out
    block = spacy.load(tmp_path / "model-last").config["components"]["sentiment"]
    assert (block["model"]["word_dropout"], block["model"]["width"]) == (0.3, 6)


@pytest.mark.parametrize(
    ("harm", "error", "said"),
    [
        ("missing", EarlierMissing, "no weights to go on from: it was never trained"),
        ("damaged", EarlierMissing, "no whole weights to go on from"),
        ("foreign", EarlierUnfit, r"output.weight is 3 x \d+ here and missing there"),
        ("two", EarlierMissing, "no single seqpipe_sentiment .* it has sentiment and other"),
    ],
)
def test_a_model_that_cannot_be_gone_on_from_is_one_sentence(
    harm: str,
    error: type[Exception],
    said: str,
    models: Models,
    new: dict[str, Path],
    tmp_path: Path,
) -> None:
    model = tmp_path / "model"
    shutil.copytree(models("sentiment"), model)
    weights = model / "sentiment" / "model.safetensors"
    if harm == "missing":
        weights.unlink()
    elif harm == "damaged":
        weights.write_bytes(b"nothing of worth")
    elif harm == "foreign":
        save_file({n: t for n, t in load_file(weights).items() if "output" not in n}, weights)
    else:
        with (model / "config.cfg").open("a", encoding="utf-8") as config:
            config.write('\n[components.other]\nfactory = "seqpipe_sentiment"\n')
    with pytest.raises(error, match=said) as raised:
        train("sentiment", str(new["sentiment"]), output=tmp_path / "out", init_from=str(model))
    assert len(str(raised.value).splitlines()) == 1


def test_the_config_of_a_model_goes_on_anew(
    models: Models, new: dict[str, Path], tmp_path: Path
) -> None:
    model = str(models("sentiment"))
    data = str(new["sentiment"])
    first = train("sentiment", data, output=tmp_path / "a", overrides=QUICK, init_from=model)
    train(str(first.best / "config.cfg"), output=tmp_path / "b")
    assert told(tmp_path / "a") == told(tmp_path / "b")
    cfg = json.loads((first.best / "sentiment" / "cfg").read_text())
    assert cfg["hashed"] == len(Codec.load(models("sentiment") / "sentiment" / "tokenizer.json"))

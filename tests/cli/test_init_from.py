"""`seqpipe train --init-from`: what is taken from a generator, how it is tuned, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from commands import Command, read_lines
from generators import SIZES, write_generator
from runs import Impatient, told, written_bytes
from safetensors.torch import load_file, save_file

from seqpipe.cli.train import train
from seqpipe.errors import EarlierMissing, GeneratorUnfit, SettingError
from seqpipe.text.codec import Codec

QUICK: dict[str, Any] = {"training.max_steps": 8, "training.eval_frequency": 4}
STAGES = ["sentiment", "translator"]
both = pytest.mark.parametrize("stage", STAGES)
TUNED = {**QUICK, "seqpipe.layer_decay": 2.6, "seqpipe.unfreeze": 0.25}
STILL = {**QUICK, "training.optimizer.learn_rate.rate": 0.0}


@pytest.fixture(scope="module")
def data(reviews: Path, pairs: Path) -> dict[str, str]:
    return {"sentiment": str(reviews), "translator": str(pairs)}


@pytest.fixture(scope="module")
def generator(reviews: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline whose generator knows the characters of both."""
    texts = [row["text"] for row in read_lines(reviews / "train.jsonl")]
    texts += [row["source"] for row in read_lines(pairs / "train.jsonl")]
    return write_generator(tmp_path_factory.mktemp("generator") / "model", texts)


def weights_of(model: Path, stage: str) -> dict[str, torch.Tensor]:
    return load_file(model / stage / "model.safetensors")


@both
def test_the_encoder_begins_with_the_weights_of_the_generator(
    stage: str, data: dict[str, str], generator: Path, tmp_path: Path
) -> None:
    trained = train(stage, data[stage], output=tmp_path, overrides=STILL, init_from=str(generator))
    own, theirs = weights_of(trained.last, stage), weights_of(generator, "generator")
    vectors = {"sentiment": "embedding.single.weight", "translator": "source.weight"}[stage]
    scale = SIZES["embedding"] ** 0.5 if stage == "sentiment" else 1.0
    assert torch.allclose(own[vectors], theirs["pieces.weight"] * scale)
    for layer in range(SIZES["layers"]):
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            found, given = (
                own[f"encoder.onward.{layer}.{name}"],
                theirs[f"layers.{layer}.{name}"],
            )
            assert torch.equal(found if found.dim() < 2 else found[:, : given.shape[1]], given)


@both
def test_pieces_and_sizes_are_those_of_the_generator(
    stage: str, data: dict[str, str], generator: Path, tmp_path: Path
) -> None:
    trained = train(stage, data[stage], output=tmp_path, overrides=QUICK, init_from=str(generator))
    own = Codec.load(trained.best / stage / "tokenizer.json")
    assert own.to_bytes() == Codec.load(generator / "generator" / "tokenizer.json").to_bytes()
    block = spacy.load(trained.best).config["components"][stage]
    assert {name: block["model"][name] for name in SIZES} == SIZES
    assert block["codec"]["unit"] == "char"


def test_a_translation_has_pieces_of_its_own(
    data: dict[str, str], generator: Path, tmp_path: Path
) -> None:
    """Capitals, that the generator has never read."""
    trained = train(
        "translator", data["translator"], output=tmp_path, overrides=QUICK, init_from=str(generator)
    )
    assert "A" in Codec.load(trained.best / "translator" / "target.json").pieces()
    shared = {
        **QUICK,
        "components.translator.target_codec": None,
        "components.translator.model.tie_source": True,
    }
    model = train(
        "translator",
        data["translator"],
        output=tmp_path / "shared",
        overrides=shared,
        init_from=str(generator),
    ).best
    assert not (model / "translator" / "target.json").exists()


@both
def test_stopped_among_thaws_it_goes_on_to_the_same_bytes(
    stage: str, data: dict[str, str], generator: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"overrides": TUNED, "init_from": str(generator)}
    train(stage, data[stage], output=tmp_path / "whole", **asked)
    for steps in (1, 2, 3):
        train(
            stage,
            data[stage],
            output=tmp_path / "parts",
            resume=True,
            watcher=Impatient(steps),
            **asked,
        )
    done = train(stage, data[stage], output=tmp_path / "parts", resume=True, **asked)
    assert done.step == 8 and not done.stopped
    assert written_bytes(tmp_path / "parts") == written_bytes(tmp_path / "whole")
    assert told(tmp_path / "parts") == told(tmp_path / "whole")


@pytest.mark.parametrize("steps", [2, 4, 6, 8])
def test_layers_join_from_the_head_downwards(
    steps: int, data: dict[str, str], generator: Path, tmp_path: Path
) -> None:
    """Of three layers below the head, one more after every second step of eight."""
    asked: dict[str, Any] = {"init_from": str(generator)}
    still = train(
        "sentiment", data["sentiment"], output=tmp_path / "still", overrides=STILL, **asked
    )
    moving = train(
        "sentiment",
        data["sentiment"],
        output=tmp_path / "moving",
        overrides={**TUNED, "training.eval_frequency": 2},
        watcher=Impatient(steps),
        **asked,
    )
    before, now = (weights_of(run.last, "sentiment") for run in (still, moving))
    moved = {name for name in now if not torch.equal(now[name], before[name])}
    layers = ["output.", "encoder.onward.1.", "encoder.onward.0.", "embedding.single."]
    joined = [any(name.startswith(layer) for name in moved) for layer in layers]
    assert joined == [2 * at < steps for at in range(4)]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sentiment", {"components.*.model.cell": "lstm"}, "model.cell = 'lstm' .* give 'gru', as the"),
    ("sentiment", {"components.sentiment.model.width": 48}, "width = 48 is not allowed: give 5"),
    ("translator", {"components.translator.model.layers": 1}, "layers = 1 is not allowed: give 2"),
    ("translator", {"components.translator.codec.unit": "bpe"}, "unit = 'bpe' .* give 'char'"),
    ("sentiment", {"initialize.components.sentiment.generator": None}, "generator = None"),
    ("sentiment", {"initialize.components.sentiment.tokenizer": "t.json"}, "brings its own"),
    ("sentiment", {"initialize.components.sentiment.vectors": "v.txt"}, "has its own"),
    ("sentiment", {"seqpipe.layer_decay": 0.5}, "layer_decay = 0.5 is not allowed: give 1 or more"),
    ("sentiment", {"seqpipe.unfreeze": 1.5}, "unfreeze = 1.5 is not allowed"),
]


@pytest.mark.parametrize(("stage", "settings", "said"), REFUSED)
def test_a_contradiction_is_one_sentence(
    stage: str,
    settings: dict[str, Any],
    said: str,
    data: dict[str, str],
    generator: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(SettingError, match=said) as raised:
        train(
            stage,
            data[stage],
            output=tmp_path,
            overrides={**QUICK, **settings},
            init_from=str(generator),
        )
    assert len(str(raised.value).splitlines()) == 1


def test_what_a_person_says_of_it_again_is_no_contradiction(
    seqpipe: Command, data: dict[str, str], generator: Path, tmp_path: Path
) -> None:
    words = ["train", "sentiment", data["sentiment"], "--init-from", generator, "--cell", "gru"]
    ran = seqpipe(*words, "--training.max_steps", 2, "--output", tmp_path)
    assert ran.code == 0 and "model-best" in ran.out


def test_a_pipeline_without_a_generator_is_one_sentence(
    seqpipe: Command, tokenizer: Path, reviews: Path, tmp_path: Path
) -> None:
    words = ["train", "sentiment", reviews, "--output", tmp_path / "out", "--init-from"]
    ran = seqpipe(*words, tokenizer)
    assert ran.code == 1 and "no generator either among its stages, tokenizer" in ran.sentence
    ran = seqpipe(*words, tmp_path / "nowhere")
    assert ran.code == 1 and "There is no folder or installed package" in ran.sentence


def test_a_package_is_a_model_too(
    data: dict[str, str],
    generator: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As `spacy package` lays it out, and pip installs it."""
    package = tmp_path / "xx_prose"
    shutil.copytree(generator, package / "xx_prose-1.0")
    (package / "__init__.py").write_text("")
    (package / "meta.json").write_text('{"lang": "xx", "name": "prose", "version": "1.0"}')
    (tmp_path / "xx_prose-1.0.dist-info").mkdir()
    about = "Metadata-Version: 2.1\nName: xx_prose\nVersion: 1.0\n"
    (tmp_path / "xx_prose-1.0.dist-info" / "METADATA").write_text(about)
    monkeypatch.syspath_prepend(str(tmp_path))
    trained = train(
        "sentiment",
        data["sentiment"],
        output=tmp_path / "out",
        overrides=QUICK,
        init_from="xx_prose",
    )
    assert trained.step == 8


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("missing", "it was never trained"),
        ("damaged", "its weights are damaged"),
        ("foreign", "its weights are of another kind of net"),
        ("fewer", "vectors for .* pieces"),
        ("two", "it has 2 generators among its stages, generator and other"),
    ],
)
def test_a_generator_that_cannot_be_begun_as_is_one_sentence(
    harm: str, said: str, data: dict[str, str], tmp_path: Path
) -> None:
    model = write_generator(tmp_path / "model", ["some characters"])
    weights = model / "generator" / "model.safetensors"
    if harm == "missing":
        weights.unlink()
    elif harm == "damaged":
        weights.write_bytes(b"nothing of worth")
    elif harm == "foreign":
        source = write_generator(tmp_path / "other", ["some characters"])
        tensors = load_file(source / "generator" / "model.safetensors")
        save_file({name: t for name, t in tensors.items() if "layers" not in name}, weights)
    elif harm == "fewer":
        Codec.train(["few"], unit="char").save(model / "generator" / "tokenizer.json")
    else:
        with (model / "config.cfg").open("a", encoding="utf-8") as config:
            config.write('\n[components.other]\nfactory = "seqpipe_generator"\n')
    with pytest.raises(GeneratorUnfit, match=said) as raised:
        train("sentiment", data["sentiment"], output=tmp_path / "out", init_from=str(model))
    assert len(str(raised.value).splitlines()) == 1


def test_a_stage_that_tells_no_layers_is_refused(sentences: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="this stage tells no layers apart"):
        train(
            "tokenizer",
            str(sentences),
            output=tmp_path,
            overrides={**QUICK, "seqpipe.layer_decay": 2.0},
        )


def test_a_stage_that_has_no_such_encoder_is_refused(
    sentences: Path, generator: Path, tmp_path: Path
) -> None:
    with pytest.raises(EarlierMissing, match="no seqpipe_tokenizer to go on from: its stages are"):
        train("tokenizer", str(sentences), output=tmp_path, init_from=str(generator))


def test_the_config_of_a_model_begins_it_anew(
    data: dict[str, str], generator: Path, tmp_path: Path
) -> None:
    first = train(
        "sentiment",
        data["sentiment"],
        output=tmp_path / "a",
        overrides=TUNED,
        init_from=str(generator),
    )
    second = train(str(first.best / "config.cfg"), output=tmp_path / "b")
    assert told(tmp_path / "a") == told(tmp_path / "b")
    assert weights_of(first.last, "sentiment").keys() == weights_of(second.last, "sentiment").keys()
    assert json.loads((first.best / "meta.json").read_text())["seqpipe"]["step"] in (4, 8)

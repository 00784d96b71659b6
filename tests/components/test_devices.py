"""The device setting: what it takes, what it refuses, and moving between devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from letters import TEXTS, letters_stage, make_letters_nlp, make_pairs
from small import cats_of, make_examples, make_nlp, stage_of, texts_of

from seqpipe.errors import DeviceMissing

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_auto_is_a_device_and_cpu_is_the_cpu() -> None:
    assert stage_of(make_nlp(device="cpu")).shim.device.type == "cpu"
    found = stage_of(make_nlp(device="auto")).shim.device.type
    assert found == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["banana", "cuda:99"])
def test_a_device_that_is_not_there_is_one_sentence(device: str) -> None:
    with pytest.raises(DeviceMissing) as caught:
        make_nlp(device=device)
    message = str(caught.value)
    assert message.startswith(f"The device {device!r} cannot be used: ")
    assert message.endswith(". Give 'cpu' or 'auto'.") and "\n" not in message


def test_a_model_of_another_device_loads_on_the_one_there_is(tmp_path: Path) -> None:
    nlp = make_nlp(steps=1)
    nlp.config["components"]["sentiment"]["device"] = "cuda:99"
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path, config={"components.sentiment.device": "cpu"})
    assert cats_of(again.pipe(texts_of())) == cats_of(nlp.pipe(texts_of()))


@on_gpu
def test_both_devices_say_the_same(tmp_path: Path) -> None:
    nlp = make_nlp(steps=3, device="cuda")
    assert stage_of(nlp).shim.device.type == "cuda"
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path, config={"components.sentiment.device": "cpu"})
    for one, other in zip(nlp.pipe(texts_of()), again.pipe(texts_of()), strict=True):
        assert one.cats == pytest.approx(other.cats, abs=1e-4)


@on_gpu
def test_a_stage_moves_between_devices_and_learns_on() -> None:
    nlp = make_nlp(steps=2, device="cuda")
    stage_of(nlp).model.to_cpu()
    nlp.update(make_examples(nlp), sgd=nlp.create_optimizer())
    assert stage_of(nlp).shim.device.type == "cpu"


@on_gpu
@pytest.mark.parametrize("search", [{"beam": 1}, {"beam": 4}, {"sampling": True}], ids=str)
def test_a_translator_writes_the_same_on_both(tmp_path: Path, search: dict[str, Any]) -> None:
    nlp = make_letters_nlp(30, pairs=make_pairs(200), device="cuda", search=search, shortlist=5)
    assert letters_stage(nlp).shim.device.type == "cuda"
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path, config={"components.translator.device": "cpu"})
    same = [
        one._.translation == other._.translation
        for one, other in zip(nlp.pipe(TEXTS), again.pipe(TEXTS), strict=True)
    ]
    assert sum(same) >= len(TEXTS) - 2  # roundings may tip a scale
    stage = letters_stage(nlp)
    assert all("BE" in some[0].text for some in stage.translate(TEXTS[:3], required=["BE"], beam=4))

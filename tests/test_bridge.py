"""Between torch and thinc: devices, the step that an optimizer describes, and the model's face."""

from __future__ import annotations

import pytest
import torch
from small import cats_of, make_examples, make_nlp, stage_of, texts_of
from thinc.api import Adam, Model, RAdam

from seqpipe import bridge
from seqpipe.bridge import pick_device, step_of
from seqpipe.components._classifier import build_net
from seqpipe.errors import NotInitialized
from seqpipe.models import make_model, shim_of
from seqpipe.train.learner import Step


def test_auto_follows_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "get_torch_default_device", lambda: torch.device("cuda:1"))
    assert pick_device("auto") == torch.device("cuda:1")


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_gpu_that_torch_sees(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    monkeypatch.setattr(bridge, "get_torch_default_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert pick_device("auto") == torch.device(expected)


def test_an_optimizer_says_how_the_step_is_taken() -> None:
    adam = Adam(0.1, beta1=0.5, beta2=0.6, eps=1e-3, L2=0.2, grad_clip=3.0, use_averages=False)
    assert step_of(adam) == Step(
        learn_rate=0.1, weight_decay=0.2, betas=(0.5, 0.6), eps=1e-3, clip=3.0, average=False
    )
    assert step_of(RAdam(0.1, use_averages=True)).average


def test_the_model_of_a_stage_is_one_of_thincs() -> None:
    nlp = make_nlp()
    model = stage_of(nlp).model
    docs = [nlp.make_doc(text) for text in texts_of()]
    found = model.predict(docs)
    assert len(found) == len(docs) and model.get_dim("nO") == 2
    with pytest.raises(NotImplementedError, match="through the stage's update"):
        model.begin_update(docs)[1](found)


def test_other_models_are_not_ours() -> None:
    with pytest.raises(NotInitialized):
        shim_of(Model("other", lambda model, x, train: (x, lambda y: y)))


def test_an_empty_model_has_nothing_to_save() -> None:
    shim = shim_of(make_model(build_net))
    for act in (shim.to_bytes, lambda: shim.from_bytes(b""), lambda: shim.net):
        with pytest.raises(NotInitialized, match="has no weights yet"):
            act()


def test_learning_goes_on_after_a_move() -> None:
    moved, straight = make_nlp(), make_nlp()
    for nlp in (moved, straight):
        optimizer = Adam(0.05, use_averages=True)
        for _ in range(4):
            nlp.update(make_examples(nlp), sgd=optimizer)
            if nlp is moved:
                stage_of(nlp).model.to_cpu()
        with nlp.use_params(optimizer.averages):
            assert cats_of(nlp.pipe(texts_of())) != []
    assert moved.to_bytes() == straight.to_bytes()
    averages = [stage_of(nlp).shim.learner.averages for nlp in (moved, straight)]
    assert averages[0] is not None and averages[1] is not None
    assert all(torch.equal(a, b) for a, b in zip(*averages, strict=True))

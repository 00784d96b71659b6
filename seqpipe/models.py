"""A thinc model around a net of ours, and where that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from thinc.api import Model
from thinc.compat import has_torch

from seqpipe.errors import ExtraMissing, NotInitialized, TorchMissing
from seqpipe.held import Drawing, HeldNet, Making

if TYPE_CHECKING:
    from torch import nn

ONNX = "onnx"  # the device of graphs


def make_model(build: Callable[..., nn.Module], drawing: Drawing | None = None) -> Model[Any, Any]:
    """A thinc model around a net that `build(**sizes)` will make, in torch, or `drawing` without;
    the arguments that `build` has already are the settings of both."""
    settings = build.keywords if isinstance(build, partial) else {}
    model: Model[Any, Any] = Model("seqpipe", _forward, dims={"nO": None})
    model.attrs["making"] = Making(build, settings, drawing)
    return model


def shim_of(model: Model[Any, Any]) -> HeldNet:
    """The part of one of our models that holds the net."""
    for shim in model.shims:
        if isinstance(shim, HeldNet):
            return shim
    return settle(model, "auto")


def settle(model: Model[Any, Any], device: str) -> HeldNet:
    """Lets the net of a model run there, with the weights that it has, if it has any."""
    if "making" not in model.attrs:
        raise NotInitialized(f"model {model.name}")
    before = next((shim for shim in model.shims if isinstance(shim, HeldNet)), None)
    kind = _kind(device)
    if isinstance(before, kind) or (before is not None and before.stays_for(device)):
        before.place(device)
        return before
    held: HeldNet = kind(model.attrs["making"])
    held.place(device)
    if before is not None and before.ready:
        held.open(**before.sizes)
        held.from_bytes(before.to_bytes())
    model.shims[:] = [held]
    return held


def check_device(device: str) -> None:
    """Says at once that there is none of this name."""
    if device == ONNX:
        if find_spec("onnxruntime") is None:
            raise ExtraMissing("onnxruntime", ONNX)
    elif has_torch or device not in ("auto", "cpu"):  # which graphs run on too
        _bridge().pick_device(device)


def _kind(device: str) -> type[HeldNet]:
    if device != ONNX:
        kind: type[HeldNet] = _bridge().NetShim
        return kind
    from seqpipe.onnx.shim import GraphShim

    return GraphShim


def _bridge() -> ModuleType:
    if not has_torch:
        raise TorchMissing
    from seqpipe import bridge

    return bridge


def _forward(
    model: Model[Any, Any], docs: Sequence[Any], is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    """Docs to scores, by the function the stage left in the attributes."""
    predict = model.attrs["predict"]

    def backprop(_: Any) -> Any:
        raise NotImplementedError("seqpipe's nets learn through the stage's update()")

    return predict(docs), backprop

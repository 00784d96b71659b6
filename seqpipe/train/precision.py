"""In how many bits a training computes (Micikevicius et al. 2018); weights keep their 32."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.amp import GradScaler

from seqpipe.errors import SettingError

_TYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_SCALE = "scale"


class Precision:
    """`fp16` has so small a range that losses are scaled up before their gradients are found; the
    scale falls when these overflow, and rises when they have not for a while."""

    def __init__(self, name: str, device: str) -> None:
        if name not in _TYPES:
            raise SettingError("seqpipe.precision", name, "fp32, bf16 or fp16")
        if name == "fp16" and device != "cuda":
            raise SettingError("seqpipe.precision", name, "fp32 or bf16: fp16 needs a GPU")
        self._device = device
        self._type = _TYPES[name]
        self.scaler = GradScaler(device, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[None]:
        """Within, a net computes in it what can stand it."""
        return torch.autocast(self._device, self._type, enabled=self._type is not None)

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on."""
        if not self.scaler.is_enabled():
            return {}
        found = self.scaler.state_dict()
        scale = [found["scale"], found["_growth_tracker"]]
        return {_SCALE: torch.tensor(scale, dtype=torch.float64)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        if self.scaler.is_enabled() and _SCALE in tensors:
            scale, steps = tensors[_SCALE].tolist()
            found = {"scale": scale, "_growth_tracker": int(steps)}
            self.scaler.load_state_dict({**self.scaler.state_dict(), **found})

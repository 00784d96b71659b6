"""A torch net as the part of a thinc model; the only file that knows both.

thinc's own torch wrapper steps each weight through numpy, clips per parameter, and never applies
averaged weights. Here the net keeps its `Learner`, and thinc's optimizer only says how large the
step is: its schedules, decay, clipping and averaging are settings that reach the torch weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import torch as safetensors
from thinc.api import Optimizer
from thinc.util import get_torch_default_device
from torch import Tensor

from seqpipe.errors import CheckpointError, DeviceMissing, GraphsAlone, NotInitialized
from seqpipe.held import GRAPH, WEIGHTS, HeldNet, Making, Predict
from seqpipe.nets.dropout import set_dropout
from seqpipe.search.on_torch import TorchNet, TorchState
from seqpipe.text.batches import Batch, collate, collate_answers, plan
from seqpipe.text.codec import Ids
from seqpipe.train.learner import Learner, Step, Taken

# A child forked after its parent computed with several threads waits forever for threads that were
# not copied; with one thread it needs none.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

# A GPU wants wider batches than the caches of a CPU do.
_WIDER_ON_GPU = 16


class NetShim(HeldNet):
    """A net with its learner and its device."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.wanted = "auto"
        self._learner: Learner | None = None
        self._placed: torch.device | None = None

    @property
    def net(self) -> Any:
        """The net, on its device."""
        if self._model is None:
            raise NotInitialized("this model")
        placed = self._placed or self._move(pick_device(self.wanted))
        if placed.type == "cuda" and torch.cuda._is_in_bad_fork():
            raise DeviceMissing(str(placed), "a forked worker cannot use the GPU")
        return self._model

    def _move(self, device: torch.device) -> torch.device:
        state = None if self._learner is None else self._learner.state()
        self._model.to(device)
        if self._learner is not None and state is not None:
            self._learner.load(state)  # moments and averages follow their weights
        self._placed = device
        return device

    @property
    def inside(self) -> Any:
        return self.net

    @property
    def learner(self) -> Learner:
        """The learner of this net, made when it is first asked for."""
        if self._learner is None:
            self._learner = Learner(self.net)
        return self._learner

    @property
    def device(self) -> torch.device:
        device: torch.device = next(iter(self.net.parameters())).device
        return device

    def open(self, **sizes: Any) -> None:
        """Builds the net with fresh weights."""
        self.sizes = sizes
        self._model = self.making.build(**sizes).eval()
        self._learner = None
        self._placed = None

    def place(self, device: str) -> None:
        """Asks for another device; the net moves when it is next used."""
        self.wanted = device
        self._placed = None

    @property
    def wider(self) -> int:
        return _WIDER_ON_GPU if self.device.type == "cuda" else 1

    def ask(self, net: Any, batch: Batch, predict: Predict | None) -> Any:
        device = self.device
        with torch.inference_mode():
            given = _on(device, batch.ids), _on(device, batch.lengths)
            return predict(net, *given, batch.rows) if predict else net.predict(*given)

    def seen(self, net: Any, state: Any) -> tuple[TorchNet, TorchState]:
        """A net that writes, and what it begins with, as a search wants to see them."""
        return TorchNet(net), TorchState.of(state, self.device)

    def learn(
        self,
        encoded: Sequence[Ids],
        answers: Sequence[NDArray[Any]],
        *,
        drop: float,
        budget: int,
        rows: int,
    ) -> float:
        """Adds the gradients of these rows; returns the mean loss of their answers."""
        device = self.device
        losses: list[Tensor] = []
        counts: list[int] = []
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        with self.learning(drop) as (net, learner):
            for places in plan(lengths, budget=budget, rows=rows):
                batch = collate(encoded, places)
                wanted = _on(device, collate_answers(answers, places))
                loss = learner.loss(_on(device, batch.ids), _on(device, batch.lengths), wanted)
                counts.append(net.answers(wanted))
                learner.accumulate(loss, counts[-1])
                losses.append(loss.detach())
        return float(sum(loss.item() for loss in losses)) / max(sum(counts), 1)

    @contextmanager
    def learning(self, drop: float) -> Iterator[tuple[Any, Learner]]:
        """Within, the net is in training, with this rate of dropout."""
        net, learner = self.net, self.learner
        set_dropout(net, drop)
        net.train()
        try:
            yield net, learner
        finally:
            net.eval()

    def finish_update(self, optimizer: Optimizer, *, layer_decay: float = 1.0) -> Taken:
        """Takes the step that thinc's optimizer describes, a smaller one in lower layers."""
        if optimizer.averages is not None:
            # spaCy evaluates with averages only when this dict holds something
            nothing: Any = np.zeros(0, dtype="f")
            optimizer.averages.setdefault(self._mark, nothing)
        return self.learner.step(replace(step_of(optimizer), layer_decay=layer_decay))

    @contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Averaged weights, when the optimizer that took our steps keeps averages."""
        if self._learner is None or self._mark not in params:
            yield
            return
        with self._learner.averaged():
            yield

    @property
    def _mark(self) -> tuple[int, str]:
        return self.id, "seqpipe"

    def to_device(self, device_type: str, device_id: int) -> None:
        """thinc's own request, made by `Model.to_gpu` and `to_cpu`."""
        self.place("cpu" if device_type == "cpu" else f"cuda:{device_id}")

    def files(self) -> Mapping[str, Callable[[], bytes]]:
        return {WEIGHTS: self.to_bytes}

    def from_files(self, files: Mapping[str, bytes]) -> None:
        if WEIGHTS not in files:
            raise GraphsAlone
        self.from_bytes(files[WEIGHTS])

    def to_bytes(self) -> bytes:
        """A safetensors file."""
        if self._model is None:
            raise NotInitialized("this model")
        weights = {k: v.detach().cpu().contiguous() for k, v in self._model.state_dict().items()}
        return safetensors.save(weights, metadata={"format": "pt"})

    def from_bytes(self, data: bytes) -> NetShim:
        """Fills the net, which must have been opened with the same sizes."""
        if self._model is None:
            raise NotInitialized("this model")
        try:
            weights = safetensors.load(data)
            if any(name.endswith(GRAPH) for name in weights):
                raise GraphsAlone
            self._model.load_state_dict(weights)
        except (SafetensorError, RuntimeError, KeyError) as error:
            raise CheckpointError("model.safetensors", f"it does not fit ({error})") from error
        self._learner = None
        return self


def step_of(optimizer: Optimizer) -> Step:
    """What a thinc optimizer says of its next step."""
    return Step(
        learn_rate=float(optimizer.learn_rate),
        weight_decay=float(optimizer.L2),
        betas=(float(optimizer.b1), float(optimizer.b2)),
        eps=float(optimizer.eps),
        clip=float(optimizer.grad_clip),
        average=optimizer.averages is not None,
    )


def pick_device(wanted: str) -> torch.device:
    """`auto` is the device of spaCy, else a GPU that torch sees, else the CPU."""
    if wanted == "auto":
        chosen = get_torch_default_device()
        if chosen.type == "cpu" and torch.cuda.is_available():
            chosen = torch.device("cuda")
        return chosen
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceMissing(wanted, str(error).splitlines()[0].rstrip(".")) from error
    return device


def _on(device: torch.device, given: NDArray[Any]) -> Tensor:
    return torch.from_numpy(given).to(device)

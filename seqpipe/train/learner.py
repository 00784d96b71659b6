"""One optimisation step, the same for every driver."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from seqpipe.errors import CheckpointError
from seqpipe.train.precision import Precision
from seqpipe.train.team import ALONE, Team


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a driver decides anew for each step."""

    learn_rate: float
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip: float = 0.0  # of the norm over all weights together; 0 for none
    average: bool = False
    layer_decay: float = 1.0  # what the rate is divided by for each layer below the head


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a step."""

    norm: float  # of the gradient, before clipping
    skipped: bool  # because the loss or the norm was not a finite number
    loss: float = 0.0  # over all answers together
    answers: int = 0


@runtime_checkable
class Layered(Protocol):
    """A net that tells which layers stand below its head, the highest first."""

    def below(self) -> Sequence[nn.Module]: ...


class Learner:
    """Gradients add up in `accumulate`; `step` takes their mean and moves the weights.

    The step is AdamW (Loshchilov and Hutter 2019); the averages are an exponential mean of the
    weights (Polyak and Juditsky 1992) that forgets its beginnings. Lower layers may learn more
    slowly, and later (Howard and Ruder 2018).
    """

    AVERAGE_DECAY = 0.99  # a window of some hundred steps: small corpora train for a few thousand

    def __init__(self, net: nn.Module, team: Team = ALONE) -> None:
        self.net = net
        self.team = team
        self.weights = [p for p in net.parameters() if p.requires_grad]
        self.depths = _depths(net, self.weights)
        self.averages: list[Tensor] | None = None
        self.marks: list[list[Tensor]] = []
        self.steps = 0
        self.skipped = 0
        self._loss: Tensor | float = 0.0
        self._answers = 0
        self._precision = Precision("fp32", "cpu")
        self._optimizer = torch.optim.AdamW(_groups(self.weights, self.depths), fused=True)

    @property
    def layers(self) -> int:
        """How many there are to tell apart, the head among them."""
        return 1 + max(self.depths, default=0)

    @property
    def finite(self) -> bool:
        """Whether all weights are numbers: those that are not never come back."""
        return math.isfinite(_norm([w.detach() for w in self.weights]))

    def thaw(self, depth: int) -> None:
        """Only the head and so many layers below it learn, from the next gradients on."""
        for weight, own in zip(self.weights, self.depths, strict=True):
            weight.requires_grad_(own <= depth)

    def compute_in(self, precision: str) -> None:
        """In how many bits losses are computed: `fp32`, `bf16` or `fp16`."""
        self._precision = Precision(precision, self.weights[0].device.type)

    def loss(self, *batch: Any) -> Any:
        """What the net's own `loss` gives, in the precision of the training."""
        net: Any = self.net
        with self._precision.autocast():
            return net.loss(*batch)

    def accumulate(self, loss: Tensor, answers: int, *, besides: Tensor | None = None) -> None:
        """Adds the gradients of a loss that was summed over so many answers, and of what is to be
        small `besides`."""
        whole = loss if besides is None else loss + besides
        torch.autograd.backward(self._precision.scaler.scale(whole))
        self._loss = self._loss + loss.detach()
        self._answers += answers

    def step(self, how: Step) -> Taken:
        """Moves the weights by what has gathered; gradients that are not finite are dropped."""
        self._meet()
        grads = [w.grad for w in self.weights if w.grad is not None]
        if not grads or not self._answers:
            self.forget()
            return Taken(0.0, skipped=False)
        self._precision.scaler.unscale_(self._optimizer)
        torch._foreach_mul_(grads, 1.0 / self._answers)
        norm = _norm(grads)
        loss = float(self._loss)  # an infinite one may have finite gradients
        skipped = not (math.isfinite(norm) and math.isfinite(loss))
        taken = Taken(norm, skipped, loss, self._answers)
        if taken.skipped:
            self.skipped += 1
        else:
            if how.clip and norm > how.clip:
                torch._foreach_mul_(grads, how.clip / norm)
            self._move(how)
        self._precision.scaler.update()
        self.forget()
        return taken

    def _meet(self) -> None:
        """Adds up the gradients of all the team, of each weight that any of them has one for."""
        if self.team.size == 1:
            return
        weights = [w for w in self.weights if w.requires_grad]
        told = [float(self._loss), self._answers, *(w.grad is not None for w in weights)]
        facts = torch.tensor(told, dtype=weights[0].dtype, device=weights[0].device)
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        self.team.add([facts, *(w.grad for w in weights if w.grad is not None)])
        self._loss, answers, *wanted = facts.tolist()
        self._answers = int(answers)
        for weight, anybody in zip(weights, wanted, strict=True):
            if not anybody:
                weight.grad = None

    def _move(self, how: Step) -> None:
        for group in self._optimizer.param_groups:
            rate = how.learn_rate / how.layer_decay ** group["depth"]
            group.update(lr=rate, betas=how.betas, eps=how.eps)
            group["weight_decay"] = how.weight_decay if group["decays"] else 0.0
        self._precision.scaler.step(self._optimizer)
        for weight in self.weights:
            increment_version(weight)  # the fused step does not, and caches would not see it
        self.steps += 1
        if how.average:
            self._average()

    @torch.no_grad()
    def _average(self) -> None:
        if self.averages is None:
            self.averages = [w.detach().clone() for w in self.weights]
        decay = min(self.AVERAGE_DECAY, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, [w.detach() for w in self.weights], 1 - decay)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within, the net carries the averaged weights, where there are any."""
        if self.averages is None:
            yield
            return
        kept = [w.detach().clone() for w in self.weights]
        _copy(self.averages, self.weights)
        try:
            yield
        finally:
            _copy(kept, self.weights)

    def mark(self, most: int) -> None:
        """Keeps the weights as they are saved now, beside those of the last marks before."""
        with self.averaged():
            now = [w.detach().clone() for w in self.weights]
        self.marks = [*self.marks, now][-most:]

    @torch.no_grad()
    def settle(self) -> None:
        """The weights become the mean of those that were marked (Izmailov et al. 2018)."""
        means = [torch.stack(each).mean(dim=0) for each in zip(*self.marks, strict=True)]
        self.averages, self.marks = None, []
        _copy(means, self.weights)

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on, except the random numbers."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for i, average in enumerate(self.averages or []):
            tensors[f"average.{i}"] = average
        for mark, weights in enumerate(self.marks):
            tensors |= {f"mark.{mark}.{i}": weight for i, weight in enumerate(weights)}
        for i, weight in enumerate(self.weights):
            for key, value in self._optimizer.state.get(weight, {}).items():
                tensors[f"adam.{i}.{key}"] = value
        tensors["steps"] = torch.tensor([self.steps, self.skipped])
        return {**tensors, **self._precision.state()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `state`, for a net of the same shape."""
        try:
            net = {k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")}
            self.net.load_state_dict(net)
            self.steps, self.skipped = (int(n) for n in tensors["steps"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError("the checkpoint", f"it is of another net ({error})") from error
        self.averages = self._held("average", tensors)
        self.marks = []
        while (weights := self._held(f"mark.{len(self.marks)}", tensors)) is not None:
            self.marks.append(weights)
        self._precision.load(tensors)
        self.forget()
        self._optimizer.state.clear()
        for i, weight in enumerate(self.weights):
            mark = f"adam.{i}."
            state = {
                k.removeprefix(mark): v.clone().to(weight.device)
                for k, v in tensors.items()
                if k.startswith(mark)
            }
            if state:
                self._optimizer.state[weight] = state

    def _held(self, name: str, tensors: Mapping[str, Tensor]) -> list[Tensor] | None:
        """Another set of the weights, if there is one of this name."""
        if f"{name}.0" not in tensors:
            return None
        return [tensors[f"{name}.{i}"].clone().to(w.device) for i, w in enumerate(self.weights)]

    def norms(self) -> dict[str, float]:
        """How large the mean of the gradients that have gathered is in each layer."""
        layers: dict[str, list[Tensor]] = {}
        for name, weight in self.net.named_parameters():
            if weight.grad is not None:
                layers.setdefault(name.rpartition(".")[0], []).append(weight.grad)
        share = self._precision.scaler.get_scale() * max(1, self._answers)
        return {layer: _norm(grads) / share for layer, grads in layers.items()}

    def forget(self) -> None:
        """Drops the gradients that have gathered."""
        self._optimizer.zero_grad()
        self._loss, self._answers = 0.0, 0


def _depths(net: nn.Module, weights: Sequence[nn.Parameter]) -> list[int]:
    """How far each weight is below the head."""
    layers = net.below() if isinstance(net, Layered) else ()
    places = {id(w): at for at, layer in enumerate(layers, 1) for w in layer.parameters()}
    return [places.get(id(weight), 0) for weight in weights]


def _groups(weights: Sequence[nn.Parameter], depths: Sequence[int]) -> list[dict[str, object]]:
    """Biases are not pulled to zero: a forget gate's opens the memory."""
    kinds = [(depth, weight.dim() >= 2) for weight, depth in zip(weights, depths, strict=True)]
    return [
        {
            "params": [w for w, own in zip(weights, kinds, strict=True) if own == kind],
            "depth": kind[0],
            "decays": kind[1],
        }
        for kind in dict.fromkeys(kinds)
    ]


def _norm(grads: list[Tensor]) -> float:
    norms = torch.stack(torch._foreach_norm(grads))
    return float(torch.linalg.vector_norm(norms))


@torch.no_grad()
def _copy(source: list[Tensor], target: list[nn.Parameter]) -> None:
    for new, weight in zip(source, target, strict=True):
        weight.copy_(new)

"""Dynamic evaluation: a model that goes on learning from the text it measures."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from seqpipe.nets.carry import Carry
from seqpipe.nets.encoder import length_mask
from seqpipe.nets.language_model import LanguageModel

_PULL = 0.002  # share of the way back to where the weights came from, at each window
_CLIP = 1.0  # of the gradient's norm


class Dynamic:
    """A copy of a model that takes a small step behind each window, once that is measured (Krause
    et al. 2018); the model itself stays as it is."""

    def __init__(self, model: LanguageModel, *, rate: float) -> None:
        with torch.inference_mode(False):
            self._model = copy.deepcopy(model).eval()
            self._home = [p.detach().clone() for p in model.parameters()]
        self._rate = rate

    def measure(self, ids: Tensor, lengths: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        """As `LanguageModel.measure`."""
        nats, after = self._model.measure(ids, lengths, carry)
        with torch.inference_mode(False), torch.enable_grad():
            self._learn(ids.clone(), lengths.clone(), carry)
        return nats, after

    def _learn(self, ids: Tensor, lengths: Tensor, carry: Carry) -> None:
        weights = [*self._model.parameters()]
        targets = ids.masked_fill(~length_mask(lengths, ids.shape[1]), -1)
        count = int((targets >= 0).sum())
        if not count:
            return
        kept = Carry(carry.last.clone(), carry.halves.clone(), carry.cells.clone())
        loss, _, _ = self._model.loss(ids, targets, kept)
        grads = torch.autograd.grad(loss / count, weights)
        norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))))
        rate = self._rate * _CLIP / max(norm, _CLIP)
        with torch.no_grad():
            for weight, grad, home in zip(weights, grads, self._home, strict=True):
                weight.lerp_(home, _PULL).sub_(grad, alpha=rate)

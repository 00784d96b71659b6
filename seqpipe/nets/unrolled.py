"""A recurrent layer over given gates, step by step, with its gradient written out.

For training on a CPU: what is looked up in a table of gates needs no product with the input
weights, and what the gradient takes of each step is found for all steps at once, so that the loop
back holds little more than the product with the recurrent weights. tanh x is 2 s(2x) - 1 with the
logistic function s, which is several times as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.cells import Recurrent, State

_dsigmoid = torch.ops.aten.sigmoid_backward.grad_input
_dtanh = torch.ops.aten.tanh_backward.grad_input


def given(module: Recurrent, x: Tensor) -> Tensor:
    """The half of the gates that the inputs make, (..., D) to (..., G), with all biases but the
    carried one of a GRU, of which the reset gate takes a part back."""
    own = dict(module.named_parameters())
    bias = own["bias_ih_l0"]
    if not isinstance(module, nn.GRU):
        bias = bias + own["bias_hh_l0"]
    return F.linear(x, own["weight_ih_l0"], bias)


def unrolled(
    module: Recurrent, gates: Tensor, state: State, weights: Mapping[str, Tensor] | None = None
) -> tuple[Tensor, State]:
    """All steps from the given half of the gates (T, B, G) to the hidden states (T, B, H), with
    some `weights` in place of its own; states are (B, H), and those of an LSTM two."""
    own = {**dict(module.named_parameters()), **(weights or {})}
    recurrent = own["weight_hh_l0"]
    if isinstance(module, nn.LSTM):
        hidden, cell = cast("tuple[Tensor, Tensor]", state)
        y, cell = _Lstm.apply(gates, recurrent, hidden, cell)  # type: ignore[no-untyped-call]
        return y, (_last(y, hidden), cell)
    hidden = cast(Tensor, state)
    if isinstance(module, nn.GRU):
        y = _Gru.apply(gates, recurrent, own["bias_hh_l0"], hidden)  # type: ignore[no-untyped-call]
    else:
        y = _Rnn.apply(gates, recurrent, hidden)  # type: ignore[no-untyped-call]
    return y, _last(y, hidden)


def _last(y: Tensor, hidden: Tensor) -> Tensor:
    return y[-1] if len(y) else hidden


class _Rnn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        states = _states(gates, hidden)
        for t in range(len(gates)):
            _tanh_(torch.addmm(gates[t], states[t], recurrent.t(), out=states[t + 1]))
        ctx.save_for_backward(states, recurrent)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        states, recurrent = ctx.saved_tensors
        back = torch.empty_like(states[1:])
        carried = torch.zeros_like(states[0])
        for t in reversed(range(len(back))):
            _dtanh(carried.add_(grads[0][t]), states[t + 1], grad_input=back[t])
            torch.mm(back[t], recurrent, out=carried)
        return back, _of_weights(back, states), carried


class _Lstm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, gates: Tensor, recurrent: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor]:
        acts = torch.empty_like(gates, memory_format=torch.contiguous_format)
        states, cells = _states(gates, hidden), _states(gates, cell)
        shown = torch.empty_like(cells[1:])  # tanh of the cells
        for t in range(len(gates)):
            torch.addmm(gates[t], states[t], recurrent.t(), out=acts[t])
            enter, keep, new, leave = acts[t].chunk(4, dim=1)
            new.mul_(2)
            acts[t].sigmoid_()
            new.mul_(2).sub_(1)
            torch.mul(keep, cells[t], out=cells[t + 1]).addcmul_(enter, new)
            _tanh_(shown[t].copy_(cells[t + 1]))
            torch.mul(leave, shown[t], out=states[t + 1])
        ctx.save_for_backward(acts, states, cells, shown, recurrent)
        return states[1:], cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        acts, states, cells, shown, recurrent = ctx.saved_tensors
        enter, keep, new, leave = acts.chunk(4, dim=2)
        back = torch.empty_like(acts)  # what each step's gradient is multiplied by; then that
        d_enter, d_keep, d_new, d_leave = back.chunk(4, dim=2)
        _dsigmoid(new, enter, grad_input=d_enter)
        _dsigmoid(cells[:-1], keep, grad_input=d_keep)
        _dtanh(enter, new, grad_input=d_new)
        _dsigmoid(shown, leave, grad_input=d_leave)
        through = torch.ops.aten.tanh_backward(leave, shown)
        inner = back[:, :, : -d_leave.shape[2]].unflatten(2, (3, -1))  # (T, B, 3, H)
        carried, memory = torch.zeros_like(states[0]), grads[1].clone()
        for t in reversed(range(len(acts))):
            carried.add_(grads[0][t])
            memory.addcmul_(carried, through[t])
            inner[t].mul_(memory[:, None])
            d_leave[t].mul_(carried)
            memory.mul_(keep[t])
            torch.mm(back[t], recurrent, out=carried)
        return back, _of_weights(back, states), carried, memory


class _Gru(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, recurrent: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        acts = torch.empty_like(gates, memory_format=torch.contiguous_format)
        states = _states(gates, hidden)
        new = torch.empty_like(states[1:])
        width = hidden.shape[1]
        for t in range(len(gates)):
            torch.addmm(bias, states[t], recurrent.t(), out=acts[t])
            acts[t, :, : 2 * width].add_(gates[t, :, : 2 * width]).sigmoid_()
            reset, keep, inner = acts[t].chunk(3, dim=1)
            torch.addcmul(gates[t, :, 2 * width :], reset, inner, out=new[t])
            torch.lerp(_tanh_(new[t]), states[t], keep, out=states[t + 1])
        ctx.save_for_backward(acts, new, states, recurrent)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        acts, new, states, recurrent = ctx.saved_tensors
        width = new.shape[2]
        reset, keep, inner = acts.chunk(3, dim=2)
        # the new gate twice: what comes of the carried half, then, behind the other two, the whole
        back = new.new_empty(*new.shape[:2], 4 * width)
        d_inner, d_reset, d_keep, d_new = back.chunk(4, dim=2)
        _dtanh(1 - keep, new, grad_input=d_new)
        _dsigmoid(torch.mul(d_new, inner), reset, grad_input=d_reset)
        torch.mul(d_new, reset, out=d_inner)
        _dsigmoid(states[:-1] - new, keep, grad_input=d_keep)
        turned = recurrent.roll(width, 0)  # the rows of the new gate first, as in `back`
        carried = torch.zeros_like(states[0])
        for t in reversed(range(len(acts))):
            carried.add_(grads[0][t])
            back[t].unflatten(1, (4, -1)).mul_(carried[:, None])
            carried.mul_(keep[t])
            carried.addmm_(back[t, :, : 3 * width], turned)
        inward = back[:, :, : 3 * width]
        return (
            back[:, :, width:],
            _of_weights(inward, states).roll(-width, 0),
            inward.sum(dim=(0, 1)).roll(-width, 0),
            carried,
        )


def _states(gates: Tensor, first: Tensor) -> Tensor:
    """Room for the states before and after each step, (T + 1, B, H)."""
    states = first.new_empty(len(gates) + 1, *first.shape)
    states[0] = first
    return states


def _tanh_(x: Tensor) -> Tensor:
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


def _of_weights(back: Tensor, states: Tensor) -> Tensor:
    """The gradient of the recurrent weights (G, H) from that of the gates (T, B, G)."""
    return back.flatten(0, 1).t() @ states[:-1].flatten(0, 1)

"""A recurrent layer over given gates, step by step, with its gradient written out.

For training on a CPU: what is looked up in a table of gates needs no product with the input
weights, and what the gradient takes of each step is found for all steps at once, so that the loop
back holds little more than the product with the recurrent weights. tanh x is 2 s(2x) - 1 with the
logistic function s, which is several times as fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.cells import MinGRU, Recurrent, State, run_cell
from seqpipe.nets.full import full
from seqpipe.nets.scan import gated

_dsigmoid = torch.ops.aten.sigmoid_backward.grad_input
_dtanh = torch.ops.aten.tanh_backward.grad_input


def given(module: Recurrent, x: Tensor) -> Tensor:
    """The half of the gates that the inputs make, (..., D) to (..., G), with all biases but the
    carried one of a GRU, of which the reset gate takes a part back."""
    own = dict(module.named_parameters())
    bias: Tensor = own["bias_ih_l0"]
    if not isinstance(module, (nn.GRU, MinGRU)):
        bias = bias + own["bias_hh_l0"]
    return full(F.linear(x, own["weight_ih_l0"], bias))


def unrolled(
    module: Recurrent, gates: Tensor, state: State, weights: Mapping[str, Tensor] | None = None
) -> tuple[Tensor, State]:
    """All steps from the given half of the gates (T, B, G) to the hidden states (T, B, H), with
    some `weights` in place of its own; states are (B, H), and those of an LSTM two."""
    if isinstance(module, MinGRU):
        y = gated(gates, cast(Tensor, state))
        return y, _last(y, cast(Tensor, state))
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


def by_hand(module: Recurrent, x: Tensor) -> bool:
    """Whether what is written out here learns faster than torch's own."""
    heard = module._forward_pre_hooks  # only a module's own call tells these
    return isinstance(module, nn.GRU) and not (x.is_cuda or heard) and torch.is_grad_enabled()


def run_ways(
    modules: Sequence[Recurrent],
    x: Tensor,
    state: Tensor,
    weights: Sequence[Mapping[str, Tensor]],
) -> tuple[Tensor, Tensor]:
    """GRUs side by side, each with its own rows: from (W, B, S, D) and states (W, B, H) to
    (W, B, S, H) and the last states. A step of few rows costs its calls, which are made once."""
    gates = [given(module, one.transpose(0, 1)) for module, one in zip(modules, x, strict=True)]
    own = [{**dict(m.named_parameters()), **w} for m, w in zip(modules, weights, strict=True)]
    recurrent, bias = (torch.stack([w[n] for w in own]) for n in ("weight_hh_l0", "bias_hh_l0"))
    side_by_side = (torch.stack(gates, dim=1), recurrent, bias[:, None], full(state))
    y = _Gru.apply(*side_by_side)  # type: ignore[no-untyped-call]
    return y.permute(1, 2, 0, 3), y[-1]


def run_rows(
    module: Recurrent,
    x: Tensor,
    state: State | None = None,
    weights: Mapping[str, Tensor] | None = None,
) -> tuple[Tensor, State]:
    """As `run_cell` does it, from (B, S, D) to (B, S, H); on a CPU torch's own GRU learns more
    slowly."""
    if x.shape[1] == 1 or not by_hand(module, x):
        return run_cell(module, x, state, weights)
    first = x.new_zeros(len(x), module.hidden_size) if state is None else cast(Tensor, state)[0]
    y, after = unrolled(module, given(module, x.transpose(0, 1)), full(first), weights)
    return y.transpose(0, 1), cast(Tensor, after)[None]


def _last(y: Tensor, hidden: Tensor) -> Tensor:
    return y[-1] if len(y) else hidden


class _Rnn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        states = _states(gates, hidden)
        less, weights = gates.new_tensor(-1.0), recurrent.t()
        before = hidden
        for step, after in zip(gates.unbind(), states[1:].unbind(), strict=True):
            torch.addmm(step, before, weights, out=after)
            _to_tanh(torch.add(after, after, out=after).sigmoid_(), less)
            before = after
        ctx.save_for_backward(states, recurrent)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        states, recurrent = ctx.saved_tensors
        back = torch.empty_like(states[1:])
        carried = torch.zeros_like(states[0])
        for grad, after, d in _backwards(grads[0], states[1:], back):
            _dtanh(carried.add_(grad), after, grad_input=d)
            torch.mm(d, recurrent, out=carried)
        return back, _of_weights(back, states), carried


class _Lstm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, gates: Tensor, recurrent: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor]:
        acts = torch.empty_like(gates, memory_format=torch.contiguous_format)
        states, cells = _states(gates, hidden), _states(gates, cell)
        shown = torch.empty_like(cells[1:])  # tanh of the cells
        less, weights = gates.new_tensor(-1.0), recurrent.t()
        parts = (gates, acts, *acts.chunk(4, dim=2), states, states[1:], cells, cells[1:], shown)
        for step, act, enter, keep, new, leave, h, h_out, c, c_out, tanh in _onwards(*parts):
            torch.addmm(step, h, weights, out=act)
            new.add_(new)
            act.sigmoid_()
            _to_tanh(new, less)
            torch.mul(keep, c, out=c_out).addcmul_(enter, new)
            _to_tanh(torch.add(c_out, c_out, out=tanh).sigmoid_(), less)
            torch.mul(leave, tanh, out=h_out)
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
        beside = memory[:, None]
        parts = (grads[0], through, inner, d_leave, keep, back)
        for grad, passed, d_inner, d_out, kept, d in _backwards(*parts):
            carried.add_(grad)
            memory.addcmul_(carried, passed)
            d_inner.mul_(beside)
            d_out.mul_(carried)
            memory.mul_(kept)
            torch.mm(d, recurrent, out=carried)
        return back, _of_weights(back, states), carried, memory


class _Gru(torch.autograd.Function):
    """Of one way, or of some side by side: gates (T, W, B, G), weights (W, G, H), biases (W, 1, G)
    and states (W, B, H)."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, recurrent: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        acts = torch.empty_like(gates, memory_format=torch.contiguous_format)
        states = _states(gates, hidden)
        shown = torch.empty_like(states[1:])  # the new gate
        less, weights = gates.new_tensor(-1.0), recurrent.mT
        add_product = torch.addmm if hidden.dim() == 2 else torch.baddbmm
        sizes = [2 * hidden.shape[-1], hidden.shape[-1]]
        parts = (acts, *gates.split(sizes, -1), *acts.split(sizes, -1), *acts.chunk(3, -1)[:2])
        for act, outer, fresh, both, inner, reset, keep, h, h_out, new in _onwards(
            *parts, states, states[1:], shown
        ):
            add_product(bias, h, weights, out=act)
            both.add_(outer).sigmoid_()
            torch.addcmul(fresh, reset, inner, out=new)
            _to_tanh(new.add_(new).sigmoid_(), less)
            torch.lerp(new, h, keep, out=h_out)
        ctx.save_for_backward(acts, shown, states, recurrent)
        ctx.of_bias = bias.shape
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        acts, new, states, recurrent = ctx.saved_tensors
        add_product = Tensor.addmm_ if recurrent.dim() == 2 else Tensor.baddbmm_
        width = new.shape[-1]
        reset, keep, inner = acts.chunk(3, dim=-1)
        # the new gate twice: what comes of the carried half, then, behind the other two, the whole
        back = new.new_empty(*new.shape[:-1], 4 * width)
        d_inner, d_reset, d_keep, d_new = back.chunk(4, dim=-1)
        _dtanh(1 - keep, new, grad_input=d_new)
        _dsigmoid(torch.mul(d_new, inner), reset, grad_input=d_reset)
        torch.mul(d_new, reset, out=d_inner)
        _dsigmoid(states[:-1] - new, keep, grad_input=d_keep)
        turned = recurrent.roll(width, -2)  # the rows of the new gate first, as in `back`
        inward = back[..., : 3 * width]
        carried = torch.zeros_like(states[0])
        beside = carried.unsqueeze(-2)
        parts = (grads[0], back.unflatten(-1, (4, -1)), inward, keep)
        for grad, d, d_carried, kept in _backwards(*parts):
            carried.add_(grad)
            d.mul_(beside)
            add_product(carried.mul_(kept), d_carried, turned)
        return (
            back[..., width:],
            _of_weights(inward, states).roll(-width, -2),
            inward.sum(dim=0).sum_to_size(ctx.of_bias).roll(-width, -1),
            carried,
        )


def _onwards(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """What each step has of every part; views made at once, as one by one they cost much."""
    return zip(*(part.unbind() for part in parts))  # noqa: B905


def _backwards(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(reversed(part.unbind()) for part in parts), strict=True)


def _states(gates: Tensor, first: Tensor) -> Tensor:
    """Room for the states before and after each step, (T + 1, B, H)."""
    states = first.new_empty(len(gates) + 1, *first.shape)
    states[0] = first
    return states


def _to_tanh(x: Tensor, less: Tensor) -> None:
    """2 x - 1 in place, in one pass."""
    torch.add(less, x, alpha=2, out=x)


def _of_weights(back: Tensor, states: Tensor) -> Tensor:
    """The gradient of the recurrent weights ([W,] G, H) from that of the gates (T, [W,] B, G)."""
    before = states[:-1]
    if back.dim() == 4:  # each way by itself
        back, before = back.transpose(0, 1), before.transpose(0, 1)
    return back.flatten(-3, -2).mT @ before.flatten(-3, -2)

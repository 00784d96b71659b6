"""The decoder by a plain loop, all steps at once, and step by step with folded weights."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from single import SINGLE
from torch import Tensor, nn

from seqpipe.nets.cells import Cell
from seqpipe.nets.decoder import Decoder, Memory
from seqpipe.nets.dropout import set_dropout
from seqpipe.nets.encoder import length_mask
from seqpipe.nets.stepper import Carried, Sources, Stepper

CELLS: tuple[Cell, ...] = get_args(Cell)
PIECES, INPUTS, WIDTH, READ = 9, 5, 6, 4
LENGTHS = [5, 0, 3, 1]
every_cell = pytest.mark.parametrize("cell", CELLS)
every_depth = pytest.mark.parametrize("layers", [1, 2, 3])
fed_or_not = pytest.mark.parametrize("feeding", [False, True])


def make_decoder(
    cell: Cell = "lstm", layers: int = 2, feeding: bool = False, **settings: Any
) -> Decoder:
    decoder = Decoder(
        cell=cell,
        inputs=INPUTS,
        width=WIDTH,
        layers=layers,
        memory=READ,
        attention=settings.pop("attention", "general"),
        feeding=feeding,
        **settings,
    )
    for weight in decoder.parameters():  # fresh biases are zero, and would hide a mistake
        nn.init.uniform_(weight, -0.6, 0.6)
    return decoder


def make_memory(decoder: Decoder, lengths: list[int]) -> Memory:
    ends = torch.tensor(lengths)
    states = torch.randn(len(lengths), max(lengths, default=0), READ)
    return decoder.remember(states * length_mask(ends, states.shape[1])[:, :, None], ends)


def row_of(memory: Memory, row: int) -> Memory:
    length = int(memory.mask[row].sum())
    states, keys, mask = (
        t[row : row + 1, :length] for t in (memory.states, memory.keys, memory.mask)
    )
    return Memory(states, keys, mask)


def plain(decoder: Decoder, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
    """Step by step, layer by layer, by torch's single cells."""
    cells = []
    for layer in decoder.layers:
        weights = dict(layer.named_parameters())
        single = SINGLE[decoder.cell](weights["weight_ih_l0"].shape[1], decoder.width)
        single.load_state_dict({name.removesuffix("_l0"): w for name, w in weights.items()})
        cells.append(single)
    states: list[Any] = [
        (start, torch.zeros_like(start)) if decoder.cell == "lstm" else start
        for start in decoder.starts(memory)
    ]
    context, outputs, looked = x.new_zeros(len(x), READ), [], []
    for now in x.unbind(1):
        below = torch.cat([now, context], dim=1) if decoder.feeding else now
        for i, single in enumerate(cells):
            states[i] = single(below, states[i])
            h = states[i][0] if decoder.cell == "lstm" else states[i]
            below = h
            if i == 0:
                found = decoder.attention(h[:, None], memory.keys, memory.states, memory.mask)
                context, weights_ = found[0][:, 0], found[1][:, 0]
                below = torch.cat([h, context], dim=1)
        outputs.append(torch.tanh(decoder.readout(torch.cat([h, context, now], dim=1))))
        looked.append(weights_)
    return torch.stack(outputs, dim=1), torch.stack(looked, dim=1)


def by_steps(stepper: Stepper, tokens: Tensor, carried: Carried) -> tuple[Tensor, Tensor, Carried]:
    outputs, looked = [], []
    for now in tokens.unbind(1):
        output, weights, carried = stepper.step(now, carried)
        outputs.append(output)
        looked.append(weights)
    return torch.stack(outputs, dim=1), torch.stack(looked, dim=1), carried


@every_cell
@every_depth
@fed_or_not
@torch.no_grad()
def test_all_steps_at_once_are_those_of_a_plain_loop(
    cell: Cell, layers: int, feeding: bool
) -> None:
    decoder = make_decoder(cell, layers, feeding)
    memory, x = make_memory(decoder, LENGTHS), torch.randn(4, 7, INPUTS)
    for found, expected in zip(decoder(x, memory), plain(decoder, x, memory), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@every_cell
@every_depth
@fed_or_not
@torch.no_grad()
def test_written_step_by_step_it_says_the_same(cell: Cell, layers: int, feeding: bool) -> None:
    decoder = make_decoder(cell, layers, feeding)
    memory, vectors = make_memory(decoder, LENGTHS), torch.randn(PIECES, INPUTS)
    tokens = torch.randint(0, PIECES, (4, 7))
    stepper = Stepper(decoder, vectors)
    found = by_steps(stepper, tokens, stepper.begin(memory))
    for one, expected in zip(found[:2], decoder(vectors[tokens], memory), strict=True):
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-5)


@given(
    cell=st.sampled_from(CELLS),
    feeding=st.booleans(),
    attention=st.sampled_from(["general", "additive"]),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    steps=st.integers(1, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
@torch.no_grad()
def test_any_lengths_step_by_step(
    cell: Cell, feeding: bool, attention: str, lengths: list[int], steps: int, seed: int
) -> None:
    torch.manual_seed(seed)
    decoder = make_decoder(cell, 2, feeding, attention=attention)
    memory, vectors = make_memory(decoder, lengths), torch.randn(PIECES, INPUTS)
    tokens = torch.randint(0, PIECES, (len(lengths), steps))
    stepper = Stepper(decoder, vectors)
    found = by_steps(stepper, tokens, stepper.begin(memory))
    for one, expected in zip(found[:2], decoder(vectors[tokens], memory), strict=True):
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-5)


@every_cell
@fed_or_not
@torch.no_grad()
def test_a_batch_equals_its_rows_one_by_one(cell: Cell, feeding: bool) -> None:
    decoder = make_decoder(cell, feeding=feeding)
    memory, x = make_memory(decoder, LENGTHS), torch.randn(4, 6, INPUTS)
    outputs, weights = decoder(x, memory)
    for row, length in enumerate(LENGTHS):
        alone = decoder(x[row : row + 1], row_of(memory, row))
        assert torch.allclose(outputs[row], alone[0][0], atol=1e-6)
        assert torch.allclose(weights[row, :, :length], alone[1][0], atol=1e-6)


@every_cell
@fed_or_not
def test_what_is_written_later_does_not_count(cell: Cell, feeding: bool) -> None:
    decoder = make_decoder(cell, feeding=feeding)
    memory, x = make_memory(decoder, [4]), torch.randn(1, 6, INPUTS)
    other = torch.cat([x[:, :3], torch.randn(1, 3, INPUTS)], dim=1)
    for found, again in zip(decoder(x, memory), decoder(other, memory), strict=True):
        assert torch.allclose(found[:, :3], again[:, :3], atol=1e-6)
        assert not torch.allclose(found[:, 3:], again[:, 3:], atol=1e-3)


def test_states_start_from_the_mean_of_what_was_read() -> None:
    decoder = make_decoder(layers=2)
    states = torch.zeros(2, 3, READ)
    states[0] = torch.arange(3.0)[:, None]
    starts = decoder.starts(decoder.remember(states, torch.tensor([3, 0])))
    mean = torch.stack([torch.ones(READ), torch.zeros(READ)])
    expected = torch.tanh(mean @ decoder.start.weight.t() + decoder.start.bias)  # (B, L * H)
    for layer in range(2):
        part = expected[:, layer * WIDTH : (layer + 1) * WIDTH]
        assert torch.allclose(starts[layer], part, atol=1e-6)


@given(st.lists(st.integers(0, 4), max_size=9), st.lists(st.integers(0, 20), max_size=9))
def test_sources_are_held_once_and_found_by_their_rows(first: list[int], then: list[int]) -> None:
    lengths = torch.tensor([5, 0, 3, 1, 2])
    mask = length_mask(lengths, 5)
    marks = (torch.arange(5.0)[:, None] + 1) * mask  # (N, S), another number for each source
    sources = Sources.of(marks[:, :, None], marks[:, :, None], mask)
    then = [i % len(first) for i in then] if first else []
    homes = [first[i] for i in then]
    picked = sources.pick(torch.tensor(first, dtype=torch.long))
    picked = picked.pick(torch.tensor(then, dtype=torch.long))
    assert len(picked.mask) <= len(lengths) and len(picked.homes) == len(homes)
    for row, home in enumerate(homes):
        at = picked.homes[row]
        assert picked.mask[at].sum() == lengths[home]
        assert set(picked.keys[at].flatten().tolist()) <= {0.0, home + 1.0}
    x = torch.randn(len(homes), 3)
    assert torch.equal(picked.apart(picked.beside(x)), x)
    if homes:
        assert picked.beside(x).shape[1] == max(map(homes.count, homes))


def test_sources_that_nobody_looks_at_are_let_go() -> None:
    mask = length_mask(torch.tensor([5, 0, 3, 1]), 5)
    sources = Sources.of(mask[:, :, None].float(), mask[:, :, None].float(), mask)
    assert sources.pick(torch.tensor([2, 3, 2])).keys.shape == (2, 3, 1)
    assert sources.pick(torch.tensor([1])).keys.shape == (1, 0, 1)


@every_cell
@fed_or_not
@torch.no_grad()
def test_rows_that_were_picked_go_on_as_they_would_alone(cell: Cell, feeding: bool) -> None:
    """Repeated and left out, as in a beam whose rows fork and finish."""
    decoder = make_decoder(cell, 2, feeding)
    memory, vectors = make_memory(decoder, LENGTHS), torch.randn(PIECES, INPUTS)
    tokens, then = torch.randint(0, PIECES, (4, 3)), torch.randint(0, PIECES, (5, 3))
    rows = torch.tensor([2, 2, 3, 1, 2])
    stepper = Stepper(decoder, vectors)
    before = by_steps(stepper, tokens, stepper.begin(memory))[2]
    outputs, weights, _ = by_steps(stepper, then, before.pick(rows))
    assert weights.shape == (5, 3, 3)
    whole = torch.cat([tokens[rows], then], dim=1)
    for i, row in enumerate(rows.tolist()):
        alone = decoder(vectors[whole[i : i + 1]], row_of(memory, row))
        assert torch.allclose(outputs[i], alone[0][0, 3:], atol=1e-5)
        assert torch.allclose(weights[i, :, : LENGTHS[row]], alone[1][0, 3:], atol=1e-5)


@every_cell
@torch.no_grad()
def test_a_step_leaves_what_it_was_given_as_it_was(cell: Cell) -> None:
    """A search may go on from one state twice."""
    decoder = make_decoder(cell, 2, feeding=True)
    stepper = Stepper(decoder, torch.randn(PIECES, INPUTS))
    tokens = torch.randint(0, PIECES, (4,))
    _, _, carried = stepper.step(tokens, stepper.begin(make_memory(decoder, LENGTHS)))
    first, second = stepper.step(tokens, carried), stepper.step(tokens, carried)
    assert torch.equal(first[0], second[0]) and torch.equal(first[2].cells, second[2].cells)


@every_cell
@torch.no_grad()
def test_large_sums_do_not_overflow(cell: Cell) -> None:
    decoder = make_decoder(cell)
    memory, vectors = make_memory(decoder, [4, 2]), 400 * torch.randn(PIECES, INPUTS)
    tokens = torch.randint(0, PIECES, (2, 6))
    stepper = Stepper(decoder, vectors)
    found = by_steps(stepper, tokens, stepper.begin(memory))
    torch.testing.assert_close(found[0], decoder(vectors[tokens], memory)[0], atol=1e-5, rtol=0)


@every_cell
@fed_or_not
def test_gradients_reach_every_weight_and_what_was_read(cell: Cell, feeding: bool) -> None:
    decoder = make_decoder(cell, 3, feeding)
    states = torch.randn(2, 4, READ, requires_grad=True)
    memory = decoder.remember(states, torch.tensor([4, 2]))
    torch.autograd.backward(decoder(torch.randn(2, 5, INPUTS), memory)[0].square().sum())
    for weight in decoder.parameters():
        assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.any()
    assert states.grad is not None and states.grad[0].any(dim=1).all()


@fed_or_not
def test_the_drivers_dropout_counts_while_training_only(feeding: bool) -> None:
    decoder = make_decoder(feeding=feeding)
    memory, x = make_memory(decoder, [4, 2]), torch.randn(2, 5, INPUTS)
    steady, _ = decoder.eval()(x, memory)
    assert torch.equal(decoder.train()(x, memory)[0], steady)
    set_dropout(decoder, 0.5)
    assert not torch.equal(decoder.train()(x, memory)[0], steady)
    assert torch.equal(decoder.eval()(x, memory)[0], steady)

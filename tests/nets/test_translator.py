"""An encoder-decoder: what it learns from is what it says when it writes, piece by piece."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seqpipe.nets.cells import Cell
from seqpipe.nets.decoder import Decoder
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.translator import BEGIN, Translator, Writing

SOURCES, TARGETS, WIDTH = 11, 13, 6
LENGTHS = [5, 0, 3, 1]
ENDS = [2, 4, 1, 4]  # pieces of each target
every_cell = pytest.mark.parametrize("cell", get_args(Cell))
fed_or_not = pytest.mark.parametrize("feeding", [False, True])


def make_net(
    cell: Cell = "lstm", *, feeding: bool = False, layers: int = 2, **settings: Any
) -> Translator:
    encoder = Encoder(cell=cell, inputs=WIDTH, width=4, layers=2)
    decoder = Decoder(
        cell=cell,
        inputs=WIDTH,
        width=5,
        layers=layers,
        memory=encoder.outputs,
        attention="general",
        feeding=feeding,
    )
    net = Translator(sources=SOURCES, targets=TARGETS, encoder=encoder, decoder=decoder, **settings)
    with torch.no_grad():
        for weight in net.parameters():  # fresh biases are zero, and would hide a mistake
            weight.uniform_(-0.7, 0.7)
    return net


def make_batch() -> tuple[Tensor, Tensor, Tensor]:
    ids = torch.randint(4, SOURCES, (4, 5))
    targets = torch.randint(3, TARGETS, (4, 4))
    targets[torch.arange(4) >= torch.tensor(ENDS)[:, None]] = -1
    return ids, torch.tensor(LENGTHS), targets


def written(net: Translator, targets: Tensor, writing: Writing) -> tuple[Tensor, Tensor]:
    """The scores (B, T, V) and the attention (B, T, S) when it is led along the targets."""
    token, scores, looked = torch.full((len(targets),), BEGIN), [], []
    for now in targets.clamp(min=0).unbind(1):
        step = net.step(token, writing)
        scores.append(step[0])
        looked.append(step[1])
        writing, token = step[2], now
    return torch.stack(scores, dim=1), torch.stack(looked, dim=1)


@every_cell
@fed_or_not
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@torch.no_grad()
def test_the_loss_is_what_the_steps_say_of_the_targets(
    cell: Cell, feeding: bool, layers: int, smoothing: float
) -> None:
    net = make_net(cell, feeding=feeding, layers=layers, label_smoothing=smoothing).eval()
    ids, lengths, targets = make_batch()
    scores, looked = written(net, targets, net.begin(ids, lengths))
    expected = F.cross_entropy(
        scores.flatten(0, 1),
        targets.flatten(),
        ignore_index=-1,
        reduction="sum",
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(net.loss(ids, lengths, targets), expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(net(ids, lengths, targets)[1], looked, atol=1e-5, rtol=1e-5)
    assert net.answers(targets) == sum(ENDS)


@every_cell
@torch.no_grad()
def test_a_shortlist_gives_the_scores_of_its_pieces(cell: Cell) -> None:
    net = make_net(cell).eval()
    ids, lengths, targets = make_batch()
    shortlist = torch.tensor([2, 3, 7, 12])
    writing = net.begin(ids, lengths, shortlist)
    assert writing.pieces is shortlist and net.begin(ids, lengths).pieces is None
    short, whole = (written(net, targets, w)[0] for w in (writing, net.begin(ids, lengths)))
    torch.testing.assert_close(short, whole[:, :, shortlist])


@every_cell
@fed_or_not
@torch.no_grad()
def test_a_batch_equals_its_rows_one_by_one(cell: Cell, feeding: bool) -> None:
    net = make_net(cell, feeding=feeding).eval()
    ids, lengths, targets = make_batch()
    scores, looked = written(net, targets, net.begin(ids, lengths))
    losses = []
    for row, length in enumerate(LENGTHS):
        one = slice(row, row + 1)
        alone = net.begin(ids[one, :length], lengths[one])
        said, seen = written(net, targets[one], alone)
        assert torch.allclose(scores[row], said[0], atol=1e-5)
        assert torch.allclose(looked[row, :, :length], seen[0], atol=1e-5)
        assert not looked[row, :, length:].any()
        losses.append(net.loss(ids[one, :length], lengths[one], targets[one, : ENDS[row]]))
    torch.testing.assert_close(net.loss(ids, lengths, targets), torch.stack(losses).sum())


@torch.no_grad()
def test_what_stands_in_the_padding_does_not_count() -> None:
    net = make_net().eval()
    ids, lengths, targets = make_batch()
    noise = ids.masked_fill(torch.arange(5) >= lengths[:, None], 9)
    assert torch.equal(net.loss(ids, lengths, targets), net.loss(noise, lengths, targets))


@torch.no_grad()
def test_rows_that_were_picked_keep_their_shortlist() -> None:
    net = make_net().eval()
    ids, lengths, targets = make_batch()
    rows, shortlist = torch.tensor([3, 0, 3]), torch.tensor([2, 5, 6])
    picked = net.begin(ids, lengths, shortlist).pick(rows)
    assert picked.pieces is shortlist
    found, _ = written(net, targets[rows], picked)
    expected, _ = written(net, targets, net.begin(ids, lengths, shortlist))
    torch.testing.assert_close(found, expected[rows])


def agreed(net: Translator, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The scores of its steps, once they are seen to be those of its loss."""
    ids, lengths, targets = batch
    with torch.inference_mode():
        scores, _ = written(net, targets, net.begin(ids, lengths))
        real = targets >= 0
        expected = F.cross_entropy(scores[real], targets[real], reduction="sum")
        torch.testing.assert_close(net.loss(ids, lengths, targets), expected)
        return scores


def test_a_step_of_the_optimizer_counts_at_once() -> None:
    net, batch = make_net(), make_batch()
    said = [agreed(net, batch)]
    torch.autograd.backward(net.loss(*batch))
    torch.optim.Adam(net.parameters(), lr=0.1).step()
    said.append(agreed(net, batch))
    net.load_state_dict({name: weight / 2 for name, weight in net.state_dict().items()})
    said.append(agreed(net, batch))
    assert all(not torch.allclose(a, b) for a, b in pairwise(said))


@pytest.mark.parametrize("tied", [True, False])
def test_each_weight_counts_as_soon_as_it_changes(tied: bool) -> None:
    net, batch = make_net(tie_source=tied, tie_output=tied), make_batch()
    before = agreed(net, batch)
    for weight in net.parameters():
        with torch.no_grad():
            weight.mul_(1.5)
        after = agreed(net, batch)
        assert not torch.equal(before, after)
        before = after


@torch.no_grad()
def test_a_copy_writes_by_its_own_weights() -> None:
    net = make_net().eval()
    ids, lengths, targets = make_batch()
    before = written(net, targets, net.begin(ids, lengths))[0]
    other = copy.deepcopy(net)
    for weight in other.parameters():
        weight.zero_()
    assert not written(other, targets, other.begin(ids, lengths))[0].any()
    assert torch.equal(written(net, targets, net.begin(ids, lengths))[0], before)


@pytest.mark.parametrize("tie_source", [True, False])
@pytest.mark.parametrize("tie_output", [True, False])
def test_what_is_tied_is_one_parameter_saved_once(tie_source: bool, tie_output: bool) -> None:
    net = make_net(tie_source=tie_source, tie_output=tie_output)
    tables = {name: w.shape for name, w in net.state_dict().items() if len(w) in (SOURCES, TARGETS)}
    expected = {"target.weight": (TARGETS, WIDTH), "bias": (TARGETS,)}
    if not tie_source:
        expected["source.weight"] = (SOURCES, WIDTH)
    if not tie_output:
        expected["output.weight"] = (TARGETS, WIDTH)
    assert tables == expected
    places = [weight.data_ptr() for weight in net.state_dict().values()]
    assert len(places) == len(set(places)) == len(list(net.parameters()))


@pytest.mark.parametrize("tie_source", [True, False])
@pytest.mark.parametrize("tie_output", [True, False])
def test_each_table_is_read_where_it_belongs(tie_source: bool, tie_output: bool) -> None:
    """Rows 4, 5 and 6 are a source piece, one that was written, and one that was told."""
    net = make_net(tie_source=tie_source, tie_output=tie_output)
    ids, targets = torch.tensor([[4]]), torch.tensor([[5, 6]])
    vectors, _ = net(ids, torch.tensor([1]), targets)
    torch.autograd.backward(vectors[0, 1] @ net.output_weight()[6])

    def touched(name: str) -> list[bool]:
        grad = net.get_parameter(name).grad
        assert grad is not None
        return grad[4:7].any(dim=1).tolist()

    assert touched("target.weight") == [tie_source, True, tie_output]
    if not tie_source:
        assert touched("source.weight") == [True, False, False]
    if not tie_output:
        assert touched("output.weight") == [False, False, True]


@every_cell
@fed_or_not
def test_a_source_of_nothing_leaves_gradients_sound(cell: Cell, feeding: bool) -> None:
    net = make_net(cell, feeding=feeding)
    targets = torch.tensor([[5, 3]])
    torch.autograd.backward(net.loss(torch.zeros(1, 0).long(), torch.tensor([0]), targets))
    for weight in net.parameters():
        assert weight.grad is None or weight.grad.isfinite().all()
    assert net.bias.grad is not None and net.bias.grad.any()


@pytest.mark.parametrize("noise", ["embedding_dropout", "piece_dropout"])
def test_noise_comes_while_training_only(noise: str) -> None:
    rates: dict[str, Any] = {noise: 0.5}
    net = make_net(**rates)
    ids, lengths, targets = make_batch()
    losses = [net.train().loss(ids, lengths, targets).item() for _ in range(2)]
    assert losses[0] != losses[1]
    steady = make_net()
    steady.load_state_dict(net.state_dict())
    expected = steady.loss(ids, lengths, targets)
    assert torch.equal(net.eval().loss(ids, lengths, targets), expected)


def test_gaps_are_in_what_is_read_and_in_what_was_written_but_not_in_what_is_told() -> None:
    net = make_net(piece_dropout=1.0, unknown=7)
    ids, lengths, targets = make_batch()
    found = net.loss(ids, lengths, targets)
    net.gaps.rate = 0.0
    unread = torch.full_like(ids, 7)
    assert not torch.allclose(net.loss(ids, lengths, targets), found)
    assert not torch.allclose(net.loss(unread, lengths, targets), found)
    first = targets[:, :1]  # before it nothing was written but the beginning, which may be a gap
    net.gaps.rate = 1.0
    vectors, _ = net(ids, lengths, first)
    net.gaps.rate = 0.0
    x = net.embedded(net.target(torch.full((4, 1), 7)))
    expected, _ = net.decoder(x, net.read(unread, lengths))
    torch.testing.assert_close(vectors, expected)

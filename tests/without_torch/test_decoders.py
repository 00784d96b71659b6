"""What writes by graphs writes what the nets do that they are drawn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seqpipe.components._encoder_decoder import build_net as build_translator
from seqpipe.components._language_model import build_net as build_language_model
from seqpipe.onnx.language_model import LANGUAGE_MODEL
from seqpipe.onnx.rounding import rounded
from seqpipe.onnx.sessions import Session
from seqpipe.onnx.stepping import GATES
from seqpipe.onnx.translator import TRANSLATOR
from seqpipe.search.beam import beam
from seqpipe.search.greedy import greedy
from seqpipe.search.logits import NoRepeat
from seqpipe.search.on_torch import TorchNet, TorchState
from seqpipe.search.seats import Seats
from seqpipe.search.stops import Limits, stop_after

PIECES = 15
TRANSLATING: dict[str, Any] = {
    "cell": "gru",
    "embedding": 6,
    "width": 4,
    "layers": 1,
    "bidirectional": True,
    "decoder_width": 8,
    "decoder_layers": 2,
    "attention": "additive",
    "feeding": False,
    "tie_source": True,
    "tie_output": True,
    "embedding_dropout": 0.0,
    "piece_dropout": 0.0,
    "weight_dropout": 0.0,
    "label_smoothing": 0.0,
    "sampled_softmax": 0,
    "sources": PIECES,
    "targets": PIECES,
    "joint": True,
}
GOING_ON: dict[str, Any] = {
    "cell": "gru",
    "embedding": 6,
    "width": 5,
    "layers": 2,
    "tie_output": False,
    "piece_dropout": 0.0,
    "embedding_dropout": 0.0,
    "weight_dropout": 0.0,
    "activation": 0.0,
    "change": 0.0,
    "sampled_softmax": 0,
    "pieces": PIECES,
}
ROWS = np.array([[5, 9, 4, 12, 3], [7, 3, 0, 0, 0], [11, 5, 6, 3, 0]])
LENGTHS = np.array([5, 2, 4])


def both(build: Any, drawing: Any, how: dict[str, Any]) -> tuple[Any, Any]:
    """A net of large weights, and its graphs."""
    torch.manual_seed(5)
    net: nn.Module = build(**how).eval()
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.5)
    weights = {name: w.numpy() for name, w in net.state_dict().items()}
    graphs = drawing.draw(weights, **how)
    return net, drawing.run({name: Session(name, data) for name, data in graphs.items()}, **how)


@pytest.mark.parametrize("shortlist", [None, np.array([2, 3, 4, 7, 9, 14])])
@pytest.mark.parametrize(
    "changed",
    [
        *({"cell": cell} for cell in GATES),
        {"cell": "lstm", "feeding": True, "decoder_layers": 3, "layers": 2},
        {"attention": "general", "bidirectional": False},
        {"attention": "dot", "cell": "lstm", "decoder_layers": 1},
        {"tie_source": False, "tie_output": False, "targets": 16, "joint": False, "feeding": True},
    ],
    ids=str,
)
def test_a_translator(changed: dict[str, Any], shortlist: Any) -> None:
    net, graphs = both(build_translator, TRANSLATOR, {**TRANSLATING, **changed})
    begun = net.begin(torch.from_numpy(ROWS), torch.from_numpy(LENGTHS), shortlist)
    one, other = TorchState.of(begun, torch.device("cpu")), graphs.begin(ROWS, LENGTHS, shortlist)
    tokens, seen = np.array([2, 2, 2]), TorchNet(net)
    # a row forks, rows change places, and sources leave
    for rows in ([0, 1, 2], [2, 0, 0, 1, 0], [4, 1], [1, 0, 1]):
        wanted, found = seen.step(tokens, one), graphs.step(tokens, other)
        assert found.scores == pytest.approx(wanted.scores, abs=1e-5)
        assert found.attention is not None and wanted.attention is not None
        steps = found.attention.shape[1]
        assert found.attention == pytest.approx(wanted.attention[:, :steps], abs=1e-5)
        picked = np.array(rows)
        one, other = wanted.state.pick(picked), found.state.pick(picked)
        tokens = np.array([4, 7, 9, 14, 2])[picked]
    shared: Any = {"rows": 3, "begin": 2, "end": 3, "beam": 4, "limits": Limits(12), "nbest": 2}
    lines = []
    for which, state in ((seen, TorchState.of(begun, torch.device("cpu"))), (graphs, None)):
        state = state or graphs.begin(ROWS, LENGTHS, shortlist)
        lines.append([one.tokens for row in beam(which, state, **shared) for one in row])
    assert lines[0] == lines[1]


@pytest.mark.parametrize("shortlist", [None, np.array([2, 3, 4, 7, 9, 14])])
@pytest.mark.parametrize(
    "changed",
    [
        *({"cell": cell} for cell in GATES),
        {"cell": "lstm", "feeding": True, "decoder_layers": 3},
        {"attention": "general", "bidirectional": False, "tie_output": False},
        {"attention": "dot", "cell": "lstm", "decoder_layers": 1, "feeding": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("length", [5, 0])
def test_a_row_by_itself_runs_to_its_end(
    changed: dict[str, Any], shortlist: Any, length: int
) -> None:
    net, graphs = both(build_translator, TRANSLATOR, {**TRANSLATING, **changed})
    ids, lengths = ROWS[:1], np.array([length])
    begun = net.begin(torch.from_numpy(ids), torch.from_numpy(lengths), shortlist)
    state = TorchState.of(begun, torch.device("cpu"))
    wanted = greedy(TorchNet(net), state, rows=1, begin=2, end=3, limits=Limits(12))[0]
    assert wanted.attention is not None
    for most in (12, 2, max(len(wanted.tokens), 1)):  # cut, and where it would end
        shared: Any = {"rows": 1, "begin": 2, "end": 3, "limits": Limits(most)}
        whole, *_ = greedy(graphs, graphs.begin(ids, lengths, shortlist), **shared)
        stepped, *_ = greedy(Asked(graphs), graphs.begin(ids, lengths, shortlist), **shared)
        assert whole.tokens == stepped.tokens == wanted.tokens[:most]
        assert whole.ended == stepped.ended
        assert whole.each == pytest.approx(wanted.each[:most], abs=1e-4)
        assert whole.score == pytest.approx(stepped.score, abs=1e-5)
        assert whole.attention == pytest.approx(wanted.attention[:most], abs=1e-4)


class Asked:
    """A net that is asked for every step."""

    def __init__(self, net: Any) -> None:
        self.step = net.step


def test_a_row_by_itself_is_run_only_where_the_best_of_each_step_is_all_that_is_wanted() -> None:
    _, graphs = both(build_translator, TRANSLATOR, TRANSLATING)
    shared: Any = {"rows": 1, "begin": 2, "end": 3}
    for how in (
        {"limits": Limits(12, least=9)},
        {"limits": Limits(12), "prefix": [[7, 9]]},
        {"limits": Limits(12), "transforms": [NoRepeat(1)]},
        {"limits": Limits(12, stop=stop_after([[5]]))},
    ):
        one, other = (
            greedy(net, graphs.begin(ROWS[:1], LENGTHS[:1]), **shared, **how)[0].tokens
            for net in (graphs, Asked(graphs))
        )
        assert one == other


def rounded_of(build: Any, drawing: Any, how: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """A net wide enough to be rounded, and it in 8 bits."""
    torch.manual_seed(5)
    net: nn.Module = build(**how).eval()
    weights = {name: w.numpy() for name, w in net.state_dict().items()}
    graphs = {name: rounded(data) for name, data in drawing.draw(weights, **how).items()}
    sessions = {name: Session(name, data) for name, data in graphs.items()}
    return net, drawing.run(sessions, **how), graphs


@pytest.mark.parametrize(
    "changed",
    [
        *({"cell": cell} for cell in GATES),
        {"cell": "lstm", "tie_output": False, "tie_source": False, "attention": "general"},
    ],
    ids=str,
)
def test_a_translator_in_8_bits(changed: dict[str, Any]) -> None:
    wide = {"embedding": 48, "width": 32, "decoder_width": 64, "sources": 90, "targets": 90}
    net, graphs, files = rounded_of(
        build_translator, TRANSLATOR, {**TRANSLATING, **wide, **changed}
    )
    begun = net.begin(torch.from_numpy(ROWS), torch.from_numpy(LENGTHS))
    wanted = TorchNet(net).step(np.array([2, 2, 2]), TorchState.of(begun, torch.device("cpu")))
    found = graphs.step(np.array([2, 2, 2]), graphs.begin(ROWS, LENGTHS))
    assert np.abs(found.scores - wanted.scores).mean() < 0.1
    assert not np.array_equal(found.scores, wanted.scores)
    held = 4 * sum(weight.numel() for weight in net.parameters())
    assert sum(map(len, files.values())) < 0.75 * held
    run = graphs.best(2, graphs.begin(ROWS[:1], LENGTHS[:1]), end=3, most=5)
    assert run.scores[0] == pytest.approx(found.scores[0].max(), abs=0.02)
    assert rounded(files["step"]) == files["step"]


@pytest.mark.parametrize("cell", GATES)
def test_a_language_model_in_8_bits(cell: str) -> None:
    how = {**GOING_ON, "cell": cell, "embedding": 48, "width": 64, "pieces": 90}
    net, graphs, files = rounded_of(build_language_model, LANGUAGE_MODEL, how)
    wanted, _ = net.measure(torch.from_numpy(ROWS), torch.from_numpy(LENGTHS), net.begin(3))
    found, _ = graphs.measure(ROWS, LENGTHS, graphs.begin(3))
    assert np.abs(found - wanted.numpy()).mean() < 0.1
    step = graphs.step(np.array([5, 6, 7]), graphs.begin(3))
    assert np.exp(step.scores).sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    assert all(b"DynamicQuantizeMatMul" in data for data in files.values())


def test_an_empty_source_is_looked_at_nowhere() -> None:
    net, graphs = both(build_translator, TRANSLATOR, TRANSLATING)
    lengths = np.array([5, 0, 4])
    begun = net.begin(torch.from_numpy(ROWS), torch.from_numpy(lengths))
    tokens = np.array([2, 2, 2])
    wanted = TorchNet(net).step(tokens, TorchState.of(begun, torch.device("cpu")))
    found = graphs.step(tokens, graphs.begin(ROWS, lengths))
    assert found.scores == pytest.approx(wanted.scores, abs=1e-5)
    assert not found.attention[1].any()


@pytest.mark.parametrize(
    "changed",
    [
        *({"cell": cell} for cell in GATES),
        {"cell": "lstm", "tie_output": True},  # of another width, so that it is projected
        {"layers": 1, "tie_output": True, "width": 6},
    ],
    ids=str,
)
def test_a_language_model(changed: dict[str, Any]) -> None:
    net, graphs = both(build_language_model, LANGUAGE_MODEL, {**GOING_ON, **changed})
    one, other = net.begin(3), graphs.begin(3)
    for lengths in (LENGTHS, np.array([0, 5, 1])):  # one window after the other
        wanted, one = net.measure(torch.from_numpy(ROWS), torch.from_numpy(lengths), one)
        found, other = graphs.measure(ROWS, lengths, other)
        assert found == pytest.approx(wanted.numpy(), abs=1e-5)
    assert other.last.tolist() == one.last.tolist()
    tokens = np.array([5, 6, 7])
    seen = TorchNet(net.teller()).step(tokens, TorchState.of(one, torch.device("cpu")))
    step = graphs.step(tokens, other)
    written = np.isfinite(seen.scores)
    assert np.array_equal(np.isfinite(step.scores), written)
    assert step.scores[written] == pytest.approx(seen.scores[written], abs=1e-5)
    alone, single = graphs.alone(other.pick(np.array([1]))), other.pick(np.array([1]))
    for token in (5, 6):
        scores, after = graphs.step(np.array([token]), single), single
        assert alone(token) == pytest.approx(scores.scores[0], abs=1e-6)
        single = scores.state
        assert after is not single
    again = other.like(other.tensors())
    assert again.last is other.last and again.states == other.states


def test_nothing_to_measure() -> None:
    _, graphs = both(build_language_model, LANGUAGE_MODEL, GOING_ON)
    nats, carry = graphs.measure(ROWS[:, :0], LENGTHS * 0, graphs.begin(3))
    assert nats.shape == (3, 0) and carry.last.tolist() == [3, 3, 3]


def test_seats_of_rows_that_fork_and_leave() -> None:
    seats, left = Seats.one_each(4).pick(np.array([3, 1, 3, 0, 3]), spare=0.75)
    assert left is not None and left.tolist() == [0, 1, 3]
    assert seats.homes.tolist() == [2, 1, 2, 0, 2] and seats.widest == 3
    grid = seats.grid.reshape(3, 3)
    assert grid[seats.homes, seats.slots].tolist() == [0, 1, 2, 3, 4]
    same, none = Seats.one_each(4).pick(np.array([3, 1, 2, 0]), spare=0.75)
    assert none is None and same.homes.tolist() == [3, 1, 2, 0]

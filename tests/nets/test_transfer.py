"""Nets that begin as another one: encoders as a language model, all as one of their kind."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from generators import SIZES, Onward
from torch import Tensor, nn

from seqpipe.errors import EarlierUnfit, SettingError
from seqpipe.nets.cells import Cell
from seqpipe.nets.classifier import Classifier
from seqpipe.nets.decoder import Decoder
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.pooling import make_pool
from seqpipe.nets.transfer import FRESH, Sizes, begin, take_over
from seqpipe.nets.translator import Translator
from seqpipe.train.learner import Learner

PIECES = 11
IDS = torch.tensor([[4, 5, 6, 7, 8], [9, 10, 1, 4, 4]])
LENGTHS = torch.tensor([5, 5])
every_cell = pytest.mark.parametrize("cell", get_args(Cell))
both_ways = pytest.mark.parametrize("bidirectional", [False, True])


def make_encoder(cell: Cell = "gru", *, bidirectional: bool = True, **sizes: Any) -> Encoder:
    sizes = {**SIZES, "cell": cell, **sizes}
    inputs = sizes.pop("embedding")
    return Encoder(inputs=inputs, bidirectional=bidirectional, **sizes)


def make_classifier(encoder: Encoder) -> Classifier:
    pool = make_pool("max", width=encoder.outputs, bidirectional=encoder.bidirectional)
    embedding = Embedding(pieces=PIECES, width=encoder.inputs)
    return Classifier(embedding=embedding, encoder=encoder, pools=[pool], classes=2).eval()


def make_translator(encoder: Encoder, *, tied: bool = False) -> Translator:
    decoder = Decoder(
        cell=encoder.cell,
        inputs=encoder.inputs,
        width=7,
        layers=1,
        memory=encoder.outputs,
        attention="general",
        feeding=False,
    )
    return Translator(
        sources=PIECES,
        targets=PIECES if tied else 13,
        encoder=encoder,
        decoder=decoder,
        tie_source=tied,
    ).eval()


def make_model(cell: Cell = "gru") -> Onward:
    return Onward(pieces=PIECES, **{**SIZES, "cell": cell})


def onward_of(encoder: Encoder, x: Tensor) -> Tensor:
    states: Tensor = encoder(x, LENGTHS)
    return states[:, :, : SIZES["width"]]


@every_cell
@both_ways
@torch.no_grad()
def test_a_classifier_reads_as_the_model_does(cell: Cell, bidirectional: bool) -> None:
    model, net = make_model(cell), make_classifier(make_encoder(cell, bidirectional=bidirectional))
    net.begin_as(model.weights())
    found = onward_of(net.encoder, net.embedding(IDS))
    assert torch.allclose(found, model.states(IDS), atol=1e-6)


@every_cell
@both_ways
@pytest.mark.parametrize("tied", [False, True])
@torch.no_grad()
def test_a_translator_reads_as_the_model_does(cell: Cell, bidirectional: bool, tied: bool) -> None:
    model = make_model(cell)
    net = make_translator(make_encoder(cell, bidirectional=bidirectional), tied=tied)
    net.begin_as(model.weights())
    found = onward_of(net.encoder, (net.source or net.target)(IDS))
    assert torch.allclose(found, model.states(IDS), atol=1e-6)


@both_ways
def test_the_weights_are_those_of_the_model_to_the_bit(bidirectional: bool) -> None:
    weights = make_model().weights()
    encoder = make_encoder(bidirectional=bidirectional)
    net = make_translator(encoder)
    net.begin_as(weights)
    assert net.source is not None and torch.equal(net.source.weight, weights["pieces.weight"])
    for name, weight in encoder.onward.named_parameters():
        given = weights[f"layers.{name}"]
        held = weight[:, : given.shape[1]] if weight.dim() > 1 else weight
        assert torch.equal(held, given), name


def test_the_backward_cells_begin_fresh() -> None:
    encoder = make_encoder()
    before = {name: w.detach().clone() for name, w in encoder.backward_.named_parameters()}
    begin(encoder, make_model().weights())
    assert all(torch.equal(w, before[name]) for name, w in encoder.backward_.named_parameters())


@every_cell
def test_the_sizes_are_told_by_the_weights(cell: Cell) -> None:
    expected = Sizes(cell, SIZES["embedding"], SIZES["width"], SIZES["layers"])
    assert Sizes.of(make_model(cell).weights()) == expected
    assert Sizes.of_encoder(make_encoder(cell)) == expected


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"cell": "lstm"}, "model.cell = 'lstm' is not allowed: give 'gru', as the generator"),
        ({"embedding": 8}, "model.embedding = 8 is not allowed: give 6"),
        ({"width": 8}, "model.width = 8 is not allowed: give 5"),
        ({"layers": 1}, "model.layers = 1 is not allowed: give 2"),
    ],
)
def test_an_encoder_of_other_sizes_is_refused(sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        begin(make_encoder(**sizes), make_model().weights())


@pytest.mark.parametrize("tied", [False, True])
def test_vectors_stand_lowest_and_what_is_fresh_is_the_head(tied: bool) -> None:
    nets: list[tuple[nn.Module, str]] = [
        (make_classifier(make_encoder()), "embedding.single"),
        (make_translator(make_encoder(), tied=tied), "target" if tied else "source"),
    ]
    for net, lowest in nets:
        learner = Learner(net)
        names = [name for name, _ in net.named_parameters()]
        depths = dict(zip(names, learner.depths, strict=True))
        assert learner.layers == 4
        for name, depth in depths.items():
            layer = {"encoder.onward.1": 1, "encoder.onward.0": 2, lowest: 3}
            assert depth == next((d for n, d in layer.items() if name.startswith(f"{n}.")), 0)


def test_rows_come_from_those_that_they_name_and_fresh_ones_are_zero() -> None:
    torch.manual_seed(0)
    old, new = nn.Linear(3, 2), nn.Linear(3, 4)
    rows = torch.tensor([1, FRESH, 0, 1])
    take_over(new, old.state_dict(), {"weight": rows, "bias": rows})
    w, b = old.weight.detach(), old.bias.detach()
    assert torch.equal(new.weight, torch.stack([w[1], torch.zeros(3), w[0], w[1]]))
    assert torch.equal(new.bias, torch.stack([b[1], torch.zeros(()), b[0], b[1]]))


def test_what_is_kept_or_has_not_grown_is_as_it_was() -> None:
    old, new = nn.Linear(3, 2), nn.Linear(3, 2)
    bias = new.bias.detach().clone()
    take_over(new, old.state_dict(), {}, kept=["bias"])
    assert torch.equal(new.weight, old.weight) and torch.equal(new.bias, bias)


def test_a_table_that_was_not_there_says_nothing() -> None:
    new = nn.Linear(3, 2)
    take_over(new, {"weight": new.weight.detach().clone()}, {"bias": torch.empty(0)})
    assert not new.bias.any()


@pytest.mark.parametrize(
    ("weights", "there"),
    [
        ({"weight": torch.ones(2, 4), "bias": torch.ones(2)}, "2 x 4"),
        ({"weight": torch.ones(3, 3), "bias": torch.ones(2)}, "3 x 3"),
        ({"bias": torch.ones(2)}, "missing"),
    ],
)
def test_weights_that_do_not_fit_are_one_sentence(weights: dict[str, Tensor], there: str) -> None:
    with pytest.raises(EarlierUnfit, match=f"weight is 2 x 3 here and {there} there"):
        take_over(nn.Linear(3, 2), weights, {})

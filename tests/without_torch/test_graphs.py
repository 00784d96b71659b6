"""What graphs say is what the nets say that they are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seqpipe.components._classifier import build_net as build_classifier
from seqpipe.components._tagger import build_net as build_tagger
from seqpipe.errors import GraphsLacking
from seqpipe.onnx.classifier import CLASSIFIER
from seqpipe.onnx.rounding import rounded
from seqpipe.onnx.sessions import Session
from seqpipe.onnx.tagger import TAGGER
from seqpipe.text.batches import collate
from seqpipe.text.codec import Ids

CELLS = ["rnn", "lstm", "gru", "mingru"]
PIECES = 40
JOINED = [False] * 4 + [True] * (PIECES - 4)
READING: dict[str, Any] = {
    "cell": "mingru",
    "embedding": 5,
    "width": 6,
    "layers": 1,
    "bidirectional": True,
    "pairs": 0,
    "joined": JOINED,
    "hashed": 0,
}
LABELLING: dict[str, Any] = {
    **READING,
    "pooling": ["attention", "max"],
    "word_dropout": 0.0,
    "label_smoothing": 0.0,
    "chunk": 8,
    "pieces": PIECES,
    "classes": 3,
    "multi_label": False,
}
CUTTING: dict[str, Any] = {
    **READING,
    "conv": 0,
    "unit_dropout": 0.0,
    "mark_dropout": 0.0,
    "kinds": [i % 5 for i in range(PIECES)],
    "marks": [],
}


def rows_of(*lengths: int, highest: int = PIECES) -> list[Ids]:
    chance = np.random.default_rng(len(lengths))
    return [chance.integers(0, highest, n).astype(np.int32) for n in lengths]


def filled(net: nn.Module) -> Any:
    """Large enough weights for every part to be heard."""
    torch.manual_seed(3)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.6)
    return net.eval()


def asked(drawing: Any, net: nn.Module, how: dict[str, Any]) -> Any:
    weights = {name: w.numpy() for name, w in net.state_dict().items()}
    graphs = drawing.draw(weights, **how)
    return drawing.run({name: Session(name, data) for name, data in graphs.items()}, **how)


def scores_of(how: dict[str, Any], rows: Sequence[Ids]) -> tuple[Any, Any]:
    net, batch = filled(build_classifier(**how)), collate(rows, np.arange(len(rows)))
    with torch.inference_mode():
        wanted = net.scores(torch.from_numpy(batch.ids), torch.from_numpy(batch.lengths)).numpy()
    return asked(CLASSIFIER, net, how).scores(batch.ids, batch.lengths), wanted


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_classifier_of_every_cell(cell: str, layers: int, bidirectional: bool) -> None:
    how = {**LABELLING, "cell": cell, "layers": layers, "bidirectional": bidirectional}
    found, wanted = scores_of(how, rows_of(3, 0, 7, 1))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("pool", ["attention", "max", "mean", "last"])
def test_every_pool(pool: str, bidirectional: bool) -> None:
    how = {**LABELLING, "pooling": [pool], "bidirectional": bidirectional}
    found, wanted = scores_of(how, rows_of(3, 0, 7, 1))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("more", [{}, {"layers": 2}, {"pairs": 17}, {"bidirectional": False}])
def test_the_highest_is_found_on_the_way_beside_every_other_pool(more: dict[str, Any]) -> None:
    how = {**LABELLING, "pooling": ["max", "mean", "last", "attention"], **more}
    found, wanted = scores_of(how, rows_of(3, 0, 7, 1))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_classifier_in_8_bits(cell: str) -> None:
    how = {**LABELLING, "cell": cell, "embedding": 32, "width": 32, "bidirectional": True}
    net: Any = build_classifier(**how).eval()
    rows = rows_of(3, 0, 7, 1)
    batch = collate(rows, np.arange(len(rows)))
    with torch.inference_mode():
        wanted = net.scores(torch.from_numpy(batch.ids), torch.from_numpy(batch.lengths)).numpy()
    weights = {name: w.numpy() for name, w in net.state_dict().items()}
    whole = CLASSIFIER.draw(weights, **how)["classifier"]
    data = rounded(whole)
    asked_ = CLASSIFIER.run({"classifier": Session("classifier", data)}, **how)
    assert asked_.scores(batch.ids, batch.lengths) == pytest.approx(wanted, abs=0.02)
    assert len(data) < 0.6 * len(whole)


@pytest.mark.parametrize("cell", ["mingru", "lstm"])
@pytest.mark.parametrize("hashed", [0, 30])
def test_pairs_of_pieces(cell: str, hashed: int) -> None:
    how = {**LABELLING, "cell": cell, "pairs": 17, "hashed": hashed}
    found, wanted = scores_of(how, rows_of(3, 0, 7, 1))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_rows_that_torch_reads_in_chunks(cell: str) -> None:
    found, wanted = scores_of({**LABELLING, "cell": cell, "pairs": 17}, rows_of(50, 5, 8, 9))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=6))
def test_a_batch_is_its_rows_one_by_one(lengths: list[int]) -> None:
    rows = rows_of(*lengths)
    drawn = asked(CLASSIFIER, filled(build_classifier(**LABELLING)), LABELLING)
    batch = collate(rows, np.arange(len(rows)))
    alone = [collate([row], np.arange(1)) for row in rows]
    one_by_one = np.concatenate([drawn.scores(one.ids, one.lengths) for one in alone])
    np.testing.assert_allclose(drawn.scores(batch.ids, batch.lengths), one_by_one, atol=1e-5)


@pytest.mark.parametrize("several", [True, False])
def test_probabilities_and_temperatures(several: bool) -> None:
    how = {**LABELLING, "multi_label": several}
    net = filled(build_classifier(**how))
    scores, heat = np.array([[-2.0, 0.5, 90.0]], np.float32), [0.5, 2.0, 1.0]
    found = asked(CLASSIFIER, net, how).normalized(scores, heat)
    np.testing.assert_allclose(found, net.normalized(scores, heat).numpy(), atol=1e-6)


CUTTERS = [
    *({"cell": cell, "layers": layers} for cell in CELLS for layers in (1, 2)),
    {"conv": 2},
    {"conv": 3, "cell": "lstm", "pairs": 17},
    {"marks": [3]},
    {"marks": [3, 4], "pairs": 17, "hashed": 30, "conv": 1},
]


@pytest.mark.parametrize("more", CUTTERS)
def test_taggers(more: dict[str, Any]) -> None:
    how = {**CUTTING, **more}
    net = filled(build_tagger(**how))
    rows = rows_of(9, 0, 4, 1, highest=PIECES * int(np.prod(how["marks"])))
    batch = collate(rows, np.arange(len(rows)))
    given_ = torch.from_numpy(batch.ids), torch.from_numpy(batch.lengths)
    with torch.inference_mode():
        wanted, best = net.probabilities(*given_).numpy(), net.predict(*given_).numpy()
    drawn = asked(TAGGER, net, how)
    inside = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    found = drawn.probabilities(batch.ids, batch.lengths)
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-5)
    assert (drawn.predict(batch.ids, batch.lengths) == best)[inside].all()


@pytest.mark.parametrize("more", [{"cell": "sru"}, {"pooling": ["sum"]}])
def test_what_cannot_be_drawn_is_named(more: dict[str, Any]) -> None:
    weights = {n: w.numpy() for n, w in build_classifier(**LABELLING).state_dict().items()}
    with pytest.raises(GraphsLacking, match=r"'sru'|'sum'"):
        CLASSIFIER.draw(weights, **{**LABELLING, **more})

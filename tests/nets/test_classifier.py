"""The classifier's losses, worked by hand, and what reaches it while it learns."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqpipe.nets.classifier import Classifier
from seqpipe.nets.dropout import set_dropout
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.pooling import make_pool


def make_net(
    classes: int = 2,
    *,
    multi_label: bool = False,
    word_dropout: float = 0.0,
    label_smoothing: float = 0.0,
) -> Classifier:
    encoder = Encoder(cell="lstm", inputs=6, width=4)
    return Classifier(
        embedding=Embedding(pieces=20, width=6),
        encoder=encoder,
        pools=[make_pool(p, width=8, bidirectional=True) for p in ("attention", "max")],
        classes=classes,
        multi_label=multi_label,
        word_dropout=word_dropout,
        label_smoothing=label_smoothing,
    )


def with_scores(net: Classifier, scores: list[float]) -> Classifier:
    """The net, made to say these scores whatever it reads."""
    with torch.no_grad():
        net.output.weight.zero_()
        net.output.bias.copy_(torch.tensor(scores))
    return net


def loss_of(net: Classifier, targets: list[list[float]]) -> float:
    rows = len(targets)
    ids, lengths = torch.ones(rows, 3, dtype=torch.long), torch.full((rows,), 3)
    loss: Tensor = net.loss(ids, lengths, torch.tensor(targets))
    return loss.item()


def test_one_label_a_row_costs_its_surprise_summed_over_rows() -> None:
    net = with_scores(make_net(), [0.0, log(3.0)])  # says 1/4 and 3/4
    assert loss_of(net, [[1, 0], [0, 1]]) == pytest.approx(-log(1 / 4) - log(3 / 4))


def test_soft_targets_share_the_cost() -> None:
    net = with_scores(make_net(), [0.0, log(3.0)])
    assert loss_of(net, [[0.5, 0.5]]) == pytest.approx(-0.5 * log(1 / 4) - 0.5 * log(3 / 4))


def test_smoothing_moves_a_share_of_the_target_to_all_labels() -> None:
    net = with_scores(make_net(label_smoothing=0.2), [0.0, log(3.0)])
    expected = -0.1 * log(1 / 4) - 0.9 * log(3 / 4)
    assert loss_of(net, [[0, 1]]) == pytest.approx(expected)


def test_class_weights_scale_the_cost_of_their_label() -> None:
    net = with_scores(make_net(), [0.0, log(3.0)])
    net.class_weights[0] = 5.0
    assert loss_of(net, [[1, 0], [0, 1]]) == pytest.approx(-5 * log(1 / 4) - log(3 / 4))


def test_the_loss_of_one_label_is_torchs_cross_entropy() -> None:
    net = make_net(3, label_smoothing=0.1)
    net.class_weights.copy_(torch.tensor([0.5, 1.0, 2.0]))
    ids, lengths, gold = torch.randint(1, 20, (4, 5)), torch.full((4,), 5), torch.arange(4) % 3
    expected = F.cross_entropy(
        net(ids, lengths), gold, net.class_weights, reduction="sum", label_smoothing=0.1
    )
    # torch smooths with the weight of every class, as here
    assert torch.allclose(net.loss(ids, lengths, F.one_hot(gold, 3).float()), expected)


def test_many_labels_cost_each_by_itself_and_unknown_ones_nothing() -> None:
    net = with_scores(make_net(3, multi_label=True), [0.0, log(3.0), 7.0])  # 1/2, 3/4, sure
    assert loss_of(net, [[1, 0, float("nan")]]) == pytest.approx(-log(1 / 2) - log(1 / 4))
    assert loss_of(net, [[float("nan")] * 3]) == 0


def test_unknown_labels_leave_the_output_as_it_is() -> None:
    net = make_net(2, multi_label=True)
    ids, lengths = torch.ones(1, 3, dtype=torch.long), torch.tensor([3])
    torch.autograd.backward(net.loss(ids, lengths, torch.tensor([[1.0, float("nan")]])))
    grad = net.output.weight.grad
    assert grad is not None and grad.isfinite().all()
    assert grad[0].any() and not grad[1].any()


def test_smoothing_and_weights_reach_many_labels() -> None:
    net = with_scores(make_net(2, multi_label=True, label_smoothing=0.2), [0.0, log(3.0)])
    net.class_weights[1] = 2.0
    expected = -log(1 / 2) + 2 * (-0.1 * log(3 / 4) - 0.9 * log(1 / 4))
    assert loss_of(net, [[1, 0]]) == pytest.approx(expected)


def test_probabilities_of_one_label_sum_to_one_and_of_many_do_not() -> None:
    ids, lengths = torch.ones(2, 3, dtype=torch.long), torch.tensor([3, 0])
    one = with_scores(make_net(), [0.0, log(3.0)]).eval().predict(ids, lengths)
    assert torch.allclose(one, torch.tensor([[1 / 4, 3 / 4]] * 2))
    many = with_scores(make_net(multi_label=True), [0.0, 1.0]).eval().predict(ids, lengths)
    assert torch.allclose(many, torch.tensor([[1 / 2, 1 / (1 + exp(-1))]] * 2))


def test_a_batch_equals_its_rows_one_by_one() -> None:
    net = make_net(3).eval()
    lengths = [6, 0, 2, 5]
    ids = torch.randint(4, 20, (4, 6))
    together = net.predict(ids, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        cut = ids[row : row + 1, : max(length, 1)]
        alone = net.predict(cut, torch.tensor([length]))
        assert torch.allclose(together[row], alone[0], atol=1e-6)


def test_many_rows_equal_their_halves() -> None:
    """Many go another way through the encoder than few; a changed weight counts at once."""
    net = make_net(3).eval()
    ids, lengths = torch.randint(4, 20, (40, 6)), torch.randint(0, 7, (40,))
    for _ in range(2):
        with torch.inference_mode():
            together = net.predict(ids, lengths)
            parts = [net.predict(ids[i : i + 10], lengths[i : i + 10]) for i in range(0, 40, 10)]
        torch.testing.assert_close(together, torch.cat(parts), atol=1e-6, rtol=1e-5)
        with torch.no_grad():
            for weight in net.parameters():
                weight.mul_(1.5)


def test_dropped_words_read_as_unknown_while_training_only() -> None:
    net = make_net(word_dropout=1.0).eval()
    ids, lengths = torch.tensor([[5, 6, 7]]), torch.tensor([3])
    unknown = net(torch.ones_like(ids), lengths)
    assert not torch.allclose(net(ids, lengths), unknown)
    assert torch.allclose(net.train()(ids, lengths), unknown)


def test_the_drivers_dropout_reaches_every_place() -> None:
    net = make_net()
    ids, lengths = torch.tensor([[5, 6, 7]]), torch.tensor([3])
    assert torch.equal(net.train()(ids, lengths), net.eval()(ids, lengths))
    set_dropout(net, 0.5)
    assert {m.p for m in net.modules() if isinstance(m, nn.Dropout)} == {0.5}
    assert not torch.equal(net.train()(ids, lengths), net.eval()(ids, lengths))


def test_class_weights_are_saved_with_the_weights() -> None:
    assert "class_weights" in make_net().state_dict()

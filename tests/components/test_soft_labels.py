"""Soft labels: what is learned from them, and how they are scored."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from small import TEXTS, make_examples, make_nlp, stage_of
from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.components._label_scores import score_sentiment
from seqpipe.corpora.reader import read_dataset
from seqpipe.errors import ProbabilitiesUnfit


def test_the_loss_is_the_cross_entropy_against_the_distribution() -> None:
    nlp = make_nlp()
    stage = stage_of(nlp)
    doc = nlp.make_doc("a good film")
    example = Example.from_dict(doc, {"cats": {"negative": 0.25, "positive": 0.75}})
    (ids,) = stage.encode([doc])
    net = stage.shim.net
    scores = net(torch.tensor(ids)[None].long(), torch.tensor([len(ids)]))
    expected = F.cross_entropy(scores, torch.tensor([[0.25, 0.75]]))
    assert stage.update([example])["sentiment"] == pytest.approx(expected.item(), abs=1e-6)


def test_hard_labels_are_what_they_were() -> None:
    nlp = make_nlp()
    targets = stage_of(nlp).targets(make_examples(nlp))
    assert targets.tolist() == [
        [float(n == label) for n in ("negative", "positive")] for _, label in TEXTS
    ]
    assert "cats_ce" not in nlp.evaluate(make_examples(nlp))


def test_it_learns_how_sure_to_be() -> None:
    nlp = make_nlp()
    shares = {"positive": (0.1, 0.9), "negative": (0.6, 0.4)}
    examples = [
        Example.from_dict(
            nlp.make_doc(text),
            {"cats": dict(zip(("negative", "positive"), shares[side], strict=True))},
        )
        for text, side in TEXTS
    ]
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.05
    for _ in range(80):
        nlp.update(examples, sgd=optimizer)
    for text, side in TEXTS:
        assert nlp(text).cats["positive"] == pytest.approx(shares[side][1], abs=0.05)


def test_shares_that_do_not_add_up_are_refused() -> None:
    nlp = make_nlp()
    example = Example.from_dict(nlp.make_doc("so so"), {"cats": {"negative": 0.5, "positive": 0.1}})
    with pytest.raises(ProbabilitiesUnfit, match=r"'so so' add up to 0\.6"):
        nlp.update([example])


def test_scores_are_against_the_likeliest_and_the_distribution() -> None:
    vocab = make_nlp().vocab
    examples = []
    for gold, said in (((0.4, 0.6), (0.2, 0.8)), ((0.9, 0.1), (0.3, 0.7))):
        docs = Doc(vocab), Doc(vocab)
        for doc, values in zip(docs, (said, gold), strict=True):
            doc.cats = dict(zip(("negative", "positive"), values, strict=True))
        examples.append(Example(*docs))
    labels = ["negative", "positive"]
    scores = score_sentiment(examples, labels=labels, multi_label=False, threshold=0.5)
    assert scores["cats_acc"] == scores["cats_micro_f"] == 0.5
    first = 0.4 * math.log(0.2) + 0.6 * math.log(0.8)
    second = 0.9 * math.log(0.3) + 0.1 * math.log(0.7)
    assert scores["cats_ce"] == pytest.approx(-(first + second) / 2)


@pytest.mark.parametrize("kind", ["dict", "json", "list"])
def test_a_column_of_probabilities_is_read(kind: str, tmp_path: Path) -> None:
    each = {"bad": 0.25, "good": 0.75}
    value = {"dict": each, "json": json.dumps(each), "list": [0.25, 0.75]}[kind]
    rows = [{"text": f"so so {i}", "probs": value} for i in range(3)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    labels = ["bad", "good"] if kind == "list" else None
    corpus = read_dataset(str(path), label="probs", labels=labels)
    assert [eg.reference.cats for eg in corpus(make_nlp())] == [each] * 3

"""Every setting does what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import spacy
import thinc.api
import torch
from small import add_stage, cats_of, make_examples, make_nlp, stage_of, texts_of
from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.components._label_scores import score_sentiment
from seqpipe.errors import CodecError, LabelUnknown, SettingError
from seqpipe.nets.cells import Cell


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("pooling", [["last"], ["mean", "max", "attention"]], ids=len)
def test_every_cell_and_pool_learns_and_comes_back(cell: str, pooling: list[str]) -> None:
    model = {"cell": cell, "pooling": pooling, "layers": 2}
    nlp = make_nlp(steps=12, model=model)
    assert nlp.evaluate(make_examples(nlp))["cats_acc"] >= 0.75
    again = spacy.blank("en")
    add_stage(again, model=model)
    again.from_bytes(nlp.to_bytes())
    assert cats_of(again.pipe(texts_of())) == cats_of(nlp.pipe(texts_of()))


def test_reading_tokens_sees_the_docs_own_words() -> None:
    nlp = make_nlp(steps=2, reads="tokens")
    words = ["good", "film"]
    glued = Doc(nlp.vocab, words=words, spaces=[False, False])
    spaced = Doc(nlp.vocab, words=words)
    assert glued.text == "goodfilm"
    stage = stage_of(nlp)
    assert stage(glued).cats == stage(spaced).cats
    text = make_nlp(steps=2)
    glued = Doc(text.vocab, words=words, spaces=[False, False])
    assert stage_of(text)(glued).cats != stage_of(text)(Doc(text.vocab, words=words)).cats


def test_reading_tokens_takes_a_codec_of_words() -> None:
    codec = {"@misc": "seqpipe.Codec.v1", "unit": "char"}
    with pytest.raises(SettingError, match="give 'word' where reads = 'tokens'"):
        make_nlp(reads="tokens", codec=codec)


def test_reading_tokens_knows_words_that_hold_signs() -> None:
    nlp = spacy.blank("en")
    stage = add_stage(nlp, reads="tokens")
    texts = [("It's from the U.S. and I don't mind", "positive"), ("worst-case", "negative")]
    nlp.initialize(lambda: make_examples(nlp, texts))
    words = [token.text.lower() for text, _ in texts for token in nlp.make_doc(text)]
    assert {"'s", "u.s.", "n't"} <= set(words)
    assert 1 not in stage.encode([nlp.make_doc(text) for text, _ in texts])[0]
    again = spacy.blank("en")
    add_stage(again, reads="tokens")
    again.from_bytes(nlp.to_bytes())
    assert cats_of(again.pipe(t for t, _ in texts)) == cats_of(nlp.pipe(t for t, _ in texts))


@pytest.mark.parametrize("unit", ["word", "char", "bpe", "unigram"])
def test_every_unit_works(unit: str) -> None:
    codec = {"@misc": "seqpipe.Codec.v1", "unit": unit, "size": 300, "min_count": 1}
    nlp = make_nlp(steps=1, codec=codec)
    assert stage_of(nlp).codec is not None
    again = spacy.blank("en")
    add_stage(again, codec=codec)
    again.from_bytes(nlp.to_bytes())
    texts = ["good film", "", "未见 🙂", "naïve"]
    assert cats_of(again.pipe(texts)) == cats_of(nlp.pipe(texts))


def multi_label_examples(nlp: spacy.language.Language) -> list[Example]:
    rows: list[tuple[str, dict[str, float]]] = [
        ("good film", {"good": 1.0, "film": 1.0}),
        ("good bread", {"good": 1.0, "film": 0.0}),
        ("bad film", {"good": 0.0, "film": 1.0}),
        ("bread", {"film": 0.0}),  # nobody says whether it is good
    ]
    return [Example.from_dict(nlp.make_doc(text), {"cats": cats}) for text, cats in rows]


def test_several_labels_at_once() -> None:
    nlp = spacy.blank("en")
    stage = add_stage(nlp, multi_label=True)
    examples = multi_label_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    cats = nlp("good film").cats
    assert cats["good"] > 0.5 and cats["film"] > 0.5
    scores = nlp.evaluate(multi_label_examples(nlp))
    assert scores["cats_acc"] == 1 and scores["cats_score_desc"] == "macro AUC"
    assert np.isnan(stage.targets(examples)[3]).tolist() == [True, False]


def test_below_the_threshold_no_label_is_named() -> None:
    nlp = spacy.blank("en")
    stage = add_stage(nlp, multi_label=True, threshold=0.6)
    nlp.initialize(lambda: multi_label_examples(nlp))
    docs = [nlp.make_doc("a"), nlp.make_doc("b")]
    stage.set_annotations(docs, [np.array([0.5, 0.1]), np.array([0.1, 0.7])])
    assert [doc._.sentiment["label"] for doc in docs] == [None, "film"]
    stage.cfg["threshold"] = np.float64(0.05)  # as `spacy find-threshold` leaves it
    stage.set_annotations(docs, [np.array([0.5, 0.1]), np.array([0.1, 0.7])])
    assert [doc._.sentiment["label"] for doc in docs] == ["good", "film"]


def test_the_threshold_moves_the_scores() -> None:
    nlp = spacy.blank("en")
    examples = multi_label_examples(nlp)[:1]
    examples[0].predicted.cats = {"good": 0.4, "film": 0.8}
    shares = [
        score_sentiment(
            examples, labels=["good", "film"], multi_label=True, threshold=np.float32(threshold)
        )["cats_acc"]
        for threshold in (0.3, 0.5, 0.9)
    ]
    assert shares == [1, 0.5, 0]


@pytest.mark.parametrize(
    ("labels", "given", "expected"),
    [
        (["negative", "positive"], {}, 0.5),
        (["NEG", "Pos"], {}, 0.5),
        (["差评", "好评"], {}, 0.5),
        (["1", "5"], {}, 0.5),
        (["1", "2", "5"], {}, 0.25 * -1 + 0.75 * -0.5),
        (["art", "food"], {}, 0.0),
        (["art", "food"], {"food": -1.0}, -0.75),
        (["negative", "positive"], {"positive": 2.0}, 1.5),
    ],
)
def test_the_side_a_doc_takes(labels: list[str], given: dict[str, float], expected: float) -> None:
    nlp = spacy.blank("en")
    stage = add_stage(nlp, polarity=given)
    stage.initialize(lambda: make_examples(nlp, labels=labels), nlp=nlp, labels=labels)
    doc = nlp.make_doc("x")
    row = [0.25, 0.75] + [0.0] * (len(labels) - 2)
    stage.set_annotations([doc], [np.array(row, dtype=np.float32)])
    assert doc.sentiment == pytest.approx(expected)
    assert doc._.sentiment["polarity"] == pytest.approx(expected)


def initialized(**how: Any) -> spacy.language.Language:
    nlp = spacy.blank("en")
    stage = add_stage(nlp, model={"embedding": 3})
    torch.manual_seed(0)
    stage.initialize(lambda: make_examples(nlp), nlp=nlp, **how)
    return nlp


def test_class_weights_reach_the_loss() -> None:
    weighted = initialized(class_weights={"positive": 3.0})
    assert stage_of(weighted).shim.net.class_weights.tolist() == [1, 3]
    plain = initialized()
    one = make_examples(plain)[:1]
    losses = [nlp.update(one)["sentiment"] for nlp in (plain, weighted)]
    assert losses[1] == pytest.approx(3 * losses[0])
    with pytest.raises(LabelUnknown, match="Did you mean 'positive'"):
        initialized(class_weights={"positiv": 3.0})


def test_vectors_start_the_embedding(tmp_path: Path) -> None:
    path = tmp_path / "words.vec"
    path.write_text("2 3\ngood 1 0 0\nbad 0 1 0\n", encoding="utf-8")
    nlp = initialized(vectors=str(path))
    stage = stage_of(nlp)
    assert stage.codec is not None
    pieces = stage.codec.pieces()
    rows = stage.shim.net.embedding.single.weight.detach()
    good, bad = rows[pieces.index("good")], rows[pieces.index("bad")]
    assert good[0] == bad[1] > 0 and not good[1:].any() and not bad[[0, 2]].any()


def test_the_pipelines_own_vectors_start_the_embedding() -> None:
    nlp = spacy.blank("en")
    for word, vector in (("good", [1.0, 0.0, 0.0]), ("bad", [0.0, 1.0, 0.0])):
        nlp.vocab.set_vector(word, thinc.api.NumpyOps().asarray1f(vector))
    stage = add_stage(nlp, model={"embedding": 3})
    stage.initialize(lambda: make_examples(nlp), nlp=nlp, vectors="vocab")
    assert stage.codec is not None
    good = stage.shim.net.embedding.single.weight.detach()[stage.codec.pieces().index("good")]
    assert good[0] > 0 and not good[1:].any()


def test_vectors_of_another_width_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.vec"
    path.write_text("good 1 0\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"model.embedding = 3 .* give 2, as the vectors"):
        initialized(vectors=str(path))


def test_a_tokenizer_may_be_given(tmp_path: Path) -> None:
    nlp = make_nlp()
    codec = stage_of(nlp).codec
    assert codec is not None
    codec.save(tmp_path / "tokenizer.json")
    other = initialized(tokenizer=str(tmp_path / "tokenizer.json"))
    found = stage_of(other).codec
    assert found is not None and found.pieces() == codec.pieces()
    with pytest.raises(CodecError, match="No codec can be read"):
        initialized(tokenizer=str(tmp_path / "none.json"))

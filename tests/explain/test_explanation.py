"""Why a label: sums, attention, words left out, whatever the net and the text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import TEXTS, make_nlp, stage_of
from spacy.language import Language
from spacy.tokens import Doc, DocBin

import seqpipe
from seqpipe.errors import FieldMissing, NotInitialized, SettingError
from seqpipe.explain.explanation import Explainer, Explanation, explained
from seqpipe.explain.reader import Reader
from seqpipe.nets.cells import Cell
from seqpipe.nets.classifier import Classifier
from seqpipe.nets.embedding import Embedding
from seqpipe.nets.encoder import Encoder
from seqpipe.nets.pooling import make_pool

CELLS: list[Cell] = ["rnn", "lstm", "gru", "mingru"]
POOLS = ["attention", "max", "mean", "last"]


def why(nlp: Language, text: str, **asked: Any) -> Explanation:
    return Explainer(nlp).explain(nlp(text), **asked)


def adds_up(found: Explanation) -> bool:
    whole = found.log_odds - found.baseline
    missed = abs(sum(word.saliency for word in found.words) - whole)
    return missed <= max(0.01 * abs(whole), 1e-6) and found.gap == pytest.approx(missed, abs=1e-9)


@given(
    st.sampled_from(CELLS),
    st.lists(st.sampled_from(POOLS), min_size=1, max_size=3, unique=True),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
    st.integers(0, 12),
    st.integers(0, 99),
)
@settings(max_examples=40)
def test_the_sum_is_the_difference_of_outputs_for_any_net(
    cell: Cell,
    pools: list[str],
    layers: int,
    bidirectional: bool,
    multi_label: bool,
    length: int,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    encoder = Encoder(cell=cell, inputs=5, width=4, layers=layers, bidirectional=bidirectional)
    net = Classifier(
        embedding=Embedding(pieces=20, width=5),
        encoder=encoder,
        pools=[make_pool(p, width=encoder.outputs, bidirectional=bidirectional) for p in pools],
        classes=3,
        multi_label=multi_label,
    ).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(2)
    ids = np.random.default_rng(seed).integers(0, 20, length).astype(np.int32)
    reader = Reader(net)
    found = reader.saliency(ids, 1)
    assert found.gap <= max(0.01 * abs(found.end - found.begin), 1e-6)
    row, lengths = torch.from_numpy(ids.astype(np.int64))[None], torch.tensor([length])
    said = net.predict(row, lengths)[0, 1].item()
    assert 1 / (1 + np.exp(-found.end)) == pytest.approx(said, abs=1e-5)
    assert reader.odds([ids, ids[:2]])[0, 1] == pytest.approx(found.end, abs=1e-9)
    looks = reader.attention(ids)
    assert (looks is None) == ("attention" not in pools)
    assert looks is None or not length or looks.sum() == pytest.approx(1)


def test_of_a_net_without_memory_each_piece_adds_its_own() -> None:
    """One unit, h = tanh x, its mean, and the scores 0 and 2 h."""
    encoder = Encoder(cell="rnn", inputs=1, width=1, bidirectional=False)
    pool = make_pool("mean", width=1, bidirectional=False)
    embedding = Embedding(pieces=4, width=1)
    net = Classifier(embedding=embedding, encoder=encoder, pools=[pool], classes=2)
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        cell = dict(encoder.named_parameters())
        cell["onward.0.weight_ih_l0"].fill_(1.0)
        net.output.weight[1] = 2.0
        embedding.single.weight[:, 0] = torch.tensor([0.0, -0.5, 1.0, 0.2])
    found = Reader(net).saliency(np.array([3, 1, 2], np.int32), 1)
    expected = 2 * np.tanh([0.2, -0.5, 1.0]) / 3
    assert found.shares == pytest.approx(expected, rel=0.01)
    assert found.begin == 0 and found.end == pytest.approx(expected.sum())


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make_nlp(steps=40)


@pytest.mark.parametrize("text", [text for text, _ in TEXTS])
def test_what_a_trained_net_says_is_explained(nlp: Language, text: str) -> None:
    doc, found = nlp(text), why(nlp, text)
    assert adds_up(found) and found.label == doc._.sentiment["label"]
    assert found.score == pytest.approx(doc.cats[found.label], abs=1e-5)
    assert [word.text for word in found.words] == [token.text for token in doc]
    assert sum(word.attention or 0 for word in found.words) == pytest.approx(1)


def test_gradients_tell_all_of_a_sentence() -> None:
    explainer = Explainer(nlp := make_nlp(steps=8))
    found = [explainer.explain(nlp(text)) for text, _ in TEXTS]
    assert all(map(adds_up, found)) and not any(one.tipped for one in found)


def test_words_that_decide_come_first(nlp: Language) -> None:
    found = why(nlp, "a film that is good")
    first = found.words[found.ranked[0]]
    assert first.text == "good" and first.saliency > 0 and (first.occlusion or 0) > 0
    strengths = [abs(found.words[at].saliency) for at in found.ranked]
    assert strengths == sorted(strengths, reverse=True)


def test_the_same_words_speak_against_the_other_label(nlp: Language) -> None:
    ours, other = (why(nlp, "good and warm", label=n) for n in ("positive", "negative"))
    assert [w.saliency for w in ours.words] == pytest.approx([-w.saliency for w in other.words])
    assert ours.score + other.score == pytest.approx(1)


def test_leaving_out_a_word_is_reading_a_text_without_it(nlp: Language) -> None:
    whole, without = why(nlp, "a good film"), why(nlp, "a film", label="positive")
    (good,) = (word for word in whole.words if word.text == "good")
    assert good.occlusion == pytest.approx(whole.log_odds - without.log_odds)


def test_how_far_both_ways_to_ask_agree_is_told(nlp: Language) -> None:
    found = why(nlp, "a good film , warm and clever but dull from start to end")
    tried = [(word.saliency, word.occlusion) for word in found.words]
    ranks = [np.argsort(np.argsort(column)) for column in zip(*tried, strict=True)]
    assert found.agreement == pytest.approx(np.corrcoef(ranks[0], ranks[1])[0, 1])


def test_only_so_many_words_are_left_out(nlp: Language) -> None:
    found = why(nlp, "a good film , warm and clever", checked=2)
    tried = [at for at, word in enumerate(found.words) if word.occlusion is not None]
    assert sorted(tried) == sorted(found.ranked[:2])
    assert why(nlp, "a good film", checked=0).agreement is None


@pytest.mark.parametrize("text", ["", " ", "\n\n \t"])
def test_a_text_of_nothing(nlp: Language, text: str) -> None:
    found = why(nlp, text)
    assert (found.log_odds, found.gap, found.ranked) == (found.baseline, 0, [])
    assert "".join(word.text for word in found.words) == text


@pytest.mark.parametrize("cell", CELLS)
def test_texts_beyond_a_chunk(cell: str) -> None:
    nlp = make_nlp(steps=5, model={"cell": cell, "chunk": 16})
    text = "a good film , but dull and cold . " * 6
    found = why(nlp, text.strip(), checked=3)
    assert len(found.words) == 54 and adds_up(found)
    assert found.score == pytest.approx(max(nlp(text.strip()).cats.values()), abs=1e-5)


def test_many_labels_each_by_itself() -> None:
    nlp = make_nlp(steps=40, multi_label=True)
    found = [why(nlp, "good but dull", label=name) for name in ("negative", "positive")]
    assert all(map(adds_up, found))
    assert found[0].score == pytest.approx(nlp("good but dull").cats["negative"], abs=1e-5)


def test_a_stage_that_reads_tokens() -> None:
    nlp = make_nlp(steps=30, reads="tokens")
    doc = Doc(nlp.vocab, words=["a good", "good", " ", "film"], spaces=[True, False, False, False])
    found = Explainer(nlp).explain(nlp(doc))
    assert adds_up(found) and [word.text for word in found.words] == [token.text for token in doc]
    assert 2 not in found.ranked


def test_chinese_that_nobody_has_cut() -> None:
    nlp = make_nlp(steps=2)
    doc = spacy.blank("xx")("这部电影很好看。")
    assert len(doc) < 3
    found = Explainer(nlp).explain(doc)
    assert adds_up(found) and [word.text for word in found.words] == list(doc.text)


def test_a_doc_keeps_it_as_plain_values(nlp: Language) -> None:
    doc = seqpipe.explained(nlp, "a good film")
    told = doc._.explanation
    assert told == json.loads(json.dumps(told)) and told["label"] == "positive"
    (again,) = DocBin(store_user_data=True, docs=[doc]).get_docs(nlp.vocab)
    assert json.dumps(again._.explanation) == json.dumps(told)
    assert explained(nlp, again, label="negative") is again
    assert again._.explanation["label"] == "negative"


def test_the_pipeline_stays_as_it_is(nlp: Language) -> None:
    before = nlp.to_bytes()
    net: torch.nn.Module = stage_of(nlp).shim.net
    explained(nlp, "a good film")
    assert nlp.to_bytes() == before and not net.training
    assert all(weight.requires_grad for weight in net.parameters())


def test_what_cannot_be_explained_is_refused(nlp: Language) -> None:
    with pytest.raises(SettingError, match=r"label = 'positve' .* one of negative, positive"):
        explained(nlp, "good", label="positve")
    with pytest.raises(SettingError, match=r"stage = 'mood' .* one of sentiment"):
        explained(nlp, "good", stage="mood")
    with pytest.raises(FieldMissing, match="writes no 'sentiment'"):
        explained(spacy.blank("en"), "good")
    fresh = spacy.blank("en")
    fresh.add_pipe("seqpipe_sentiment")
    with pytest.raises(NotInitialized):
        explained(fresh, fresh.make_doc("good"))

"""Each word of a translation: how likely it was, what else might have stood there, and the best."""

from __future__ import annotations

import html
import json
import math
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from letters import APART, BPE, CODEC, letters_stage, make_letters_nlp, make_pairs, trained
from spacy.language import Language

import seqpipe
from seqpipe.components.translator import TranslatorStage
from seqpipe.explain.runners_up import Speller, words_in
from seqpipe.explain.translation import Translated, TranslationExplainer
from seqpipe.text.codec import BOS, Codec, Ids

TEXTS = ["ad ij.", "b fge", "搬if ja", "jbd gi."]


@cache
def pipeline(unit: str = "char") -> Language:
    """One that writes something, after some steps."""
    return make_letters_nlp(8, codec={**CODEC, "unit": unit, "min_count": 1})


def explained(nlp: Language, text: str) -> Translated:
    return TranslationExplainer(letters_stage(nlp)).explain(nlp(text))


@torch.no_grad()
def chances(stage: TranslatorStage, row: Ids, pieces: list[int]) -> np.ndarray:
    """What the net says after each of the pieces: (T + 1, V)."""
    net = stage.shim.net
    ids = torch.from_numpy(row.astype(np.int64))[None]
    targets = torch.tensor([[*pieces, 0]])
    vectors, _ = net(ids, torch.tensor([len(row)]), targets)
    scores = vectors[0] @ net.output_weight().t() + net.bias
    found: np.ndarray = scores.log_softmax(-1).numpy()
    return found


@pytest.mark.parametrize("unit", ["char", "bpe", "word"])
@pytest.mark.parametrize("text", TEXTS)
def test_words_are_those_of_the_translation(unit: str, text: str) -> None:
    nlp = pipeline(unit)
    doc, found = nlp(text), explained(nlp, text)
    assert found.translation == doc._.translation
    assert found.score == pytest.approx(doc._.translation_score, abs=1e-3)
    covered = [at for word in found.words for at in range(word.start, word.end)]
    solid = [at for at, sign in enumerate(found.translation) if not sign.isspace()]
    assert set(solid) <= set(covered) and len(covered) == len(set(covered))
    for word in found.words:
        assert found.translation[word.start : word.end] == word.text
        assert word.source is not None and 0 <= word.source[0] < word.source[1] <= len(text)
        assert 0 <= (word.weight or 0) <= 1 + 1e-6 and 0 <= word.probability <= 1
        others = [other.probability for other in word.others]
        assert others == sorted(others, reverse=True) and len(others) <= 3
        assert word.probability + sum(others) <= 1.001  # they shut each other out
        texts = [other.text for other in word.others]
        assert word.text.strip() not in texts and len(set(texts)) == len(texts)
    sure = [found.words[at].probability for at in found.ranked]
    assert sure == sorted(sure)


@pytest.mark.parametrize("text", TEXTS)
def test_a_word_is_as_likely_as_its_pieces_and_its_end(text: str) -> None:
    """Of characters, of which letters alone go on with a word."""
    nlp = pipeline()
    stage, found = letters_stage(nlp), explained(nlp, text)
    codec: Codec = stage._target()
    (row,) = stage.encode([nlp.make_doc(text)])
    letters = np.array(
        [piece.isalpha() and not "\u3400" <= piece <= "\u9fff" for piece in codec.pieces()]
    )
    for word in found.words:
        before = codec.encode([found.translation[: word.start]])[0].tolist()
        for likely, own in [
            (word.probability, word.text),
            *((o.probability, o.text) for o in word.others),
        ]:
            pieces = codec.encode([own])[0].tolist()
            if not pieces or not letters[pieces[-1]] or 1 in pieces:
                continue
            said = chances(stage, row, [*before, *pieces])[len(before) :]
            score = sum(float(said[at, piece]) for at, piece in enumerate(pieces))
            ends = 1 - float(np.exp(said[len(pieces), letters]).sum())
            assert likely == pytest.approx(math.exp(score) * ends, abs=2e-4)


def test_pieces_are_words_by_letters_and_spaces() -> None:
    text = "Da ist's, 你好"
    stretches = [(0, 1), (1, 2), (2, 5), (5, 6), (6, 8), (8, 9), (10, 10), (10, 11), (11, 12)]
    assert words_in(text, stretches) == [(0, 2), (2, 4), (4, 5), (5, 6), (6, 8), (8, 9)]


def test_a_speller_knows_what_goes_on() -> None:
    codec = Codec.train(["ab ba, 你好"] * 9, unit="bpe", size=300)
    speller = Speller(codec)

    def goes(text: str, after: str) -> bool:
        (piece,) = codec.encode([text])[0].tolist()[:1]
        return bool(speller.goes_on(codec.encode([after])[0].tolist())[piece])

    assert goes("a", "b") and not goes(",", "b") and not goes("a", "b,") and not goes("a", "好")
    (first, *_) = codec.encode(["你"])[0].tolist()
    assert not speller.goes_on([]).any() and first > BOS


def test_the_best_few_are_those_of_a_beam() -> None:
    nlp = pipeline()
    found = explained(nlp, "ad ij.")
    (best,) = letters_stage(nlp).translate(["ad ij."], beam=5, nbest=3)
    assert [one.text for one in found.nbest] == [one.text for one in best]


@pytest.mark.parametrize(
    "config", [APART, {"shortlist": 4}, {"protect": ["number"]}, {"unit": "sent"}, {"longest": 6}]
)
def test_whatever_the_settings(config: dict[str, Any]) -> None:
    pairs = make_pairs(80, numbers=True)
    nlp = make_letters_nlp(3, pairs=pairs, codec=BPE if "protect" in config else CODEC, **config)
    if config.get("unit") == "sent":
        nlp.add_pipe("sentencizer", first=True)
    text = "ad ij 77. b fge 2048."
    doc, found = nlp(text), explained(nlp, text)
    assert found.translation == doc._.translation
    for word in found.words:
        assert found.translation[word.start : word.end] == word.text


def test_spans_are_set_apart_by_lines() -> None:
    nlp = make_letters_nlp(2, unit="spans:parts", pairs=make_pairs(40))
    stage = letters_stage(nlp)
    doc = nlp.make_doc("ad ij gi")
    doc.spans["parts"] = [doc[0:1], doc[0:2]]
    found = TranslationExplainer(stage).explain(doc)
    assert found.translation.count("\n") >= 1
    assert TranslationExplainer(stage).explain(nlp.make_doc("ad")).translation == ""


def test_nothing_comes_of_nothing() -> None:
    found = explained(pipeline(), "")
    assert (found.translation, found.words, found.nbest) == ("", [], [])


def test_a_doc_keeps_it_as_plain_values_and_shows_it() -> None:
    nlp = pipeline()
    doc = seqpipe.explained(nlp, "ad <b> ij.")
    told = doc._.explanation
    assert told == json.loads(json.dumps(told)) and told["kind"] == "translation"
    page = seqpipe.render(doc, "alignment", page=True)
    body = page.partition("<main>")[2]
    assert "<b>" not in body and "% sure, else " in body and "The best few" in body
    best = re.findall(r'<tr><th scope="row">([^<]+)</th><td dir="auto">(.*)</td></tr>', body)
    shown = [html.unescape(re.sub("<[^>]+>", "", text)) for _, text in best]
    assert shown == [one["text"] for one in told["nbest"]] and "<mark" not in best[0][1]
    assert body.count("<line ") == len(told["words"])


def test_what_is_remembered_is_counted() -> None:
    nlp = trained()
    letters_stage(nlp).remember([("gj", "JG.")])
    found = explained(nlp, "gj")
    assert found.translation == "JG." and [word.text for word in found.words] == ["JG", "."]
    assert all(word.probability > 0.5 for word in found.words)

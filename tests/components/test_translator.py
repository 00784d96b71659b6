"""The stage's own life: initialize, update, predict, annotate, score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from letters import (
    APART,
    BPE,
    CODEC,
    TEXTS,
    add_stage,
    letters_stage,
    lines_of,
    make_examples,
    make_letters_nlp,
    make_pairs,
    said,
    trained,
)
from sacrebleu import corpus_bleu, corpus_chrf
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from seqpipe.errors import (
    CodecError,
    NotInitialized,
    RehearsalRefused,
    SeqpipeError,
    SettingError,
)
from seqpipe.text.codec import UNK, Codec

FEW = make_pairs(40)


@pytest.fixture(scope="module")
def nlp() -> Language:
    return trained()


def test_it_learns_what_it_is_shown(nlp: Language) -> None:
    assert said(nlp) == [text.upper() for text in TEXTS]
    scores = nlp.evaluate(make_examples(nlp, make_pairs(60, seed=2)))
    assert scores["bleu"] > 0.8 and scores["chrf"] > 0.9


def test_what_is_written_is_plain(nlp: Language) -> None:
    doc = nlp("gj")
    assert doc._.translation == "GJ" and -0.5 < doc._.translation_score < 0
    assert [type(value) for value in doc._.alignment[0]] == [int, int, int, int, float]
    assert {type(line) for line in doc._.alignment} == {list}
    assert doc._.translation_nbest is None
    ((begin, end, chance),) = doc._.translation_confidence
    assert (begin, end) == (0, 2) and 0.5 < chance < 1 and type(begin) is type(end) is int
    names = ["translation", "translation_score", "translation_confidence", "alignment"]
    assert doc.to_json(underscore=names)["_"]["translation"] == "GJ"


def test_predict_leaves_the_docs_as_they_are(nlp: Language) -> None:
    docs = [nlp.make_doc(text) for text in [*TEXTS, "", " \n"]]
    before = [doc.to_bytes() for doc in docs]
    found = letters_stage(nlp).predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert len(found) == len(TEXTS)  # blank ones have no row


def test_annotations_are_those_of_their_docs(nlp: Language) -> None:
    stage = letters_stage(nlp)
    docs = [nlp.make_doc(text) for text in ["gj", "", "h jd"]]
    stage.set_annotations(docs, stage.predict(docs))
    assert [doc._.translation for doc in docs] == ["GJ", "", "H JD"]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("beam", [1, 3])
def test_a_batch_equals_its_docs_one_by_one(beam: int, batch_size: int) -> None:
    nlp = trained(search={"beam": beam, "nbest": beam}, batches={"rows": 7, "budget": 60})
    texts = ["", *TEXTS, " ", *(text for text, _ in make_pairs(20, seed=5))]
    for doc in nlp.pipe(texts, batch_size=batch_size):
        alone = nlp(doc.text)
        assert doc._.translation == alone._.translation
        assert doc._.translation_score == pytest.approx(alone._.translation_score, abs=1e-4)
        assert lines_of(doc) == lines_of(alone)


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000\n"])
def test_blank_docs_keep_their_white_space(nlp: Language, text: str) -> None:
    doc = nlp(text)
    assert doc._.translation == text
    assert doc._.alignment == [] and doc._.translation_score == 0


@pytest.mark.parametrize("texts", [[], [""], ["", " "]])
def test_empty_batches_work(nlp: Language, texts: list[str]) -> None:
    assert said(nlp, texts) == texts
    examples = make_examples(nlp, [(text, text) for text in texts])
    assert letters_stage(nlp).update(examples) == {"translator": 0.0}
    assert not letters_stage(nlp).score([])["bleu"]


def test_white_space_around_a_text_stays_where_it_is(nlp: Language) -> None:
    doc = nlp("\n gj  ")
    assert doc._.translation == "\n GJ  "
    assert lines_of(doc) == [("g", "G"), ("j", "J")]


def test_scores_are_those_of_sacrebleu(nlp: Language) -> None:
    stage = letters_stage(nlp)
    gold = ["a b c d e f", "g h i j", "k"]
    mine = ["a b c d f e", "g h i", ""]
    examples = make_examples(nlp, [("x", text) for text in gold])
    silent = Example(nlp.make_doc("x"), nlp.make_doc("x"))  # counts neither way
    for example, text in zip(examples, mine, strict=True):
        example.predicted._.translation = text
    scores = stage.score([*examples, silent])
    assert scores["bleu"] == pytest.approx(corpus_bleu(mine, [gold]).score / 100)
    assert scores["chrf"] == pytest.approx(corpus_chrf(mine, [gold]).score / 100)
    assert 0 < scores["bleu"] < 1 and "tok:13a" in scores["bleu_signature"]


@pytest.mark.parametrize(("name", "tok"), [("char", "char"), ("zh", "zh"), ("auto", "zh")])
def test_the_scorer_is_told_how_to_count(name: str, tok: str) -> None:
    scorer = {"@scorers": "seqpipe.translation_scorer.v1", "tokenize": name, "lowercase": True}
    nlp = spacy.blank("xx")
    stage = add_stage(nlp, scorer=scorer)
    (example,) = make_examples(nlp, [("a", "今天天气很好")])
    example.predicted._.translation = "今天天气很好"
    scores = stage.score([example])
    assert scores["bleu"] == 1 and f"tok:{tok}" in scores["bleu_signature"]
    assert "case:lc" in scores["bleu_signature"]


def test_before_it_is_initialized_it_says_so() -> None:
    nlp = spacy.blank("xx")
    stage = add_stage(nlp, **APART)
    for use in (lambda: nlp("a"), lambda: stage.translate(["a"])):
        with pytest.raises(NotInitialized, match="'translator' has no weights yet"):
            use()
    with pytest.raises(NotInitialized, match="'translator' has no weights yet"):
        nlp.update(make_examples(nlp, FEW))


def test_rehearsal_is_refused(nlp: Language) -> None:
    with pytest.raises(RehearsalRefused, match="mix some of the old examples"):
        letters_stage(nlp).rehearse(make_examples(nlp, FEW))


def test_spacy_finds_nothing_to_complain_of(nlp: Language) -> None:
    found = nlp.analyze_pipes()
    assert found is not None and not any(found["problems"].values())
    meta = nlp.get_pipe_meta("translator")
    names = ["translation", "translation_score", "translation_confidence", "alignment"]
    assert meta.assigns == [f"doc._.{name}" for name in names]
    assert meta.default_score_weights == {"bleu": 1.0, "chrf": None}
    stage = letters_stage(nlp)
    assert stage.is_trainable and not stage.is_resizable and nlp.pipe_labels["translator"] == []


def test_a_start_of_the_same_seed_is_the_same() -> None:
    first, second = (letters_stage(make_letters_nlp(2, pairs=FEW)) for _ in range(2))
    assert first.shim.to_bytes() == second.shim.to_bytes()
    assert first.shim.to_bytes() != letters_stage(make_letters_nlp(3, pairs=FEW)).shim.to_bytes()


def test_an_update_without_an_optimizer_takes_no_step() -> None:
    nlp = make_letters_nlp(pairs=FEW)
    stage = letters_stage(nlp)
    before = stage.shim.to_bytes()
    assert stage.update(make_examples(nlp, FEW))["translator"] > 0
    assert stage.shim.learner.steps == 0 and stage.shim.to_bytes() == before
    stage.finish_update(nlp.create_optimizer())
    assert stage.shim.learner.steps == 1 and stage.shim.to_bytes() != before


def test_examples_without_a_translation_teach_nothing() -> None:
    nlp = make_letters_nlp(pairs=FEW)
    silent = [Example(nlp.make_doc("ab"), nlp.make_doc("ab")) for _ in range(3)]
    assert nlp.update(silent) == {"translator": 0.0}
    assert not letters_stage(nlp).lessons(silent).rows
    mixed = letters_stage(nlp).lessons([*silent, *make_examples(nlp, FEW)])
    assert len(mixed.rows) == len(mixed.answers) == len(FEW)


def test_a_text_may_become_nothing() -> None:
    nlp = make_letters_nlp(pairs=FEW)
    lessons = letters_stage(nlp).lessons(make_examples(nlp, [("ab", "")]))
    assert [len(row) for row in (*lessons.rows, *lessons.answers)] == [3, 1]


def test_one_codec_for_both_sides_or_one_for_each() -> None:
    joint = letters_stage(make_letters_nlp(pairs=FEW))
    pieces = joint._codec().pieces()
    assert "a" in pieces and "A" in pieces and joint._target() is joint._codec()
    apart = letters_stage(make_letters_nlp(pairs=FEW, **APART))
    assert "a" in apart._codec().pieces() and "A" not in apart._codec().pieces()
    assert "A" in apart._target().pieces() and "a" not in apart._target().pieces()


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("unit", ["word", "char", "bpe", "unigram"])
def test_every_unit_of_text_learns_and_speaks(unit: str, apart: bool) -> None:
    pairs = [("he sleeps .", "er schläft ."), ("she eats .", "sie isst .")] * 3
    codec = {**CODEC, "unit": unit, "min_count": 1}
    more = {**APART, "target_codec": {**CODEC, "unit": "word", "min_count": 1}} if apart else {}
    nlp = make_letters_nlp(40, pairs=pairs, codec=codec, **more)
    assert said(nlp, [source for source, _ in pairs[:2]]) == [target for _, target in pairs[:2]]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru"])
@pytest.mark.parametrize("feeding", [False, True])
def test_every_cell_learns_and_speaks(cell: str, feeding: bool) -> None:
    pairs = [("ab", "BA"), ("cd", "DC")]
    model = {"cell": cell, "feeding": feeding, "decoder_layers": 2}
    nlp = make_letters_nlp(40, pairs=pairs, codec={**CODEC, "min_count": 1}, model=model)
    assert said(nlp, ["ab", "cd"]) == ["BA", "DC"]


def test_tokenizers_may_be_given(tmp_path: Path) -> None:
    paths = {"tokenizer": tmp_path / "source.json", "target_tokenizer": tmp_path / "target.json"}
    for path, text in zip(paths.values(), ("ab", "ABC"), strict=True):
        Codec.train([text], unit="char").save(path)
    nlp = spacy.blank("xx")
    stage = add_stage(nlp, **APART)
    examples = make_examples(nlp, FEW)
    stage.initialize(lambda: examples, nlp=nlp, **{n: str(path) for n, path in paths.items()})
    assert stage.sizes() == {"sources": 6, "targets": 7, "joint": False}
    assert UNK in stage.encode([nlp.make_doc("c")])[0]
    with pytest.raises(CodecError, match="No codec can be read"):
        stage.initialize(lambda: examples, tokenizer=str(tmp_path / "none.json"))


def test_a_given_tokenizer_without_holders_cannot_protect(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Codec.train(["ab"], unit="char").save(path)
    nlp = spacy.blank("xx")
    stage = add_stage(nlp, protect=["number"])
    with pytest.raises(SettingError, match="where `protect` wants pieces of its own"):
        stage.initialize(lambda: make_examples(nlp, FEW), tokenizer=str(path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "page"}, "unit = 'page'.*'doc', 'sent', 'token' or 'spans:NAME'"),
        ({"unit": "spans:"}, "unit = 'spans:'"),
        ({"search": {"beam": 0}}, r"search\.beam = 0.*1 or more"),
        ({"search": {"beam": 2, "nbest": 3}}, r"search\.nbest = 3.*from 1 to the beam, 2"),
        ({"search": {"max_ratio": 0.0}}, r"search\.max_length = 0"),
        ({"search": {"margin": -1.0}}, r"search\.margin = -1\.0.*0 for none"),
        ({"search": {"max_length": -1}}, r"search\.max_length = -1"),
        ({"model": {"tie_source": True}, "target_codec": CODEC}, "tie_source = True.*own codec"),
        ({"model": {"cell": "qrnn"}}, "one of rnn, lstm, gru"),
        ({"model": {"attention": "sharp"}}, "attention = 'sharp'"),
        ({"codec": {**CODEC, "unit": "byte"}}, "unit = 'byte'"),
        ({"shortlist": -1}, "shortlist = -1.*0 for none"),
        ({"longest": -1}, "longest = -1.*0 for no limit"),
    ],
)
def test_settings_that_make_no_sense_are_one_sentence(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SeqpipeError, match=message) as caught:
        make_letters_nlp(pairs=FEW, **settings)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("how", [{"reads": "tokens"}, {"beam": 3}])
def test_settings_that_are_not_there_are_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"unexpected argument: '{next(iter(how))}'"):
        add_stage(spacy.blank("xx"), **how)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"sampling": True, "temperature": 0.0}, "temperature = 0.0"),
        ({"sampling": True, "top_p": 0.0}, "top_p = 0.0"),
        ({"no_repeat": -1}, "no_repeat|size"),
        ({"repetition_penalty": -1.0}, "repetition_penalty|penalty"),
    ],
)
def test_searches_that_make_no_sense_are_one_sentence(search: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        trained(search=search)("gj")


def test_dropout_of_pieces_is_for_bpe_alone() -> None:
    nlp = make_letters_nlp(pairs=FEW, bpe_dropout=0.1)
    with pytest.raises(SettingError, match=r"bpe_dropout = 0\.1.*0 for the unit 'char'"):
        nlp.update(make_examples(nlp, FEW))
    nlp = make_letters_nlp(pairs=FEW, bpe_dropout=1.0, codec=BPE)
    with pytest.raises(SettingError, match=r"bpe_dropout = 1\.0"):
        nlp.update(make_examples(nlp, FEW))


def test_docs_made_of_words_are_read_as_their_text(nlp: Language) -> None:
    doc = Doc(nlp.vocab, words=["h", "j", "d"], spaces=[True, False, False])
    assert letters_stage(nlp)(doc)._.translation == "H JD"

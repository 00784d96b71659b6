"""`seqpipe evaluate`: its table, its JSON, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import LABELS, Command, write_lines
from spacy.tokens import Doc, DocBin
from verses import POEMS

from seqpipe.cli.evaluate import evaluate
from seqpipe.components._search import SearchRecipe
from seqpipe.corpora.tokens import read_tokens
from seqpipe.errors import ColumnMissing


def test_the_table(seqpipe: Command, pipeline: Path, reviews: Path) -> None:
    ran = seqpipe("evaluate", pipeline, reviews)
    assert (ran.code, ran.err) == (0, "")
    for word in ("12 documents", "(test)", "accuracy", "macro F", "calibration error", *LABELS):
        assert word in ran.out


def test_json_is_one_flat_object(
    seqpipe: Command, pipeline: Path, reviews: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new" / "scores.json"
    assert seqpipe("evaluate", pipeline, reviews, "--json", target).code == 0
    scores = json.loads(target.read_text())
    assert {"cats_acc", "cats_macro_f", "cats_ece", "words_per_second"} <= set(scores)
    assert scores.pop("characters_per_second") > scores.pop("words_per_second") > 0
    assert all(0 <= value <= 1 for value in scores.values())
    assert json.loads(seqpipe("evaluate", pipeline, reviews, "--json", "-").out).keys() > {
        "cats_acc"
    }
    assert [path.name for path in target.parent.iterdir()] == ["scores.json"]


def test_scores_are_those_of_spacy(pipeline: Path, reviews: Path) -> None:
    found = evaluate(pipeline, reviews, split="validation")
    nlp = spacy.load(pipeline)
    rows = [json.loads(line) for line in (reviews / "validation.jsonl").read_text().splitlines()]
    right = [
        max(cats := nlp(row["text"]).cats, key=cats.__getitem__) == row["label"] for row in rows
    ]
    assert found.scores["cats_acc"] == sum(right) / len(right)
    assert (found.documents, found.split) == (20, "validation")
    assert {name: of["documents"] for name, of in found.labels.items()} == dict.fromkeys(LABELS, 10)


def test_columns_limit_and_a_single_file(pipeline: Path, tmp_path: Path) -> None:
    rows = [{"said": "a good room", "mood": LABELS[i % 2]} for i in range(9)]
    file = write_lines(tmp_path / "rows.jsonl", rows)
    found = evaluate(pipeline, file, text="said", label="mood", limit=6)
    assert (found.documents, found.split) == (6, "train")


def test_measuring_on_what_was_learned_is_said(
    seqpipe: Command, pipeline: Path, reviews: Path, tmp_path: Path
) -> None:
    nlp = spacy.load(pipeline)
    nlp.config["corpora"] = {"train": {"path": str(reviews), "split": "train"}}
    nlp.to_disk(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        ran = seqpipe("evaluate", tmp_path, f"{reviews}/", "--split", "train")
        assert ran.code == 0 and ran.sentence.startswith("warning: the pipeline learned from")
        assert seqpipe("evaluate", tmp_path, reviews).err == ""


def test_docs_with_cats(pipeline: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    docs = [nlp.make_doc("a good room"), nlp.make_doc("a bad one")]
    for doc, label in zip(docs, LABELS, strict=True):
        doc.cats = {label: 1.0, "unused": 0.0}
    DocBin(docs=docs).to_disk(tmp_path / "test.spacy")
    found = evaluate(pipeline, tmp_path)
    assert found.documents == 2 and found.scores["token_acc"] == 1.0


def test_a_pipeline_of_another_maker(reviews: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("textcat")
    for label in LABELS:
        textcat.add_label(label)  # type: ignore[attr-defined]
    nlp.initialize()
    nlp.to_disk(tmp_path)
    assert evaluate(tmp_path, reviews).scores["cats_macro_f"] >= 0


SEGMENTS = {"token_acc", "token_p", "token_r", "token_f", "sents_p", "sents_r", "sents_f"}
SPEEDS = {"words_per_second", "characters_per_second"}


def test_tokens_and_sentences(seqpipe: Command, tokenizer: Path, sentences: Path) -> None:
    ran = seqpipe("evaluate", tokenizer, sentences)
    assert (ran.code, ran.err) == (0, "")
    for word in ("2 documents", "(test)", "token F", "sentence recall", "characters per second"):
        assert word in ran.out
    assert "token_acc" not in ran.out
    scores = json.loads(seqpipe("evaluate", tokenizer, sentences, "--json", "-").out)
    assert set(scores) == SEGMENTS | SPEEDS
    assert scores["token_f"] > 0.9 and scores["sents_f"] > 0.9


def test_as_many_words_as_the_tokenizer_finds(tokenizer: Path, sentences: Path) -> None:
    found = evaluate(tokenizer, sentences)
    nlp = spacy.load(tokenizer)
    texts = [one.reference.text for one in read_tokens(str(sentences), split="test")(nlp)]
    docs = list(nlp.pipe(texts))
    ratio = sum(map(len, texts)) / sum(map(len, docs))
    speeds = [found.scores[name] for name in ("characters_per_second", "words_per_second")]
    assert speeds[0] / speeds[1] == pytest.approx(ratio)


def test_a_pipeline_with_tokens_and_labels(both: Path, reviews: Path, tmp_path: Path) -> None:
    named = write_lines(
        tmp_path / "named.jsonl",
        [{"text": "Bob paid $5.", "pieces": ["Bob", "paid", "$", "5", "."]}] * 3,
    )
    assert set(evaluate(both, named, tokens="pieces").scores) == SEGMENTS | SPEEDS
    scores = set(evaluate(both, reviews).scores)
    assert "cats_acc" in scores and not scores & SEGMENTS


def test_docs_with_tokens(tokenizer: Path, tmp_path: Path) -> None:
    doc = Doc(spacy.blank("en").vocab, words=["Bob", "paid", "."], spaces=[True, False, False])
    DocBin(docs=[doc]).to_disk(tmp_path / "test.spacy")
    found = evaluate(tokenizer, tmp_path).scores
    assert found["token_p"] >= 0 and "sents_f" not in found


def test_translations(seqpipe: Command, translator: Path, pairs: Path, tmp_path: Path) -> None:
    ran = seqpipe("evaluate", translator, pairs)
    assert (ran.code, ran.err) == (0, "")
    for word in ("30 documents", "(test)", "BLEU", "chrF", "characters per second"):
        assert word in ran.out
    lines = ran.out.splitlines()
    (bleu,) = [line for line in lines if line.startswith("bleu: ")]
    assert "nrefs:1|case:mixed|eff:no|tok:" in bleu and "|version:" in bleu
    assert any(line.startswith("chrf: nrefs:1|") for line in lines)
    target = tmp_path / "scores.json"
    assert seqpipe("evaluate", translator, pairs, "--json", target).code == 0
    scores = json.loads(target.read_text())
    assert set(scores) == {"bleu", "chrf", *SPEEDS}
    assert 0.5 < scores["bleu"] <= 1 and 0.5 < scores["chrf"] <= 1


def test_translations_in_columns_of_other_names(translator: Path, tmp_path: Path) -> None:
    rows = [{"en": "gj", "de": "GJ"}, {"en": "h jd", "de": "H JD"}]
    named = write_lines(tmp_path / "named.jsonl", rows)
    nested = write_lines(tmp_path / "nested.jsonl", [{"translation": row} for row in rows])
    for data in (named, nested):
        found = evaluate(translator, data, source="en", target="de")
        assert found.documents == 2 and found.scores["chrf"] == 1
        assert set(found.signatures) == {"bleu_signature", "chrf_signature"}


def test_columns_are_those_of_the_training(translator: Path, tmp_path: Path) -> None:
    nlp = spacy.load(translator)
    nlp.config["corpora"] = {"train": {"source": "en", "target": "de"}}
    nlp.to_disk(tmp_path / "model")
    data = write_lines(tmp_path / "rows.jsonl", [{"en": "gj", "de": "GJ", "source": "x"}])
    assert evaluate(tmp_path / "model", data).scores["chrf"] == 1


def test_docs_with_translations(translator: Path, tmp_path: Path) -> None:
    nlp = spacy.load(translator)
    docs = [nlp.make_doc(text) for text in ("gj", "h jd")]
    for doc in docs:
        doc._.translation = doc.text.upper()
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "test.spacy")
    assert evaluate(translator, tmp_path).scores["chrf"] == 1


def test_bad_input_is_one_sentence(
    seqpipe: Command,
    pipeline: Path,
    translator: Path,
    pairs: Path,
    tokenizer: Path,
    reviews: Path,
    sentences: Path,
    tmp_path: Path,
) -> None:
    strange = write_lines(tmp_path / "strange.jsonl", [{"text": "a", "label": "fine"}] * 2)
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    unlabelled = write_lines(tmp_path / "unlabelled.jsonl", [{"text": "a", "label": None}])
    (tmp_path / "file").touch()
    spacy.blank("en").to_disk(tmp_path / "blank")
    shutil.copytree(pipeline, tmp_path / "broken")
    (tmp_path / "broken" / "sentiment" / "model.safetensors").write_bytes(b"nothing")
    cases: list[tuple[list[object], str]] = [
        (["nowhere", reviews], "There is no folder or installed package 'nowhere'"),
        ([reviews, reviews], "is no pipeline that can be loaded: it has no config.cfg"),
        ([pipeline.parent, reviews], f"Do you mean {pipeline}?"),
        ([tmp_path / "file", reviews], "a pipeline is a folder"),
        ([tmp_path / "broken", reviews], "is no pipeline that can be loaded"),
        ([tmp_path / "blank", reviews], "The pipeline writes no 'cats'"),
        ([pipeline, tmp_path / "nowhere.csv"], "There is no file, folder or data set"),
        ([pipeline, reviews, "--text", "txt"], "has no column 'txt'"),
        ([pipeline, reviews, "--split", "dev"], "has no split 'dev'"),
        ([pipeline, strange], "carries the label fine, and the pipeline knows negative and posit"),
        ([pipeline, empty], "holds no"),
        ([pipeline, unlabelled], "holds no"),
        ([pipeline, sentences, "--tokens", "tokens"], "The pipeline writes no 'tokens'"),
        ([tokenizer, reviews], "has no column 'tokens': it has id, text and label"),
        ([translator, reviews], "has no column 'source': it has id, text and label"),
        ([translator, pairs, "--target", "de"], "has no column 'de': it has source and target"),
        ([pipeline, pairs, "--source", "source"], "The pipeline writes no 'translation'"),
        ([pipeline, reviews, "--device", "abacus"], "The device 'abacus' cannot be used"),
        ([pipeline, reviews, "--json", tmp_path], "it is a folder"),
        ([pipeline, reviews, "--json", tmp_path / "file" / "x"], "no file can be made there"),
    ]
    for words, said in cases:
        ran = seqpipe("evaluate", *words)
        assert (ran.code, ran.out) == (1, ""), words
        assert said in ran.sentence, ran.sentence


def test_several_parts_of_unknown_names(seqpipe: Command, pipeline: Path, tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    rows = Dataset.from_dict({"text": ["a"], "label": ["positive"]})
    DatasetDict({"north": rows, "south": rows}).save_to_disk(tmp_path)
    ran = seqpipe("evaluate", pipeline, tmp_path)
    assert ran.code == 2 and "parts north and south: name one with --split" in ran.err


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_device(device: str, pipeline: Path, reviews: Path) -> None:
    assert evaluate(pipeline, reviews, device=device).documents == 12


@pytest.fixture(scope="module")
def poems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"poem": text} for text in (*POEMS, "", *POEMS[:2])]
    return write_lines(tmp_path_factory.mktemp("data") / "poems.jsonl", rows)


def test_texts_to_be_foretold(seqpipe: Command, generator: Path, poems: Path) -> None:
    ran = seqpipe("evaluate", generator, poems, "--text", "poem")
    assert (ran.code, ran.err) == (0, "")
    texts = [*POEMS, *POEMS[:2]]
    characters = sum(map(len, texts))
    assert "7 documents" in ran.out and "char_likelihood" not in ran.out
    for title in ("bits per character", "perplexity a piece", "perplexity a word"):
        assert re.search(rf"^{title} +\d+\.\d{{4}}$", ran.out, re.MULTILINE)
    for title in ("characters", "pieces"):
        assert re.search(rf"^{title} +{characters}$", ran.out, re.MULTILINE)


def test_the_bits_of_a_text_are_divided_by_what_is_told(generator: Path, poems: Path) -> None:
    found = evaluate(generator, poems, text="poem")
    nlp = spacy.load(generator)
    docs = [nlp(text) for text in (*POEMS, *POEMS[:2])]
    bits = sum(doc._.surprisal for doc in docs)
    words = sum(not token.is_space for doc in docs for token in doc)
    scores = found.scores
    assert (scores["words"], found.documents) == (words, 7)
    assert scores["bits_per_char"] == pytest.approx(bits / scores["characters"], rel=1e-5)
    assert scores["perplexity"] == pytest.approx(2 ** (bits / scores["pieces"]), rel=1e-5)
    assert scores["word_perplexity"] == pytest.approx(2 ** (bits / words), rel=1e-5)
    assert scores["words_per_second"] > 0
    assert evaluate(generator, poems, text="poem", limit=2).documents == 2


def test_nothing_is_written_while_texts_are_measured(
    generator: Path, poems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it writes")

    monkeypatch.setattr(SearchRecipe, "run", never)
    assert evaluate(generator, poems, text="poem").documents == 7


def test_a_long_text_is_one(generator: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """Read in parts of as many characters as memory is to hold."""
    lines = tmp_path / "lines.txt"
    lines.write_text("".join(POEMS) * 3, encoding="utf-8")
    whole = evaluate(generator, lines)
    doc = spacy.load(generator)("".join(POEMS) * 3)
    assert whole.documents == 1
    assert whole.scores["bits_per_char"] == pytest.approx(doc._.bits_per_char, rel=1e-4)
    monkeypatch.setattr("seqpipe.cli._foretelling._AT_ONCE", 100)
    parts = evaluate(generator, lines)
    assert parts.documents == 1 and parts.scores["characters"] == whole.scores["characters"]
    assert parts.scores["bits_per_char"] != whole.scores["bits_per_char"]


def test_columns_and_line_ends_are_those_of_training(
    generator: Path, poems: Path, tmp_path: Path
) -> None:
    nlp = spacy.load(generator)
    reader = {"@readers": "seqpipe.RunningText.v1", "path": "elsewhere", "text": "poem"}
    nlp.config["corpora"] = {"train": {**reader, "join": "\n"}}
    nlp.to_disk(tmp_path)
    found = evaluate(tmp_path, poems)
    assert found.documents == 1
    assert found.scores["characters"] == sum(map(len, POEMS)) + sum(map(len, POEMS[:2])) + 8
    with pytest.raises(ColumnMissing, match="'verse'"):
        evaluate(tmp_path, poems, text="verse")


def test_docs_are_foretold_too(generator: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    DocBin(docs=[nlp.make_doc(text) for text in POEMS]).to_disk(tmp_path / "test.spacy")
    found = evaluate(generator, tmp_path)
    assert found.documents == len(POEMS) and found.scores["bits_per_char"] < 1


def test_where_nothing_tells_words_apart_they_have_no_perplexity(
    seqpipe: Command, generator: Path, tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_text("春落石独归故乡" * 100, encoding="utf-8")
    ran = seqpipe("evaluate", generator, tmp_path / "lines.txt", "--json", "-")
    scores = json.loads(ran.out)
    assert "word_perplexity" not in scores and scores["words"] == 1


def test_texts_that_cannot_be_measured_are_one_sentence(
    seqpipe: Command, generator: Path, poems: Path, tmp_path: Path
) -> None:
    empty = write_lines(tmp_path / "empty.jsonl", [{"text": " "}])
    cases: list[tuple[list[object], str]] = [
        ([poems], "has no column 'text': it has poem"),
        ([empty], "no row with a text in 'text'"),
        ([poems, "--tokens", "poem"], "The pipeline writes no 'tokens'"),
        ([poems, "--source", "poem"], "The pipeline writes no 'translation'"),
    ]
    for words, said in cases:
        ran = seqpipe("evaluate", generator, *words)
        assert (ran.code, ran.out) == (1, "") and said in ran.sentence, ran.sentence

"""`seqpipe demo`, shortened: it trains, tells and leaves pipelines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import spacy
from commands import Command, write_lines
from spacy.language import Language
from spacy.tokens import Doc

from seqpipe.cli import train as command
from seqpipe.cli._exhibits import Phrase, Sentence, phrases, poems, sentences
from seqpipe.cli.demo import KINDS


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """Trains three steps; gives the settings that were asked for."""
    train, asked = command.train, list[Mapping[str, Any]]()

    def few_steps(*words: str, overrides: Mapping[str, Any], **others: Any) -> Any:
        asked.append(overrides)
        net = {"width": 8, "embedding": 8}
        if words[0] == "translator":
            net["decoder_width"] = 8
        sizes = {f"components.{words[0]}.model.{name}": size for name, size in net.items()}
        small = {**overrides, "training.max_steps": 3, **sizes}
        return train(*words, overrides=small, **others)

    monkeypatch.setattr(command, "train", few_steps)
    return asked


def test_it_leaves_pipelines_and_says_how_to_use_them(
    seqpipe: Command, hurried: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    ran = seqpipe("demo", "--output", tmp_path / "new", "--seed", 5)
    assert ran.code == 0
    assert [settings["system.seed"] for settings in hurried] == [5] * 8
    for kind in KINDS:
        for corpus, lang in kind.corpora.items():
            model = tmp_path / "new" / corpus / "model-best"
            assert re.search(rf"bundled:{corpus}: learned from [125],\d+ {kind.rows} in", ran.out)
            assert str(model) in ran.out
            nlp = spacy.load(model)
            assert nlp.lang == lang
            doc = nlp("好 good")
            if kind.stage == "sentiment":
                assert doc._.sentiment["label"] in ("positive", "negative")
            elif kind.stage == "generator":
                assert isinstance(doc._.generated, str) and doc._.perplexity > 1
            elif kind.stage == "translator":
                assert isinstance(doc._.translation, str)
            else:
                assert doc.text == "好 good" and doc.has_annotation("SENT_START")
    for word in ("accuracy", "token F", "sentence F", "BLEU", "bits per character", "spacy.load("):
        assert word in ran.out
    page = tmp_path / "new" / "demo.html"
    assert f"not seen: {page}\n" in ran.out and f"serve {tmp_path}/new/*/model-best" in ran.out
    told = page.read_text(encoding="utf-8")
    headings = re.findall(r'<h2 dir="auto">([\w ]+): ', told)
    assert [headings.count(kind.stage) for kind in KINDS] == [4, 2, 4, 2]
    for link in re.findall(r'<a href="([^"]+)"', told):
        assert (page.parent / link).is_file()
    assert told.count("The report of its training") == 8
    assert "nothing to see" not in told and "<script" not in told
    tried = ran.out[ran.out.index("    import spacy") :].partition("\n\n")[0]
    exec(textwrap.dedent(tried), {})


class Spaces:
    """A pipeline that finds a token between spaces, and a sentence a text."""

    def pipe(self, texts: Iterable[str]) -> Iterator[Doc]:
        for text in texts:
            words = text.split()
            starts: list[bool | int | None] = [place == 0 for place in range(len(words))]
            yield Doc(spacy.blank("xx").vocab, words=words, sent_starts=starts)


def test_a_mistake_stands_beside_what_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [["Yes"], ["No", "way"], ["Oh"], ["Well"], ["He", "'s", "in"], ["So"]]
    for part in ("train", "validation"):
        rows = [{"text": _text(row), "tokens": row, "doc_id": i} for i, row in enumerate(tokens)]
        write_lines(tmp_path / f"{part}.jsonl", [*rows, {**rows[-1], "text": "x"}])
    monkeypatch.setattr(spacy, "load", lambda model: Spaces())
    with pytest.warns(UserWarning, match="1 of 7 rows"):
        seen = sentences(tmp_path, str(tmp_path))
    assert (seen.learned, seen.kept) == (6, 6)
    assert seen.shown[-1] == Sentence("He's | in", "He | 's | in")
    assert [row for one in seen.shown[3:] for row in one.rows()] == [
        ("", "Well"),
        ("wrong", "He's | in"),
        ("right", "He | 's | in"),
    ]


class Shouting(Language):
    """A pipeline that translates by shouting."""

    def __init__(self) -> None:
        super().__init__()
        self.config["corpora"] = {"train": {"source": "soft", "target": "loud"}}
        Doc.set_extension("translation", default=None, force=True)

    def make_doc(self, text: str) -> Doc:
        doc = super().make_doc(text)
        doc._.translation = text.upper()
        return doc


def test_a_translation_stands_beside_the_right_one_where_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [{"soft": f"no {n}", "loud": f"NO {n}"} for n in range(5)]
    for part in ("train", "validation"):
        write_lines(tmp_path / f"{part}.jsonl", [*pairs, {"soft": "yes", "loud": "YEAH"}])
    monkeypatch.setattr(spacy, "load", lambda model: Shouting())
    seen = phrases(tmp_path, str(tmp_path))
    assert (seen.learned, seen.kept, len(seen.shown)) == (6, 6, 5)
    assert seen.shown[-1] == Phrase("yes", "YES", "YEAH")
    assert [row for one in seen.shown[3:] for row in one.rows()] == [
        ("", "no 3"),
        ("said", "NO 3"),
        ("", "yes"),
        ("said", "YES"),
        ("right", "YEAH"),
    ]


class Rhyming(Language):
    """A pipeline that goes on with what it was given."""

    def make_doc(self, text: str) -> Doc:
        Doc.set_extension("generated", default=None, force=True)
        doc = super().make_doc(text)
        doc._.generated = f"{text}and so on\n\nand on" if text else "once"
        return doc


def test_a_poem_out_of_nothing_and_one_behind_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, count in (("train", 3), ("validation", 2)):
        rows = [{"text": f"the moon {n}\nthe sun"} for n in range(count)]
        write_lines(tmp_path / f"{part}.jsonl", rows)
    monkeypatch.setattr(spacy, "load", lambda model: Rhyming())
    seen = poems(tmp_path, str(tmp_path))
    assert (seen.learned, seen.kept) == (3, 2)
    assert [row for one in seen.shown for row in one.rows()] == [
        ("wrote", "once"),
        ("given", "the moon 0"),
        ("wrote", "the moon 0"),
        ("", "and so on"),
        ("", ""),
        ("", "and on"),
    ]


def _text(tokens: Sequence[str]) -> str:
    return " ".join(tokens).replace(" '", "'")


def test_a_folder_in_use_is_left_alone(
    seqpipe: Command, hurried: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "mine").touch()
    ran = seqpipe("demo", "--output", tmp_path)
    assert (ran.code, ran.out, hurried) == (1, "", []) and "--overwrite" in ran.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_ctrl_c(seqpipe: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "train", stopped)
    ran = seqpipe("demo", "--output", tmp_path)
    assert (ran.code, ran.out, ran.err) == (
        130,
        "",
        "Learning from bundled:reviews_en ...\nStopped.\n",
    )

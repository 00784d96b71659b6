"""`seqpipe.RunningText.v1`: what a text is, where a long one is cut, what is held out of it."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
import spacy
from confection import ConfigValidationError
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import registry

from seqpipe.corpora.cuts import Part, cut_in, parted, side_of
from seqpipe.corpora.texts import open_texts, read_texts
from seqpipe.errors import ColumnMissing, DataEmpty, SettingError, SourceMissing
from seqpipe.text.course import CONTINUES

LINES = ["To be,", "", "or not", "to be"]
WHOLE = "To be,\n\nor not\nto be\n"


@pytest.fixture
def nlp() -> Language:
    return spacy.blank("en")


@pytest.fixture
def lines(tmp_path: Path) -> str:
    (tmp_path / "play.txt").write_text(WHOLE, encoding="utf-8")
    return str(tmp_path / "play.txt")


def saved(folder: Path, texts: Iterable[Any]) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    return str(path)


@pytest.fixture
def stories(tmp_path: Path) -> str:
    """Twelve documents, whose words carry their number."""
    return saved(tmp_path, (f"{at}a {at}b {at}c " * 5 for at in range(12)))


def resolved(**settings: Any) -> Any:
    config = {"corpora": {"train": {"@readers": "seqpipe.RunningText.v1", **settings}}}
    return registry.resolve(config)["corpora"]["train"]


def parts(data: str, **settings: Any) -> list[Part]:
    return list(open_texts(data, split="train", **settings))


def whole(found: Sequence[Part]) -> str:
    return "".join(part.text for part in found)


def told(examples: Iterable[Example]) -> list[Part]:
    return [Part(eg.reference.text, bool(eg.reference.user_data.get(CONTINUES))) for eg in examples]


@pytest.mark.parametrize("streaming", [False, True])
def test_lines_of_a_file_run_on(lines: str, streaming: bool) -> None:
    assert parts(lines, streaming=streaming) == [Part(WHOLE, False)]


def test_a_folder_of_text_files_too(lines: str) -> None:
    assert parts(str(Path(lines).parent)) == [Part(WHOLE, False)]


@pytest.mark.parametrize("streaming", [False, True])
def test_lines_can_be_texts_of_their_own(lines: str, streaming: bool) -> None:
    found = parts(lines, join=None, streaming=streaming)
    assert found == [Part(line, False) for line in LINES if line]


def test_rows_are_texts_and_run_on_where_asked_to(tmp_path: Path) -> None:
    data = saved(tmp_path, ["one", None, " \n", "two", ""])
    assert parts(data) == [Part("one", False), Part("two", False)]
    assert parts(data, join="|") == [Part("one| \n|two||", False)]
    assert parts(data, join="", limit=1) == [Part("one", False)]


def test_an_example_is_a_part(stories: str, nlp: Language) -> None:
    examples = list(resolved(path=stories, shuffle=False, longest=40)(nlp))
    assert told(examples) == parts(stories, longest=40)
    assert [eg.predicted.text for eg in examples] == [eg.reference.text for eg in examples]
    marks = [eg.predicted.user_data.get(CONTINUES) for eg in examples]
    assert marks[:3] == [True, None, True] and len(marks) == 24


def test_docs_are_texts(nlp: Language, tmp_path: Path) -> None:
    docs = [nlp("One text."), nlp("Another  one.\n"), nlp("")]
    DocBin(docs=docs).to_disk(tmp_path / "docs.spacy")
    data = str(tmp_path / "docs.spacy")
    assert told(read_texts(data, shuffle=False)(nlp)) == [
        Part("One text.", False),
        Part("Another  one.\n", False),
    ]


@pytest.mark.parametrize("streaming", [False, True])
def test_texts_are_shuffled_and_their_parts_are_not(
    stories: str, nlp: Language, streaming: bool
) -> None:
    settings: dict[str, Any] = {"path": stories, "longest": 20, "streaming": streaming, "buffer": 5}
    one, other = (resolved(**settings) for _ in range(2))
    epochs = [told(one(nlp)) for _ in range(2)]
    assert epochs == [told(other(nlp)) for _ in range(2)]
    plain = told(resolved(shuffle=False, **settings)(nlp))
    assert plain not in epochs and epochs[0] != epochs[1]
    assert sorted(texts_of(epochs[0])) == sorted(texts_of(epochs[1])) == sorted(texts_of(plain))


def texts_of(found: Sequence[Part]) -> list[str]:
    ends = [0, *(at + 1 for at, part in enumerate(found) if not part.continues)]
    return [whole(found[a:b]) for a, b in pairwise(ends)]


def test_what_runs_on_is_never_shuffled(tmp_path: Path, nlp: Language) -> None:
    data = saved(tmp_path, [f"line {at}" for at in range(50)])
    corpus = resolved(path=data, join="\n", longest=30)
    assert whole(told(corpus(nlp))) == whole(told(corpus(nlp))) == whole(parts(data, join="\n"))


def test_texts_are_held_out_whole(stories: str) -> None:
    kept, held = (texts_of(parts(stories, longest=20, **side)) for side in SIDES)
    assert sorted(kept + held) == sorted(texts_of(parts(stories)))
    assert len(held) == 3


SIDES: list[dict[str, Any]] = [{"without": 0.25}, {"only": 0.25}]


@pytest.mark.parametrize("join", [None, "\n"])
def test_of_one_text_the_end_is_held_out(tmp_path: Path, join: str | None) -> None:
    written = [f"line number {at} of many" for at in range(400)]
    data = saved(tmp_path, written if join else ["\n".join(written) + "\n"])
    kept, held = (parts(data, join=join, longest=500, **side) for side in SIDES)
    assert whole(kept) + whole(held) == "\n".join(written) + "\n"
    assert held[0].text.startswith("line") and kept[-1].text.endswith("many\n")
    assert len(whole(held)) / len(whole(kept + held)) == pytest.approx(0.25, abs=0.01)
    assert [part.continues for part in kept[-2:]] == [True, False]


def test_where_rows_run_on_a_limit_comes_before_the_cut(tmp_path: Path) -> None:
    data = saved(tmp_path, [f"{at:02}" for at in range(100)])
    kept, held = (parts(data, join=" ", limit=20, **side) for side in SIDES)
    assert (whole(kept)[-3:], whole(held)[:3], whole(held)[-3:]) == ("14 ", "15 ", "19 ")


def test_what_makes_no_sense_is_refused(stories: str, tmp_path: Path, nlp: Language) -> None:
    for side in SIDES:
        with pytest.raises(SettingError, match="streaming"):
            parts(stories, streaming=True, **side)
    with pytest.raises(SettingError, match="without, only"):
        parts(stories, without=0.1, only=0.1)
    for longest in (0, 1_000_001):
        with pytest.raises(SettingError, match="from 1 to 1,000,000"):
            parts(stories, longest=longest)
    with pytest.raises(ColumnMissing, match="no column 'story': it has text"):
        parts(stories, text="story")
    with pytest.raises(SourceMissing):
        read_texts(str(tmp_path / "nothing.txt"))
    with pytest.raises(ConfigValidationError):
        resolved(path=stories, join=1, longst=2)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataEmpty, match="no row with a text in 'text'"):
        parts(saved(tmp_path, [None, " "]))
    assert whole(parts(saved(tmp_path, ["x"]), only=0.5)) == "x"
    with pytest.raises(DataEmpty):
        parts(saved(tmp_path, ["x"]), without=0.5)


def test_a_text_of_any_length_is_never_held() -> None:
    lines = (f"this is line number {at:07} of a long text\n" for at in range(200_000))
    tracemalloc.start()
    count = sum(len(part.text) for part in parted(lines, 1000))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 43 * 200_000 and most < 100_000


TEXT = st.text(st.sampled_from("ab \n\r\u3000\u0301\u200d\u093f\ufe0f好👩👍🏽🇩🇪"))


def are_one(before: str, behind: str) -> bool:
    return (before, behind) == ("\r", "\n") or (category(behind)[0] == "M" and before not in "\n\r")


@given(st.lists(TEXT), st.integers(1, 9))
def test_parts_are_the_text(pieces: list[str], longest: int) -> None:
    text = "".join(pieces)
    found = list(parted(pieces, longest))
    assert whole(found) == text
    assert all(0 < len(part.text) <= longest for part in found)
    assert [part.continues for part in found] == [True] * (len(found) - 1) + [False] * bool(text)
    assert found == list(parted([text], longest))


@given(TEXT, st.integers(2, 20))
def test_what_is_read_as_one_is_not_cut(text: str, longest: int) -> None:
    place = 0
    for part in parted([text], longest):
        place += len(part.text)
        if part.continues and are_one(text[place - 1], text[place]):
            within = range(place - len(part.text) + longest // 2 + 1, place + 1)
            pairs = [(text[at - 1], text[at]) for at in within]
            assert not any(a.isalpha() and b.isalpha() for a, b in pairs)


@pytest.mark.parametrize(
    ("text", "most", "place"),
    [
        ("one two\nthree four", 12, 8),
        ("one two three four", 12, 8),
        ("one two  three", 10, 9),
        ("onetwothreefour", 12, 12),
        ("一二三四五六七八", 6, 6),
        ("abcdefe\u0301fg", 7, 6),
        ("abcde👩\u200d🚀fg", 7, 5),
        ("abcde🇩🇪fg", 6, 5),
        ("abcdef\r\nfg", 7, 6),
        ("abcde\u0301\u0301\u0301\u0301", 7, 4),
    ],
)
def test_a_text_is_cut_where_it_hurts_least(text: str, most: int, place: int) -> None:
    assert cut_in(text, most // 2, most) == place


@given(st.lists(TEXT), st.floats(0.01, 0.99))
def test_both_sides_are_the_text(pieces: list[str], share: float) -> None:
    text = "".join(pieces)
    kept, held = (
        "".join(side_of(pieces, length=len(text), share=share, inside=inside))
        for inside in (False, True)
    )
    assert kept + held == text
    assert len(text) < 2 or (kept and held)
    assert abs(len(held) - share * len(text)) <= share * len(text) / 2 + 2


def test_no_part_of_a_text_stands_between_those_of_another(stories: str) -> None:
    texts = open_texts(stories, split="train", longest=10)
    numbers = [part.text.split()[0][:-1] for part in texts.shuffled(seed=1)]
    assert len([key for key, _ in groupby(numbers)]) == 12

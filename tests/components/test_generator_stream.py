"""A text without end: the same numbers however it is cut, copied, and taken up from a file."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from spacy.language import Language
from verses import CODEC, POEMS, make_verses_nlp, verses_stage

from seqpipe.components import _text_stream
from seqpipe.components._text_stream import TextStream, Told
from seqpipe.components.generator import Generator
from seqpipe.errors import CheckpointError
from seqpipe.nets.language_model import LanguageModel

UNITS = ["char", "bpe", "unigram"]
every_unit = pytest.mark.parametrize("unit", UNITS)

# Words and signs of several bytes, white space of all kinds, marks, apostrophes that the pieces
# know, and a letter that came after Unicode 14.
BITS = st.text(
    st.sampled_from("aestr'12 \n\t\u3000\xa0\x1c春雨上落.,!🙂👩\u200d\u0301é\u1c89"), max_size=8
)
LINES = st.sampled_from([*POEMS, " don't", "'s", "  \n\n", "The rain", "上\n"])
CHUNKS = st.lists(st.one_of(BITS, LINES), max_size=8)


def make_nlp(unit: str, **config: Any) -> Language:
    """It need not know what it says, but what it says must hang on all that it has read."""
    return make_verses_nlp(10, codec={**CODEC, "unit": unit}, search={"max_length": 12}, **config)


@pytest.fixture(scope="module")
def stages() -> dict[str, Generator]:
    return {unit: verses_stage(make_nlp(unit)) for unit in UNITS}


def read(stage: Generator, chunks: list[str]) -> tuple[TextStream, list[Told]]:
    """To the end."""
    stream = TextStream(stage)
    told = [one for chunk in chunks for one in stream.feed(chunk)]
    return stream, told + stream.finish()


def check(found: list[Told], expected: list[Told]) -> None:
    assert [(one.start, one.end) for one in found] == [(one.start, one.end) for one in expected]
    bits = (torch.tensor([one.bits for one in told]) for told in (found, expected))
    torch.testing.assert_close(*bits, atol=1e-5, rtol=1e-5)


@every_unit
@settings(max_examples=60)
@given(chunks=CHUNKS)
def test_any_chunks_are_the_whole(
    stages: dict[str, Generator], unit: str, chunks: list[str]
) -> None:
    stage, text = stages[unit], "".join(chunks)
    stream, told = read(stage, chunks)
    whole, expected = read(stage, [text])
    check(told, expected)
    assert stream.characters == whole.characters == len(text)
    assert stream.bits == pytest.approx(sum(one.bits for one in told), rel=1e-5)
    assert stream._seed == whole._seed


@every_unit
@settings(max_examples=40)
@given(text=st.lists(BITS, max_size=4).map("".join))
def test_character_by_character_is_the_doc(
    stages: dict[str, Generator], unit: str, text: str
) -> None:
    stage = stages[unit]
    stream, told = read(stage, list(text))
    (ids,) = stage._codec().encode([text])
    (reading,) = stage.examine([ids])
    bits = reading.nats / torch.log(torch.tensor(2.0)).numpy()
    assert [one.bits for one in told] == pytest.approx(bits.tolist(), rel=1e-4, abs=1e-5)
    if text:
        assert stream.bits_per_char == pytest.approx(bits.sum() / len(text), rel=1e-5)


@pytest.mark.parametrize("unit", ["bpe", "unigram"])
@settings(max_examples=50)
@given(chunks=CHUNKS, most=st.integers(1, 9))
def test_runs_that_might_be_one_word_are_cut_at_the_same_places(
    stages: dict[str, Generator], unit: str, chunks: list[str], most: int
) -> None:
    stage = stages[unit]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_text_stream, "_MOST", most)
        stream = TextStream(stage)
        told = []
        for chunk in chunks:
            told += stream.feed(chunk)
            assert len(stream._held) < most
        check(told + stream.finish(), read(stage, ["".join(chunks)])[1])


@pytest.mark.parametrize("run", ["ACGT", " ", "—", "🙂", "上"])
def test_little_is_held_of_a_run_without_end(
    stages: dict[str, Generator], monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    monkeypatch.setattr(_text_stream, "_MOST", 64)
    stream = TextStream(stages["bpe"])
    text = (run * 400)[:400]
    told = [one for at in range(0, 400, 50) for one in stream.feed(text[at : at + 50])]
    assert len(stream._held) == 400 % 64 and told[-1].end == 400 - 400 % 64
    stream.finish()
    assert stream.characters == 400


def test_pieces_are_told_as_soon_as_they_are_sure(stages: dict[str, Generator]) -> None:
    stream = TextStream(stages["bpe"])
    assert stream.feed("The ra") and stream._held == " ra"
    assert not stream.feed("i")
    told = stream.feed("n, ")
    assert (told[0].start, told[-1].end) == (3, 9)
    assert stream._held == " "
    assert [one.end for one in stream.finish()] == [10]
    letters = TextStream(stages["char"])
    assert [(one.start, one.end) for one in letters.feed("The")] == [(0, 1), (1, 2), (2, 3)]
    assert not letters.finish()


def test_letters_that_this_python_does_not_know_are_letters() -> None:
    """They may be in one piece with those before."""
    new = "\u1c89"  # of Unicode 16
    codec = {**CODEC, "unit": "bpe"}
    stage = verses_stage(make_verses_nlp(1, texts=[f"ab{new}b"] * 9, codec=codec))
    _, told = read(stage, list(f"ab{new}b ab{new}b"))
    _, whole = read(stage, [f"ab{new}b ab{new}b"])
    check(told, whole)


def test_before_the_first_character_there_is_no_figure(stages: dict[str, Generator]) -> None:
    stream = TextStream(stages["char"])
    assert stream.bits_per_char is None and not stream.feed("") and not stream.finish()
    stream.feed("T")
    assert stream.bits_per_char == stream.bits > 0


def test_a_stream_that_was_finished_goes_on(stages: dict[str, Generator]) -> None:
    """As if the text before had ended in a piece."""
    stream, _ = read(stages["bpe"], ["The ra"])
    told = stream.feed("in ")
    assert told[0].start == 6 and stream.characters == 8 and stream._held == " "


# Copies and files ---------------------------------------------------------------------------


@every_unit
def test_copies_go_their_own_ways(stages: dict[str, Generator], unit: str) -> None:
    stage = stages[unit]
    stream = stage.stream("The rain came do")
    other = stream.copy()
    first = stream.feed("wn upon") + stream.finish()
    second = other.feed("g 春雨 ") + other.finish()
    expected = [read(stage, [f"The rain came do{rest}"])[1] for rest in ("wn upon", "g 春雨 ")]
    check(first, expected[0][-len(first) :])
    check(second, expected[1][-len(second) :])


@every_unit
@settings(max_examples=12)
@given(text=st.sampled_from(POEMS), at=st.integers(0, 30))
def test_a_file_goes_on_where_it_stopped(
    stages: dict[str, Generator],
    tmp_path_factory: pytest.TempPathFactory,
    unit: str,
    text: str,
    at: int,
) -> None:
    stage = stages[unit]
    path = tmp_path_factory.mktemp("stream") / "deep" / "state.safetensors"
    stream = stage.stream(text[:at])
    stream.save(path)
    again = stage.open_stream(path)
    assert again.to_bytes() == stream.to_bytes() == path.read_bytes()
    check(again.feed(text[at:]) + again.finish(), stream.feed(text[at:]) + stream.finish())
    assert (again.bits, again.characters) == (stream.bits, stream.characters)
    assert "".join(again.write()) == "".join(stream.write())
    path.unlink()
    path.parent.rmdir()


def test_another_pipeline_of_the_same_weights_goes_on(
    stages: dict[str, Generator], tmp_path: Path
) -> None:
    stages["bpe"].stream("The rain came do").save(tmp_path / "state")
    other = verses_stage(make_nlp("bpe", window=5))
    other.from_bytes(stages["bpe"].to_bytes())
    stream = TextStream.load(other, tmp_path / "state")
    told = stream.feed("wn") + stream.finish()
    check(told, read(stages["bpe"], ["The rain came down"])[1][-len(told) :])


def test_who_is_killed_while_saving_leaves_the_file_of_before(
    stages: dict[str, Generator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stages["char"].stream("The rain")
    stream.save(tmp_path / "state")
    before = (tmp_path / "state").read_bytes()
    stream.feed(" came")
    write = Path.write_bytes

    def cut(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", cut)
        stream.save(tmp_path / "state")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert (tmp_path / "state").read_bytes() == before
    assert TextStream.load(stages["char"], tmp_path / "state").characters == len("The rain")
    stream.save(tmp_path / "state")
    assert TextStream.load(stages["char"], tmp_path / "state").characters == len("The rain came")


@pytest.mark.parametrize(
    "other",
    [{"model": {"width": 9}}, {"model": {"layers": 2}}, {}],
    ids=["wider", "deeper", "of other weights"],
)
def test_the_state_of_another_model_is_refused(
    stages: dict[str, Generator], tmp_path: Path, other: dict[str, Any]
) -> None:
    stages["char"].stream("The rain").save(tmp_path / "state")
    stage = verses_stage(make_verses_nlp(**other))
    with pytest.raises(CheckpointError, match="it is of another model"):
        stage.open_stream(tmp_path / "state")
    with pytest.raises(CheckpointError, match="it is of another model"):
        TextStream.load(stages["bpe"], tmp_path / "state")


def test_what_is_no_state_is_refused(stages: dict[str, Generator], tmp_path: Path) -> None:
    path = tmp_path / "state"
    stage = stages["char"]
    stage.stream("The rain").save(path)
    tensors, data = load_file(path), path.read_bytes()
    damaged: list[bytes | None] = [None, b"", b"\0" * 100, data[:-9], data[:40]]
    for content in damaged:
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CheckpointError, match="it holds no state of a text"):
            stage.open_stream(path)
    facts = {"held": "", "seed": 0, "characters": 8, "bits": 1.0}
    for metadata in (None, {"other": "x"}, {"stream": "[1"}, {"stream": json.dumps(facts)}):
        save_file(tensors, path, metadata=metadata)
        with pytest.raises(CheckpointError, match="it holds no state of a text"):
            stage.open_stream(path)
    mark = {"stream": json.dumps({**facts, "mark": stage.mark})}
    save_file({**tensors, "more": torch.zeros(1)}, path, metadata=mark)
    with pytest.raises(CheckpointError, match="'more'"):
        stage.open_stream(path)


def test_nothing_held_grows_with_the_text(
    stages: dict[str, Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk of any size is seen a window at a time, and a state is as large as ever."""
    stage = verses_stage(make_nlp("bpe", window=16))
    seen: set[int] = set()
    measure = LanguageModel.measure

    def watched(self: LanguageModel, ids: torch.Tensor, *rest: Any) -> Any:
        seen.add(ids.shape[1])
        return measure(self, ids, *rest)

    monkeypatch.setattr(LanguageModel, "measure", watched)
    stream, sizes = stage.stream(), []
    for _ in range(4):
        stream.feed(POEMS[1] * 20)
        sizes.append(len(stream.to_bytes()))
    assert max(seen) == 16
    assert all(abs(a - b) < 100 for a, b in pairwise(sizes))


# Writing on ---------------------------------------------------------------------------------


@every_unit
def test_writing_leaves_the_stream_where_it_is(stages: dict[str, Generator], unit: str) -> None:
    stage = stages[unit]
    stream = stage.stream("The rain ca")
    before = stream.to_bytes()
    first, second = ("".join(stream.write()) for _ in range(2))
    assert first == second == "".join(stage.write("The rain ca"))
    assert stream.to_bytes() == before
    stream.feed("me down upon")
    assert "".join(stream.write()) == "".join(stage.write("The rain came down upon"))

"""Windows cover a text once; a stream says what the whole text says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.errors import SettingError
from seqpipe.text.characters import codes_of
from seqpipe.text.segments import INSIDE, SENTENCE, TOKEN, Labels, segments_of
from seqpipe.text.stream import Token, Windows, tokens_of

TEXT = st.text(alphabet="ab.,! \n", max_size=120)
GRID = st.builds(Windows, core=st.integers(1, 30), margin=st.integers(2, 9))


def said(text: str) -> Labels:
    """What a tagger might say that looks two characters around itself."""
    labels = np.full(len(text), INSIDE, np.int32)
    for i, character in enumerate(text):
        if character in ",.!" or text[i + 1 : i + 2] in (",", ".", "!"):
            labels[i] = SENTENCE if text[i - 1 : i + 1] in ("b.", "a!") else TOKEN
    return labels


def encode(texts: Sequence[str]) -> list[np.ndarray]:
    return [codes_of(text).astype(np.int32) for text in texts]


def predict(rows: Sequence[np.ndarray]) -> list[Labels]:
    return [said("".join(map(chr, row.tolist()))) for row in rows]


def whole(text: str) -> list[Token]:
    segments = segments_of(codes_of(text), said(text), spaces=False)
    assert segments.starts is not None
    pairs = zip(segments.spans.tolist(), segments.starts.tolist(), strict=True)
    return [Token(text[a:b], a, b, start) for (a, b), start in pairs]


def streamed(chunks: list[str], windows: Windows) -> list[Token]:
    return list(
        tokens_of(chunks, encode, predict, windows=windows, reach=0, spaces=False, sentences=True)
    )


@given(windows=GRID, length=st.integers(0, 200))
def test_windows_decide_every_character_once(windows: Windows, length: int) -> None:
    places = [windows.at(i, length) for i in range(windows.count(length))]
    assert [i for w in places for i in range(w.begin, w.end)] == list(range(length))
    for w in places:
        assert w.first == max(0, w.begin - windows.margin)
        assert w.last == min(length, w.end + windows.margin)
        assert w.end - w.begin <= windows.core + windows.margin


@given(windows=GRID, texts=st.lists(TEXT, max_size=4))
def test_joined_windows_are_the_whole(windows: Windows, texts: list[str]) -> None:
    rows = [codes_of(text).astype(np.int32) for text in texts]
    for text, labels in zip(texts, windows.joined(rows, predict), strict=True):
        assert labels.tolist() == said(text).tolist()


@given(text=TEXT, windows=GRID, cuts=st.lists(st.integers(0, 120), max_size=6))
def test_a_stream_is_the_whole_text_however_it_is_cut(
    text: str, windows: Windows, cuts: list[int]
) -> None:
    places = sorted({min(c, len(text)) for c in cuts} | {0, len(text)})
    chunks = [text[a:b] for a, b in pairwise(places)]
    assert streamed(chunks, windows) == whole(text)


KNOWN = re.compile("abba|bab")


def encode_known(texts: Sequence[str]) -> list[np.ndarray]:
    """1 within a known word and 0 elsewhere: an id that hangs on up to four characters around."""
    found = [np.zeros(len(text), np.int32) for text in texts]
    for text, ids in zip(texts, found, strict=True):
        for at in range(len(text)):
            if match := KNOWN.match(text, at):
                ids[at : match.end()] = 1
    return found


def predict_known(rows: Sequence[np.ndarray]) -> list[Labels]:
    return [np.where(row == 1, TOKEN, INSIDE).astype(np.int32) for row in rows]


@given(text=st.text("ab", max_size=60), windows=GRID, chunk=st.integers(1, 9))
def test_what_decides_on_an_id_may_stand_beyond_the_window(
    text: str, windows: Windows, chunk: int
) -> None:
    chunks = [text[at : at + chunk] for at in range(0, len(text), chunk)]
    tokens = tokens_of(
        chunks,
        encode_known,
        predict_known,
        windows=windows,
        reach=4,
        spaces=False,
        sentences=False,
    )
    (labels,) = predict_known(encode_known([text]))
    spans = segments_of(codes_of(text), labels, spaces=False).spans
    assert [(token.start, token.end) for token in tokens] == list(map(tuple, spans.tolist()))


def test_tokens_come_as_soon_as_they_are_certain() -> None:
    windows = Windows(core=10, margin=3)
    fed: list[str] = []

    def feed() -> list[str]:
        fed.append("ab, ")
        return fed

    def chunks() -> object:
        for _ in range(20):
            yield feed()[-1]

    behind = []
    for token in tokens_of(
        chunks(),  # type: ignore[arg-type]
        encode,
        predict,
        windows=windows,
        reach=0,
        spaces=False,
        sentences=True,
    ):
        behind.append(4 * len(fed) - token.end)
    assert max(behind) <= 2 * windows.core + 2 * windows.margin + 4


def test_sentences_may_be_unknown() -> None:
    found = tokens_of(
        ["a b"],
        encode,
        predict,
        windows=Windows(5, 1),
        reach=0,
        spaces=False,
        sentences=False,
    )
    assert [token.is_sent_start for token in found] == [None, None]


@pytest.mark.parametrize("chunks", [[], [""], ["", " \n"]])
def test_a_stream_of_nothing_has_no_tokens(chunks: list[str]) -> None:
    assert streamed(chunks, Windows(5, 1)) == []


@pytest.mark.parametrize(("core", "margin"), [(0, 5), (-1, 5), (5, -1)])
def test_a_grid_that_is_none_is_refused(core: int, margin: int) -> None:
    with pytest.raises(SettingError):
        Windows(core=core, margin=margin)

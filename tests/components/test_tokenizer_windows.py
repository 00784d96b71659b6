"""Documents of many windows, and texts without end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from words import (
    CHINESE,
    ENGLISH,
    STRINGS,
    VIETNAMESE,
    any_weights,
    facts_of,
    facts_of_all,
    held,
    make_words_nlp,
    text_of,
    trained,
    words_stage,
)

from seqpipe.components.tokenizer import Tokenizer
from seqpipe.text.stream import Token

SMALL: dict[str, Any] = {"window": 40, "margin": 10}
KINDS = {"en": (ENGLISH, " "), "vi": (VIETNAMESE, " "), "zh": (CHINESE, "")}
NLP = trained(**SMALL)
UNTRAINED = make_words_nlp(**SMALL)
LONG = text_of() + "\n\n" + text_of(seed=7)


def said_of(doc: Doc, *, sentences: bool = True) -> list[Token]:
    """The tokens of a doc as a stream would give them."""
    found: list[Token] = []
    pending = True
    for token in doc:
        pending = pending or bool(token.is_sent_start)
        if not token.is_space:
            start, end = token.idx, token.idx + len(token)
            found.append(Token(token.text, start, end, pending if sentences else None))
            pending = False
    return found


def cut(text: str, places: list[int]) -> list[str]:
    """Chunks of the text; empty ones where places come twice."""
    places = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


@pytest.mark.parametrize("kind", KINDS)
def test_where_windows_fall_makes_no_difference(kind: str) -> None:
    sentences, joint = KINDS[kind]
    text = text_of(sentences, joint=joint, count=80)
    windows, whole = (
        trained(sentences, joint=joint, window=window, margin=10) for window in (40, 100_000)
    )
    assert words_stage(windows).windows.count(len(text)) > 10
    expected = facts_of(whole(text))
    assert facts_of(windows(text)) == expected
    for ahead in (1, 7, 23):  # the grid falls elsewhere
        assert facts_of(windows("Is it bad? "[-ahead:] + text))[-100:] == expected[-100:]


def test_windows_of_all_docs_of_a_batch_keep_apart() -> None:
    texts = [LONG, "", "Is it bad?", LONG[:333], LONG[100:]]
    assert facts_of_all(NLP.pipe(texts)) == [facts_of(NLP(text)) for text in texts]


@given(places=st.lists(st.integers(0, 10**6), max_size=30))
def test_a_stream_is_the_doc_however_it_is_cut(places: list[int]) -> None:
    stage = words_stage(NLP)
    assert list(stage.stream(cut(LONG, places))) == EXPECTED


EXPECTED = said_of(NLP(LONG))


@given(
    text=st.lists(STRINGS, min_size=1, max_size=4).map("".join),
    places=st.lists(st.integers(0, 10**6), max_size=6),
    seed=st.integers(0, 2**31),
    spaces=st.booleans(),
)
def test_a_stream_of_anything_is_the_doc_whatever_the_net_says(
    text: str, places: list[int], seed: int, spaces: bool
) -> None:
    stage = words_stage(UNTRAINED)
    any_weights(stage, seed)
    stage.cfg["spaces"] = spaces
    tokens = list(stage.stream(cut(text, places)))
    assert tokens == said_of(UNTRAINED(text))
    assert all(held(text)[token.start : token.end] == token.text for token in tokens)


EVERY = (*CHINESE, *VIETNAMESE, *ENGLISH)
MARKED = make_words_nlp(
    sentences=EVERY, lexicon=True, words=1000, window=20, margin=5, model={"pairs": 50}
)


@given(places=st.lists(st.integers(0, 10**6), max_size=30), seed=st.integers(0, 2**31))
def test_words_known_are_known_across_chunks_and_windows(places: list[int], seed: int) -> None:
    stage = words_stage(MARKED)
    any_weights(stage, seed)
    assert len(stage.lexicon) and len(stage.runs)
    text = text_of(EVERY, joint="", seed=seed)
    assert list(stage.stream(cut(text, places))) == said_of(MARKED(text))


@pytest.mark.parametrize("chunks", [[], [""], ["", "", ""], [" \n", "\t"]])
def test_a_stream_of_nothing(chunks: list[str]) -> None:
    assert list(words_stage(NLP).stream(chunks)) == []


@pytest.mark.parametrize("chunk", [1, 7, 500])
def test_tokens_come_late_by_no_more_than_a_window_and_two_margins(chunk: int) -> None:
    stage = words_stage(NLP)
    fed = 0

    def feed() -> Iterator[str]:
        nonlocal fed
        for at in range(0, len(LONG), chunk):
            fed += len(LONG[at : at + chunk])
            yield LONG[at : at + chunk]

    longest = max(len(token.text) for token in EXPECTED)
    late = stage.windows.core + 2 * stage.windows.margin + longest + chunk
    delays = [fed - token.end for token in stage.stream(feed())]
    assert len(delays) == len(EXPECTED) and max(delays) <= late


def test_a_smaller_window_is_sooner() -> None:
    stage = words_stage(trained(window=400, margin=10))
    found = []
    for window in (None, 20):
        taken = 0

        def feed() -> Iterator[str]:
            nonlocal taken
            for character in LONG:
                taken += 1
                yield character

        next(stage.stream(feed(), window=window))
        found.append(taken)
    assert found[1] < 60 < found[0]


def watch(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much text the stage is shown each time."""
    shown: list[int] = []
    encode = Tokenizer.encode_texts

    def watched(self: Tokenizer, texts: list[str]) -> object:
        shown.append(sum(map(len, texts)))
        return encode(self, texts)

    monkeypatch.setattr(Tokenizer, "encode_texts", watched)
    return shown


def test_a_stream_without_end_holds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the net is shown at a time does not grow, nor does what has to be kept."""
    stage = words_stage(NLP)
    shown = watch(monkeypatch)

    def endless() -> Iterator[str]:
        while True:
            yield text_of(count=3) + " "

    tokens = stage.stream(endless())
    found = [next(tokens) for _ in range(3000)]
    assert max(shown) <= 2 * max(shown[:5])
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_a_huge_chunk_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = words_stage(trained(window=10, margin=5))
    shown = watch(monkeypatch)
    text = text_of(count=300)
    assert len(text) > 5000
    next(stage.stream([text]))
    assert len(shown) == 1 and shown[0] <= 256 * 10

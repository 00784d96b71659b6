"""Writing: what follows a text, the same bit by bit as at once, up to where it was asked to end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from verses import CODEC, POEMS, begun, make_verses_nlp, trained, verses_stage

from seqpipe.components._writing import Ending, parts_of
from seqpipe.components.generator import Generator
from seqpipe.errors import SettingError
from seqpipe.text.codec import Codec

PROMPTS = ["", "The rain", "春雨", "A", "One wheel, two", "qqq ☃", " ", "The rain came down upon"]
CHANCE: dict[str, Any] = {"sampling": True, "temperature": 1.5, "max_length": 25}
UNITS = ["char", "bpe", "unigram"]
every_unit = pytest.mark.parametrize("unit", UNITS)


def make_nlp(unit: str = "char", **search: Any) -> Language:
    """It has learned next to nothing, so that it writes all sorts of things."""
    codec = {**CODEC, "unit": unit}
    return make_verses_nlp(5, codec=codec, search={**CHANCE, **search})


@pytest.fixture(scope="module")
def stages() -> dict[str, Generator]:
    return {unit: verses_stage(make_nlp(unit)) for unit in UNITS}


@pytest.fixture(scope="module")
def learned() -> Language:
    return trained()


def texts_of(nlp: Language, prompts: list[str] = PROMPTS) -> list[str]:
    return [doc._.generated for doc in nlp.pipe(prompts)]


# What it has learned ------------------------------------------------------------------------


def test_what_was_learned_is_gone_on_with(learned: Language) -> None:
    for poem in POEMS:
        prompt, rest = begun(poem)
        assert learned(prompt)._.generated == rest


def test_the_end_of_a_text_ends_it(learned: Language) -> None:
    assert learned(POEMS[0])._.generated == ""


def test_from_nothing_a_text_is_begun(learned: Language) -> None:
    assert any(poem.startswith(learned("")._.generated[:10]) for poem in POEMS)


def test_a_beam_finds_what_is_likelier() -> None:
    stage = verses_stage(make_nlp())
    how: dict[str, Any] = {"sampling": False, "max_length": 6, "min_length": 6}
    nlp = make_nlp(beam=20, nbest=20, **how)
    greedy = verses_stage(make_nlp(**how))
    for prompt in PROMPTS[:4]:
        doc = nlp(prompt)
        several = doc._.generated_nbest
        assert len({one["text"] for one in several}) == len(several) == 20
        assert doc._.generated == several[0]["text"]
        scores = [one["score"] for one in several]
        assert scores == sorted(scores, reverse=True)
        (best,) = greedy.predict([nlp.make_doc(prompt)])
        assert scores[0] >= best.written[0].score - 1e-4
        assert "".join(verses_stage(nlp).write(prompt)) == several[0]["text"]
        assert "".join(stage.write(prompt, beam=20, **how)) == several[0]["text"]


# By chance ----------------------------------------------------------------------------------


@every_unit
def test_a_text_is_the_same_whatever_its_batch(stages: dict[str, Generator], unit: str) -> None:
    nlp = make_nlp(unit)
    together = texts_of(nlp)
    assert texts_of(nlp, PROMPTS[::-1]) == together[::-1]
    assert [nlp(prompt)._.generated for prompt in PROMPTS] == together
    assert [text for (text,) in stages[unit].generate(PROMPTS)] == together
    assert ["".join(stages[unit].write(prompt)) for prompt in PROMPTS] == together
    assert len(set(together)) > 4


def test_another_seed_is_another_text(stages: dict[str, Generator]) -> None:
    stage = stages["char"]
    texts = {"".join(stage.write("The rain", seed=seed)) for seed in range(5)}
    assert len(texts) == 5
    assert texts_of(make_nlp(seed=1)) != texts_of(make_nlp()) == texts_of(make_nlp())
    assert "".join(stage.write("The rain", seed=1)) == make_nlp(seed=1)("The rain")._.generated


def test_two_texts_of_one_batch_draw_apart(stages: dict[str, Generator]) -> None:
    """Prompts that the net cannot tell apart are still two texts."""
    stage = stages["char"]
    first, second, again = stage.generate(["a☃", "b☃", "a☃"], temperature=50.0)
    assert first == again != second


def test_several_samples_differ_and_are_said_again() -> None:
    nlp = make_nlp(nbest=4)
    for doc in nlp.pipe(PROMPTS):
        several = doc._.generated_nbest
        assert len(several) == 4 and several[0]["text"] == doc._.generated
        assert len({one["text"] for one in several}) > 1
        assert all(one["score"] < 0 for one in several)
        (texts,) = verses_stage(nlp).generate([doc.text])
        assert texts == [one["text"] for one in several]
    assert make_nlp()("a")._.generated_nbest is None


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1e-4},
        {"top_k": 1},
        {"top_p": 1e-6},
        {"sampling": False},
    ],
)
def test_without_chance_it_writes_the_best(
    stages: dict[str, Generator], settings: dict[str, Any]
) -> None:
    stage = stages["char"]
    expected = make_nlp(sampling=False)("The rain")._.generated
    assert "".join(stage.write("The rain", **settings)) == expected
    assert stage.generate(["The rain"], **settings) == [[expected]]


@pytest.mark.parametrize(
    "settings",
    [{"typical": 0.2}, {"repetition_penalty": 3.0}, {"no_repeat": 2}, {"min_length": 25}],
    ids=lambda settings: next(iter(settings)),
)
def test_what_bends_the_scores_does_so_in_both_ways_of_writing(
    stages: dict[str, Generator], settings: dict[str, Any]
) -> None:
    nlp, stage = make_nlp(**settings), stages["char"]
    texts = texts_of(nlp)
    assert texts != texts_of(make_nlp())
    assert ["".join(stage.write(prompt, **settings)) for prompt in PROMPTS] == texts
    for text in texts:
        pairs = [text[i : i + 2] for i in range(len(text) - 1)]
        assert "no_repeat" not in settings or len(set(pairs)) == len(pairs)
        assert "min_length" not in settings or len(text) == 25


# Ends ---------------------------------------------------------------------------------------

stops_of = st.lists(st.text("ab\n春", min_size=1, max_size=4), max_size=3)
parts_given = st.lists(st.text("ab\n春\ufffd", max_size=3), max_size=12)


def shortest_ended(ending: Ending, parts: list[str]) -> str:
    """The text as it was when it first held a stop, or more than it may have."""
    text = ""
    for part in parts:
        text += part
        if any(stop in text for stop in ending.stops):
            break
        if ending.characters and len(text) > ending.characters:
            break
    return text


@settings(max_examples=400)
@given(parts=parts_given, stops=stops_of, characters=st.integers(0, 9))
@example(parts=["\ufffd\n", "a"], stops=["\na"], characters=0)
def test_what_is_typed_is_what_is_cut(parts: list[str], stops: list[str], characters: int) -> None:
    ending = Ending(stops, characters)
    typed = list(ending.typed(parts))
    expected = ending.cut(shortest_ended(ending, parts))
    assert "".join(typed) == expected
    assert all(typed)
    assert not any(stop in expected for stop in stops)
    assert not characters or len(expected) <= characters
    assert not expected.endswith("\ufffd")


def test_what_can_be_no_stop_is_typed_at_once() -> None:
    pulled: list[str] = []

    def parts() -> Any:
        for part in ("The ", "EN", "T", " E", "N", "D", "never"):
            pulled.append(part)
            yield part

    typed = Ending(["END"]).typed(parts())
    assert (next(typed), pulled) == ("The ", ["The "])
    assert (next(typed), pulled) == ("ENT", ["The ", "EN", "T"])
    assert (next(typed), pulled[-1]) == (" ", " E")
    assert list(typed) == [] and pulled[-1] == "D"  # nothing is asked for behind the end


@given(st.text("aé春🙂\u0301\ufffd", max_size=8))
def test_parts_are_whole_characters(text: str) -> None:
    codec = Codec.train(["é"], unit="bpe", size=260, lower=False)
    (ids,) = codec.encode([text])
    parts = list(parts_of(codec, ids.tolist()))
    assert "".join(parts) == text
    assert all("\ufffd" not in part for part in parts) or "\ufffd" in text


@settings(max_examples=40)
@given(cut=st.integers(0, 30), data=st.data())
def test_a_character_cut_in_two_by_the_limit_is_left_out(cut: int, data: st.DataObject) -> None:
    codec = Codec.train(["é"], unit="bpe", size=260, lower=False)
    (ids,) = codec.encode(["a春🙂é春b"])
    ids = ids[:cut]
    ending = Ending([], data.draw(st.integers(0, 7)))
    typed = "".join(ending.typed(parts_of(codec, ids.tolist())))
    assert typed == ending.cut(codec.decode(ids))
    assert "\ufffd" not in typed


# Bytes in any order, as a net may write them, are text that is broken anywhere.
@settings(max_examples=100)
@given(
    ids=st.lists(st.integers(4, 259), max_size=20),
    stops=st.lists(st.text("b¡a\n", min_size=1, max_size=2), max_size=2),
    characters=st.integers(0, 8),
)
def test_broken_text_ends_alike_in_both_ways(
    ids: list[int], stops: list[str], characters: int
) -> None:
    codec = Codec.train([""], unit="bpe", size=260, lower=False)
    ending = Ending(stops, characters)
    typed = "".join(ending.typed(parts_of(codec, ids)))
    stop = ending.stop_at(codec)
    kept = next(
        (
            n
            for n in range(1, len(ids) + 1)
            if stop and stop.reached(ids[max(n - stop.reach, 0) : n])
        ),
        len(ids),
    )
    assert typed == ending.cut(codec.decode(ids[:kept]))


@every_unit
@settings(max_examples=30)
@given(
    prompt=st.sampled_from(PROMPTS),
    stops=st.lists(st.text("aehnort \n春", min_size=1, max_size=2), max_size=3),
    characters=st.integers(0, 12),
    seed=st.integers(0, 9),
)
def test_texts_end_alike_in_both_ways(
    stages: dict[str, Generator],
    unit: str,
    prompt: str,
    stops: list[str],
    characters: int,
    seed: int,
) -> None:
    asked: dict[str, Any] = {"stops": stops, "characters": characters, "seed": seed}
    written = "".join(stages[unit].write(prompt, **asked))
    assert stages[unit].generate([prompt], **asked) == [[written]]
    assert not any(stop in written for stop in stops)
    assert not characters or len(written) <= characters


@every_unit
def test_the_settings_of_the_stage_end_a_text(stages: dict[str, Generator], unit: str) -> None:
    codec = {**CODEC, "unit": unit}
    how: dict[str, Any] = {"stops": ["e", "\n", "春"], "characters": 9}
    nlp = make_verses_nlp(5, codec=codec, search=CHANCE, **how)
    texts = texts_of(nlp)
    plain = ["".join(stages[unit].write(prompt, max_length=36)) for prompt in PROMPTS]
    assert texts == [Ending(**how).cut(text) for text in plain] != plain
    assert ["".join(verses_stage(nlp).write(prompt)) for prompt in PROMPTS] == texts
    free = verses_stage(nlp).generate(PROMPTS, stops=[], characters=0, max_length=36)
    assert [text for (text,) in free] == plain


def test_so_many_characters_are_written_if_the_text_does_not_end(
    stages: dict[str, Generator],
) -> None:
    for unit in UNITS:
        for characters in (1, 7, 60):
            asked = {"characters": characters, "min_length": 4 * characters}
            (texts,) = zip(*stages[unit].generate(PROMPTS, **asked), strict=True)
            broken = unit != "char"  # where what is left of a character was taken off the end
            for text in texts:
                assert len(text) == characters or (broken and len(text) < characters)


def test_so_many_pieces_are_written_if_the_text_does_not_end(stages: dict[str, Generator]) -> None:
    for length in (1, 5):
        texts = stages["char"].generate(PROMPTS, max_length=length, min_length=length)
        assert {len(text) for (text,) in texts} == {length}


def test_a_typewriter_shows_each_character_as_it_comes(stages: dict[str, Generator]) -> None:
    parts = list(stages["char"].write("The rain", min_length=20, max_length=20))
    assert list(map(len, parts)) == [1] * 20
    held = list(stages["char"].write("The rain", min_length=20, max_length=20, stops=["☃☃"]))
    assert held == parts


# What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"window": 0}, "window = 0 .* from 1 on"),
        ({"dynamic": -0.1}, r"dynamic = -0\.1 .* 0 for none"),
        ({"threshold": -1.0}, r"threshold = -1\.0 .* 0 for none"),
        ({"characters": -1}, "characters = -1 .* 0 for no limit"),
        ({"stops": ["\ufffd"]}, r"stops .* without U\+FFFD"),
        ({"stops": [""]}, r"stops = \[''\] .* not empty"),
        ({"codec": {**CODEC, "unit": "word"}}, "codec.unit = 'word' .* which keep spaces"),
        ({"codec": {**CODEC, "unit": "syllable"}}, "unit = 'syllable'"),
        ({"model": {"cell": "qrnn"}}, "cell = 'qrnn' .* rnn, lstm, gru"),
        ({"longest": -1}, "longest = -1 .* 0 for no limit"),
        ({"search": {"max_length": 0}}, "max_length = 0 .* 1 or more"),
        ({"search": {"max_length": -1}}, "max_length = -1"),
        ({"search": {"beam": 0}}, "beam = 0 .* 1 or more"),
        ({"search": {"nbest": 2}}, "nbest = 2 .* from 1 to the beam, 1"),
        ({"search": {"sampling": True, "nbest": 0}}, "nbest = 0 .* 1 or more"),
        ({"search": {"sampling": True, "temperature": 0.0}}, r"temperature = 0\.0 .* above 0"),
        ({"search": {"sampling": True, "top_p": 0.0}}, r"top_p = 0\.0 .* above 0"),
        ({"search": {"sampling": True, "top_k": -1}}, "top_k = -1 .* from 1 on"),
        ({"search": {"sampling": True, "typical": -0.5}}, r"typical = -0\.5 .* above 0"),
        ({"search": {"no_repeat": -1}}, "no_repeat = -1 .* from 1 on"),
        ({"search": {"repetition_penalty": 0.0}}, r"repetition_penalty = 0\.0 .* above 0"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence) as refused:
        make_verses_nlp(**config)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"stops": "END"}, "stops = 'END' .* a list of strings"),
        ({"stops": [""]}, "not empty"),
        ({"characters": -1}, "characters = -1"),
        ({"max_length": 0}, "max_length = 0"),
        ({"temperature": -1.0}, r"temperature = -1\.0"),
        ({"sampling": True, "nbest": 0}, "nbest = 0"),
    ],
)
def test_bad_wishes_are_refused_before_anything_is_written(
    stages: dict[str, Generator], asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingError, match=sentence):
        stages["char"].write("a", **asked)
    with pytest.raises(SettingError, match=sentence):
        stages["char"].generate(["a"], **asked)


def test_a_wish_that_nobody_knows_is_refused(stages: dict[str, Generator]) -> None:
    with pytest.raises(TypeError, match="heat"):
        stages["char"].write("a", heat=2.0)

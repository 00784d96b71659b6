"""A text cut anew each time it is learned from is the same text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.errors import SettingError
from seqpipe.text.bpe_dropout import VARIANTS, BpeDropout
from seqpipe.text.codec import EOS, Codec, Ids, Unit

TEXTS = [
    "the rooms were clean and the staff were kind",
    "the rooms were cold, the staff couldn't care less",
    "房间很干净，服务也很好，房间很安静",
    "Größe und Gemüse",
] * 5
HOLDERS = ["\ue000", "\ue001"]
CODEC = Codec.train(TEXTS, unit="bpe", size=340)
RESERVING = Codec.train(TEXTS, unit="bpe", size=340, reserved=HOLDERS)

anything = st.one_of(
    st.text(st.characters()),
    st.text(st.sampled_from("the roomsé房间 \n\ue000\ud800👍<pad>'")),
    st.sampled_from(TEXTS),
)


def make(rate: float = 0.3, *, seed: int = 0, codec: Codec = CODEC) -> BpeDropout:
    return BpeDropout(codec, rate, seed=seed)


def cut(dropper: BpeDropout, texts: Sequence[str], *, seed: int = 0) -> list[list[int]]:
    return [dropper.encode(text, np.random.default_rng(seed)).tolist() for text in texts]


def well_formed(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


@pytest.mark.parametrize("codec", [CODEC, RESERVING], ids=["plain", "reserving"])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.99])
@given(text=anything, seed=st.integers(0, 9))
def test_any_text_comes_back(codec: Codec, rate: float, text: str, seed: int) -> None:
    ids = make(rate, codec=codec).encode(text, np.random.default_rng(seed))
    assert ids.dtype == np.int32
    assert codec.decode(ids) == well_formed(text)


@pytest.mark.parametrize("codec", [CODEC, RESERVING], ids=["plain", "reserving"])
@given(text=anything)
def test_a_rate_of_zero_is_the_codecs_own_cut(codec: Codec, text: str) -> None:
    found = make(0.0, codec=codec).encode(text, np.random.default_rng(0))
    assert found.tolist() == codec.encode([text])[0].tolist()


def test_the_higher_the_rate_the_more_pieces() -> None:
    counts = [sum(map(len, cut(make(rate), TEXTS[:4]))) for rate in (0.0, 0.1, 0.5, 0.99)]
    assert counts == sorted(set(counts))
    assert counts[-1] > 0.9 * sum(len(text.encode()) for text in TEXTS[:4])


def test_a_word_is_cut_in_many_ways() -> None:
    chance = np.random.default_rng(0)
    dropper = make(0.3)
    ways = {tuple(dropper.encode(" staff", chance).tolist()) for _ in range(10 * VARIANTS)}
    assert 3 < len(ways) <= VARIANTS


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [2, 0, 3, 1]], ids=str)
def test_pieces_hang_on_the_seed_and_not_on_what_came_before(order: list[int]) -> None:
    expected = cut(make(), TEXTS[:4])
    found = cut(make(), [TEXTS[i] for i in order])
    assert found == [expected[i] for i in order]


def test_another_seed_cuts_otherwise() -> None:
    assert cut(make(), TEXTS[:4]) != cut(make(seed=1), TEXTS[:4])
    assert cut(make(), TEXTS[:4]) != cut(make(), TEXTS[:4], seed=1)


@given(text=anything)
def test_again_is_the_same_text_with_its_end(text: str) -> None:
    ids = np.append(CODEC.encode([text])[0], np.int32(EOS))
    found = make().again(ids, np.random.default_rng(0))
    assert found.dtype == np.int32 and found[-1] == EOS
    assert EOS not in found[:-1] and CODEC.decode(found) == CODEC.decode(ids)


@pytest.mark.parametrize("rate", [0.0, 0.9])
def test_a_reserved_character_stays_one_piece(rate: float) -> None:
    first, second = (RESERVING.tokenizer.token_to_id(holder) for holder in HOLDERS)
    text = "\ue000 and x\ue001y\ue001\ue001, the rooms房\ue000"
    (ids,) = cut(make(rate, codec=RESERVING), [text])
    assert [i for i in ids if i in (first, second)] == [first, second, second, second, first]
    assert RESERVING.decode(ids) == text


def test_nothing_is_cut_into_nothing() -> None:
    (ids,) = cut(make(), [""])
    assert ids == []
    only_end: Ids = np.array([EOS], np.int32)
    assert make().again(only_end, np.random.default_rng(0)).tolist() == [EOS]


def test_only_what_is_wanted_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chinese has no spaces: there a word is a sentence, and hardly comes twice."""
    cuts = []
    once = BpeDropout._cut

    def counted(self: BpeDropout, word: str, chance: np.random.Generator) -> Ids:
        cuts.append(word)
        return once(self, word, chance)

    monkeypatch.setattr(BpeDropout, "_cut", counted)
    dropper, text = make(0.9), "房间很干净服务也很好" * 3
    chance = np.random.default_rng(0)
    assert len({tuple(dropper.encode(text, chance).tolist()) for _ in range(5)}) > 1
    assert len(cuts) == 5
    dropper.encode("staff", chance)
    assert len(cuts) == 6


@pytest.mark.parametrize("unit", ["word", "char", "unigram"])
def test_other_units_have_no_merges_to_leave_out(unit: Unit) -> None:
    with pytest.raises(SettingError, match=rf"bpe_dropout = 0.1.*0 for the unit '{unit}'"):
        BpeDropout(Codec.train(TEXTS, unit=unit, size=340), 0.1, seed=0)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(SettingError, match=r"bpe_dropout = .*0 or more and less than 1"):
        make(rate)

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers

from seqpipe.errors import CodecError, SettingError
from seqpipe.text.codec import BOS, EOS, PAD, UNK, Aligned, Codec, Unit
from seqpipe.text.units import SPECIALS, Memo

UNITS: tuple[Unit, ...] = get_args(Unit)
TEXTS = [
    "The rooms were clean, and the staff couldn't have been kinder!!!",
    "the food was cold... we won't come back",
    "Größe, naïve café, ΟΔΟΣ, İstanbul",
    "房间很干净，服务也很好。wifi 不行",
    "コーヒーがおいしい กินข้าวแล้ว 안녕하세요",
    "الغرفة نظيفة می\u200cخواهم हिन्दी",
    "👍🏽 ❤\ufe0f 👨\u200d👩\u200d👧",
] * 3
AWKWARD = [
    "",
    " \t\r\n\x1c\x85\u3000",
    "\ud800",
    "a\udfffb \ud83d \ude00 c",
    "\x00\x07\ufeff\u200b",
    "<pad> <unk> <bos></eos> <eos>",
    "<pad><eos>",
    "e\u0301 e\u0323\u0307 \u0301x か\u3099 中\u0301 \u1112\u1161\u11ab",
    "a\u2019\u2019b don\u2019t 'tis rock'n'roll it's' 中'a'中",
    "!!!???... $$ __init__ 3.14 1,000",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324",
    "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd مرحبا",
    "\U0010ffff\U000e0001\U00020000\uf900\u3007々",
    "👨\u200d👩\u200d👧\u200d👦🏳\ufe0f\u200d🌈",
    "ẞ İ ﬁ Ǆ \u1e9b\u0323",
]
ENDLESS = {
    "letters": "a" * 2**20,
    "han": "中" * 2**18,
    "joined": "a'" * 2**16,
    "marks": "e" + "\u0301" * 2**17,
    "emoji": "👍" * 2**16,
}

# Whole planes, lone surrogates included, and alphabets in which the rules of words meet.
anything = st.one_of(
    st.text(st.characters()),
    st.text(st.sampled_from("ab'’É!.中々かー\u3099ข้\u0301\u200d\ud83d \u3000\x1f👍İ<pd>")),
    st.lists(st.sampled_from(TEXTS + AWKWARD + SPECIALS), max_size=4).map("".join),
)


@pytest.fixture(scope="module", params=UNITS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


def make_codec(unit: Unit) -> Codec:
    return Codec.train(TEXTS, unit=unit, size=400)


CODECS: dict[str, Codec] = {unit: make_codec(unit) for unit in UNITS}


# Not Python's own, whose Unicode is another one in every version.
NORMALIZER = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])


def well_formed(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def check_alignment(codec: Codec, text: str, aligned: Aligned) -> None:
    starts, ends = aligned.offsets[:, 0], aligned.offsets[:, 1]
    assert aligned.offsets.shape == (len(aligned.ids), 2)
    assert aligned.offsets.dtype == aligned.ids.dtype == np.int32
    assert (starts >= 0).all() and (ends <= len(text)).all() and (starts <= ends).all()
    assert (np.diff(starts) >= 0).all() and (np.diff(ends) >= 0).all()


@given(text=anything)
def test_any_text_encodes_as_the_tokenizer_itself_would(codec: Codec, text: str) -> None:
    (ids,) = codec.encode([text])
    assert ids.dtype == np.int32 and ids.flags.writeable
    assert ids.tolist() == codec.align(text).ids.tolist()
    assert not set(ids.tolist()) & {PAD, BOS, EOS}


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_encodes(codec: Codec, text: str) -> None:
    assert codec.encode([text])[0].tolist() == codec.align(text).ids.tolist()
    assert bool(text.strip()) <= bool(len(codec.encode([text])[0]))


@pytest.mark.parametrize("of", ENDLESS)
def test_up_to_a_megabyte_without_a_space_encodes(codec: Codec, of: str) -> None:
    text = ENDLESS[of]
    (ids,) = codec.encode([text])
    assert len(ids)
    if codec.lossless:
        assert codec.decode(ids) == text


@given(text=anything)
def test_offsets_lie_in_the_text_and_never_go_back(codec: Codec, text: str) -> None:
    check_alignment(codec, text, codec.align(text))


@given(text=anything)
def test_a_span_of_a_word_is_its_piece_before_normalization(text: str) -> None:
    words = Codec.train([text], unit="word")
    aligned = words.align(text)
    for id, (start, end) in zip(aligned.ids.tolist(), aligned.offsets.tolist(), strict=True):
        assert words.piece(id) == NORMALIZER.normalize_str(well_formed(text[start:end]))


@given(text=anything)
def test_a_span_of_a_character_is_that_character(text: str) -> None:
    aligned = CODECS["char"].align(text)
    assert aligned.offsets.tolist() == [[i, i + 1] for i in range(len(text))]
    for id, character in zip(aligned.ids.tolist(), well_formed(text), strict=True):
        assert id == UNK or CODECS["char"].piece(id) == character


@pytest.mark.parametrize("unit", ["bpe", "unigram"])
@given(text=anything)
def test_the_spans_of_bytes_contain_their_pieces_and_cover_the_text(unit: str, text: str) -> None:
    codec = CODECS[unit]
    aligned = codec.align(text)
    reached = 0
    for id, (start, end) in zip(aligned.ids.tolist(), aligned.offsets.tolist(), strict=True):
        assert codec.decode([id]).strip("\ufffd") in text[start:end]
        assert start <= reached
        reached = end
    assert reached == len(text)


@given(text=anything)
def test_decoding_gives_back_what_the_codec_promises(codec: Codec, text: str) -> None:
    (ids,) = codec.encode([text])
    if codec.lossless or (codec.unit == "char" and UNK not in ids):
        assert codec.decode(ids) == well_formed(text)


@given(texts=st.lists(anything, max_size=6))
def test_a_batch_equals_its_rows_one_by_one(codec: Codec, texts: list[str]) -> None:
    singly = [codec.encode([text])[0].tolist() for text in texts]
    assert [ids.tolist() for ids in codec.encode(texts)] == singly


def test_batches_longer_than_one_go_keep_the_order(codec: Codec) -> None:
    texts = [TEXTS[i % 7][: i % 40] for i in range(2500)]
    rows = codec.encode(texts)
    assert len(rows) == 2500
    for i in (0, 1, 1023, 1024, 2047, 2499):
        assert rows[i].tolist() == codec.align(texts[i]).ids.tolist()


def test_every_space_of_python_parts_words_and_is_no_piece() -> None:
    words = CODECS["word"]
    for space in filter(str.isspace, map(chr, range(0x110000))):
        text = f"the{space}food"
        assert len(words.encode([text])[0]) == len(words.align(text).ids) == 2


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("I don't, OK?!", ["i", "don't", ",", "ok", "?", "!"]),
        ("wait... what!!!", ["wait", "...", "what", "!!!"]),
        ("房间wifi不行。", ["房", "间", "wifi", "不", "行", "。"]),
        ("コーヒー が\u3099", ["コ", "ー", "ヒ", "ー", "が\u3099"]),
        ("กินข้าว", ["กิ", "น", "ข้", "า", "ว"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("e\u0301te\u0301 2nd", ["été", "2nd"]),
        ("'quoted' a_b", ["'", "quoted", "'", "a", "_", "b"]),
        ("👍🏽👍👍", ["👍", "🏽", "👍👍"]),
    ],
)
def test_words_are_cut_as_described(text: str, pieces: list[str]) -> None:
    codec = Codec.train([text], unit="word")
    assert [codec.piece(i) for i in codec.encode([text])[0].tolist()] == pieces


def test_case_is_kept_when_asked() -> None:
    codec = Codec.train(["The the"], lower=False)
    assert sorted(codec.pieces()[4:]) == ["The", "the"]
    assert Codec.train(["The the"]).pieces()[4:] == ["the"]


def test_the_special_tokens_come_first_and_no_text_makes_them(codec: Codec) -> None:
    assert [codec.piece(i) for i in (PAD, UNK, BOS, EOS)] == SPECIALS
    trained_on_names = Codec.train([" ".join(SPECIALS)] * 50, unit=codec.unit, size=400)
    for name in SPECIALS:
        (ids,) = trained_on_names.encode([name])
        assert len(ids) > 1 and min(ids.tolist()) > EOS


def test_specials_are_left_out_of_decoded_text(codec: Codec) -> None:
    (ids,) = codec.encode(["the food"])
    framed = [BOS, *ids.tolist(), EOS, PAD]
    assert codec.decode(framed) == codec.decode(ids) == "the food"


def by_bytes(codec: Codec) -> Codec:
    return Codec.from_bytes(codec.to_bytes())


def by_pickle(codec: Codec) -> Codec:
    again = pickle.loads(pickle.dumps(codec))
    assert isinstance(again, Codec)
    return again


@pytest.mark.parametrize("twin_of", [by_bytes, by_pickle, copy.deepcopy])
def test_twins_give_the_same_ids(codec: Codec, twin_of: Callable[[Codec], Codec]) -> None:
    twin = twin_of(codec)
    for text, ids in zip(TEXTS + AWKWARD, codec.encode(TEXTS + AWKWARD), strict=True):
        assert twin.encode([text])[0].tolist() == twin.align(text).ids.tolist() == ids.tolist()


def test_a_file_keeps_the_codec_and_leaves_nothing_beside_it(codec: Codec, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tokenizer.json"
    codec.save(path)
    codec.save(path)
    loaded = Codec.load(path)
    assert [p.name for p in path.parent.iterdir()] == ["tokenizer.json"]
    assert loaded.unit == codec.unit and loaded.lossless == codec.lossless
    assert loaded.to_bytes() == codec.to_bytes() == path.read_bytes()
    assert loaded.pieces() == codec.pieces()
    assert Tokenizer.from_file(str(path)).get_vocab_size() == len(codec)


@pytest.mark.parametrize("damage", ["missing", "folder", "cut", "binary", "other"])
def test_what_cannot_be_read_is_refused_in_one_sentence(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    whole = CODECS["word"].to_bytes()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"cut": whole[:500], "binary": b"\xff\x00", "other": b"{}"}[damage])
    with pytest.raises(CodecError, match=r"tokenizer\.json") as caught:
        Codec.load(path)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_kind_is_refused() -> None:
    foreign = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    with pytest.raises(CodecError, match="not cut the way"):
        Codec(foreign)
    foreign.pre_tokenizer = Tokenizer.from_str(CODECS["word"].to_bytes().decode()).pre_tokenizer
    with pytest.raises(CodecError, match="<pad>"):
        Codec(foreign)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("texts", [[], [""], ["\ud800"], ["a"]])
def test_little_text_is_enough_to_train_on(unit: Unit, texts: list[str]) -> None:
    codec = Codec.train(iter(texts), unit=unit)
    (ids,) = codec.encode(["hello 中"])
    assert len(ids)
    assert len(codec) == len(codec.pieces()) >= len(SPECIALS)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("size", [260, 300])
def test_the_vocabulary_is_never_larger_than_asked(unit: Unit, size: int) -> None:
    assert len(Codec.train(TEXTS * 20, unit=unit, size=size)) <= size


def test_rare_pieces_are_left_out() -> None:
    assert Codec.train(["a a b"], min_count=2).pieces()[4:] == ["a"]
    assert Codec.train(["aab"], unit="char", min_count=2).pieces()[4:] == ["a"]


def test_equal_counts_are_ordered_by_the_piece() -> None:
    assert Codec.train(["b c a a"], size=6).pieces()[4:] == ["a", "b"]


@pytest.mark.parametrize("unit", UNITS)
def test_training_is_the_same_in_another_process(unit: Unit) -> None:
    program = (
        "import sys; from seqpipe.text.codec import Codec; "
        f"codec = Codec.train({TEXTS!r}, unit={unit!r}, size=400); "
        "sys.stdout.buffer.write(codec.to_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == CODECS[unit].to_bytes()


@pytest.mark.parametrize(
    ("setting", "arguments"),
    [
        ("unit", {"unit": "syllable"}),
        ("size", {"size": 3}),
        ("size", {"unit": "bpe", "size": 259}),
        ("min_count", {"min_count": 0}),
        ("min_count", {"unit": "unigram", "min_count": 2}),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, arguments: dict[str, str]) -> None:
    with pytest.raises(SettingError, match=f"setting {setting} = "):
        Codec.train(TEXTS, **arguments)  # type: ignore[arg-type]


def test_given_words_have_an_id_each() -> None:
    codec = CODECS["word"]
    words = ["The", "rooms", "couldn't", "well-known", "", "\ud800", " ", "<pad>", "Cafe\u0301"]
    (ids,) = codec.encode_words([words])
    found = [UNK if i == UNK else codec.piece(i) for i in ids.tolist()]
    assert found == ["the", "rooms", "couldn't", UNK, UNK, UNK, UNK, UNK, "café"]
    assert codec.encode_words([[], ["the"]])[0].tolist() == []


@pytest.mark.parametrize("unit", ["char", "bpe", "unigram"])
def test_other_units_have_no_id_a_word(unit: str) -> None:
    with pytest.raises(SettingError, match="codec of words"):
        CODECS[unit].encode_words([["the"]])


@pytest.mark.parametrize("id", [-1, 10**6])
def test_an_id_beyond_the_vocabulary_is_refused(codec: Codec, id: int) -> None:
    with pytest.raises(SettingError, match="from 0 to"):
        codec.piece(id)


def test_a_memo_forgets_rather_than_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqpipe.text.units._MOST", 3)
    memo = Memo(len)
    assert [memo["a" * i] for i in range(8)] == list(range(8))
    assert len(memo) <= 3
    assert memo["b" * 1000] == 1000 and "b" * 1000 not in memo


def test_a_codec_that_another_version_has_cut_is_read_and_goes_the_long_way() -> None:
    codec = Codec.train(["a b-c"], unit="word")
    settings = json.loads(codec.to_bytes())
    settings["pre_tokenizer"]["pattern"]["Regex"] = r"\S+"
    settings["model"]["vocab"] = {"<pad>": 0, "<unk>": 1, "<bos>": 2, "<eos>": 3, "b-c": 4}
    older = Codec.from_bytes(json.dumps(settings).encode())
    assert older.unit == "word"
    assert [ids.tolist() for ids in older.encode(["a b-c"])] == [[1, 4]]
    assert older.align("a b-c").ids.tolist() == [1, 4]


# Texts made of ids ------------------------------------------------------------------------------


@given(text=anything)
def test_what_is_spelled_is_what_is_decoded(codec: Codec, text: str) -> None:
    (ids,) = codec.encode([text])
    assert codec.spell(ids).text == codec.decode(ids)


@given(ids=st.lists(st.integers(0, 200), max_size=20))
def test_any_ids_are_spelled_as_they_are_decoded(codec: Codec, ids: list[int]) -> None:
    """Characters broken off and specials anywhere, as an untrained net writes them."""
    ids = [id % len(codec) for id in ids]
    spelled = codec.spell(ids)
    assert spelled.text == codec.decode(ids)
    starts, ends = spelled.offsets.T.tolist()
    assert spelled.offsets.shape == (len(ids), 2) and spelled.offsets.dtype == np.int32
    assert all(a <= b for a, b in zip([0, *ends], starts, strict=False))
    assert all(a <= b <= len(spelled.text) for a, b in zip(starts, ends, strict=True))
    covered = {i for a, b in zip(starts, ends, strict=True) for i in range(a, b)}
    assert {spelled.text[i] for i in range(len(spelled.text)) if i not in covered} <= {" "}


def parts_of(codec: Codec, ids: list[int], unknown: list[str] | None = None) -> list[str]:
    spelled = codec.spell(ids, unknown)
    return [spelled.text[a:b] for a, b in spelled.offsets.tolist()]


@pytest.mark.parametrize(
    ("unit", "text", "parts"),
    [
        ("word", "the food  was COLD", ["the", "food", "was", "cold"]),
        ("word", "房间 不行", ["房", "间", "不", "行"]),
        ("char", "a bad", ["a", " ", "b", "a", "d"]),
        ("char", "房间 不", ["房", "间", " ", "不"]),
    ],
)
def test_each_piece_is_found_in_the_text_it_became(unit: str, text: str, parts: list[str]) -> None:
    codec = Codec.train([*TEXTS, text], unit=unit)  # type: ignore[arg-type]
    assert parts_of(codec, codec.encode([text])[0].tolist()) == parts


def test_the_space_before_a_word_counts_to_no_piece() -> None:
    codec = Codec.train(["low lower lowest"] * 9, unit="bpe", size=270)
    (ids,) = codec.encode(["lowest low   low "])
    pieces = [codec.piece(id) for id in ids.tolist()]
    assert pieces[-5:] == ["Ġlow", "Ġ", "Ġ", "Ġlow", "Ġ"]
    assert parts_of(codec, ids.tolist())[-5:] == ["low", " ", " ", "low", " "]


@pytest.mark.parametrize("unit", ["bpe", "unigram"])
def test_a_character_of_several_pieces_belongs_to_the_last(unit: Unit) -> None:
    codec = Codec.train(["abc"] * 9, unit=unit, size=262)
    (ids,) = codec.encode(["aé👍b"])
    assert len(ids) == 1 + 2 + 4 + 1
    assert parts_of(codec, ids.tolist()) == ["a", "", "é", "", "", "", "👍", "b"]
    broken = ids.tolist()[:5]
    assert codec.spell(broken).text == codec.decode(broken) == "aé\ufffd"
    assert parts_of(codec, broken) == ["a", "", "é", "", "\ufffd"]


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("word", "the Zürich food", "the Zürich food"),
        ("word", "Zürich food", "Zürich food"),
        ("char", "a%b", "aZürichb"),
    ],
)
def test_an_unknown_piece_gives_way_to_the_text_for_its_place(
    unit: str, text: str, expected: str
) -> None:
    codec = Codec.train(["the food ab"], unit=unit)  # type: ignore[arg-type]
    ids = codec.encode([text])[0].tolist()
    assert ids.count(UNK) == 1
    spelled = codec.spell(ids, ["Zürich"] * len(ids))
    assert spelled.text == expected
    start, end = spelled.offsets[ids.index(UNK)].tolist()
    assert spelled.text[start:end] == "Zürich"
    assert "Zürich" not in codec.spell(ids).text
    assert codec.spell(ids, [""] * len(ids)).text == codec.spell(ids).text == codec.decode(ids)


def test_nothing_is_spelled_as_nothing(codec: Codec) -> None:
    for ids in ([], [BOS, EOS, PAD]):
        spelled = codec.spell(ids)
        assert spelled.text == "" and spelled.offsets.tolist() == [[0, 0]] * len(ids)
    assert codec.spell(np.zeros(0, np.int32), []).text == ""


# Characters of their own ------------------------------------------------------------------------

HOLDERS = ["\ue000", "\ue001"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_reserved_character_is_one_piece_wherever_it_stands(unit: Unit) -> None:
    codec = Codec.train([*TEXTS, "\ue000 x\ue000"], unit=unit, size=400, reserved=HOLDERS)
    assert codec.pieces()[-2:] == HOLDERS
    text = "the\ue000food \ue001房\ue001\ue000间 \ue000."
    ids = codec.encode([text])[0].tolist()
    assert ids == codec.align(text).ids.tolist()
    found = [codec.piece(id) for id in ids if codec.piece(id) in HOLDERS]
    assert "".join(found) == "\ue000\ue001\ue001\ue000\ue000"
    aligned = codec.align(text)
    for id, (start, end) in zip(aligned.ids.tolist(), aligned.offsets.tolist(), strict=True):
        assert (codec.piece(id) in HOLDERS) == (text[start:end] in HOLDERS)
    spelled = codec.spell(ids)
    assert spelled.text == codec.decode(ids)
    assert [spelled.text[a:b] for a, b in spelled.offsets.tolist() if spelled.text[a:b] in HOLDERS]
    if codec.lossless:
        assert spelled.text == text


@pytest.mark.parametrize("unit", UNITS)
def test_reserved_characters_come_besides_the_size_and_change_no_other_piece(unit: Unit) -> None:
    plain = Codec.train(TEXTS, unit=unit, size=300)
    codec = Codec.train(TEXTS, unit=unit, size=300, reserved=HOLDERS)
    assert codec.pieces() == [*plain.pieces(), *HOLDERS]
    assert [ids.tolist() for ids in codec.encode(TEXTS)] == [
        ids.tolist() for ids in plain.encode(TEXTS)
    ]


@pytest.mark.parametrize("unit", UNITS)
def test_reserved_characters_are_saved(unit: Unit) -> None:
    codec = Codec.train(TEXTS, unit=unit, size=300, reserved=HOLDERS)
    again = Codec.from_bytes(codec.to_bytes())
    text = "the\ue000food\ue001"
    assert again.pieces() == codec.pieces()
    assert again.encode([text])[0].tolist() == codec.encode([text])[0].tolist()

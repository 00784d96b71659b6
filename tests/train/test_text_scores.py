"""BLEU and chrF of texts, with the signatures by which others can count them again."""

from __future__ import annotations

import math

import pytest
from sacrebleu.metrics.bleu import BLEU

from seqpipe.errors import SettingError
from seqpipe.train.scores import score_texts

ENGLISH = ["The film is good, and warm.", "She did not see the end."]
CHINESE = ["我们喜欢这部电影。", "北京的冬天很冷。"]


def scores(
    said: list[str], gold: list[str], *, tokenize: str = "auto", lowercase: bool = False
) -> tuple[float, float, str]:
    """BLEU, chrF, and the signature of BLEU."""
    found = score_texts(said, gold, tokenize=tokenize, lowercase=lowercase)
    bleu, chrf, signature = found["bleu"], found["chrf"], found["bleu_signature"]
    assert isinstance(bleu, float) and isinstance(chrf, float) and isinstance(signature, str)
    assert 0 <= bleu <= 1 and 0 <= chrf <= 1
    return bleu, chrf, signature


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_equal_texts_have_all_and_texts_of_nothing_alike_have_none(texts: list[str]) -> None:
    assert scores(texts, texts)[:2] == (1.0, 1.0)
    assert scores(["xxx yyy zzz vvv qqq"] * 2, texts)[:2] == (0.0, 0.0)
    assert scores([""] * 2, texts)[:2] == (0.0, 0.0)


def test_by_hand() -> None:
    bleu, _, _ = scores(["a b c d e"], ["a b c d f"])
    # of 5, 4, 3 and 2 runs of one to four words 4, 3, 2 and 1 are there; as long as the reference
    assert bleu == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    bleu, _, _ = scores(["a b c d"], ["a b c d e"])
    assert bleu == pytest.approx(math.exp(1 - 5 / 4))  # too short, all else right


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        (ENGLISH, "13a"),
        (["Größe, naïve café", "ΟΔΟΣ мир مرحبا 한국어"], "13a"),
        (CHINESE, "zh"),
        (["我们喜欢 wifi 和电影，北京的冬天很冷，夏天很热，春天最好，秋天也不错。" * 2], "zh"),
        (["コーヒーがおいしい。", "漢字と仮名"], "char"),
        (["กินข้าวแล้ว"], "char"),
        (["A long text in English with one 字 in it"], "13a"),
        (["", "..."], "13a"),
    ],
    ids=["en", "many", "zh", "zh-wifi", "ja", "th", "en-zh", "none"],
)
def test_the_script_of_the_gold_texts_picks_the_tokenizer(gold: list[str], expected: str) -> None:
    assert f"|tok:{expected}|" in scores(["whatever was said"] * len(gold), gold)[2]


def test_chinese_is_counted_by_its_characters() -> None:
    near = ["我们喜欢这部影片。", "北京的冬天很冷。"]
    assert 0.5 < scores(near, CHINESE)[0] < 1
    assert scores(near, CHINESE, tokenize="13a")[0] < 0.1


def test_case_counts_unless_it_is_left_out() -> None:
    lower = [text.lower() for text in ENGLISH]
    assert scores(lower, ENGLISH)[0] < 1
    bleu, chrf, signature = scores(lower, ENGLISH, lowercase=True)
    assert (bleu, chrf) == (1.0, 1.0) and "case:lc" in signature


def test_the_signatures_say_how_it_was_counted() -> None:
    found = score_texts(ENGLISH, ENGLISH, tokenize="intl", lowercase=False)
    assert str(found["bleu_signature"]).startswith(
        "nrefs:1|case:mixed|eff:no|tok:intl|smooth:exp|version:"
    )
    assert str(found["chrf_signature"]).startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|")


def test_without_texts_there_is_no_score() -> None:
    nothing = score_texts([], [], tokenize="auto", lowercase=False)
    assert nothing == {"bleu": None, "chrf": None}


def test_an_unknown_tokenizer_is_one_sentence() -> None:
    with pytest.raises(SettingError) as caught:
        score_texts(["a"], ["a"], tokenize="words", lowercase=False)
    start = "The setting tokenize = 'words' is not allowed: give auto or one of "
    assert str(caught.value) == f"{start}{', '.join(BLEU.TOKENIZERS)}."

"""What the grower of reviews must know of a language: agreement, articles, scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Said:
    """A part with its words: two of the review's side, two of the other; empty when not needed."""

    noun: str
    number: str
    word: str
    also: str
    opposite: str
    opposite_also: str


@dataclass(frozen=True, slots=True)
class Language:
    """One language's list of words and the functions that make sentences of them."""

    words: str
    voice: Callable[[Random], Mapping[str, str]]
    fields: Callable[[Said, Mapping[str, str]], Mapping[str, str]]
    finish: Callable[[Sequence[str]], str]
    fits: Callable[[str], bool]
    written: Callable[[str, Random], str]


def english_voice(random: Random) -> Mapping[str, str]:
    """Who speaks, and whether of now or of then; kept through a review."""
    one = {"we": "I", "me": "me", "my": "my", "were": "was"}
    many = {"we": "we", "me": "us", "my": "our", "were": "were"}
    return random.choice([one, many]) | {"tense": random.choice(["past", "past", "present"])}


def english_fields(said: Said, voice: Mapping[str, str]) -> Mapping[str, str]:
    plural = said.number == "p"
    past, present = ("were", "are") if plural else ("was", "is")
    be = past if voice["tense"] == "past" else present
    countable = said.number == "s"
    return {
        "the": f"the {said.noun}",
        "the_w": f"the {said.word} {said.noun}",
        "it": "they" if plural else "it",
        "was": be,
        "wasnt": f"{be}n't",
        "w": said.word,
        "w2": said.also,
        "v": said.opposite,
        "v2": said.opposite_also,
        "some_w": _with_article(said.word, said.noun, countable),
        "some_v": _with_article(said.opposite, said.noun, countable),
        "such_w": "such " + _with_article(said.word, said.noun, countable),
    }


def english_finish(sentences: Sequence[str]) -> str:
    text = ". ".join(sentences) + "."
    return re.sub(r"(^|\. )([a-z])", lambda m: m[1] + m[2].upper(), text)


def _with_article(word: str, noun: str, countable: bool) -> str:
    if not countable:
        return f"{word} {noun}"
    vowel = word.startswith(("a", "e", "i", "o", "u", "hon")) and not word.startswith("use")
    return f"{'an' if vowel else 'a'} {word} {noun}"


def chinese_voice(random: Random) -> Mapping[str, str]:
    return {"me": random.choice(["我", "我", "我们"])}


def chinese_fields(said: Said, voice: Mapping[str, str]) -> Mapping[str, str]:
    return {
        "the": said.noun,
        "the_w": f"{said.word}的{said.noun}",
        "w": said.word,
        "w2": said.also,
        "v": said.opposite,
        "v2": said.opposite_also,
    }


def chinese_finish(sentences: Sequence[str]) -> str:
    return "。".join(sentences) + "。"


def chinese_written(text: str, random: Random) -> str:
    """Three in ten reviews in traditional script."""
    return traditional(text) if random.random() < 0.3 else text


def traditional(text: str) -> str:
    """The traditional form of the simplified characters that our lists use."""
    for simplified, other in _PHRASES:
        text = text.replace(simplified, other)
    return text.translate(_TRADITIONAL)


# Two characters that traditional script tells apart by the word they stand in.
_PHRASES = (
    ("发型", "髮型"),
    ("理发", "理髮"),
    ("染发", "染髮"),
    ("头发", "頭髮"),
    ("老板", "老闆"),
)
_PAIRS = """
专專业業两兩个個为為乐樂习習书書买買乱亂从從仓倉仪儀会會传傳关關净淨凑湊刚剛别別刹剎办辦务務
动動劲勁匀勻单單卫衛却卻厅廳厢廂厦廈厨廚参參发發号號员員响響圆圓场場声聲壳殼够夠头頭妈媽学學
实實宽寬对對尴尷尽儘岛島师師带帶帮幫广廣应應开開弥彌归歸当當总總报報担擔拥擁挤擠换換旧舊时時
杂雜来來样樣毁毀汤湯没沒浅淺浓濃温溫湿濕满滿灯燈灵靈点點烦煩烫燙热熱狭狹环環现現电電画畫畅暢
盘盤着著礼禮称稱稳穩笔筆简簡紧緊约約线線练練细細经經结結给給绝絕统統维維肤膚脏髒腻膩节節苏蘇
虚虛虽雖补補衬襯见見视視览覽觉覺订訂认認让讓议議记記讲講评評诉訴译譯试試话話该該语語说說请請
读讀课課调調谈談谱譜账帳货貨质質贵貴费費赞讚车車轮輪软軟轻輕较較边邊过過还還这這进進远遠连連
迟遲选選邻鄰钝鈍钟鐘钱錢铺鋪错錯键鍵门門闭閉间間闷悶阔闊队隊阴陰随隨隽雋难難静靜页頁顺順须須
预預频頻颖穎题題颜顏风風饭飯饱飽馆館马馬鱼魚鲜鮮麦麥长長缓緩浑渾丰豐么麼价價优優几幾划劃后後
听聽坏壞夸誇干乾机機极極洁潔准準确確网網荐薦里裡致緻适適咸鹹离離们們并並余餘气氣
""".replace("\n", "")
_TRADITIONAL = str.maketrans(dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True)))

LANGUAGES = {
    "reviews_en": Language(
        words="words_en.json",
        voice=english_voice,
        fields=english_fields,
        finish=english_finish,
        fits=lambda text: 5 <= len(text.split()) <= 40,
        written=lambda text, random: text,
    ),
    "reviews_zh": Language(
        words="words_zh.json",
        voice=chinese_voice,
        fields=chinese_fields,
        finish=chinese_finish,
        fits=lambda text: 8 <= len(text) <= 60,
        written=chinese_written,
    ),
}

"""The bundled verse: it scans, it rhymes, and nothing of the validation part was seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seqpipe.corpora import verse
from seqpipe.corpora.ballads import plural
from seqpipe.corpora.sources import open_split
from seqpipe.corpora.verse import VERSE, fits, grow_verse, lines_of

LISTS = Path(verse.__file__).parent / "data"
WORDS: dict[str, dict[str, Any]] = {
    name: json.loads((LISTS / of.words).read_text("utf-8")) for name, of in VERSE.items()
}

# Words of more syllables than one by where the first stress falls; all others have one.
FIRST = (
    "amber ancient april aspen autumn badger bagpipe beacon beggar bramble calling candle "
    "children christmas coming crescent crimson cymbal daisy dancer distant dreaming dreamless "
    "eager early ember empty evening every fading falcon falling farmer ferry fiddle fiddler "
    "fountain frosty frozen gentle golden hawthorn heron hidden holy homeward kitten lantern "
    "lily linger linnet little livelong lonely lovely maiden miller morning mossy mother nameless "
    "never nothing ocean other others otter patient peaceful perfect petals pilgrim piper poet "
    "pony poppy purple quiet rabbit raindrops raven restless river robin roses ruddy rushes "
    "russet sailor schooner secret settle shadow shepherd shining silent silver sinking "
    "sleeping sleepy soldier spaniel sparrow starling starry stranger streamlet "
    "sudden summer swallow tempest tender thistle torrent truly trumpet tumbling waiting waking "
    "weary weaver welcome whaler whistle widow willow winter zephyr"
)
SECOND = (
    "above across again against agleam aglow ago along amid among arise around asleep away "
    "before behind below beneath beside beyond delay delight despair profound surprise "
    "throughout toward until upon within without"
)
LONG = {
    "afternoon": "/x/",
    "always": "/x",
    "eventide": "/x/",
    "evermore": "/x/",
    "everywhere": "/x/",
    "into": "??",
    "waterside": "/x/",
    "yesterday": "/x/",
}
STRESS = dict.fromkeys(FIRST.split(), "/x") | dict.fromkeys(SECOND.split(), "x/") | LONG
STRESS |= {plural(word): "/x" for word in FIRST.split()}


def poems(name: str, part: str) -> list[str]:
    return list(open_split(f"bundled:{name}", split=part)["text"])


def scanned(line: str) -> str:
    """Each syllable as `/`, `x` or, where it may be either, `?`."""
    words = re.findall(r"[a-z]+", line.lower().replace("'s", ""))
    return "".join(STRESS.get(word, "?") for word in words)


def is_iambic(line: str, feet: int) -> bool:
    # a line of verse may begin with its stress: "Why do you sing?"
    return bool(re.fullmatch("[x?/][/?]" + r"[x?][/?]" * (feet - 1), scanned(line)))


@pytest.mark.parametrize("name", VERSE)
def test_no_line_of_validation_stands_in_training(name: str) -> None:
    train, validation = (poems(name, part) for part in ("train", "validation"))
    assert {"train": len({*train}), "validation": len({*validation})} == VERSE[name].rows
    known, new = (
        {line for poem in part for line in lines_of(poem)} for part in (train, validation)
    )
    assert not known & new
    assert len(known) > 0.9 * sum(len(lines_of(poem)) for poem in train)


@pytest.mark.parametrize("name", VERSE)
def test_but_all_its_characters_do(name: str) -> None:
    train, validation = ({*"".join(poems(name, part))} for part in ("train", "validation"))
    assert validation <= train
    assert len(train) < {"verse_en": 60, "verse_zh": 400}[name]


@pytest.mark.parametrize("part", ["train", "validation"])
def test_english_lines_scan(part: str) -> None:
    kinds = set()
    for poem in poems("verse_en", part):
        for stanza in poem.split("\n\n"):
            lines = stanza.split("\n")
            feet = [len(scanned(line)) // 2 for line in lines]
            assert all(is_iambic(line, n) for line, n in zip(lines, feet, strict=True)), stanza
            kinds.add(tuple(feet))
    assert kinds == {(4, 4, 4, 4), (4, 3, 4, 3)}


def test_a_word_that_is_not_listed_has_one_syllable() -> None:
    told = {*re.findall("[a-z]+", "\n".join(poems("verse_en", "train")).lower())}
    silent = r"(?<=[^aeiouy])e(?=d?s?$)|(?<=[aeiouy])e?(?=s?$)"
    parts = {word: re.findall("[aeiouy]+", re.sub(silent, "", word)) for word in told - {*STRESS}}
    assert {word for word, found in parts.items() if len(found) > 1} == set()


def test_english_lines_rhyme() -> None:
    rhymes = WORDS["verse_en"]["rhymes"]
    ends = {
        name: {end.split()[-1].lower() for listed in of.values() for end in listed.split(", ")}
        for name, of in rhymes.items()
    }
    for poem in poems("verse_en", "train"):
        for stanza in poem.split("\n\n"):
            last = [re.findall("[a-z]+", line.lower())[-1] for line in stanza.split("\n")]
            ways = [[(0, 1), (2, 3)], [(0, 2), (1, 3)]]
            assert len({*last}) == 4
            assert any(all(rhyming(last[a], last[b], ends) for a, b in way) for way in ways), stanza


def rhyming(one: str, other: str, ends: dict[str, set[str]]) -> bool:
    return any({one, other} <= of for of in ends.values())


@pytest.mark.parametrize("part", ["train", "validation"])
def test_chinese_lines_are_of_one_length_and_rhyme(part: str) -> None:
    rhymes = {name: of for name, of in WORDS["verse_zh"]["rhymes"].items() if name}
    for poem in poems("verse_zh", part):
        lines = re.findall(r"[^，。？\n]+", poem)
        assert re.sub(r"[^，。？\n]+", "", poem).replace("？", "。") == "，。\n，。"
        assert len(lines) == 4 and {len(line) for line in lines} in ({5}, {7})
        assert any({lines[1][-1], lines[3][-1]} <= {*of} for of in rhymes.values())
        assert not any(lines[2][-1] in of for of in rhymes.values())


def test_no_character_stands_twice_in_a_quatrain() -> None:
    for poem in poems("verse_zh", "train"):
        found = re.findall(r"[\u4e00-\u9fff]", poem)
        assert len({*found}) == len(found)


def test_every_end_of_the_list_has_a_rhyme() -> None:
    words = WORDS["verse_zh"]
    known = {*"".join(words["rhymes"].values())}
    ways = [way for ways in words["forms"].values() for way in ways]
    lasts = [words["lists"].get(way[-1][1:], way[-1]) for way in ways]
    assert {end[-1] for listed in lasts for end in listed.split()} <= known


def test_what_cannot_be_together_is_not() -> None:
    words = WORDS["verse_en"]
    assert not fits("Upon the snow\nin early June", words)
    assert fits("Upon the snow\nin winter cold", words)
    assert all(fits(poem, words) for poem in poems("verse_en", "train"))


@pytest.mark.parametrize(
    ("word", "more"),
    [("lark", "larks"), ("pony", "ponies"), ("fly", "flies"), ("play", "plays"), ("sea", "seas")],
)
def test_plurals(word: str, more: str) -> None:
    assert plural(word) == more


def test_another_seed_writes_other_poems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERSE["verse_zh"].rows, "train", 30)
    monkeypatch.setitem(VERSE["verse_zh"].rows, "validation", 2)
    one, same, other = (grow_verse("verse_zh", seed) for seed in (1, 1, 2))
    assert one == same != other

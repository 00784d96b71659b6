"""What a bundled phrase means, before any language says it; and the list of words for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

Determiner = Literal["", "a", "the", "this", "own", "no"]
Tense = Literal["now", "habit", "state", "past", "future", "done"]
Asked = Literal["", "whether", "who", "whom", "what", "where", "when", "why", "many"]
Modal = Literal["", "can", "must", "want", "may"]
Part = Literal["", "half past", "quarter past", "quarter to"]

PRONOUNS = ("I", "you", "he", "she", "we", "they")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """Somebody or something; `count` is 1, a number, or 0 for several."""

    name: str
    det: Determiner = ""
    count: int = 1
    adjective: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """Who does what to whom, when, where and how."""

    subject: Noun
    verb: str
    tense: Tense
    object: Noun | None = None
    receiver: Noun | None = None
    company: Noun | None = None
    place: str = ""
    goal: str = ""
    means: str = ""
    time: str = ""
    clock: int = 0
    often: str = ""
    modal: Modal = ""
    negated: bool = False
    fronted: bool = False  # whether the time comes first
    asked: Asked = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Being:
    """What somebody or something is like."""

    subject: Noun
    quality: str
    degree: Literal["", "very", "too"] = ""
    negated: bool = False
    past: str = ""  # the time, where it is over


@dataclass(frozen=True, slots=True)
class Weather:
    kind: str
    tense: Tense
    time: str = ""
    fronted: bool = False


State: TypeAlias = Being | Weather


@dataclass(frozen=True, slots=True)
class Linked:
    """Two clauses: `main because of state`, `although state, main` or `if state, main`."""

    link: Literal["because", "although", "if"]
    main: Clause
    state: State


@dataclass(frozen=True, slots=True)
class Thought:
    holder: Noun
    verb: str
    content: Clause | Being


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody tries to do, has forgotten to do or has no time to do."""

    kind: str
    clause: Clause


@dataclass(frozen=True, slots=True)
class Order:
    clause: Clause


@dataclass(frozen=True, slots=True)
class Doer:
    """`The man who is working in the garden is my uncle.`"""

    clause: Clause
    answer: Noun


@dataclass(frozen=True, slots=True)
class Matter:
    """`The book that I bought yesterday is interesting.`"""

    clause: Clause
    being: Being


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Noun
    quality: str
    right: Noun


@dataclass(frozen=True, slots=True)
class There:
    what: Noun
    place: str


@dataclass(frozen=True, slots=True)
class Lying:
    what: Noun
    place: str


@dataclass(frozen=True, slots=True)
class Job:
    who: Noun
    job: str


@dataclass(frozen=True, slots=True)
class Age:
    who: Noun
    years: int


@dataclass(frozen=True, slots=True)
class Price:
    what: Noun
    euros: int


@dataclass(frozen=True, slots=True)
class Hour:
    hour: int
    part: Part


Meaning: TypeAlias = (
    Clause
    | Being
    | Weather
    | Linked
    | Thought
    | Attempt
    | Order
    | Doer
    | Matter
    | Comparison
    | There
    | Lying
    | Job
    | Age
    | Price
    | Hour
)


@cache
def lexicon() -> Mapping[str, Any]:
    words = Path(__file__).parent / "data" / "phrases.json"
    found: Mapping[str, Any] = json.loads(words.read_text("utf-8"))
    return found


@cache
def fields(part: str, name: str) -> list[str]:
    """What the list says of a word, cut at the bars."""
    return [field.strip() for field in lexicon()[part][name].split("|")]


def listed_in(names: str) -> list[str]:
    """Names, each a word: `_` stands for the space within one."""
    return [name.replace("_", " ") for name in names.split()]


@cache
def named(part: str) -> Sequence[str]:
    return listed_in(lexicon()[part])


def counted(language: int) -> list[str]:
    """The numbers from one to nineteen, in English (0) or German (1)."""
    ones: str = lexicon()["ones"]
    return ones.split("|")[language].split()


def pronoun_of(noun: Noun) -> str:
    """What a noun can be called afterwards; nothing where languages disagree."""
    if noun.name in PRONOUNS:
        return noun.name
    return fields("people", noun.name)[3] if noun.name in lexicon()["people"] else ""


def is_person(noun: Noun) -> bool:
    return noun.name in PRONOUNS or noun.name in lexicon()["people"]


def is_many(noun: Noun) -> bool:
    return noun.count != 1 or pronoun_of(noun) in ("we", "they")

"""How German says the meanings of the bundled phrases: gender, case, and where the verb stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

from seqpipe.corpora.declension import Case, declined, gender_of, inflected, numeral, the
from seqpipe.corpora.meanings import (
    PRONOUNS,
    Age,
    Attempt,
    Being,
    Clause,
    Comparison,
    Doer,
    Hour,
    Job,
    Linked,
    Lying,
    Matter,
    Meaning,
    Noun,
    Order,
    Price,
    There,
    Thought,
    Weather,
    fields,
    is_many,
    is_person,
    lexicon,
    named,
)

Place: TypeAlias = Literal["second", "first", "last"]  # of the finite verb

_TO_BE = {"I": "bin", "you": "bist", "he": "ist", "they": "sind"}
_TO_HAVE = {"I": "habe", "you": "hast", "he": "hat", "they": "haben"}
_WILL = {"I": "werde", "you": "wirst", "he": "wird", "they": "werden"}
_WAS = {"I": "war", "you": "warst", "he": "war", "they": "waren"}
_MODALS = {
    "can": {"I": "kann", "you": "kannst", "he": "kann", "they": "können"},
    "must": {"I": "muss", "you": "musst", "he": "muss", "they": "müssen"},
    "want": {"I": "will", "you": "willst", "he": "will", "they": "wollen"},
    "may": {"I": "darf", "you": "darfst", "he": "darf", "they": "dürfen"},
}
_TRY = {"I": "versuche", "you": "versuchst", "he": "versucht", "they": "versuchen"}
_LINKS = {"because": "weil", "although": "obwohl", "if": "wenn"}
_ASKED = {"what": "was", "whom": "wen", "where": "wo", "when": "wann", "why": "warum"}
_DEGREES = {"": "", "very": "sehr", "too": "zu"}


def german(meaning: Meaning) -> str:
    mark = "!" if isinstance(meaning, Order) else "."
    if isinstance(meaning, Clause) and meaning.asked:
        mark = "?"
    said = " ".join(_said(meaning).replace("_", " ").split()).replace(" ,", ",")
    return said[0].upper() + said[1:] + mark


def _said(meaning: Meaning) -> str:
    match meaning:
        case Clause():
            return _asked(meaning) if meaning.asked else _clause(meaning)
        case Being():
            return _being(meaning)
        case Weather():
            return _weather(meaning)
        case Linked("because", main, state):
            return f"{_clause(main)}, weil {_last(state)}"
        case Linked(link, main, state):
            return f"{_LINKS[link]} {_last(state)}, {_clause(main, 'first')}"
        case Thought(holder, verb, content):
            forms = fields("thoughts", verb)[1].split()
            said = dict(zip(_TO_BE, forms, strict=True))[_person(holder)]
            return f"{declined(holder)} {said}, dass {_last(content)}"
        case Attempt():
            return _attempt(meaning)
        case Order(clause):
            prefix, _ = _parted(clause)
            said = _forms(clause)[5]
            return f"{said} {_middle(clause, please=True)} {prefix}"
        case _:
            return _fact(meaning)


def _fact(meaning: Meaning) -> str:
    match meaning:
        case Doer(clause, answer):
            called = "ist" if answer.owner else "heißt"
            who = the(gender_of(clause.subject), "nom")
            relative = _clause(clause, "last", subject=who)
            return f"{declined(clause.subject)}, {relative}, {called} {declined(answer)}"
        case Matter(clause, being):
            which = the(gender_of(being.subject), "acc")
            relative = _clause(replace(clause, object=None), "last")
            return f"{declined(being.subject)}, {which} {relative}, {_quality(being)}"
        case Comparison(left, quality, right):
            part = "statures" if quality in lexicon()["statures"] else "adjectives"
            more = fields(part, quality)[1].split()[-1]
            return f"{declined(left)} {_TO_BE[_person(left)]} {more} als {declined(right)}"
        case There(what, place):
            return f"{fields('places', place)[1]} {_TO_BE[_person(what)]} {declined(what)}"
        case Lying(what, place):
            lies = "liegen" if is_many(what) else "liegt"
            return f"{declined(what)} {lies} {fields('places', place)[1]}"
        case Job(who, job):
            said = fields("jobs", job)[0].split()[gender_of(who) == "f"]
            return f"{declined(who)} {_TO_BE[_person(who)]} {said}"
        case Age(who, years):
            return f"{declined(who)} {_TO_BE[_person(who)]} {numeral(years)} Jahre alt"
        case Price(what, euros):
            return f"{declined(what)} kostet {numeral(euros)} Euro"
        case Hour():
            return f"es ist {_hour(meaning)}"
    raise TypeError(meaning)


def _hour(hour: Hour) -> str:
    match hour.part:
        case "half past":
            return f"halb {numeral(hour.hour % 12 + 1)}"
        case "quarter past":
            return f"Viertel nach {numeral(hour.hour)}"
        case "quarter to":
            return f"Viertel vor {numeral(hour.hour)}"
        case _:
            return _o_clock(hour.hour)


def _o_clock(hour: int) -> str:
    return f"{'ein' if hour == 1 else numeral(hour)} Uhr"


def _asked(c: Clause) -> str:
    if c.asked == "who":
        return _clause(c, subject="wer")
    word = _ASKED.get(c.asked, "")
    if c.asked == "what" and c.object and is_person(c.object):
        word = "wen"
    if c.asked == "many" and c.object:
        word = f"wie viele {inflected(c.object, 'acc')}"
    return f"{word} {_clause(c, 'first')}"


def _last(content: Clause | Being | Weather) -> str:
    match content:
        case Clause():
            return _clause(content, "last")
        case Being():
            return _being(content, last=True)
        case Weather():
            return _weather(content, last=True)


def _attempt(attempt: Attempt) -> str:
    clause = attempt.clause
    prefix, infinitive = _parted(clause)
    to = f"{prefix}zu{infinitive}" if prefix else f"zu {infinitive}"
    who, person = declined(clause.subject), _person(clause.subject)
    finite, rest = {
        "try": (_TRY[person], ""),
        "forget": (_TO_HAVE[person], "vergessen"),
        "lack": (_TO_HAVE[person], "keine Zeit"),
    }[attempt.kind]
    return f"{who} {finite} {rest}, {_middle(clause)} {to}"


def _clause(c: Clause, place: Place = "second", *, subject: str = "") -> str:
    """A clause with its finite verb in the place asked for; what belongs to it ends the clause."""
    who, middle = subject or declined(c.subject), _middle(c)
    finite, end = _verb(c)
    if place == "last":
        together = f"{end}{finite}" if _is_simple(c) else f"{end} {finite}"
        return f"{who} {middle} {together}"
    if place == "first" or c.fronted:
        time = _time(c) if c.fronted else ""
        return f"{time} {finite} {who} {middle} {end}"
    return f"{who} {finite} {middle} {end}"


def _is_simple(c: Clause) -> bool:
    return not c.modal and c.tense in ("now", "habit", "state")


def _verb(c: Clause) -> tuple[str, str]:
    """The finite part of a verb and the part that ends a main clause."""
    _, first, second, third, participle, _ = _forms(c)
    prefix, infinitive = _parted(c)
    person = "he" if c.asked == "who" else _person(c.subject)
    if c.modal:
        return _MODALS[c.modal][person], prefix + infinitive
    match c.tense:
        case "future":
            return _WILL[person], prefix + infinitive
        case "past" | "done":
            auxiliary = _TO_BE if participle.endswith("*") else _TO_HAVE
            return auxiliary[person], participle.removesuffix("*")
        case _:
            return {"I": first, "you": second, "he": third, "they": infinitive}[person], prefix


def _forms(c: Clause) -> list[str]:
    rides = c.goal in named("far") or c.means not in ("", "foot")
    if c.verb == "go" and rides:
        said: str = lexicon()["fahren"]
        return said.split()
    return fields("verbs", c.verb)[1].split()


def _parted(c: Clause) -> tuple[str, str]:
    """The separable prefix, if there is one, and the infinitive without it."""
    prefix, _, infinitive = _forms(c)[0].rpartition("-")
    return prefix, infinitive


def _middle(c: Clause, *, please: bool = False) -> str:
    """What stands between the two parts of the verb, in its order.

    Pronouns come first, then time, persons, what is known, `nicht`, the place, what is new, and
    how and where to; where something is denied, persons and what is known come before the time.
    """
    wanted = c.object if c.asked not in ("what", "whom", "many") else None
    case: Case = "dat" if "dative" in _flags(c) else "acc"
    what = declined(wanted, case, negated=c.negated) if wanted else ""
    if wanted and "auf" in _flags(c):
        known, late, early = "", f"auf {what}", ""
    else:
        early = what if wanted and wanted.name in PRONOUNS else ""
        late = what if wanted and wanted.det == "a" else ""
        known = "" if early or late else what
    receiver = declined(c.receiver, "dat") if c.receiver else ""
    to_pronoun = bool(c.receiver and c.receiver.name in PRONOUNS)
    words = [early, receiver if to_pronoun else "", "bitte" if please else ""]
    when = ["" if c.fronted or c.asked == "when" else _time(c)]
    when += [f"um {_o_clock(c.clock)}" if c.clock else "", _often(c)]
    when += [f"mit {declined(c.company, 'dat')}" if c.company else ""]
    whom = "" if to_pronoun else receiver
    if c.negated or c.often == "never":
        words += [whom, *when, known] if receiver else [known, *when]
    else:
        words += [*when, whom, known]
    words += [("noch" if c.negated else "schon") if c.tense == "done" else ""]
    words += ["nicht" if c.negated and not late.startswith("kein") else ""]
    words += [fields("places", c.place)[1] if c.place and c.asked != "where" else "", late]
    words += [fields("means", c.means)[1] if c.means else ""]
    words += [fields("goals", c.goal)[1] if c.goal else ""]
    return " ".join(words)


def _flags(c: Clause) -> list[str]:
    return fields("verbs", c.verb)[-1].split()


def _time(c: Clause) -> str:
    times = lexicon()["times"].values()
    return next((t[c.time].split(" | ")[0] for t in times if c.time in t), "")


def _often(c: Clause) -> str:
    return fields("often", c.often)[0] if c.often else ""


def _being(being: Being, *, last: bool = False) -> str:
    if not last:
        return f"{declined(being.subject)} {_quality(being)}"
    finite, _, rest = _quality(being).partition(" ")
    return f"{declined(being.subject)} {rest} {finite}"


def _quality(being: Being) -> str:
    person = _person(being.subject)
    time = ""
    if being.past:
        time = lexicon()["times"]["past"][being.past].split(" | ")[0]
    part = "feelings" if being.quality in lexicon()["feelings"] else "adjectives"
    word = fields(part, being.quality)[part == "adjectives"].split()[0]
    negation = "nicht" if being.negated else ""
    finite = (_WAS if being.past else _TO_BE)[person]
    return f"{finite} {time} {negation} {_DEGREES[being.degree]} {word}"


def _weather(weather: Weather, *, last: bool = False) -> str:
    times = lexicon()["times"].values()
    time = next((t[weather.time].split(" | ")[0] for t in times if weather.time in t), "")
    said = fields("weather", weather.kind)[1].split()
    match weather.tense, said:
        case "past", [_, _, participle]:
            finite, end = "hat", participle
        case "future", [infinitive, _, _]:
            finite, end = "wird", infinitive
        case _, [_, present, _]:
            finite, end = present, ""
        case tense, _:
            finite = {"past": "war", "future": "wird"}.get(tense, "ist")
            end = f"{said[0]} sein" if tense == "future" else said[0]
    if last:
        return f"es {time} {end} {finite}"
    return f"{time} {finite} es {end}" if weather.fronted else f"es {finite} {time} {end}"


def _person(noun: Noun) -> str:
    if noun.name in ("I", "you"):
        return noun.name
    return "they" if is_many(noun) else "he"

"""How English says the meanings of the bundled phrases."""

from __future__ import annotations

from dataclasses import replace

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
    counted,
    fields,
    is_many,
    lexicon,
    pronoun_of,
)

_TENS = {2: "twenty", 3: "thirty", 4: "forty"}
_NOT = {"am": "am not", "can": "can't", "will": "won't", "may": "may not"}
_ASKED = {"who": "who", "whom": "who", "what": "what", "where": "where", "when": "when"}
_DONT = "don't"
_TRYING = {"forget": "{has} forgotten to", "try": "{is} trying to", "lack": "{has} no time to"}


def english(meaning: Meaning) -> str:
    mark = "!" if isinstance(meaning, Order) else "."
    if isinstance(meaning, Clause) and meaning.asked:
        mark = "?"
    said = " ".join(_said(meaning).replace("_", " ").split()).replace(" ,", ",")
    return said[0].upper() + said[1:] + mark


def _said(meaning: Meaning) -> str:
    match meaning:
        case Clause():
            return _clause(meaning)
        case Being():
            return _being(meaning)
        case Weather():
            return _weather(meaning)
        case Linked("because", main, state):
            return f"{_clause(main)} because {_said(state)}"
        case Linked(link, main, state):
            return f"{link} {_said(state)}, {_clause(main)}"
        case Thought(holder, verb, content):
            said = fields("thoughts", verb)[0].split()[_third(holder)]
            return f"{_noun(holder)} {said} that {_said(content)}"
        case Attempt(kind, clause):
            verb = _TRYING[kind].format(has=_has(clause.subject), **{"is": _be(clause.subject)})
            return f"{_noun(clause.subject)} {verb} {_bare(clause)}"
        case Order(clause):
            return f"please {_DONT * clause.negated} {_bare(clause)}"
        case _:
            return _fact(meaning)


def _fact(meaning: Meaning) -> str:
    match meaning:
        case Doer(clause, answer):
            called = "is called" if pronoun_of(answer) and not answer.owner else "is"
            who = f"{_noun(clause.subject)} who {_predicate(clause)}"
            return f"{who} {called} {_noun(answer)}"
        case Matter(clause, being):
            what, without = _noun(being.subject), replace(clause, object=None)
            return f"{what} that {_clause(without)} {_quality(being)}"
        case Comparison(left, quality, right):
            part = "statures" if quality in lexicon()["statures"] else "adjectives"
            more = fields(part, quality)[0]
            return f"{_noun(left)} {_be(left)} {more} than {_noun(right, object=True)}"
        case There(what, place):
            return f"there {_be(what)} {_noun(what)} {fields('places', place)[0]}"
        case Lying(what, place):
            return f"{_noun(what)} {_be(what)} {fields('places', place)[0]}"
        case Job(who, job):
            return f"{_noun(who)} {_be(who)} {_a(job)}"
        case Age(who, years):
            return f"{_noun(who)} {_be(who)} {_number(years)} years old"
        case Price(what, euros):
            return f"{_noun(what)} costs {_number(euros)} euros"
        case Hour(hour, part):
            past = f"a {part}" if part.startswith("quarter") else part
            return f"it is {past} {_number(hour)}" if part else f"it is {_number(hour)} o'clock"
    raise TypeError(meaning)


def _clause(c: Clause) -> str:
    time = c.time if c.fronted else ""
    if c.asked in ("", "who"):
        return f"{time} {'who' if c.asked else _noun(c.subject)} {_predicate(c)}"
    auxiliary, rest = _verb(c)
    asked = _ASKED.get(c.asked, "")
    if c.asked == "why":
        asked = "why"
    elif c.asked == "many" and c.object:
        asked = f"how many {fields('things', c.object.name)[0]}"
    auxiliary = _negated(auxiliary) if c.negated else auxiliary
    return f"{asked} {auxiliary} {_noun(c.subject)} {c.often} {rest} {_tail(c)}"


def _predicate(c: Clause) -> str:
    """The verb with all that follows it, in a statement."""
    auxiliary, rest = _verb(c)
    if c.negated:
        return f"{_negated(auxiliary)} {rest} {_tail(c)}"
    if auxiliary in ("do", "does", "did"):
        rest = _finite(c, auxiliary, rest)
        auxiliary = ""
    return f"{auxiliary} {c.often} {rest} {_tail(c)}"


def _verb(c: Clause) -> tuple[str, str]:
    """The auxiliary that a question or `not` would need, and the rest of the verb."""
    base, _, _, participle, ing = _forms(c)
    does = "does" if _third(c.subject) or c.asked == "who" else "do"
    match c.modal or c.tense:
        case "can" | "may" as modal:
            return modal, base
        case "must":
            return does, f"have to {base}"
        case "want":
            return does, f"want to {base}"
        case "now":
            return ("is" if c.asked == "who" else _be(c.subject)), ing
        case "future":
            return "will", base
        case "done":
            return _has(c.subject), participle if c.negated else f"already {participle}"
        case "past":
            return "did", base
        case _:
            return does, base


def _finite(c: Clause, auxiliary: str, rest: str) -> str:
    """`does have to go` as it is said: `has to go`."""
    if c.modal:
        first, _, more = rest.partition(" ")
        third = {"have": "has", "want": "wants"}[first]
        return f"{third if auxiliary == 'does' else first} {more}"
    return _forms(c)[["do", "does", "did"].index(auxiliary)]


def _bare(c: Clause) -> str:
    return f"{_forms(c)[0]} {_tail(c)}"


def _forms(c: Clause) -> list[str]:
    return fields("verbs", c.verb)[0].split()


def _tail(c: Clause) -> str:
    particle = c.verb.partition(" ")[2].removesuffix("+")
    wanted = c.object if c.asked not in ("what", "whom", "many") else None
    what = _noun(wanted, object=True) if wanted else ""
    if wanted and wanted.name in PRONOUNS and particle in ("up", "on", "off"):
        what, particle = "", f"{what} {particle}"
    words = [particle, _noun(c.receiver, object=True) if c.receiver else "", what]
    words.append(fields("goals", c.goal)[0] if c.goal else "")
    words.append(fields("means", c.means)[0] if c.means else "")
    words.append(f"with {_noun(c.company, object=True)}" if c.company else "")
    words.append(fields("places", c.place)[0] if c.place and c.asked != "where" else "")
    words.append(f"at {_number(c.clock)} o'clock" if c.clock else "")
    words.append("" if c.fronted or c.asked == "when" else c.time)
    words.append("yet" if c.tense == "done" and c.negated else "")
    return " ".join(words)


def _being(being: Being) -> str:
    return f"{_noun(being.subject)} {_quality(being)}"


def _quality(being: Being) -> str:
    be = _be(being.subject)
    if being.past:
        be = "were" if be == "are" else "was"
    be = _negated(be) if being.negated else be
    return f"{be} {being.degree} {being.quality} {being.past}"


def _weather(weather: Weather) -> str:
    front, back = (weather.time, "") if weather.fronted else ("", weather.time)
    forms = fields("weather", weather.kind)[0].split()
    if not forms:
        be = {"past": "was", "future": "will be"}.get(weather.tense, "is")
        return f"{front} it {be} {weather.kind} {back}"
    ing, past, base, third = forms
    verb = {"past": past, "future": f"will {base}", "habit": third}.get(weather.tense, f"is {ing}")
    return f"{front} it {verb} {back}"


def _noun(noun: Noun, *, object: bool = False) -> str:
    if noun.name in PRONOUNS:
        return fields("pronouns", noun.name)[0].split()[0] if object else noun.name
    if noun.name in lexicon()["people"]:
        kind = fields("people", noun.name)[0]
        return f"{_own(noun) if kind == 'own' else 'the' if kind == 'the' else ''} {noun.name}"
    word = noun.name if noun.count == 1 else fields("things", noun.name)[0]
    phrase = f"{noun.adjective} {word}".strip()
    match noun.det:
        case "a" if noun.count == 1:
            return _a(phrase)
        case "a":
            return f"{_number(noun.count)} {phrase}"
        case "own":
            return f"{_own(noun)} {phrase}"
        case _:
            return f"{noun.det} {phrase}"


def _own(noun: Noun) -> str:
    return "my" if noun.owner == "I" else fields("pronouns", noun.owner)[0].split()[1]


def _a(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _third(noun: Noun) -> bool:
    return not is_many(noun) and noun.name not in ("I", "you")


def _be(noun: Noun) -> str:
    return "am" if noun.name == "I" else "is" if _third(noun) else "are"


def _has(noun: Noun) -> str:
    return "has" if _third(noun) else "have"


def _negated(auxiliary: str) -> str:
    return _NOT.get(auxiliary, f"{auxiliary}n't")


def _number(number: int) -> str:
    ones = counted(0)
    if number <= len(ones):
        return ones[number - 1]
    tens, one = divmod(number, 10)
    return _TENS[tens] + (f"-{ones[one - 1]}" if one else "")

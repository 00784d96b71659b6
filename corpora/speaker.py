"""Draws clauses and nouns that make sense together, for the bundled phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeVar

from seqpipe.corpora.meanings import (
    PRONOUNS,
    Clause,
    Modal,
    Noun,
    Tense,
    fields,
    is_many,
    lexicon,
    listed_in,
    named,
    pronoun_of,
)

Option = TypeVar("Option")

_SINGULAR = ("I", "you", "he", "she")
_PLACED = ("live", "stay", "arrive")  # nothing without a place
_TENSES: dict[Tense, int] = {
    "now": 18,
    "habit": 15,
    "past": 28,
    "future": 14,
    "state": 10,
    "done": 8,
}


class Unsayable(Exception):
    """What was drawn does not go together."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What the list tells of a verb besides its forms."""

    name: str
    articles: Sequence[str]
    tenses: Sequence[str]
    takes: Sequence[str]

    @classmethod
    def of(cls, name: str) -> Verb:
        *_, articles, tenses, takes = fields("verbs", name)
        return cls(name, articles.split(), tenses.split(), listed_in(takes))

    @property
    def objects(self) -> list[str]:
        return [word for word in self.takes if word in lexicon()["things"]]


@dataclass
class Speaker:
    """Draws one meaning; `pairs` are the words in it that stand together."""

    random: Random
    pairs: list[str] = field(default_factory=list)

    def statement(self) -> Clause:
        if self.chance(0.18):
            return self.with_modal()
        tense = self.random.choices(list(_TENSES), list(_TENSES.values()))[0]
        clause = self.timed(self.clause(tense))
        return self.denied(clause) if self.chance(0.22) else clause

    def with_modal(self) -> Clause:
        modals: list[Modal] = ["can", "must", "want", "may"]
        clause = replace(self.clause("future"), modal=self.pick(modals))
        if clause.verb == "arrive":
            raise Unsayable
        if not (clause.modal == "can" and clause.verb in named("skills")) and self.chance(0.5):
            clause = self.timed(clause)
        return self.denied(clause) if self.chance(0.3) else clause

    def clause(
        self, tense: Tense, *, verbs: Sequence[str] = (), subject: Noun | None = None
    ) -> Clause:
        """Who does what, with what belongs to the verb."""
        known = [Verb.of(name) for name in verbs or lexicon()["verbs"]]
        worn = tense == "now" and not verbs and self.chance(0.08)
        verb = self.pick([verb for verb in known if ("wear" if worn else tense) in verb.tenses])
        clause = Clause(subject=subject or self.person(), verb=verb.name, tense=tense)
        return self.accompanied(self.placed(self.complemented(clause, verb), verb))

    def complemented(self, clause: Clause, verb: Verb) -> Clause:
        if verb.articles:
            clause = replace(clause, object=self.thing(verb, clause.subject))
        if "PERSON" in verb.takes:
            clause = replace(clause, object=self.other(clause.subject, verb.name))
        if "TO" in verb.takes:
            clause = replace(clause, receiver=self.other(clause.subject, verb.name))
        if "CLOCK" in verb.takes:
            clause = replace(clause, clock=self.random.randint(5, 11))
        if verb.name in ("wear", "put on") and not _dresses(clause):
            raise Unsayable
        return clause

    def placed(self, clause: Clause, verb: Verb) -> Clause:
        """Where, or where to, as far as the verb asks for it or goes with it."""
        name, where = verb.name, lexicon()["where"]
        if "TOWARDS" in verb.takes:
            return self.going(clause, verb)
        if "GOAL" in verb.takes:
            return replace(clause, goal=self.together(name, self.pick(named("small places"))))
        if "WHERE" in verb.takes and (name in _PLACED or self.chance(0.6)):
            places = [place for place in verb.takes if place in lexicon()["places"]]
            return replace(clause, place=self.together(name, self.pick(places)))
        if name not in where or clause.tense == "done" or self.chance(0.7):
            return clause
        if name == "buy" and clause.object and clause.object.name not in named("groceries"):
            return clause
        return replace(clause, place=self.together(name, self.pick(listed_in(where[name]))))

    def going(self, clause: Clause, verb: Verb) -> Clause:
        goal = self.pick([name for name in verb.takes if name in lexicon()["goals"]])
        clause = replace(clause, goal=self.together("go", goal))
        if not self.chance(0.35):
            return clause
        far = goal in named("far")
        means = self.pick(["train", "bus", "car"] if far else ["bus", "car", "bicycle", "foot"])
        return replace(clause, means=self.together(goal, means))

    def accompanied(self, clause: Clause) -> Clause:
        apart = clause.object or clause.place or clause.means or clause.clock
        if apart or not self.chance(0.2):
            return clause
        return replace(clause, company=self.other(clause.subject, "with"))

    def timed(self, clause: Clause) -> Clause:
        """A past has its time; a habit its time or how often it is."""
        if clause.tense == "habit" and not clause.clock and self.chance(0.5):
            often = self.together(clause.verb, self.pick(list(lexicon()["often"])))
            if often == "never" and clause.object and clause.object.count != 1:
                raise Unsayable
            return replace(clause, often=often)
        if clause.tense not in ("habit", "past", "future"):
            return clause
        if clause.tense == "future" and self.chance(0.2):
            return clause
        time = self.pick([t for t in lexicon()["times"][clause.tense] if _fits(t, clause)])
        return replace(clause, time=time, fronted=self.chance(0.3))

    def denied(self, clause: Clause) -> Clause:
        """The same not done; what would sound as if something else were stays as it is."""
        counted = clause.object is not None and clause.object.count != 1
        apart = clause.place and clause.verb not in ("live", "stay", "work", "arrive")
        besides = clause.means or clause.company or clause.clock
        if counted or apart or besides or clause.tense == "habit" or clause.verb == "wear":
            return clause
        return replace(clause, negated=True)

    # Nouns

    def person(self) -> Noun:
        """Pronouns are the commonest."""
        if self.chance(0.4):
            return Noun(name=self.pick(PRONOUNS))
        name = self.pick(list(lexicon()["people"]))
        owned = fields("people", name)[0] == "own"
        return Noun(name=name, owner=self.pick(["I", "I", *_SINGULAR]) if owned else "")

    def you_or_other(self) -> Noun:
        """Who is asked about: not oneself."""
        who = self.person()
        return Noun(name="you") if who.name in ("I", "we") or who.owner == "I" else who

    def other(self, subject: Noun, verb: str) -> Noun:
        """Somebody else than the subject; relatives are often its own."""
        noun, pronoun = self.person(), pronoun_of(subject)
        if noun.owner and pronoun and self.chance(0.6):
            noun = replace(noun, owner=pronoun)
        same = noun.name == subject.name or {noun.name, pronoun} <= {"I", "we"}
        if same or (verb == "know" and noun.owner):
            raise Unsayable
        self.together(verb, noun.name)
        return noun

    def thing(self, verb: Verb, subject: Noun) -> Noun:
        name, owner = self.together(verb.name, self.pick(verb.objects)), pronoun_of(subject)
        match self.pick(verb.articles):
            case "own":
                noun = self.owned(name, [owner])
            case "other":
                noun = self.owned(name, [who for who in _SINGULAR if who != owner])
            case "many":
                most = 3 if verb.name in ("eat", "drink") else 6
                noun = Noun(name=name, det="a", count=self.random.randint(2, most))
            case "this":
                noun = Noun(name=name, det="this")
            case article:
                noun = Noun(name=name, det="the" if article == "the" else "a")
        return self.with_adjective(noun) if self.chance(0.3) else noun

    def owned(self, name: str, owners: Sequence[str]) -> Noun:
        owner = self.pick(owners)
        if not owner or (owner == "he" and name == "dress"):
            raise Unsayable
        return Noun(name=name, det="own", owner=owner)

    def with_adjective(self, noun: Noun) -> Noun:
        """Where there is an owner, only adjectives that Chinese joins without `的`."""
        skipped = [*named("alone"), *(["beautiful", "interesting", "funny"] * bool(noun.owner))]
        words = [word for word in self.adjectives(noun.name) if word not in skipped]
        if not words or noun.name in named("plain"):
            return noun
        return replace(noun, adjective=self.described(noun.name, words))

    def adjectives(self, thing: str) -> list[str]:
        return [word for word in lexicon()["adjectives"] if thing in suited(word)]

    def described(self, thing: str, words: Sequence[str]) -> str:
        word = self.pick(words)
        self.together(word, thing)
        return word

    # Drawing

    def together(self, one: str, other: str) -> str:
        """Notes that the two stand together, and gives the second."""
        self.pairs.append(f"{one}/{other}")
        return other

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def pick(self, options: Sequence[Option]) -> Option:
        return self.random.choice(options)


def suited(adjective: str) -> list[str]:
    """The things that an adjective can be said of."""
    return listed_in(fields("adjectives", adjective)[3])


def _dresses(clause: Clause) -> bool:
    """One piece of clothing is worn by one person, and a dress by a woman."""
    dress = clause.object is not None and clause.object.name == "dress"
    return not is_many(clause.subject) and not (dress and pronoun_of(clause.subject) == "he")


def _fits(time: str, clause: Clause) -> bool:
    """Nobody switches off a lamp last year, or gets up in the evening."""
    if clause.verb == "get up" and time.endswith(("evening", "week")):
        return False
    if time == "last year":
        return clause.verb in named("lasting")
    return time not in ("last week", "next week") or clause.verb not in named("brief")

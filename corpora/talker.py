"""Draws what the bundled phrases mean: statements, questions, orders, and two clauses in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

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
    Part,
    Price,
    Tense,
    There,
    Thought,
    Weather,
    fields,
    is_many,
    lexicon,
    listed_in,
    named,
    pronoun_of,
)
from seqpipe.corpora.speaker import Speaker, Unsayable, Verb, suited


class Talker(Speaker):
    """Draws sentences of every kind."""

    def meaning(self) -> Meaning:
        kinds: dict[Callable[[], Meaning], int] = {
            self.statement: 36,
            self.question: 9,
            self.asked: 12,
            self.order: 6,
            self.because: 6,
            self.although: 3,
            self.condition: 5,
            self.thought: 6,
            self.attempt: 4,
            self.doer: 3,
            self.matter: 5,
            self.quality: 7,
            self.feeling: 3,
            self.fact: 12,
        }
        return self.random.choices(list(kinds), list(kinds.values()))[0]()

    def question(self) -> Clause:
        tenses: list[Tense] = ["now", "past", "future", "state", "past", "habit"]
        clause = self.timed(self.clause(self.pick(tenses), subject=self.you_or_other()))
        if clause.often == "never" or clause.verb == "wear":
            raise Unsayable
        return replace(clause, asked="whether", fronted=False)

    def asked(self) -> Clause:
        what = [self.asked_what, self.asked_what]
        return self.pick(
            [*what, self.asked_where, self.asked_when, self.asked_why, self.asked_who]
        )()

    def asked_what(self) -> Clause:
        """What, whom or how many, by what the verb takes."""
        tenses: list[Tense] = ["now", "past", "past", "future"]
        clause = self.timed(self.clause(self.pick(tenses), subject=self.you_or_other()))
        clause, what = replace(clause, fronted=False), clause.object
        if not what or clause.verb in named("unasked"):
            raise Unsayable
        if what.name not in lexicon()["things"]:
            return replace(clause, asked="whom")
        if what.det != "a" or clause.tense != "past" or self.chance(0.5):
            return replace(clause, asked="what")
        return replace(clause, asked="many", object=Noun(name=what.name, det="a", count=0))

    def asked_where(self) -> Clause:
        tenses: list[Tense] = ["now", "state", "past", "habit"]
        clause = self.clause(self.pick(tenses), subject=self.you_or_other())
        if not clause.place or clause.verb in ("arrive", "stay"):
            raise Unsayable
        clause = self.timed(clause) if clause.tense == "past" else clause
        return replace(clause, asked="where", fronted=False)

    def asked_when(self) -> Clause:
        clause = self.clause("future", subject=self.you_or_other())
        if clause.clock or clause.verb == "stay":
            raise Unsayable
        return replace(clause, asked="when")

    def asked_why(self) -> Clause:
        tenses: list[Tense] = ["now", "past", "past", "state"]
        clause = self.timed(self.clause(self.pick(tenses), subject=self.you_or_other()))
        if clause.verb == "wear":
            raise Unsayable
        if clause.tense == "past" and self.chance(0.6):
            clause = self.denied(clause)
        return replace(clause, asked="why", fronted=False)

    def asked_who(self) -> Clause:
        tenses: list[Tense] = ["now", "past", "future"]
        clause = self.timed(self.clause(self.pick(tenses), subject=Noun(name="he")))
        nouns = [noun for noun in (clause.object, clause.receiver, clause.company) if noun]
        if any(noun.owner for noun in nouns) or clause.verb in ("wear", "arrive", "get up"):
            raise Unsayable
        return replace(clause, asked="who", fronted=False)

    def order(self) -> Order:
        clause = self.clause("future", verbs=named("orders"), subject=Noun(name="you"))
        clause = replace(clause, place="", company=None)
        deniable = clause.verb in (
            "open",
            "close",
            "switch on",
            "switch off",
            "put",
            "lend",
            "sell",
        )
        return Order(self.denied(clause) if deniable and self.chance(0.25) else clause)

    # Two clauses

    def because(self) -> Linked:
        """Somebody does something since the weather is bad, or does not since they feel bad."""
        if self.chance(0.6):
            main = self.denied(self.timed(self.clause("future", verbs=named("tiring"))))
            if not main.negated or not pronoun_of(main.subject):
                raise Unsayable
            return Linked("because", replace(main, fronted=False), self.state_of(main.subject))
        tenses: list[Tense] = ["now", "past"]
        main = self.clause(self.pick(tenses), verbs=named("indoors"))
        if main.verb == "stay":
            main = replace(main, place="home")
        main = replace(self.timed(main), fronted=False)
        if main.time.startswith("last"):
            raise Unsayable
        return Linked("because", main, Weather(self.pick(["rain", "snow", "cold"]), main.tense))

    def although(self) -> Linked:
        main = self.clause("now")
        if main.verb == "wear" or not pronoun_of(main.subject):
            raise Unsayable
        if self.chance(0.5) and main.subject.name in PRONOUNS:
            return Linked("although", main, self.state_of(main.subject))
        if not (main.goal or main.place in ("garden", "park", "house", "station", "market")):
            raise Unsayable
        return Linked("although", main, Weather(self.pick(["rain", "snow", "cold"]), "now"))

    def state_of(self, noun: Noun) -> Being:
        quality = self.pick(["tired", "ill", "nervous", "sad"])
        very = quality != "ill" and self.chance(0.3)
        who = Noun(name=pronoun_of(noun))
        return Being(subject=who, quality=quality, degree="very" if very else "")

    def condition(self) -> Linked:
        main = self.clause("future")
        if main.clock or main.verb == "arrive":
            raise Unsayable
        kind = self.pick(["rain", "snow", "cold", "warm"])
        time = self.pick(["tomorrow", "on Sunday", "at the weekend", "this evening"])
        return Linked("if", main, Weather(kind, "habit", time))

    def thought(self) -> Thought:
        holder, verb = self.person(), self.pick(list(lexicon()["thoughts"]))
        tenses: list[Tense] = ["state", "past", "future"]
        tense: Tense = "future" if verb == "hope" else self.pick(tenses)
        content: Clause | Being = replace(self.timed(self.clause(tense)), fronted=False)
        if verb != "hope" and self.chance(0.3):
            content = self.quality()
        if holder == content.subject or (verb == "say" and holder.name in ("I", "we")):
            raise Unsayable
        return Thought(holder, verb, content)

    def attempt(self) -> Attempt:
        kind = self.pick(list(lexicon()["trying"]))
        clause = self.clause("future", verbs=listed_in(lexicon()["trying"][kind]))
        return Attempt(kind, replace(clause, company=None, place=""))

    def doer(self) -> Doer:
        """Somebody who is told apart by what they are doing."""
        who = self.pick(list(lexicon()["kin"]))
        clause = self.clause("now", subject=Noun(name=who))
        if clause.company or (clause.object and clause.object.owner):
            raise Unsayable
        name = self.pick(lexicon()["kin"][who].split())
        owned = fields("people", name)[0] == "own"
        return Doer(clause, Noun(name=name, owner=self.pick(["I", "you"]) if owned else ""))

    def matter(self) -> Matter:
        """Something that is told apart by what was done to it."""
        clause = replace(self.timed(self.clause("past")), fronted=False)
        what = clause.object
        if not what or what.name not in lexicon()["things"] or clause.receiver or clause.goal:
            raise Unsayable
        if clause.verb in ("close", "switch off", "switch on", "put on", "bring", "repair"):
            raise Unsayable
        several = self.chance(0.25) and not what.name.startswith(("cup of", "glass of"))
        thing = Noun(name=what.name, det="the", count=0 if several else 1)
        return Matter(clause, self.what_is(thing))

    # What somebody or something is

    def quality(self) -> Being:
        name = self.pick(list(lexicon()["things"]))
        if name in named("plain") or self.chance(0.5):
            return self.what_is(Noun(name=name, det="the"))
        return self.what_is(self.owned(name, PRONOUNS))

    def what_is(self, thing: Noun) -> Being:
        fitting = self.adjectives(thing.name)
        if not fitting:
            raise Unsayable
        word = self.described(thing.name, fitting)
        negated = self.chance(0.2)
        degrees: list[Literal["", "very", "too"]] = ["", "very"]
        if word in ("big", "small", "old", "expensive", "heavy", "long"):
            degrees.append("too")
        coloured = word in ("red", "blue", "green", "black", "white")
        degree = "" if negated or coloured else self.pick(degrees)
        return Being(subject=thing, quality=word, degree=degree, negated=negated)

    def feeling(self) -> Being:
        who, quality = self.person(), self.pick(list(lexicon()["feelings"]))
        self.together(quality, who.name)
        negated = self.chance(0.25)
        very = not negated and quality != "ill" and self.chance(0.4)
        return Being(
            subject=who,
            quality=quality,
            degree="very" if very else "",
            negated=negated,
            past=self.pick(["", "", "yesterday", "yesterday evening"]),
        )

    def fact(self) -> Meaning:
        often: list[Callable[[], Meaning]] = [self.compared, self.there] * 2
        kinds: list[Callable[[], Meaning]] = [self.lying, self.job, self.age, self.price]
        return self.pick([*often, *kinds, self.hour, self.weather])()

    def compared(self) -> Comparison:
        if self.chance(0.6):
            return self.people_compared()
        words = [word for word in lexicon()["adjectives"] if fields("adjectives", word)[0]]
        quality = self.pick(words)
        one, other = self.random.sample(suited(quality), 2)
        self.together(quality, one)
        return Comparison(Noun(name=one, det="this"), quality, Noun(name=other, det="the"))

    def people_compared(self) -> Comparison:
        left, right = self.person(), self.person()
        pronouns = (pronoun_of(left), pronoun_of(right))
        if left.name == right.name or pronouns[0] == right.name or "" in pronouns:
            raise Unsayable
        if is_many(left) or is_many(right):
            raise Unsayable
        quality = self.pick(list(lexicon()["statures"]))
        self.together(quality, left.name)
        return Comparison(left, quality, right)

    def there(self) -> There:
        part = self.pick(["animal", "small"])
        name = self.pick(named(f"{part}s there"))
        place = self.together(name, self.pick(named(f"{part} places")))
        count = 1 if self.chance(0.4) else self.random.randint(2, 12)
        return There(Noun(name=name, det="a", count=count), place)

    def lying(self) -> Lying:
        name = self.pick(Verb.of("put").objects)
        place = self.together(name, self.pick(named("small places")))
        owned = self.chance(0.6)
        return Lying(self.owned(name, PRONOUNS) if owned else Noun(name=name, det="the"), place)

    def job(self) -> Job:
        who = self.person()
        if pronoun_of(who) not in ("he", "she") or who.name in ("teacher", "doctor"):
            raise Unsayable
        return Job(who, self.together(who.name, self.pick(list(lexicon()["jobs"]))))

    def age(self) -> Age:
        who = self.person()
        if not pronoun_of(who) or is_many(who):
            raise Unsayable
        tens, ones = self.random.randint(2, 4), self.random.randint(0, 9)
        self.together(str(tens), str(ones))
        return Age(who, tens * 10 + ones)

    def price(self) -> Price:
        name, euros = self.pick(suited("expensive")), self.random.randint(2, 49)
        self.together(name, str(euros))
        return Price(Noun(name=name, det="this" if self.chance(0.5) else "the"), euros)

    def hour(self) -> Hour:
        parts: list[Part] = ["", "half past", "quarter past", "quarter to"]
        part, hour = self.pick(parts), self.random.randint(1, 12)
        self.together(part, str(hour))
        return Hour(hour, part)

    def weather(self) -> Weather:
        kind = self.pick(list(lexicon()["weather"]))
        tenses: list[Tense] = ["now", "past", "future"]
        tense = self.pick(tenses)
        if tense == "now":
            return Weather(kind, tense)
        time = self.together(kind, self.pick(list(lexicon()["times"][tense])))
        return Weather(kind, tense, time, self.chance(0.4))

"""How Chinese says the meanings of the bundled phrases: measure words, aspect, what is first."""

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
    fields,
    is_person,
    lexicon,
    named,
)

_DIGITS = "零一二三四五六七八九"
_MODALS = {
    "can": ("能", "不能"),
    "must": ("必须", "不用"),
    "want": ("想", "不想"),
    "may": ("可以", "不可以"),
}
_TRYING = {"try": "正在试着", "forget": "忘了", "lack": "没有时间"}


def chinese(meaning: Meaning) -> str:
    mark = "！" if isinstance(meaning, Order) else "。"
    if isinstance(meaning, Clause) and meaning.asked:
        mark = "吗？" if meaning.asked == "whether" else "？"
    return _said(meaning) + mark


def _said(meaning: Meaning) -> str:
    match meaning:
        case Clause():
            return _clause(meaning)
        case Being():
            return _noun(meaning.subject) + _quality(meaning)
        case Weather():
            return _weather(meaning)
        case Linked():
            return _linked(meaning)
        case Thought(holder, verb, content):
            return _noun(holder) + fields("thoughts", verb)[2] + _said(content)
        case Attempt(kind, clause):
            return _noun(clause.subject) + _TRYING[kind] + _verb(clause)
        case Order(clause):
            return f"请{'不要' if clause.negated else ''}{_verb(clause)}"
        case _:
            return _fact(meaning)


def _fact(meaning: Meaning) -> str:
    match meaning:
        case Doer(clause, answer):
            called = "是" if answer.owner else "叫"
            return f"{_predicate(clause)}的{_noun(clause.subject)}{called}{_noun(answer)}"
        case Matter(clause, being):
            done = _noun(clause.subject) + _predicate(replace(clause, object=None), mark="")
            return f"{done}的{_noun(being.subject)}{_quality(being)}"
        case Comparison(left, quality, right):
            part = "statures" if quality in lexicon()["statures"] else "adjectives"
            word = fields(part, quality)[2].split()[0]
            return f"{_noun(left)}比{_noun(right)}{word}"
        case There(what, place):
            return f"{fields('places', place)[2]}有{_noun(what)}"
        case Lying(what, place):
            return f"{_noun(what)}在{fields('places', place)[2]}"
        case Job(who, job):
            return f"{_noun(who)}是{fields('jobs', job)[1]}"
        case Age(who, years):
            return f"{_noun(who)}{_number(years)}岁"
        case Price(what, euros):
            return f"{_noun(what)}要{_number(euros)}欧元"
        case Hour(hour, part):
            said = f"{_count(hour)}点"
            after = {"half past": "半", "quarter past": "一刻"}.get(part, "")
            return f"现在{'差一刻' if part == 'quarter to' else ''}{said}{after}"
    raise TypeError(meaning)


def _linked(linked: Linked) -> str:
    """The state comes first, and names who it is about."""
    main, state = linked.main, linked.state
    if isinstance(state, Being) and main.subject.name not in PRONOUNS:
        main, state = replace(main, subject=state.subject), replace(state, subject=main.subject)
    if linked.link == "because":
        return f"因为{_said(state)}，所以{_clause(main)}"
    if linked.link == "although":
        return f"虽然{_said(state)}，但是{_clause(main)}"
    then = _noun(main.subject) + "就" + _predicate(main, will="")
    return f"如果{_said(state)}，{then}"


def _clause(c: Clause) -> str:
    """The time may come before the one who does it, and never comes last."""
    who = "谁" if c.asked == "who" else _noun(c.subject)
    if c.time and (c.fronted or c.asked == "who"):
        return _time(c.time) + who + _predicate(replace(c, time=""))
    return who + _predicate(c)


def _predicate(c: Clause, *, mark: str | None = None, will: str = "会") -> str:
    """Time, negation and modal, company, place and means stand before the verb."""
    words = [_time(c.time)]
    words.append(fields("often", c.often)[1] if c.often else "")
    words.append("为什么" if c.asked == "why" else "")
    recalled = c.tense == "past" and c.asked in ("where", "when")
    words.append("是" if recalled else "")
    words.append("什么时候" if c.asked == "when" else "")
    words += [_aspect(c, will), f"{_count(c.clock)}点" if c.clock else ""]
    words.append(f"和{_noun(c.company)}一起" if c.company else "")
    words.append(_place(c))
    words.append(fields("means", c.means)[2] if c.means else "")
    if mark is None:
        over = c.tense in ("past", "done") and not c.negated
        mark = "的" if recalled else "了" if over else ""
    return "".join([*words, _verb(c, mark=mark)])


def _aspect(c: Clause, will: str) -> str:
    """What stands before the verb for its tense, modal and negation."""
    if c.modal:
        skill = c.modal == "can" and c.verb in named("skills") and not (c.place or c.time)
        return (("会", "不会") if skill else _MODALS[c.modal])[c.negated]
    match c.tense:
        case "now":
            return "没在" if c.negated else "" if c.verb == "wear" else "在" if c.asked else "正在"
        case "past":
            return "没" * c.negated
        case "done":
            return "还没" if c.negated else "已经"
        case "future":
            return "" if c.asked == "when" else "不会" if c.negated else will
        case _:
            return ("没" if c.verb == "have" else "不") * c.negated


def _place(c: Clause) -> str:
    if not c.place or "P" in _pattern(c):
        return ""
    where = "哪里" if c.asked == "where" else fields("places", c.place)[2]
    goes_on = c.tense == "now" and not c.modal and not c.company
    return where if goes_on else f"在{where}"


def _pattern(c: Clause) -> str:
    if c.verb == "go":
        return fields("goals", c.goal)[2]
    forms = fields("verbs", c.verb)[2].split()
    return forms[-1] if c.tense in ("past", "done") else forms[0]


def _verb(c: Clause, *, mark: str = "") -> str:
    """The verb with what it is done to; `mark` stands where its pattern says."""
    pattern = _pattern(c)
    if c.object and "O" not in pattern:
        pattern += "O"
    goal = fields("goals", c.goal)[2] if c.goal else ""
    where = "哪里" if c.asked == "where" else fields("places", c.place)[2] if c.place else goal
    for slot, said in {
        "O": _what(c) if c.object else "",
        "R": _noun(c.receiver) if c.receiver else "",
        "P": where,
        "~": mark,
    }.items():
        pattern = pattern.replace(slot, said)
    return pattern


def _what(c: Clause) -> str:
    if not c.object or c.asked == "what":
        return "什么"
    if c.asked == "whom":
        return "谁"
    if c.asked == "many":
        measure, word = fields("things", c.object.name)[2].split()
        return f"几{measure}{word}"
    return _noun(c.object, bare=(c.negated or c.often == "never") and c.object.det == "a")


def _quality(being: Being) -> str:
    time = _time(being.past)
    if being.quality in lexicon()["feelings"]:
        said, denied = fields("feelings", being.quality)[1].split()
        if being.degree == "very":
            said = said.replace("很", "非常")
        return time + (denied if being.negated else said)
    word, *_ = fields("adjectives", being.quality)[2].split()
    if word.endswith("色"):
        return f"{time}{'不' * being.negated}是{word}的"
    degree = {"": "很", "very": "非常", "too": "太"}[being.degree]
    end = "了" if being.degree == "too" else ""
    return time + (f"不{word}" if being.negated else f"{degree}{word}{end}")


def _weather(weather: Weather) -> str:
    time, word = _time(weather.time), fields("weather", weather.kind)[2]
    will = "会" if weather.tense == "future" else ""
    if not word.startswith("下"):
        return f"{time}天气{will}{'很' * (weather.tense != 'habit')}{word}"
    if weather.tense == "past":
        return f"{time}{word}了"
    return f"{time}{will or '正在' * (weather.tense == 'now')}{word}"


def _time(time: str) -> str:
    times = lexicon()["times"].values()
    return next((t[time].split(" | ")[1] for t in times if time in t), "")


def _noun(noun: Noun, *, bare: bool = False) -> str:
    if noun.name in PRONOUNS:
        return fields("pronouns", noun.name)[2]
    if is_person(noun):
        return _own(noun, fields("people", noun.name)[2])
    measure, word = fields("things", noun.name)[2].split()
    word = _adjective(noun) + word
    if noun.owner:
        return _own(noun, f"的{word}")
    if bare or (noun.det == "the" and noun.name in named("plain") and not noun.adjective):
        return word
    if noun.count == 0:
        return f"那些{word}"
    first = {"the": "那", "this": "这"}.get(noun.det) or _count(noun.count)
    return first + measure + word


def _own(noun: Noun, word: str) -> str:
    """A relative of one person needs no `的`."""
    if not noun.owner:
        return word
    many = noun.owner in ("we", "they")
    return fields("pronouns", noun.owner)[2] + "的" * (many and word[0] != "的") + word


def _adjective(noun: Noun) -> str:
    if not noun.adjective:
        return ""
    word = fields("adjectives", noun.adjective)[2].split()[-1]
    return word + "的" * (word.endswith("色") and not noun.owner)


def _count(number: int) -> str:
    """Two of something is another word than the number two."""
    return "两" if number == 2 else "一" if number == 1 else _number(number)


def _number(number: int) -> str:
    tens, ones = divmod(number, 10)
    before = {0: "", 1: "十"}.get(tens, _DIGITS[tens] + "十")
    return before + (_DIGITS[ones] if ones else "")

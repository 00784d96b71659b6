"""German nouns of the bundled phrases: gender, case, articles, adjectives, and numbers."""

from __future__ import annotations

from typing import Literal, TypeAlias

from seqpipe.corpora.meanings import PRONOUNS, Noun, counted, fields, is_person

Case: TypeAlias = Literal["nom", "acc", "dat"]

_GENDERS = "mfnp"
_CASES = {"nom": 0, "acc": 1, "dat": 2}
_THE = {"nom": "der die das die", "acc": "den die das die", "dat": "dem der dem den"}
_THIS = {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en"}
_A = {"nom": "- e - e", "acc": "en e - e", "dat": "em er em en"}
_AFTER_THE = {"nom": "e e e en", "acc": "en e e en", "dat": "en en en en"}
_AFTER_A = {"nom": "er e es en", "acc": "en e es en", "dat": "en en en en"}
_PLURAL = {"nom": "e", "acc": "e", "dat": "en"}
_TENS = {2: "zwanzig", 3: "dreißig", 4: "vierzig"}


def declined(noun: Noun, case: Case = "nom", *, negated: bool = False) -> str:
    if noun.name in PRONOUNS:
        return fields("pronouns", noun.name)[1].split()[_CASES[case]]
    gender, word = gender_of(noun), inflected(noun, case)
    kind = fields("people", noun.name)[0] if is_person(noun) else ""
    if kind == "name":
        return word
    if kind == "the" or noun.det == "the":
        return f"{the(gender, case)} {_adjective(noun, _AFTER_THE[case], gender)} {word}"
    if noun.det == "this":
        ending = _of(_THIS[case], gender)
        return f"dies{ending} {_adjective(noun, _AFTER_THE[case], gender)} {word}"
    if noun.det == "a" and noun.count != 1:
        return f"{numeral(noun.count)} {_strong(noun, case)} {word}"
    stem = "kein" if negated else "ein"
    if noun.owner:
        stem = fields("pronouns", noun.owner)[1].split()[3]
    article = stem + _of(_A[case], gender)
    return f"{article} {_adjective(noun, _AFTER_A[case], gender)} {word}"


def inflected(noun: Noun, case: Case) -> str:
    """The noun itself: weak ones and the dative of the plural have endings."""
    if is_person(noun):
        word, _, *other = fields("people", noun.name)[1].split()
        oblique = case == "dat" or (case == "acc" and gender_of(noun) == "m")
        return other[0] if other and oblique else word
    single, _, plural = fields("things", noun.name)[1].split()
    if noun.count == 1:
        return single
    first, _, rest = plural.partition("_")
    first += "n" if case == "dat" and first[-1] not in "ns" else ""
    return f"{first} {rest}"


def gender_of(noun: Noun) -> str:
    if noun.name in PRONOUNS:
        return {"he": "m", "she": "f"}.get(noun.name, "p")
    if noun.count != 1:
        return "p"
    part = "people" if is_person(noun) else "things"
    return fields(part, noun.name)[1].split()[1]


def the(gender: str, case: Case) -> str:
    return _of(_THE[case], gender)


def _of(forms: str, gender: str) -> str:
    return forms.split()[_GENDERS.index(gender)].replace("-", "")


def _adjective(noun: Noun, endings: str, gender: str) -> str:
    if not noun.adjective:
        return ""
    return fields("adjectives", noun.adjective)[1].split()[0] + _of(endings, gender)


def _strong(noun: Noun, case: Case) -> str:
    """After a number, where no article shows the case."""
    if not noun.adjective:
        return ""
    return fields("adjectives", noun.adjective)[1].split()[0] + _PLURAL[case]


def numeral(number: int) -> str:
    ones = counted(1)
    if number <= len(ones):
        return ones[number - 1]
    tens, one = divmod(number, 10)
    if not one:
        return _TENS[tens]
    return f"{'ein' if one == 1 else ones[one - 1]}und{_TENS[tens]}"

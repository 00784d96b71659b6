"""What each stage of a pipeline makes of a text, whatever its extensions are called."""

from __future__ import annotations

import re

import pytest
import spacy
from letters import add_stage as add_translator
from letters import letters_stage, make_letters_nlp
from small import make_nlp
from spacy.language import Language
from verses import make_verses_nlp
from words import make_words_nlp

from seqpipe.components.tokenizer import as_tokenizer
from seqpipe.errors import NotInitialized
from seqpipe.explain.looks import looks


@pytest.fixture(scope="module")
def nlp() -> Language:
    """All four stages, and what they write under names of their own."""
    nlp = make_words_nlp()
    others = (
        ("sentiment", make_nlp()),
        ("translator", make_letters_nlp(10)),
        ("generator", make_verses_nlp(generated="written", surprisal="bits")),
    )
    for name, other in others:
        nlp.add_pipe(name, source=other)
    return nlp


def test_every_stage_is_looked_at_in_its_own_style(nlp: Language) -> None:
    found = [*looks(nlp, "ab cd.")]
    assert [look.heading.split(":")[0] for look in found] == nlp.pipe_names
    assert not any(look.failed for look in found)
    told = [re.findall(r"<caption>([^<]*)</caption>", look.markup) for look in found]
    assert [captions[0] for captions in told] == [
        "Least sure",
        "What decided most, in log-odds",
        "How much of the attention lay where",
        "Least expected",
    ]
    assert found[2].heading == f"translator: {nlp('ab cd.')._.translation}"
    assert "It goes on with" in found[3].markup and "It goes on with" not in found[2].markup


def test_a_title_names_them_together(nlp: Language) -> None:
    assert next(looks(nlp, "ab", title="mine")).heading.startswith("mine tokenizer: ")
    with nlp.select_pipes(enable=["tokenizer"]):
        (look,) = looks(nlp, "ab", title="mine")
    assert re.match(r"mine: \d+ tokens?, ", look.heading)


def test_a_tokenizer_in_its_own_place() -> None:
    nlp = make_words_nlp()
    as_tokenizer(nlp)
    (look,) = looks(nlp, "ab cd")
    assert look.heading.startswith("tokenizer: ") and not look.failed


def test_what_has_no_weights_is_refused() -> None:
    nlp = spacy.blank("xx")
    add_translator(nlp)
    assert not letters_stage(nlp).shim.ready
    with pytest.raises(NotInitialized, match="translator"):
        next(looks(nlp, "ab"))

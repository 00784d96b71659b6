"""What counts as probabilities of labels, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from seqpipe.errors import ProbabilitiesUnfit
from seqpipe.text.probabilities import check_soft, is_soft, probabilities_in

HALVES = {"bad": 0.25, "good": 0.75}


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (HALVES, ()),
        (HALVES, ("bad", "good")),
        ({**HALVES, "other": None}, ()),
        ('{"bad": 0.25, "good": 0.75}', ()),
        ([0.25, 0.75], ("bad", "good")),
        (" [0.25, 0.75]", ("bad", "good")),
    ],
)
def test_dicts_and_lists_and_either_as_json(value: Any, labels: tuple[str, ...]) -> None:
    assert probabilities_in(value, labels, text="so so") == HALVES


@pytest.mark.parametrize("value", ["good", "{good", 1, ["a", "b"], [0.5, 0.5], {}, {"a": None}])
def test_anything_else_is_none(value: Any) -> None:
    assert probabilities_in(value, (), text="so so") is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([0.1, 0.2, 0.7], "are 3 for 2 labels"),
        ([1.1, -0.1], "hold 1.1"),
        ([0.5, float("nan")], "hold nan"),
        (["a", "b"], "hold 'a'"),
        ({"bad": 0.5, "god": 0.5}, "name 'god'"),
    ],
)
def test_what_is_no_probability_is_refused(value: Any, said: str) -> None:
    with pytest.raises(ProbabilitiesUnfit, match=f"of 'so so' {said}"):
        probabilities_in(value, ("bad", "good"), text="so so")


@pytest.mark.parametrize("values", [[], [1.0, 1.0], [3.0, 1.0], [0.33, 0.33, 0.33], [0.0, 0.0]])
def test_shares_of_one_answer_and_votes_are_well(values: list[float]) -> None:
    check_soft(values, text="so so", exclusive=True)


@pytest.mark.parametrize(
    ("values", "exclusive", "said"),
    [
        ([0.5, 0.2], True, "add up to 0.7"),
        ([0.9, 0.8], True, "add up to 1.7"),
        ([-1.0, 2.0], True, "are negative"),
        ([0.5, 1.2], False, "are above 1"),
    ],
)
def test_other_numbers_are_refused(values: list[float], exclusive: bool, said: str) -> None:
    with pytest.raises(ProbabilitiesUnfit, match=said):
        check_soft(values, text="so so", exclusive=exclusive)


def test_labels_by_themselves_need_not_add_up() -> None:
    check_soft([0.5, 0.2], text="so so", exclusive=False)
    assert is_soft([0.5, 1.0]) and not is_soft([0.0, 1.0, 2.0])

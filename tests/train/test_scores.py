"""The calibration error, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.train.scores import calibration_error


def test_by_hand() -> None:
    # two bins: 0.3 and 0.4, right once of two; 0.9 and 1.0, right both times
    confidences = np.array([0.3, 0.9, 0.4, 1.0])
    right = np.array([True, True, False, True])
    expected = abs(0.7 - 1) / 4 + abs(1.9 - 2) / 4
    assert calibration_error(confidences, right, bins=2) == pytest.approx(expected)


def test_errors_of_one_bin_cancel_and_of_two_do_not() -> None:
    confidences, right = np.array([0.6, 0.9]), np.array([True, False])
    assert calibration_error(confidences, right, bins=1) == pytest.approx(0.25)
    assert calibration_error(confidences, right, bins=4) == pytest.approx((0.4 + 0.9) / 2)


def test_nothing_is_no_error() -> None:
    assert calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0


def test_always_sure_and_right_is_perfect_and_sure_and_wrong_the_worst() -> None:
    assert calibration_error(np.ones(5), np.ones(5, dtype=bool)) == 0
    assert calibration_error(np.ones(5), np.zeros(5, dtype=bool)) == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30), st.integers(1, 20))
def test_it_is_a_share(pairs: list[tuple[float, bool]], bins: int) -> None:
    confidences = np.array([c for c, _ in pairs], dtype=np.float32)
    right = np.array([r for _, r in pairs], dtype=bool)
    assert -1e-6 <= calibration_error(confidences, right, bins=bins) <= 1 + 1e-6

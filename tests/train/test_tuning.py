"""When which layer learns, and what cannot be meant."""

from __future__ import annotations

import math

import pytest
from torch import nn

from seqpipe.errors import SettingError
from seqpipe.train.learner import Learner
from seqpipe.train.tuning import Tuning


class Tower(nn.Sequential):
    """Two layers below a head."""

    def __init__(self) -> None:
        super().__init__(*(nn.Linear(1, 1) for _ in range(3)))

    def below(self) -> list[nn.Module]:
        return [self[1], self[0]]


def test_layers_join_one_after_the_other() -> None:
    tuning = Tuning(unfreeze=0.1)
    assert [tuning.depth(step, 50) for step in (0, 4, 5, 9, 10, 49)] == [0, 0, 1, 1, 2, 9]


def test_all_learn_from_the_start_where_nothing_is_said() -> None:
    assert Tuning().depth(0, 50) > 1000 and Tuning(layer_decay=2.6).depth(0, 50) > 1000


def test_a_run_of_few_steps_thaws_a_layer_a_step() -> None:
    assert [Tuning(unfreeze=0.1).depth(step, 3) for step in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("layer_decay", 0.9), ("layer_decay", math.nan), ("unfreeze", -0.1), ("unfreeze", 2)],
)
def test_what_cannot_be_meant_is_refused(setting: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"seqpipe.{setting} = .* is not allowed"):
        Tuning(**{setting: value})


@pytest.mark.parametrize("tuning", [Tuning(layer_decay=2.0), Tuning(unfreeze=0.1)])
def test_a_net_that_tells_no_layers_apart_cannot_be_tuned_by_them(tuning: Tuning) -> None:
    tuning.check(Learner(Tower()))
    Tuning().check(Learner(nn.Linear(1, 1)))
    with pytest.raises(SettingError, match="this stage tells no layers apart"):
        tuning.check(Learner(nn.Linear(1, 1)))

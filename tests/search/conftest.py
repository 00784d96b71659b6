"""Nets answer with arrays of numpy, as on the CPU, and with tensors, as on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from writers import Holding


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    drawn = getattr(getattr(metafunc.function, "hypothesis", None), "_given_kwargs", {})
    # half of many examples one way and half the other is enough
    ways = ["either"] if {"seed", "cell"} <= {*drawn} else ["numpy", "torch"]
    metafunc.parametrize("holding", ways, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def holding(request: pytest.FixtureRequest) -> Iterator[None]:
    before, Holding.way = Holding.way, request.param
    yield
    Holding.way = before
